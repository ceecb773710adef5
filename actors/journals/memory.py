"""The journal in memory: gone with its process, and for a run without a tomorrow all that is needed.

Theory of operation: it commits within the call, so its tickets are done when they are made; it owns no task; closing
it wakes who follows. A follower parks only after it has looked and found nothing, without a checkpoint between the two,
so no event slips past it; it is a plain iterator over the run's list with a position, so leaving it at any line leaves
nothing behind. Memory is bounded by the caller: open runs by `Settings.max_runs`, ended ones by `trim`.
"""

import time
from bisect import insort
from collections import deque
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import attrs
import trio

from actors.errors import Fenced, Gap, JournalError, UnknownRun
from actors.journal import (
    Claim,
    ControlEntry,
    Created,
    JournalStatistics,
    Keep,
    Note,
    Page,
    Published,
    Renewed,
    RunPage,
    Ticket,
    Trimmed,
)
from actors.journals.cursor import LIST_MAX_RUNS, number_of
from actors.journals.leases import Leases
from protocol.messages import Event, Json, RunChanged, RunEnded, RunStarted, RunSummary
from protocol.states import RunStatus

__all__ = ["MemoryJournal"]

DAY_SECONDS: Final = 86_400.0

FOLLOW_PAGE_EVENTS: Final = 256
"""What a follower takes at a time: enough to be cheap, little enough that a slow one holds no second copy of a run."""


@attrs.define(eq=False)
class MemoryJournal:
    """A journal without a tomorrow: everything is in memory and gone with the process. Keeps `actors.journal.Journal`.

    Example: `async with MemoryJournal() as journal, open_hub(journal, plan=plan) as hub: …`
    """

    _published: Published | None = attrs.field(default=None, alias="publish")
    _records: dict[str, "_Record"] = attrs.field(factory=dict, init=False)
    """By run id, in order of creation."""
    _latest: dict[str, "_Record"] = attrs.field(factory=dict, init=False)
    """By workflow id. An older run of a workflow has always ended, and before the newer one began."""
    _ended: list["_Record"] = attrs.field(factory=list, init=False)
    """Those that are closed, by the time of day of their ending."""
    _numbers: int = attrs.field(default=0, init=False)
    _leases: Leases = attrs.field(factory=Leases, init=False)
    _sessions: dict[str, bytes] = attrs.field(factory=dict, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    durable: ClassVar[bool] = False
    degraded: ClassVar[str | None] = None

    async def __aenter__(self) -> Self:
        """Open it."""
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it: nothing is appended any more, and who follows an open run is told so."""
        self._closed = True
        self._leases.close()
        for record in self._records.values():
            record.doorbell.unpark_all()

    def attach(self, published: Published | None) -> None:
        """Publish every later commit to `published`; None: to nobody."""
        self._published = published

    async def health_changed(self) -> None:
        """Wait for ever: memory does not fill up like a disk."""
        await trio.sleep_forever()

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
        """Record a run; see `Journal.create`."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        latest = self._latest.get(workflow_id)
        if latest is not None and latest.closed is None:
            return Created(latest.run_id, None, fresh=False)
        if run_id in self._records:
            return Created(run_id, None, fresh=False)
        self._numbers += 1
        record = _Record(run_id=run_id, workflow_id=workflow_id, spec=spec, created_at=created_at, number=self._numbers)
        self._records[run_id] = self._latest[workflow_id] = record
        self._leases.add(run_id, queue)
        return Created(run_id, None if lease is None else self._claim(record, lease))

    async def claim(self, queues: Sequence[str] = ("",), *, limit: int = 100, lease: float) -> Sequence[Claim]:
        """Take open runs whose lease has passed; see `Journal.claim`."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        return [self._claim(self._records[run_id], lease) for run_id in self._leases.passed(queues, limit=limit)]

    async def claimable(self, queues: Sequence[str] = ("",)) -> None:
        """Wait until there may be something to claim; see `Journal.claimable`."""
        self._check_open()
        await self._leases.wait(queues)
        self._check_open()

    async def renew(self, claims: Sequence[Claim], *, lease: float) -> Renewed:
        """Keep claims; see `Journal.renew`."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        lost: list[Claim] = []
        controls: list[ControlEntry] = []
        for claim in claims:
            record = self._records.get(claim.run_id)
            if record is None or record.claim != claim or record.closed is not None:
                lost.append(claim)
                continue
            self._leases.renew(claim.run_id, lease)
            controls += record.controls[record.handed :]
            record.handed = len(record.controls)
        return Renewed(lost, controls)

    async def control(self, run_id: str, key: str, body: bytes) -> int:
        """Leave a command; see `Journal.control`."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        record = self._record(run_id)
        for entry in record.controls:
            if entry.key == key:
                return entry.number
        if record.closed is not None:
            raise JournalError(f"run {run_id} has ended ({record.closed}) and takes no commands")
        entry = ControlEntry(run_id, len(record.controls) + 1, key, body)
        record.controls.append(entry)
        return entry.number

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
            raise Fenced(f"run {claim.run_id} has ended ({record.closed}) and takes nothing more")
        record.take(events, notes, close)
        if close is not None:
            self._leases.drop(claim.run_id)
            insort(self._ended, record, key=_Record.order)
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

    async def spec(self, run_id: str) -> bytes:
        """What `create` was given; see `Journal.spec`."""
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
        return None if record is None else record.run_id

    async def list_runs(
        self, *, status: str | None = None, workflow_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> RunPage:
        """Runs, newest first; see `Journal.list_runs`."""
        await trio.lowlevel.checkpoint()
        before = self._numbers + 1 if cursor is None else number_of(cursor)
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

    async def summary(self, run_id: str) -> RunSummary:
        """The row of one run; see `Journal.summary`."""
        await trio.lowlevel.checkpoint()
        return self._record(run_id).summary()

    async def trim(self, keep: Keep) -> Trimmed:
        """Forget runs that ended; see `Journal.trim`."""
        await trio.lowlevel.checkpoint()
        too_many = 0 if keep.runs is None else max(len(self._ended) - keep.runs, 0)
        # An ending is stamped with the time of day, so its age is measured by it too.
        oldest = float("-inf") if keep.days is None else time.time() - keep.days * DAY_SECONDS
        forgotten: list[_Record] = []
        spared: list[_Record] = []
        for record in self._ended:
            if len(forgotten) >= too_many and record.end() >= oldest:
                break
            (spared if record.run_id in keep.spare else forgotten).append(record)
        self._ended[: len(spared) + len(forgotten)] = spared
        for record in forgotten:
            del self._records[record.run_id]
            # By the time of day an older run of a workflow can have ended after a newer one.
            if self._latest.get(record.workflow_id) is record:
                del self._latest[record.workflow_id]
        return Trimmed([record.run_id for record in forgotten])

    async def put_session(self, session_id: str, body: bytes | None) -> None:
        """Keep what is known of a session; see `Journal.put_session`."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        if body is None:
            self._sessions.pop(session_id, None)
        else:
            self._sessions[session_id] = body

    async def get_session(self, session_id: str) -> bytes | None:
        """What was kept of a session."""
        await trio.lowlevel.checkpoint()
        return self._sessions.get(session_id)

    async def list_sessions(self) -> Sequence[tuple[str, bytes]]:
        """Every session that is kept."""
        await trio.lowlevel.checkpoint()
        return list(self._sessions.items())

    def statistics(self) -> JournalStatistics:
        """What it holds now. `uncommitted` is always 0."""
        records = self._records.values()
        return JournalStatistics(
            runs=len(records),
            open_runs=sum(record.closed is None for record in records),
            events=sum(len(record.events) for record in records),
            sessions=len(self._sessions),
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

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError("the journal is closed")

    def _claim(self, record: "_Record", lease: float) -> Claim:
        record.claim = self._leases.claim(record.run_id, lease, token=record.claim.token + 1)
        record.handed = 0
        return record.claim

    def _writable(self, claim: Claim) -> "_Record":
        if self._closed:
            raise JournalError(f"run {claim.run_id}: the journal is closed")
        record = self._records.get(claim.run_id)
        if record is None:
            raise JournalError(f"run {claim.run_id} was never created here, or was trimmed")
        if record.claim != claim:
            raise Fenced(f"run {claim.run_id} has another writer (token {record.claim.token})")
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

    run_id: str
    workflow_id: str
    spec: bytes
    created_at: float
    number: int
    """Counts the runs; the cursor of a list."""
    claim: Claim = attrs.field(init=False)
    """The newest; token 0: nobody has claimed it yet."""
    controls: list[ControlEntry] = attrs.field(factory=list)
    handed: int = 0
    """How many of the controls its claim has been given."""
    events: list[Event] = attrs.field(factory=list)
    """The event with seq n at index n - 1."""
    notes: dict[str, Json] = attrs.field(factory=dict)
    status: RunStatus = RunStatus.PENDING
    total_nodes: int = 0
    closed: RunStatus | None = None
    doorbell: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)
    """Where followers wait for the next commit."""

    def __attrs_post_init__(self) -> None:
        self.claim = Claim(self.run_id, 0, "")

    def holds(self, events: Sequence[Event]) -> bool:
        """Whether exactly these are there already: the batch is a repeat."""
        first = events[0].seq
        return first <= len(self.events) and self.events[first - 1 : first - 1 + len(events)] == list(events)

    def expect(self, events: Sequence[Event]) -> None:
        """Raise JournalError unless these are the run's next events."""
        for seq, event in enumerate(events, len(self.events) + 1):
            if event.seq != seq or event.run_id != self.run_id:
                raise Gap(f"run {self.run_id}: seq {seq} comes next, not {event.seq} of run {event.run_id}")

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

    def order(self) -> tuple[float, int]:
        """What closed runs are sorted by: their ending, then their creation."""
        return self.end(), self.number

    def summary(self) -> RunSummary:
        """Its row in a list."""
        last = self.events[-1] if self.events else None
        return RunSummary(
            run_id=self.run_id,
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
                raise JournalError(f"run {self._run.run_id}: the journal was closed before the run ended")
            else:
                await self._run.doorbell.park()
        return self._page.popleft()
