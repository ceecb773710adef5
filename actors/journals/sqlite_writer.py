"""Writing a SQLite journal: what is handed over is committed in groups, in order, by one task and one thread.

Theory of operation: a `Group` is what was handed over since the last one was taken; all of it is one transaction, and
it is the ticket of each of its parts. The task takes the oldest group, lets the thread write it, then tells on the loop
what was committed, in the order in which it was handed over, and then whoever awaits the group. Meanwhile the next one
fills; a group that is large enough is followed by another, so that no commit takes long.

What can not be written now stays the first of the queue and is tried again, a second later at the most, for as long as
the journal is open: `degraded` says why. An attempt leaves nothing behind, since it is a transaction.

The task is started by the journal, in its nursery, in a scope of its own, so that a cancel from outside takes nothing
away. `close` lets it finish; only if nothing can be written then, it gives up after `GIVE_UP_SECONDS`, and the tickets
say so. The thread is the task's: it ends with it, and closes the connection.

The thread spends its time in calls of SQLite, which let the loop run meanwhile: rows are inserted by the hundred with
one statement, because each call comes back behind whatever else wants the interpreter, up to 5 ms later.
"""

import queue
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import outcome
import trio

from actors.errors import JournalError
from actors.journals.sqlite_file import SETTLE_BYTES, SETTLE_EVENTS, fault, settle

__all__ = ["Group", "Row", "Writer"]

GROUP_EVENTS: Final = 4_096
GROUP_BYTES: Final = 4 * 2**20
"""A group that has reached one of these takes nothing more."""

FIRST_RETRY_SECONDS: Final = 0.05
LAST_RETRY_SECONDS: Final = 1.0

GIVE_UP_SECONDS: Final = 5.0
"""After `close`, if nothing can be written."""

STEP_SECONDS: Final = 0.002
"""So long is told what was committed before others have a turn."""

Act = Callable[[sqlite3.Connection], None]
"""Something to write, within the group's transaction; called again if that could not be committed."""

_BUGS: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
"""What trying again does not help: ours, or somebody else has written to the file."""

Row = tuple[Any, ...]
"""What SQLite takes, or gives."""

_CHUNKS: Final = (512, 64, 8, 1)
"""Rows of one statement."""


def _inserts(insert: str, width: int, then: str = "") -> dict[int, str]:
    """Statements that insert several rows, by how many."""
    row = f"({', '.join('?' * width)})"
    return {rows: f"{insert} VALUES {', '.join([row] * rows)} {then}" for rows in _CHUNKS}


_EVENTS: Final = _inserts("INSERT INTO recent (run, seq, body)", 3)
_NOTES: Final = _inserts(
    "INSERT INTO notes (run, key, value)", 3, "ON CONFLICT (run, key) DO UPDATE SET value = excluded.value"
)
_FORGOTTEN: Final = _inserts(
    "WITH gone (run, key) AS (", 2, ") DELETE FROM notes WHERE (run, key) IN (SELECT run, key FROM gone)"
)
_STATES: Final = _inserts(
    "WITH states (number, token, owner, status, total_nodes, closed, ended_at, last_seq, error) AS (",
    9,
    """) UPDATE runs SET token = s.token, owner = s.owner, status = s.status, total_nodes = s.total_nodes,
    closed = s.closed, ended_at = s.ended_at, last_seq = s.last_seq, error = s.error
    FROM states AS s WHERE runs.number = s.number""",
)


@attrs.define(eq=False)
class Group:
    """What is committed together; the ticket of all of it."""

    rows: list[int | bytes] = attrs.field(factory=list, init=False)
    """Run, seq and body of each event, one behind the other."""
    notes: dict[tuple[int, str], bytes | None] = attrs.field(factory=dict, init=False)
    """By run and key; the last one wins."""
    states: dict[int, Row] = attrs.field(factory=dict, init=False)
    """By run; the last one wins."""
    first: list[Act] = attrs.field(factory=list, init=False)
    """Written before the events."""
    last: list[Act] = attrs.field(factory=list, init=False)
    """Written when all else is."""
    told: list[Callable[[], None]] = attrs.field(factory=list, init=False)
    """Called on the loop after the commit, in this order."""
    size: int = attrs.field(default=0, init=False)
    """Bytes of the events."""
    done: bool = attrs.field(default=False, init=False)
    _error: JournalError | None = attrs.field(default=None, init=False)
    _waiting: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)

    def __await__(self) -> Generator[Any, Any, None]:
        if not self.done and self._error is None:
            yield from self._waiting.park().__await__()
        if self._error is not None:
            raise self._error

    @property
    def events(self) -> int:
        """How many."""
        return len(self.rows) // 3

    @property
    def full(self) -> bool:
        """Whether it takes nothing more."""
        return len(self.rows) >= 3 * GROUP_EVENTS or self.size >= GROUP_BYTES

    def finish(self, error: JournalError | None = None) -> None:
        """Its end: it is durable, or can not become so any more."""
        self.done, self._error = error is None, error
        # Whoever keeps the ticket keeps nothing else.
        self.rows, self.notes, self.states, self.first, self.last, self.told = [], {}, {}, [], [], []
        self._waiting.unpark_all()

    def write(self, connection: sqlite3.Connection) -> None:
        """Write all of it, within a transaction."""
        for act in self.first:
            act(connection)
        _write(connection, _EVENTS, self.rows, 3)
        if self.notes:
            kept: list[int | str | bytes] = []
            forgotten: list[int | str] = []
            for (run, key), value in self.notes.items():
                if value is None:
                    forgotten += (run, key)
                else:
                    kept += (run, key, value)
            _write(connection, _NOTES, kept, 3)
            _write(connection, _FORGOTTEN, forgotten, 2)
        if self.states:
            _write(connection, _STATES, [value for row in self.states.values() for value in row], 9)
        for act in self.last:
            act(connection)


class Writer:
    """The one writer of a file.

    Args:
        connection: the one that writes; closed by `serve`.
        path: the file.
        recent: how many events have not been sorted in yet.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, *, recent: int) -> None:
        self._connection = connection
        self._path = path
        self._recent = recent
        self._recent_bytes = 0
        self._groups: deque[Group] = deque()
        self._taken = False
        """Whether the first group is being written."""
        self._awake = trio.Event()
        self._closing: float | None = None
        """Since when, in trio time."""
        self._ended = trio.Event()
        self._inbox: queue.SimpleQueue[Group | None] = queue.SimpleQueue()
        self._health = trio.lowlevel.ParkingLot()
        self.degraded: str | None = None
        self.uncommitted = 0
        """Events that are handed over and not durable."""

    @property
    def closing(self) -> bool:
        """Whether it takes nothing more."""
        return self._closing is not None

    def group(self) -> Group:
        """The group that takes what is handed over now.

        Raises:
            JournalError: the journal is closed.
        """
        if self._closing is not None:
            raise JournalError(f"the journal {self._path} is closed")
        groups = self._groups
        if not groups or groups[-1].full or (self._taken and len(groups) == 1):
            groups.append(Group())
            self._awake.set()
        return groups[-1]

    async def health_changed(self) -> None:
        """Wait until `degraded` is another."""
        await self._health.park()

    async def close(self) -> None:
        """Take nothing more, write what was handed over, and end."""
        self._closing = trio.current_time()
        self._awake.set()
        await self._ended.wait()

    async def serve(self) -> None:
        """Be the writer, until it is closed."""
        with trio.CancelScope(shield=True):
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._in_thread, trio.lowlevel.current_task())
                    try:
                        await self._serve()
                    finally:
                        self._inbox.put(None)
            finally:
                self._closing = trio.current_time() if self._closing is None else self._closing
                while self._groups:
                    self._groups.popleft().finish(self._lost())
                self._ended.set()

    async def _serve(self) -> None:
        await trio.lowlevel.checkpoint()
        while self._groups or self._closing is None:
            if not self._groups:
                self._awake = trio.Event()
                await self._awake.wait()
                continue
            group = self._groups[0]
            if not await self._write(group):
                return
            self._groups.popleft()
            self.uncommitted -= group.events
            begun = time.perf_counter()
            for tell in group.told:
                tell()
                if time.perf_counter() - begun > STEP_SECONDS:
                    await trio.lowlevel.checkpoint()
                    begun = time.perf_counter()
            group.finish()

    async def _write(self, group: Group) -> bool:
        """Have it written, however long that takes; False: given up."""
        pause = FIRST_RETRY_SECONDS
        self._taken = True
        while (error := await self._attempt(group)) is not None:
            if isinstance(error, _BUGS):
                raise error
            self._degrade(f"nothing can be written to the journal {self._path}: {fault(error, self._path)}")
            if self._closing is not None and trio.current_time() > self._closing + GIVE_UP_SECONDS:
                return False
            await trio.sleep(pause)
            pause = min(2 * pause, LAST_RETRY_SECONDS)
        self._taken = False
        self._degrade(None)
        return True

    async def _attempt(self, group: Group) -> sqlite3.Error | None:
        self._inbox.put(group)
        # Nothing can be taken back from the thread, so this is waited for whatever happens; it is a moment.
        answer: sqlite3.Error | None = await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        return answer

    def _degrade(self, reason: str | None) -> None:
        if reason != self.degraded:
            self.degraded = reason
            self._health.unpark_all()

    def _lost(self) -> JournalError:
        why = self.degraded or "its writer has ended"
        return JournalError(f"the journal was closed before this was written: {why}")

    async def _in_thread(self, task: trio.lowlevel.Task) -> None:
        token = trio.lowlevel.current_trio_token()
        # A limiter of its own: a pool of threads in use elsewhere never keeps the journal waiting.
        await trio.to_thread.run_sync(self._work, token, task, limiter=trio.CapacityLimiter(1))

    def _work(self, token: trio.lowlevel.TrioToken, task: trio.lowlevel.Task) -> None:
        """The thread: one group after the other, and an answer for each."""
        while (group := self._inbox.get()) is not None:
            answer = outcome.capture(self._commit, group)
            token.run_sync_soon(trio.lowlevel.reschedule, task, answer)
        try:
            # With nobody else at the file this leaves no log beside it.
            self._connection.close()
        except sqlite3.Error:
            # A disk that is full or gone: the log stays, and is read at the next start.
            pass

    def _commit(self, group: Group) -> sqlite3.Error | None:
        connection = self._connection
        recent, size = self._recent + group.events, self._recent_bytes + group.size
        try:
            connection.execute("BEGIN IMMEDIATE")
            group.write(connection)
            if recent >= SETTLE_EVENTS or size >= SETTLE_BYTES:
                settle(connection)
                recent = size = 0
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            return self._rolled_back(error)
        self._recent, self._recent_bytes = recent, size
        return None

    def _rolled_back(self, error: sqlite3.Error) -> sqlite3.Error:
        try:
            self._connection.rollback()
        except sqlite3.Error:
            # Then it was rolled back by SQLite itself; what stopped the commit is the cause that counts.
            pass
        return error


def _write(connection: sqlite3.Connection, statements: Mapping[int, str], values: Sequence[Any], width: int) -> None:
    """Run the statement over all rows, in as few calls as there can be."""
    start = 0
    for rows in _CHUNKS:
        step = rows * width
        while len(values) - start >= step:
            connection.execute(statements[rows], values[start : start + step])
            start += step
