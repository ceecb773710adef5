"""The journal in a SQLite file: runs outlive their process, and no event that was acknowledged is ever lost.

Theory of operation: one process owns the file (`actors.journals.holder`), so what has to be checked is known here
without asking it: the open runs, their claims and newest seqs. An append is checked, packed and put into the writer's
group within the call; the writer (`actors.journals.sqlite_writer`) commits group after group and tells here what is
durable: that is published, in order, and followers are rung. What is read comes from the file, from a few connections
beside the writer's (`actors.journals.sqlite_reader`), so nobody reads what is not durable.

An append that is not the next one is a repeat or a mistake. Which of the two the file knows; so the writer looks, and
the ticket tells. Leases are this process's own: of a file that was just opened every open run is claimable.

*Order of the end*: nothing more is taken; the sweeper is cancelled; the writer commits what was handed over and ends;
who follows is told; the connections are closed, the lock last. Writer and sweeper live in the journal's own nursery.
"""

import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import attrs
import trio

from actors.errors import Fenced, Gap, JournalError
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
from actors.journals import sqlite_reader as read
from actors.journals.cursor import LIST_MAX_RUNS, number_of
from actors.journals.leases import Leases
from actors.journals.sqlite_acts import TRIM_RUNS, CreateRun, GiveBack, PutControl, PutSession, Repeat, Sweep, Trim
from actors.journals.sqlite_file import text
from actors.journals.sqlite_follower import Doorbells, Follower
from actors.journals.sqlite_reader import Readers
from actors.journals.sqlite_state import OpenRun, open_file
from actors.journals.sqlite_writer import Group, Writer
from protocol.entries import pack, pack_json
from protocol.messages import Event, RunSummary
from protocol.states import RunStatus

__all__ = ["SqliteJournal"]

_T = TypeVar("_T")


@attrs.define(eq=False)
class _Checked:
    """The ticket of an append that was not the next one."""

    _group: Group
    _repeat: Repeat

    @property
    def done(self) -> bool:
        return self._group.done and self._repeat.refused is None

    def __await__(self) -> Generator[Any, Any, None]:
        yield from self._group.__await__()
        if self._repeat.refused is not None:
            raise self._repeat.refused


class SqliteJournal:
    """A journal in a file. Keeps `actors.journal.Journal`.

    Args:
        path: the file; it is made if it is not there, and so is its folder.

    Example: `async with SqliteJournal("callboard.db") as journal, open_hub(journal, plan=plan) as hub: …`

    *Error handling*: entering it raises `JournalError` if another process has the file (the text names it), if the file
    is damaged, not ours, or of a newer version, or may not be written.
    """

    durable: Final = True

    def __init__(self, path: str | Path) -> None:
        # The file itself and not a link to it: there is one lock for it, whatever it is called.
        self._path = Path(path).resolve()
        self._published: Published | None = None
        self._runs: dict[str, OpenRun] = {}
        """The open runs, by id; one that was closed is in it until that is durable."""
        self._workflows: dict[str, OpenRun] = {}
        """The same, by workflow id."""
        self._leases = Leases()
        self._bells = Doorbells()
        self._readers = Readers(self._path)
        self._sessions: set[str] = set()
        self._count = self._events = self._number = 0
        self._trash: dict[int, str] = {}
        """Number and id of runs that are forgotten and not deleted yet."""
        self._sweep = trio.Event()
        self._closed = True
        self._sweeping = trio.CancelScope(shield=True)
        self._writer: Writer

    async def __aenter__(self) -> Self:
        """Open it; see the class for what may be wrong."""
        found = await trio.to_thread.run_sync(open_file, self._path)
        for run in found.runs:
            self._runs[run.claim.run_id] = self._workflows[run.workflow_id] = run
            self._leases.add(run.claim.run_id, run.queue)
        self._count, self._events, self._number = found.count, found.events, found.number
        self._sessions, self._trash, self._holder = found.sessions, found.trash, found.holder
        self._connection = found.connection
        self._writer = Writer(found.connection, self._path, recent=found.recent)
        self._readers.use()
        self._closed = False
        self._manager = trio.open_nursery()
        nursery = await self._manager.__aenter__()
        # Neither has to be ready: what is handed over waits for the writer.
        nursery.start_soon(self._writer.serve)  # noqa: ASYNC113  see above
        nursery.start_soon(self._sweeper)  # noqa: ASYNC113  see above
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it: what was handed over becomes durable, and who follows an open run is told so."""
        try:
            self._leases.close()
            self._sweeping.cancel()
            with trio.CancelScope(shield=True):
                await self._writer.close()
            self._closed = True
            self._bells.ring_all()
            # The error of the block is not the nursery's business: it is passed on as it is, in no group.
            await self._manager.__aexit__(None, None, None)  # noqa: ASYNC102  both have ended, or do so at once
        finally:
            self._closed = True
            self._readers.leave()
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._release)  # noqa: ASYNC102  a moment, and in a thread

    def attach(self, published: Published | None) -> None:
        """Publish every later commit to `published`; None: to nobody."""
        self._published = published

    @property
    def degraded(self) -> str | None:
        """Why nothing can be written now."""
        return self._writer.degraded

    async def health_changed(self) -> None:
        """Wait until `degraded` is another than it was."""
        await self._writer.health_changed()

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
        run_id, workflow_id = text(run_id), text(workflow_id)
        while (other := self._in_the_way(run_id, workflow_id)) is not None:
            if other.created is None:
                return Created(other.claim.run_id, None, fresh=False)
            # Nobody is sent to a run that is not there; and if its id turns out to be taken, it is in nobody's way.
            await other.created
        self._number += 1
        claim = Claim(run_id, 0, "") if lease is None else Claim(run_id, 1, secrets.token_hex(8))
        run = OpenRun(number=self._number, workflow_id=workflow_id, queue=queue, claim=claim, at=created_at)
        act = CreateRun(
            number=run.number,
            claim=claim,
            workflow_id=workflow_id,
            queue=text(queue),
            created_at=created_at,
            status=run.status,
            spec=spec,
        )
        with self._writer.lock:
            group = run.created = self._writer.group()
            group.first.append(act)
            group.told.append(partial(self._created, run, act, lease))
        self._runs[run_id] = self._workflows[workflow_id] = run
        await group
        if not act.fresh:
            return Created(run_id, None, fresh=False)
        return Created(run_id, None if lease is None else claim)

    async def claim(self, queues: Sequence[str] = ("",), *, limit: int = 100, lease: float) -> Sequence[Claim]:
        """Take open runs whose lease has passed; see `Journal.claim`.

        It does not wait until that is durable: no other process can claim them, and whatever is appended under a claim
        is committed after it.
        """
        await trio.lowlevel.checkpoint()
        self._check_open()
        runs = [self._runs[run_id] for run_id in self._leases.passed(queues, limit=limit)]
        for run in runs:
            run.claim = self._leases.claim(run.claim.run_id, lease, token=run.claim.token + 1)
            run.handed = 0
            with self._writer.lock:
                self._writer.group().states[run.number] = run.row()
        return [run.claim for run in runs]

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
            run = self._runs.get(claim.run_id)
            if run is None or run.claim != claim or run.closed is not None:
                lost.append(claim)
                continue
            self._leases.renew(claim.run_id, lease)
            controls += run.controls[run.handed :]
            run.handed = len(run.controls)
        return Renewed(lost, controls)

    async def control(self, run_id: str, key: str, body: bytes) -> int:
        """Leave a command; see `Journal.control`."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        run_id, key = text(run_id), text(key)
        run = self._runs.get(run_id)
        if run is not None and run.created is not None:
            await run.created
            run = self._runs.get(run_id)
        if run is None:
            return await self._ask(lambda db: read.control(db, run_id, key))
        number, ticket = run.keys.get(key, (0, None))
        if not number:
            if run.closed is not None:
                raise JournalError(f"run {run_id} has ended ({run.closed}) and takes no commands")
            number = len(run.keys) + 1
            entry = ControlEntry(run_id, number, key, body)
            with self._writer.lock:
                ticket = group = self._writer.group()
                group.first.append(PutControl(run.number, entry))
                group.told.append(partial(run.controls.append, entry))
            run.keys[key] = number, ticket
        if ticket is not None:
            await ticket
        return number

    def append_nowait(
        self, claim: Claim, events: Sequence[Event], notes: Sequence[Note] = (), *, close: RunStatus | None = None
    ) -> Ticket:
        """Check, pack and hand over events and notes; see `Journal.append_nowait`."""
        writer = self._writer
        if writer.closing:
            raise self._is_closed()
        run = self._runs.get(claim.run_id)
        if run is not None and run.claim is not claim and run.claim != claim:
            raise Fenced(f"run {claim.run_id} has another writer (token {run.claim.token})")
        if run is None or (events and 0 < events[0].seq <= events[-1].seq <= run.last_seq):
            return self._repeat(claim, events)
        rows: list[int | bytes] = []
        size, seq = 0, run.last_seq
        for event in events:
            seq += 1
            if event.seq != seq or event.run_id != claim.run_id:
                raise Gap(f"run {claim.run_id}: seq {seq} comes next, not {event.seq} of run {event.run_id}")
            entry = pack(event)
            size += len(entry)
            rows += (run.number, seq, entry)
        if run.closed is not None:
            raise Fenced(f"run {claim.run_id} has ended ({run.closed}) and takes nothing more")
        packed = [((run.number, text(key)), None if value is None else pack_json(value)) for key, value in notes]
        # From here on nothing fails.
        changed = run.follow(events, close)
        if close is not None:
            self._leases.drop(claim.run_id)
        with writer.lock:
            group = writer.group()
            group.rows += rows
            group.size += size
            if packed:
                group.notes.update(packed)
            if changed:
                group.states[run.number] = run.row()
            group.told.append(partial(self._appended, run, events, notes, closes=close is not None))
        writer.uncommitted += len(events)
        return group

    async def load(self, run_id: str, after: int = 0, limit: int = 1000) -> Page:
        """Committed events after a seq; see `Journal.load`."""
        return await self._ask(lambda db: read.load(db, text(run_id), after, limit))

    async def spec(self, run_id: str) -> bytes:
        """What `create` was given; see `Journal.spec`."""
        return await self._ask(lambda db: read.spec(db, text(run_id)))

    def follow(self, run_id: str, after: int = 0) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Committed events: replay, then live; see `Journal.follow`."""
        return self._follow(text(run_id), min(max(after, 0), read.MAX_INTEGER))

    async def find(self, workflow_id: str) -> str | None:
        """The latest run of a workflow; see `Journal.find`."""
        return await self._ask(lambda db: read.find(db, text(workflow_id)))

    async def list_runs(
        self, *, status: str | None = None, workflow_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> RunPage:
        """Runs, newest first; see `Journal.list_runs`."""
        before = read.MAX_INTEGER if cursor is None else number_of(cursor)
        asked = partial(
            read.list_runs,
            before=before,
            status=None if status is None else text(status),
            workflow_id=None if workflow_id is None else text(workflow_id),
            limit=min(max(limit, 1), LIST_MAX_RUNS),
        )
        return await self._ask(asked)

    async def summary(self, run_id: str) -> RunSummary:
        """The row of one run; see `Journal.summary`."""
        return await self._ask(lambda db: read.summary(db, text(run_id)))

    async def trim(self, keep: Keep) -> Trimmed:
        """Forget runs that ended; see `Journal.trim`.

        Some at a time, so that nobody has to wait for it; a cancel leaves the rest for the next time.
        """
        await trio.lowlevel.checkpoint()
        forgotten: list[str] = []
        while True:
            act = Trim(keep)
            with self._writer.lock:
                group = self._writer.group()
                group.last.append(act)
                group.told.append(partial(self._trimmed, act))
            await group
            forgotten += [run_id for _, run_id, _ in act.forgotten]
            if len(act.forgotten) < TRIM_RUNS:
                return Trimmed(forgotten)

    async def put_session(self, session_id: str, body: bytes | None) -> None:
        """Keep what is known of a session; see `Journal.put_session`."""
        await trio.lowlevel.checkpoint()
        session_id = text(session_id)
        self._check_open()
        with self._writer.lock:
            group = self._writer.group()
            group.first.append(PutSession(session_id, body))
            group.told.append(partial(self._sessions.discard if body is None else self._sessions.add, session_id))
        await group

    async def get_session(self, session_id: str) -> bytes | None:
        """What was kept of a session."""
        return await self._ask(lambda db: read.session(db, text(session_id)))

    async def list_sessions(self) -> Sequence[tuple[str, bytes]]:
        """Every session that is kept."""
        return await self._ask(read.sessions)

    def statistics(self) -> JournalStatistics:
        """What it holds now."""
        return JournalStatistics(
            runs=self._count,
            open_runs=len(self._runs),
            events=self._events,
            sessions=len(self._sessions),
            following=self._bells.waiting,
            uncommitted=self._writer.uncommitted,
        )

    def _release(self) -> None:
        """Close the file, then let the next one have it. In a thread."""
        try:
            # The last to close it leaves no log beside it.
            self._connection.close()
        except sqlite3.Error:
            # A disk that is full or gone: the log stays, and is read at the next start.
            pass
        self._holder.release()

    def _check_open(self) -> None:
        if self._closed or self._writer.closing:
            raise self._is_closed()

    def _is_closed(self) -> JournalError:
        return JournalError(f"the journal {self._path} is closed")

    async def _ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        if self._closed:
            raise self._is_closed()
        return await self._readers.ask(question)

    def _repeat(self, claim: Claim, events: Sequence[Event]) -> Ticket:
        """Not the next ones: leave it to the writer to look whether they are there."""
        for seq, event in enumerate(events, events[0].seq if events else 0):
            if event.seq != seq or event.run_id != claim.run_id:
                raise Gap(f"run {claim.run_id}: seq {event.seq} of run {event.run_id} does not follow {seq - 1}")
        repeat = Repeat(claim, events)
        with self._writer.lock:
            group = self._writer.group()
            group.last.append(repeat)
        return _Checked(group, repeat)

    def _in_the_way(self, run_id: str, workflow_id: str) -> OpenRun | None:
        other = self._workflows.get(workflow_id)
        return other if other is not None and other.closed is None else self._runs.get(run_id)

    def _created(self, run: OpenRun, act: CreateRun, lease: float | None) -> None:
        """Told by the writer: it is durable, or its id was taken."""
        run_id, run.created = run.claim.run_id, None
        if not act.fresh:
            self._forget(run)
            return
        self._count += 1
        self._leases.add(run_id, run.queue)
        if lease is not None:
            self._leases.renew(run_id, lease)

    def _appended(self, run: OpenRun, events: Sequence[Event], notes: Sequence[Note], *, closes: bool) -> None:
        """Told by the writer: this is durable."""
        run_id = run.claim.run_id
        self._events += len(events)
        if closes:
            self._forget(run)
        if self._published is not None:
            self._published.publish(run_id, events, notes)
        self._bells.ring(run_id)

    def _trimmed(self, act: Trim) -> None:
        """Told by the writer: these are forgotten."""
        for number, run_id, events in act.forgotten:
            self._count -= 1
            self._events -= events
            self._trash[number] = run_id
        self._sweep.set()

    def _forget(self, run: OpenRun) -> None:
        """It is not open."""
        run_id = run.claim.run_id
        if self._runs.get(run_id) is run:
            del self._runs[run_id]
        if self._workflows.get(run.workflow_id) is run:
            del self._workflows[run.workflow_id]

    @asynccontextmanager
    async def _follow(self, run_id: str, after: int) -> AsyncIterator[AsyncIterator[Event]]:
        self._check_open()
        bell = self._bells.come(run_id)
        self._readers.use()
        try:
            key = await self._readers.ask(lambda db: read.run_key(db, run_id))
            yield Follower(self._readers, key, after, bell, lambda: self._closed)
        finally:
            self._readers.leave()
            self._bells.leave(run_id)
            if run_id in self._trash.values():
                self._sweep.set()

    async def _sweeper(self) -> None:
        """Delete, little by little, what is forgotten and followed by nobody."""
        with self._sweeping:
            while True:
                self._sweep = trio.Event()
                swept = [number for number, run_id in self._trash.items() if run_id not in self._bells]
                for number in swept:
                    sweep = Sweep(number)
                    while not sweep.empty:
                        await self._act(sweep)
                    del self._trash[number]
                give_back = GiveBack()
                while swept and not give_back.enough:
                    await self._act(give_back)
                await self._sweep.wait()

    async def _act(self, act: Callable[[sqlite3.Connection], None]) -> None:
        await trio.lowlevel.checkpoint()
        with self._writer.lock:
            group = self._writer.group()
            group.last.append(act)
        await group
