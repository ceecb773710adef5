"""The journal: an append-only record of every run – the contract, and the one that lives in memory.

Theory of operation: the journal is the bus. A run hands over its events and notes with `append_nowait`, which is
synchronous, so that a cancel never splits a batch and a seq once given stays used; whoever needs durability awaits the
ticket. What was committed is then published, in the order of the commits and never before them, to the one listener
that was attached (the hub). Everybody else reads: `load` in pages, `follow` as replay and live in one stream.

A run has one writer: the holder of its `Claim`. Each append is checked against the claim and against the next seq, so a
repeat of the same batch is harmless and anything else that does not fit is an error instead of a gap. `close=` ends a
run in the same transaction as its last event: from then on it refuses appends.

`MemoryJournal` commits within the call: its tickets are done when they are made, it owns no task, and closing it wakes
who follows. A follower parks only after it has looked and found nothing, without a checkpoint between the two, so no
event slips past it; it is a plain iterator over the run's list with a position, so leaving it at any line leaves
nothing behind. Memory is bounded by the caller: open runs by `Settings.max_runs`, ended ones by `trim`.

What this file does not know: what an event means (beyond the few fields of a list of runs), who hears of it, and how a
run is recovered.
"""

import time
from collections import deque
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import islice
from types import TracebackType
from typing import Any, Final, Protocol, Self

import attrs
import trio

from actors.errors import JournalError, UnknownRun
from protocol.errors import BadField
from protocol.messages import Event, Json, RunChanged, RunEnded, RunStarted, RunSummary
from protocol.states import RunStatus

__all__ = [
    "Claim",
    "Created",
    "Journal",
    "JournalStatistics",
    "Keep",
    "MemoryJournal",
    "Note",
    "Page",
    "Published",
    "RunPage",
    "Ticket",
    "Trimmed",
]

DAY_SECONDS: Final = 86_400.0

FOLLOW_PAGE_EVENTS: Final = 256
"""What a follower takes at a time: enough to be cheap, little enough that a slow one holds no second copy of a run."""

CURSOR_MAX_DIGITS: Final = 18

LIST_MAX_RUNS: Final = 1000
"""The largest page of a list, whatever was asked for."""

Note = tuple[str, Json]
"""(key, value): a private fact of a run's fold; the last one of a key wins; value None deletes it."""


@attrs.frozen
class Claim:
    """The right to append to one run. A run has one writer at a time."""

    run_id: str
    token: int
    """Counts the claims of this run; an append under an older one is refused."""
    owner: str
    """Which process holds it; "" where there is only one."""


@attrs.frozen
class Created:
    """What `create_nowait` did."""

    run_id: str
    """The run that was recorded, or the one that stands in its way."""
    claim: Claim | None
    """None: nothing was recorded, because the workflow has an open run already, or this run id is taken."""


@attrs.frozen
class Page:
    """Some of a run's committed events, in order of seq."""

    events: Sequence[Event]
    notes: Mapping[str, Json]
    """The notes of the run as they are now; with the first page only (`after=0`), else empty."""
    last_seq: int
    """The newest committed seq, whether it is on this page or not; 0 if there is none."""
    closed: RunStatus | None
    """The status with which the run ended; None while it is open."""


@attrs.frozen
class RunPage:
    """Some rows of a list of runs, newest first."""

    runs: Sequence[RunSummary]
    next_cursor: str | None
    """Where the next page begins; None: there is none."""


@attrs.frozen
class Keep:
    """How much history to keep. None: without limit. Of several limits the strictest counts."""

    days: float | None = None
    """Since the run ended."""
    runs: int | None = None
    """The newest ended ones."""


@attrs.frozen
class Trimmed:
    """What `trim` did."""

    runs: int
    """How many were forgotten."""


@attrs.frozen
class JournalStatistics:
    """What a journal holds now."""

    runs: int
    open_runs: int
    events: int
    following: int
    """Tasks that wait in a `follow` for the next event."""
    uncommitted: int
    """Events handed over and not yet durable."""


class Ticket(Protocol):
    """What an append returns. Awaited: the append is durable. May be awaited often, by anybody, or never."""

    @property
    def done(self) -> bool:
        """Whether it is durable already."""
        ...

    def __await__(self) -> Generator[Any, Any, None]:
        """Return once it is durable; at once, without a checkpoint, if it is so already.

        Raises:
            JournalError: it can not become durable any more (the journal was closed before).
        """
        ...


class Published(Protocol):
    """Who hears what was committed: the hub."""

    def publish(self, run_id: str, events: Sequence[Event], notes: Sequence[Note]) -> None:
        """Hear one committed batch of a run. Batches of a run come in order, each after its commit.

        Called inside the commit's step: it returns at once, never raises, and does not append.
        """
        ...


class Journal(Protocol):
    """An append-only record of runs: an async context manager; its tasks live in its own nursery.

    *Resource handling*: leaving the context makes durable what was handed over, then ends every `follow` that still
    waits with `JournalError`. Nothing that was given out needs to be closed besides `follow`'s own context.
    """

    async def __aenter__(self) -> Self:
        """Open it."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        ...

    def attach(self, published: Published | None) -> None:
        """Publish every later commit to `published`, and to nobody before it. None: to nobody."""
        ...

    def create_nowait(self, run_id: str, workflow_id: str, spec: Mapping[str, Json], created_at: float) -> Created:
        """Record a run. At most one open run per workflow id. Durable with the first append's ticket.

        Args:
            run_id: unique for ever.
            workflow_id: the client's own key.
            spec: graph and config, as JSON; `spec()` gives it back.
            created_at: seconds since the epoch.

        Raises:
            JournalError: the journal is closed.
        """
        ...

    def append_nowait(
        self, claim: Claim, events: Sequence[Event], notes: Sequence[Note] = (), *, close: RunStatus | None = None
    ) -> Ticket:
        """Hand over events and notes, in one transaction. Never blocks, never split by a cancel.

        The same batch a second time, under the same claim, is done already and changes nothing.

        Args:
            claim: from `create_nowait`.
            events: the next ones, their seq without a gap.
            notes: private facts, committed with them.
            close: the run ends with this status and refuses whatever comes later.

        Raises:
            JournalError: a seq is not the next one, the claim is not the run's, the run or the journal is closed.
                Nothing has changed.
        """
        ...

    async def load(self, run_id: str, after: int = 0, limit: int = 1000) -> Page:
        """Committed events after a seq, at most `limit`.

        Raises:
            UnknownRun: no such run, or it was trimmed.
        """
        ...

    async def spec(self, run_id: str) -> Mapping[str, Json]:
        """What `create_nowait` was given (graph and config): to recover or show a run.

        Raises:
            UnknownRun: no such run, or it was trimmed.
        """
        ...

    def follow(self, run_id: str, after: int = 0) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Committed events after a seq: replay, then live; ends after the ending.

        *Error handling*: entering raises `UnknownRun`; the iterator raises `JournalError` if the journal is closed
        before the run has ended. A run that is trimmed meanwhile is still told to its end.
        """
        ...

    async def find(self, workflow_id: str) -> str | None:
        """The latest run of a workflow, ended or not; None: none is known."""
        ...

    async def list_runs(
        self, *, status: str | None = None, workflow_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> RunPage:
        """Runs, newest first.

        Args:
            status: only runs that are in this state now.
            workflow_id: only runs of this workflow.
            limit: rows of a page, 1 to 1,000; what lies outside is taken as the nearest of these.
            cursor: `next_cursor` of the page before; runs that began since then do not move the pages.

        Raises:
            BadField: the cursor is none of ours.
        """
        ...

    async def trim(self, keep: Keep) -> Trimmed:
        """Forget runs that ended, the oldest first; never an open one."""
        ...

    def statistics(self) -> JournalStatistics:
        """What it holds now."""
        ...


@attrs.define(eq=False)
class MemoryJournal:
    """A journal without a tomorrow: everything is in memory and gone with the process.

    Example: `async with MemoryJournal() as journal, open_hub(journal, plan=plan) as hub: …`
    """

    _published: Published | None = attrs.field(default=None, alias="publish")
    _records: dict[str, "_Record"] = attrs.field(factory=dict, init=False)
    """By run id, in order of creation."""
    _latest: dict[str, "_Record"] = attrs.field(factory=dict, init=False)
    """By workflow id. An older run of a workflow has always ended, and before the newer one began."""
    _numbers: int = attrs.field(default=0, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    async def __aenter__(self) -> Self:
        """Open it."""
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it: nothing is appended any more, and who follows an open run is told so."""
        self._closed = True
        for record in self._records.values():
            record.doorbell.unpark_all()

    def attach(self, published: Published | None) -> None:
        """Publish every later commit to `published`; None: to nobody."""
        self._published = published

    def create_nowait(self, run_id: str, workflow_id: str, spec: Mapping[str, Json], created_at: float) -> Created:
        """Record a run; see `Journal.create_nowait`."""
        if self._closed:
            raise JournalError(f"run {run_id}: the journal is closed")
        latest = self._latest.get(workflow_id)
        if latest is not None and latest.closed is None:
            return Created(latest.claim.run_id, None)
        if run_id in self._records:
            return Created(run_id, None)
        self._numbers += 1
        claim = Claim(run_id, 1, "")
        record = _Record(claim=claim, workflow_id=workflow_id, spec=spec, created_at=created_at, number=self._numbers)
        self._records[run_id] = self._latest[workflow_id] = record
        return Created(run_id, claim)

    def append_nowait(
        self, claim: Claim, events: Sequence[Event], notes: Sequence[Note] = (), *, close: RunStatus | None = None
    ) -> Ticket:
        """Commit events and notes within this call, then publish them; see `Journal.append_nowait`."""
        record = self._writable(claim)
        if events:
            if record.holds(events):
                return _DURABLE
            record.expect(events)
        if record.closed is not None:
            raise JournalError(f"run {claim.run_id} has ended ({record.closed}) and takes nothing more")
        record.take(events, notes, close)
        if record.doorbell:
            record.doorbell.unpark_all()
        if self._published is not None:
            self._published.publish(claim.run_id, events, notes)
        return _DURABLE

    async def load(self, run_id: str, after: int = 0, limit: int = 1000) -> Page:
        """Committed events after a seq; see `Journal.load`."""
        await trio.lowlevel.checkpoint()
        record = self._record(run_id)
        after = max(after, 0)
        return Page(
            events=record.events[after : after + max(limit, 1)],
            notes={} if after else dict(record.notes),
            last_seq=len(record.events),
            closed=record.closed,
        )

    async def spec(self, run_id: str) -> Mapping[str, Json]:
        """What `create_nowait` was given; see `Journal.spec`."""
        await trio.lowlevel.checkpoint()
        return self._record(run_id).spec

    @asynccontextmanager
    async def follow(self, run_id: str, after: int = 0) -> AsyncIterator[AsyncIterator[Event]]:
        """Committed events: replay, then live; see `Journal.follow`."""
        await trio.lowlevel.checkpoint()
        yield _Following(self, self._record(run_id), max(after, 0))

    async def find(self, workflow_id: str) -> str | None:
        """The latest run of a workflow; see `Journal.find`."""
        await trio.lowlevel.checkpoint()
        record = self._latest.get(workflow_id)
        return None if record is None else record.claim.run_id

    async def list_runs(
        self, *, status: str | None = None, workflow_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> RunPage:
        """Runs, newest first; see `Journal.list_runs`."""
        await trio.lowlevel.checkpoint()
        before = self._numbers + 1 if cursor is None else _number(cursor)
        limit = min(max(limit, 1), LIST_MAX_RUNS)
        rows = list(
            islice(
                (
                    record
                    for record in reversed(self._records.values())
                    if record.number < before
                    and (status is None or record.status == status)
                    and (workflow_id is None or record.workflow_id == workflow_id)
                ),
                limit + 1,
            )
        )
        more = len(rows) > limit
        return RunPage([record.summary() for record in rows[:limit]], str(rows[limit - 1].number) if more else None)

    async def trim(self, keep: Keep) -> Trimmed:
        """Forget runs that ended; see `Journal.trim`."""
        await trio.lowlevel.checkpoint()
        ended = sorted((r for r in self._records.values() if r.closed is not None), key=_Record.end)
        too_many = 0 if keep.runs is None else max(len(ended) - keep.runs, 0)
        # An ending is stamped with the time of day, so its age is measured by it too.
        oldest = float("-inf") if keep.days is None else time.time() - keep.days * DAY_SECONDS
        forgotten = [record for index, record in enumerate(ended) if index < too_many or record.end() < oldest]
        for record in forgotten:
            del self._records[record.claim.run_id]
            if self._latest[record.workflow_id] is record:
                del self._latest[record.workflow_id]
        return Trimmed(len(forgotten))

    def statistics(self) -> JournalStatistics:
        """What it holds now. `uncommitted` is always 0."""
        records = self._records.values()
        return JournalStatistics(
            runs=len(records),
            open_runs=sum(record.closed is None for record in records),
            events=sum(len(record.events) for record in records),
            following=sum(len(record.doorbell) for record in records),
            uncommitted=0,
        )

    @property
    def closed(self) -> bool:
        """Whether its context was left."""
        return self._closed

    def _record(self, run_id: str) -> "_Record":
        try:
            return self._records[run_id]
        except KeyError:
            raise UnknownRun(f"no run {run_id} is in the journal") from None

    def _writable(self, claim: Claim) -> "_Record":
        if self._closed:
            raise JournalError(f"run {claim.run_id}: the journal is closed")
        record = self._records.get(claim.run_id)
        if record is None:
            raise JournalError(f"run {claim.run_id} was never created here, or was trimmed")
        if record.claim != claim:
            raise JournalError(f"run {claim.run_id} has another writer (token {record.claim.token})")
        return record


class _Durable:
    """The ticket of a commit that happened within the call."""

    done = True

    def __await__(self) -> Generator[Any, Any, None]:
        yield from ()


_DURABLE: Final = _Durable()


@attrs.define(eq=False, kw_only=True)
class _Record:
    """One run as the memory journal holds it."""

    claim: Claim
    workflow_id: str
    spec: Mapping[str, Json]
    created_at: float
    number: int
    """Counts the runs; the cursor of a list."""
    events: list[Event] = attrs.field(factory=list)
    """The event with seq n at index n - 1."""
    notes: dict[str, Json] = attrs.field(factory=dict)
    status: RunStatus = RunStatus.PENDING
    total_nodes: int = 0
    closed: RunStatus | None = None
    doorbell: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)
    """Where followers wait for the next commit."""

    def holds(self, events: Sequence[Event]) -> bool:
        """Whether exactly these are there already: the batch is a repeat."""
        first = events[0].seq
        return first <= len(self.events) and self.events[first - 1 : first - 1 + len(events)] == list(events)

    def expect(self, events: Sequence[Event]) -> None:
        """Raise JournalError unless these are the run's next events."""
        for seq, event in enumerate(events, len(self.events) + 1):
            if event.seq != seq or event.run_id != self.claim.run_id:
                raise JournalError(
                    f"run {self.claim.run_id}: seq {seq} comes next, not {event.seq} of run {event.run_id}"
                )

    def take(self, events: Sequence[Event], notes: Sequence[Note], close: RunStatus | None) -> None:
        """Commit. Nothing in here fails half-way."""
        self.events += events
        for event in events:
            match event:
                case RunStarted():
                    self.status = event.status
                    self.total_nodes = event.total_nodes
                case RunChanged() | RunEnded():
                    self.status = event.status
        for key, value in notes:
            if value is None:
                self.notes.pop(key, None)
            else:
                self.notes[key] = value
        if close is not None:
            self.status = self.closed = close

    def end(self) -> float:
        """When a closed run ended, in seconds since the epoch."""
        return self.events[-1].at if self.events else self.created_at

    def summary(self) -> RunSummary:
        """Its row in a list."""
        last = self.events[-1] if self.events else None
        return RunSummary(
            run_id=self.claim.run_id,
            workflow_id=self.workflow_id,
            status=self.status,
            created_at=self.created_at,
            total_nodes=self.total_nodes,
            last_seq=len(self.events),
            ended_at=None if self.closed is None else self.end(),
            error=last.error if isinstance(last, RunEnded) else None,
        )


@attrs.define(eq=False)
class _Following:
    """A position in one run's events, moved by whoever iterates."""

    _journal: MemoryJournal
    _run: _Record
    _after: int
    _page: deque[Event] = attrs.field(factory=deque, init=False)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        # A page is handed out without giving way: one event a pass of the loop would be left behind by any wide run.
        if self._page:
            await trio.lowlevel.checkpoint_if_cancelled()
            return self._page.popleft()  # noqa: ASYNC910  see above
        await trio.lowlevel.checkpoint()
        while not self._page:
            page = self._run.events[self._after : self._after + FOLLOW_PAGE_EVENTS]
            if page:
                self._page.extend(page)
                self._after += len(page)
            elif self._run.closed is not None:
                raise StopAsyncIteration
            elif self._journal.closed:
                raise JournalError(f"run {self._run.claim.run_id}: the journal was closed before the run ended")
            else:
                await self._run.doorbell.park()
        return self._page.popleft()


def _number(cursor: str) -> int:
    """The run's number in a cursor."""
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= CURSOR_MAX_DIGITS):
        raise BadField([("cursor", "is not one that a list has given")])
    return int(cursor)
