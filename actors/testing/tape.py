"""A journal that commits as one on a disk does, without a disk: in groups, a moment later, and gone at any moment.

Theory of operation: it is the journal in memory, but what is appended waits, in order, for the writer: one task in the
journal's own nursery, shielded, which gives way and then commits all that waits. Until then nobody can read it, it is
not published, and `kill` loses it, as the death of a process does. What was committed lives on in `again`.

*Order of the end*: nothing more is taken; the writer commits what waits, and ends. A killed one ends at once, and
whoever still waits, or comes later, gets a `JournalError`.
"""

from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Any, Final, Self

import attrs
import trio

from actors.errors import JournalError
from actors.journal import Claim, Created, Note, Published, Ticket
from actors.journals import MemoryJournal
from protocol.messages import Event, Json
from protocol.states import RunStatus

__all__ = ["KILLED", "TapeJournal"]

KILLED: Final = "the process was killed"
"""What everybody is told after that."""


@attrs.define(eq=False)
class _Append:
    """One append that waits; its ticket."""

    claim: Claim
    events: Sequence[Event]
    notes: Sequence[Note]
    close: RunStatus | None
    done: bool = False
    error: JournalError | None = None
    waiting: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    def finish(self, error: JournalError | None = None) -> None:
        """It is durable, or will never be."""
        self.done, self.error = error is None, error
        self.waiting.unpark_all()

    def __await__(self) -> Generator[Any, Any, None]:
        if not self.done and self.error is None:
            yield from self.waiting.park().__await__()
        if self.error is not None:
            raise self.error


@attrs.define(eq=False)
class _Overheard:
    """Hears what is published, and passes it on."""

    to: Published
    heard: dict[str, list[Event]]

    def publish(self, run_id: str, events: Sequence[Event], notes: Sequence[Note]) -> None:
        """Commit after commit."""
        self.heard.setdefault(run_id, []).extend(events)
        self.to.publish(run_id, events, notes)


@attrs.define(eq=False)
class TapeJournal(MemoryJournal):
    """See above. Keeps `actors.journal.Journal`."""

    durable = True

    published: dict[str, list[Event]] = attrs.field(factory=dict, init=False)
    """What subscribers could hear, by run."""
    unheard: dict[str, list[Event]] = attrs.field(factory=dict, init=False)
    """What was committed when nobody was attached: before the runtime is open, and after it."""
    _queue: list[_Append] = attrs.field(factory=list, init=False)
    _bell: trio.Event = attrs.field(factory=trio.Event, init=False)
    _ending: bool = attrs.field(default=False, init=False)
    killed: bool = attrs.field(default=False, init=False)
    _nursery: Any = attrs.field(default=None, init=False)

    async def __aenter__(self) -> Self:
        """Open it, and start the writer."""
        self._nursery = trio.open_nursery()
        nursery = await self._nursery.__aenter__()
        nursery.start_soon(self._write, name="journal")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit what waits, and close it."""
        self._ending = True
        self._bell.set()
        try:
            # The block's error is not the nursery's business: it is passed on as it is, in no group.
            await self._nursery.__aexit__(None, None, None)  # noqa: ASYNC102  the writer has ended, or does so at once
        finally:
            await super().__aexit__(kind, error, trace)  # noqa: ASYNC102  which waits for nothing

    def attach(self, published: Published | None) -> None:
        """Publish every later commit to `published`; None: to nobody."""
        super().attach(None if published is None else _Overheard(published, self.published))

    def kill(self) -> None:
        """From now on nothing is committed, as if the process had been killed. Idempotent."""
        self.killed = True
        for append in self._queue:
            append.finish(JournalError(KILLED))
        self._queue.clear()
        self._bell.set()

    def again(self) -> "TapeJournal":
        """What another process finds: all that was committed, claimed by nobody."""
        other = TapeJournal()
        for run_id, record in self._records.items():
            copy = attrs.evolve(
                record,
                events=list(record.events),
                notes=dict(record.notes),
                controls=list(record.controls),
                doorbell=trio.lowlevel.ParkingLot(),
            )
            # What is not an argument is not copied along.
            copy.claim = attrs.evolve(record.claim, owner="")
            other._records[run_id] = copy
            if copy.closed is None:
                other._leases.add(run_id, "")
            if self._latest[record.workflow_id] is record:
                other._latest[record.workflow_id] = copy
        other.published = {run_id: list(events) for run_id, events in self.published.items()}
        other.unheard = {run_id: list(events) for run_id, events in self.unheard.items()}
        other._numbers = self._numbers
        other._sessions = dict(self._sessions)
        return other

    def events(self, run_id: str) -> Sequence[Event]:
        """What was committed of a run."""
        record = self._records.get(run_id)
        return () if record is None else tuple(record.events)

    def notes(self, run_id: str) -> dict[str, Json]:
        """The notes of a run that were committed, newest value each."""
        return dict(self._record(run_id).notes)

    def status(self, run_id: str) -> RunStatus:
        """The status of a run that is stored."""
        return self._record(run_id).status

    @property
    def run_ids(self) -> Sequence[str]:
        """All runs, oldest first."""
        return tuple(self._records)

    async def create(
        self,
        run_id: str,
        workflow_id: str,
        spec: bytes,
        *,
        created_at: float,
        queue: str = "",
        lease: float | None = None,
    ) -> Created:
        """Record a run, after all that waits; see `Journal.create`."""
        await trio.lowlevel.checkpoint()
        while self._queue:
            await self._queue[-1]
        return await super().create(run_id, workflow_id, spec, created_at=created_at, queue=queue, lease=lease)

    def append_nowait(
        self, claim: Claim, events: Sequence[Event], notes: Sequence[Note] = (), *, close: RunStatus | None = None
    ) -> Ticket:
        """Hand over events and notes; see `Journal.append_nowait`."""
        if self._ending or self.killed:
            raise JournalError(KILLED if self.killed else "the journal is closed")
        append = _Append(claim, list(events), list(notes), close)
        self._queue.append(append)
        self._bell.set()
        return append

    def _check_open(self) -> None:
        if self.killed:
            raise JournalError(KILLED)
        super()._check_open()

    async def _write(self) -> None:  # noqa: ASYNC910  one that is killed before it began has nothing to do
        """The writer."""
        with trio.CancelScope(shield=True):  # noqa: ASYNC912  ditto
            while not self.killed:
                await trio.lowlevel.checkpoint()
                taken, self._queue = self._queue, []
                for append in taken:
                    try:
                        super().append_nowait(append.claim, append.events, append.notes, close=append.close)
                        if self._published is None:
                            self.unheard.setdefault(append.claim.run_id, []).extend(append.events)
                        append.finish()
                    except JournalError as error:
                        append.finish(error)
                if not self._queue:
                    if self._ending:
                        return
                    self._bell = trio.Event()
                    await self._bell.wait()
