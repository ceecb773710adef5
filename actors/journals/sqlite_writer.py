"""Writing a SQLite journal: what is handed over is committed in groups, in order, by one thread, and told by one task.

Theory of operation: a `Group` is one transaction, and the ticket of each of its parts. What is handed over goes into
the newest one, under the writer's lock, until the thread takes it; a group that is large enough is followed by another,
so that no commit takes long. The thread takes one after the other without asking the loop: as fast as the disk lets it
when somebody awaits what is in it, else it is at rest for as long as the last one took, since what is written by few
commits costs the loop less. The task hears which are durable, tells the journal what was in them, in the order in which
it was handed over, and wakes whoever awaits them; it gives way often, so that a large group stops nobody.

What can not be written is tried again, a second later at the most, for as long as the journal is open: `degraded` says
why. An attempt leaves nothing behind, since it is a transaction, and nothing overtakes it.

`serve` is the task; the journal starts it in its nursery. It shields itself, so that a cancel from outside takes
nothing away: `close` lets the thread write what it has and end. Only if nothing can be written then, it gives up after
`GIVE_UP_SECONDS`, and the tickets say so. The thread is the task's, and ends before it.

The thread spends its time in calls of SQLite, which let the loop run meanwhile. Each call comes back behind whatever
else wants the interpreter, up to 5 ms later; so all rows of a kind are one call, and events alone are one for all.
"""

import os
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from actors.errors import JournalError
from actors.journals.sqlite_file import SETTLE_BYTES, SETTLE_EVENTS, fault, settle

__all__ = ["Group", "Row", "Writer"]

GROUP_EVENTS: Final = 2_048
GROUP_BYTES: Final = 4 * 2**20
"""A group that has reached one of these takes nothing more."""

REST_SECONDS: Final = 0.005
"""Between two commits, at most, while nobody waits."""

FIRST_RETRY_SECONDS: Final = 0.05
LAST_RETRY_SECONDS: Final = 1.0

GIVE_UP_SECONDS: Final = 5.0
"""After `close`, if nothing can be written."""

STEP_SECONDS: Final = 0.001
"""So long is told what was committed before others have a turn."""
WAKE_TASKS: Final = 16
"""So many that await a group are woken before others have a turn; what they hand over is written meanwhile."""

MAX_VALUES: Final = 32_766
"""Of one statement, as SQLite is compiled by default."""

RINGS_BYTES: Final = 4_096
"""Rings that are heard at once."""

_BUGS: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
"""What trying again does not help: ours, or somebody else has written to the file."""

Act = Callable[[sqlite3.Connection], None]
"""Something to write, within the group's transaction; called again if that could not be committed."""

Row = tuple[Any, ...]
"""What SQLite takes, or gives."""


class _Rows:
    """A statement over any number of rows, of which SQLite has to know only a few.

    For each power of two there is one text; what it has too many is filled up with NULL, and left out again by
    `WHERE column1 IS NOT NULL`. So a group takes one call, and the text was compiled before.
    """

    def __init__(self, width: int, text: str) -> None:
        self._width = width
        self._row = f"({', '.join('?' * width)})"
        self._text = text
        self._texts: dict[int, str] = {}
        self.most: Final[int] = 1 << ((MAX_VALUES // width).bit_length() - 1)
        """Rows in one call."""

    def run(self, connection: sqlite3.Connection, values: list[Any]) -> None:
        """Run it over all rows, given one behind the other."""
        step = self.most * self._width
        for start in range(0, len(values), step):
            part = values[start : start + step]
            rows = len(part) // self._width
            size = 1 << (rows - 1).bit_length()
            connection.execute(self._of(size), part + [None] * ((size - rows) * self._width))

    def _of(self, size: int) -> str:
        if size not in self._texts:
            self._texts[size] = self._text.replace("ROWS", f"(VALUES {', '.join([self._row] * size)})")
        return self._texts[size]


_EVENTS: Final = _Rows(3, "INSERT INTO recent (run, seq, body) SELECT * FROM ROWS WHERE column1 IS NOT NULL")
_NOTES: Final = _Rows(
    3,
    "INSERT INTO notes (run, key, value) SELECT * FROM ROWS WHERE column1 IS NOT NULL"
    " ON CONFLICT (run, key) DO UPDATE SET value = excluded.value",
)
_FORGOTTEN: Final = _Rows(2, "DELETE FROM notes WHERE (run, key) IN (SELECT * FROM ROWS)")
_STATES: Final = _Rows(
    9,
    """UPDATE runs SET token = column2, owner = column3, status = column4, total_nodes = column5,
    closed = column6, ended_at = column7, last_seq = column8, error = column9 FROM ROWS WHERE number = column1""",
)


@attrs.define(eq=False)
class Group:
    """What is committed together; the ticket of all of it."""

    hurry: Callable[[], None]
    """Called when somebody awaits it."""
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
    taken: bool = attrs.field(default=False, init=False)
    """By the thread: from now on it takes nothing more."""
    lost: JournalError | None = attrs.field(default=None, init=False)
    """Why the thread gave it up."""
    done: bool = attrs.field(default=False, init=False)
    waiting: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)
    """Who awaits it."""
    _error: JournalError | None = attrs.field(default=None, init=False)

    def __await__(self) -> Generator[Any, Any, None]:
        if not self.done and self._error is None:
            if not self.taken:
                self.hurry()
            yield from self.waiting.park().__await__()
        if self._error is not None:
            raise self._error

    @property
    def events(self) -> int:
        """How many."""
        return len(self.rows) // 3

    @property
    def full(self) -> bool:
        """Whether another has to follow."""
        return len(self.rows) >= 3 * GROUP_EVENTS or self.size >= GROUP_BYTES

    @property
    def single(self) -> bool:
        """Whether it is one statement."""
        return 0 < self.events <= _EVENTS.most and not (self.notes or self.states or self.first or self.last)

    def finish(self, error: JournalError | None = None) -> None:
        """Its end: it is durable, or can not become so any more. Who waits is still to be woken."""
        self.done, self._error = error is None, error
        # Whoever keeps the ticket keeps nothing else.
        self.rows, self.notes, self.states, self.first, self.last, self.told = [], {}, {}, [], [], []

    def write(self, connection: sqlite3.Connection) -> None:
        """Write all of it, within a transaction."""
        for act in self.first:
            act(connection)
        _EVENTS.run(connection, self.rows)
        if self.notes:
            items = self.notes.items()
            _NOTES.run(connection, [each for key, value in items if value is not None for each in (*key, value)])
            _FORGOTTEN.run(connection, [each for key, value in items if value is None for each in key])
        if self.states:
            _STATES.run(connection, [value for row in self.states.values() for value in row])
        for act in self.last:
            act(connection)


class Writer:
    """The one writer of a file.

    Args:
        connection: the one that writes; nobody else uses it until `close` returns.
        path: the file.
        recent: how many events have not been sorted in yet.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, *, recent: int) -> None:
        self.lock: Final = threading.Lock()
        """Held, for a moment, while a group is filled, and when it is taken."""
        self.degraded: str | None = None
        self.uncommitted = 0
        """Events that are handed over and not durable."""
        self.closing = False
        """Whether it takes nothing more."""
        self._connection = connection
        self._path = path
        self._recent = recent
        self._recent_bytes = 0
        self._groups: deque[Group] = deque()
        """Those that nobody was told of yet, oldest first."""
        self._inbox: queue.SimpleQueue[Group | None] = queue.SimpleQueue()
        """The same, for the thread; None: there will be no more."""
        self._hurried = threading.Event()
        """Somebody waits, or will if the thread rests on."""
        self._written: deque[Group] = deque()
        """By the thread, for the task."""
        self._reason: str | None = None
        """What `degraded` is to be."""
        self._heard, self._bell = os.pipe()
        """The thread rings at one end, the task hears at the other: one pass of the loop less than by trio's own."""
        self._lost: JournalError | None = None
        """Why the thread has given up."""
        self._closing_since = 0.0
        """Monotonic time."""
        self._ended = trio.Event()
        self._health = trio.lowlevel.ParkingLot()

    def group(self) -> Group:
        """The group that takes what is handed over now. Called with the lock held, which is kept while it is filled.

        Raises:
            JournalError: the journal is closed.
        """
        groups = self._groups
        if groups and not (groups[-1].taken or groups[-1].full):
            return groups[-1]
        if self.closing:
            raise JournalError(f"the journal {self._path} is closed")
        group = Group(self._hurried.set)
        if groups and not groups[-1].taken:
            # That one is full.
            self._hurried.set()
        groups.append(group)
        self._inbox.put(group)
        return group

    async def health_changed(self) -> None:
        """Wait until `degraded` is another."""
        await self._health.park()

    async def close(self) -> None:
        """Take nothing more, write what was handed over, and end."""
        self._close()
        await self._ended.wait()

    async def serve(self) -> None:
        """Be the writer, until it is closed."""
        for end in (self._heard, self._bell):
            os.set_blocking(end, False)
        with trio.CancelScope(shield=True):
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._tell)
                    # A limiter of its own: a pool of threads in use elsewhere never keeps the journal waiting.
                    await trio.to_thread.run_sync(self._work, limiter=trio.CapacityLimiter(1))
            finally:
                self._close()
                while self._groups:
                    group = self._groups.popleft()
                    group.finish(JournalError("the writer of the journal has failed"))
                    group.waiting.unpark_all()
                for end in (self._heard, self._bell):
                    os.close(end)
                self._ended.set()

    def _close(self) -> None:
        if not self.closing:
            self._closing_since, self.closing = time.monotonic(), True
            self._hurried.set()
            self._inbox.put(None)

    async def _tell(self) -> None:
        """Tell what was written, until there is nothing more to come."""
        await trio.lowlevel.checkpoint()
        try:
            while self._groups or not self.closing:
                await trio.lowlevel.wait_readable(self._heard)
                os.read(self._heard, RINGS_BYTES)
                if self.degraded != self._reason:
                    self.degraded = self._reason
                    self._health.unpark_all()
                while self._written:
                    await self._finish(self._written.popleft())
                    await trio.lowlevel.checkpoint()
        finally:
            # If it was a bug that ended this, the thread has to end too.
            self._close()

    async def _finish(self, group: Group) -> None:  # noqa: ASYNC910  the caller gives way
        self.uncommitted -= group.events
        if group.lost is None:
            await self._told(group)
        self._groups.popleft()
        group.finish(group.lost)
        group.waiting.unpark(count=WAKE_TASKS)
        while group.waiting:
            await trio.lowlevel.checkpoint()
            group.waiting.unpark(count=WAKE_TASKS)

    async def _told(self, group: Group) -> None:  # noqa: ASYNC910  as above
        begun = time.perf_counter()
        for tell in group.told:
            tell()
            if time.perf_counter() - begun > STEP_SECONDS:
                await trio.lowlevel.checkpoint()
                begun = time.perf_counter()

    def _work(self) -> None:
        """The thread: one group after the other."""
        rested = 0.0
        while (group := self._inbox.get()) is not None:
            if (rest := rested - time.monotonic()) > 0:
                self._hurried.wait(rest)
            self._hurried.clear()
            with self.lock:
                group.taken = True
            begun = time.monotonic()
            self._commit(group)
            ended = time.monotonic()
            rested = ended + min(ended - begun, REST_SECONDS)
            self._written.append(group)
            self._ring()
        self._ring()

    def _ring(self) -> None:
        try:
            os.write(self._bell, b"!")
        except BlockingIOError:
            # So many rings are unheard that one more says nothing.
            pass

    def _commit(self, group: Group) -> None:
        """Write it, however long that takes; or give up."""
        pause = FIRST_RETRY_SECONDS
        # What follows on something that was given up is given up too, or there would be a gap.
        while self._lost is None and (error := self._attempt(group)) is not None:
            if isinstance(error, _BUGS):
                raise error
            self._reason = f"nothing can be written to the journal {self._path}: {fault(error, self._path)}"
            if self.closing and time.monotonic() > self._closing_since + GIVE_UP_SECONDS:
                self._lost = JournalError(f"the journal was closed before this was written: {self._reason}")
                break
            self._ring()
            time.sleep(pause)
            pause = min(2 * pause, LAST_RETRY_SECONDS)
        if self._lost is None:
            self._reason = None
        group.lost = self._lost

    def _attempt(self, group: Group) -> sqlite3.Error | None:
        connection = self._connection
        recent, size = self._recent + group.events, self._recent_bytes + group.size
        settles = recent >= SETTLE_EVENTS or size >= SETTLE_BYTES
        try:
            if group.single and not settles:
                # One statement is a transaction by itself, and three calls become one.
                group.write(connection)
                self._recent, self._recent_bytes = recent, size
                return None
            connection.execute("BEGIN IMMEDIATE")
            group.write(connection)
            if settles:
                settle(connection)
                recent = size = 0
            connection.commit()
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
