"""Reading a SQLite journal: a few read-only connections, and what is asked of them.

Theory of operation: each question is one function of a connection, run in a thread, and one read transaction at most;
none is held across an await. `Readers` opens a connection when all others are at work, up to `READERS`, and keeps it.
They are closed when the last user has left: the journal itself, and each follower that still tells a run to its end.

What of a run is older lies side by side, what is recent among that of all runs, where it has to be looked for; so that
is done only if the page is not full.

A page is one row: SQLite joins its events within one call. The thread gives the interpreter back once for that, and not
for each event, each time behind whatever else wants it.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import attrs
import trio

from actors.errors import JournalError, UnknownRun
from actors.journal import ControlEntry, Page, RunPage
from actors.journals.sqlite_file import CHUNK_EVENTS, fault, open_reader
from protocol.entries import unpack_json, unpack_many
from protocol.errors import BadEntry
from protocol.messages import Event, Json, RunSummary
from protocol.states import RunStatus

__all__ = [
    "Readers",
    "RunKey",
    "find",
    "list_runs",
    "load",
    "run_key",
    "session",
    "sessions",
    "spec",
    "summary",
    "tail",
]

READERS: Final = 4

PAGE_BYTES: Final = 2**20
"""A page ends here, however few events it has: as much is read without giving way."""

MAX_INTEGER: Final = 2**62

_T = TypeVar("_T")

_KEY: Final = "SELECT number, run_id, workflow_id, closed FROM runs WHERE run_id = ?"

_SETTLED: Final = """
SELECT group_concat(bodies), total(length(bodies)), (SELECT max(last) FROM chunks WHERE run = ?1) FROM (
    SELECT bodies, sum(length(bodies)) OVER (ORDER BY last) - length(bodies) AS before
    FROM chunks WHERE run = ?1 AND last > ?2 AND last < ?2 + ?3 + ?5
) WHERE before < ?4
"""
"""Whole chunks, the first and last of which may have more than was asked for."""
_RECENT: Final = """
SELECT group_concat(body) FROM (
    SELECT body, sum(length(body)) OVER (ORDER BY seq) - length(body) AS before FROM (
        SELECT seq, body FROM recent WHERE run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3
    )
) WHERE before < ?4
"""

_NEWEST: Final = """
SELECT coalesce(
    last_seq,
    (SELECT max(seq) FROM recent WHERE run = number),
    (SELECT max(last) FROM chunks WHERE run = runs.number),
    0
) FROM runs WHERE number = ?
"""

_ROWS: Final = """
SELECT run_id, workflow_id, status, created_at, total_nodes, newest, ended_at, error, number FROM summaries
"""

_NOTES: Final = "SELECT json_group_object(key, json(CAST(value AS TEXT))) FROM notes WHERE run = ?"


class RunKey(NamedTuple):
    """Which run it is."""

    number: int
    run_id: str
    workflow_id: str
    closed: str | None


@attrs.define(eq=False)
class Readers:
    """The connections that read one file."""

    _path: Path
    _free: list[sqlite3.Connection] = attrs.field(factory=list, init=False)
    _limiter: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(READERS), init=False)
    _users: int = attrs.field(default=0, init=False)

    def use(self) -> None:
        """One more needs them; whoever says so says `leave` later."""
        self._users += 1

    def leave(self) -> None:
        """One less."""
        self._users -= 1
        self._close_unused()

    async def ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """Ask in a thread; what is read is one state of the file.

        Raises:
            JournalError: the file can not be read.
        """
        self.use()
        try:
            return await trio.to_thread.run_sync(self._ask, question, limiter=self._limiter)
        finally:
            self.leave()

    def _ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            connection = self._free.pop() if self._free else open_reader(self._path)
            try:
                connection.execute("BEGIN")
                return question(connection)
            finally:
                connection.rollback()
                self._free.append(connection)
        except sqlite3.Error as error:
            raise JournalError(f"the journal {self._path} can not be read: {fault(error, self._path)}") from error
        except BadEntry as error:
            raise JournalError(f"the journal {self._path}: {error}") from error

    def _close_unused(self) -> None:
        while not self._users and self._free:
            self._free.pop().close()


def run_key(connection: sqlite3.Connection, run_id: str) -> RunKey:
    """The key of a run.

    Raises:
        UnknownRun: it is not there.
    """
    row = connection.execute(_KEY, (run_id,)).fetchone()
    if row is None:
        raise UnknownRun(f"no run {run_id} is in the journal")
    return RunKey(*row)


def load(connection: sqlite3.Connection, run_id: str, after: int, limit: int) -> Page:
    """A page of a run's events; see `Journal.load`.

    Raises:
        UnknownRun: it is not there.
    """
    key = run_key(connection, run_id)
    after = min(max(after, 0), MAX_INTEGER)
    (last_seq,) = connection.execute(_NEWEST, (key.number,)).fetchone()
    return Page(
        events=page(connection, key, after, limit),
        notes={} if after else notes(connection, key.number),
        last_seq=last_seq,
        closed=None if key.closed is None else RunStatus(key.closed),
    )


def tail(connection: sqlite3.Connection, key: RunKey, after: int, limit: int) -> tuple[Sequence[Event], bool]:
    """Events after a seq, and whether the run has ended; also of a run that was trimmed since its key was read."""
    row = connection.execute("SELECT closed FROM runs WHERE number = ?", (key.number,)).fetchone()
    return page(connection, key, after, limit), row is None or row[0] is not None


def page(connection: sqlite3.Connection, key: RunKey, after: int, limit: int) -> list[Event]:
    """Events after a seq: no more than were asked for, than there are, or than fit on a page; but one at least."""
    limit = min(max(limit, 1), MAX_INTEGER)
    joined, size, settled = connection.execute(
        _SETTLED, (key.number, after, limit, PAGE_BYTES, CHUNK_EVENTS)
    ).fetchone()
    events = unpack_many(joined or "", run_id=key.run_id, workflow_id=key.workflow_id)
    if events:
        skipped = after + 1 - events[0].seq
        events = events[skipped : skipped + limit]
        after = events[-1].seq
    if after >= (settled or 0) and len(events) < limit and size < PAGE_BYTES:
        asked = (key.number, after, limit - len(events), PAGE_BYTES - int(size))
        (joined,) = connection.execute(_RECENT, asked).fetchone()
        events += unpack_many(joined or "", run_id=key.run_id, workflow_id=key.workflow_id)
    return events


def notes(connection: sqlite3.Connection, run: int) -> Mapping[str, Json]:
    """The notes of a run."""
    (joined,) = connection.execute(_NOTES, (run,)).fetchone()
    found: Mapping[str, Json] = unpack_json(joined)
    return found


def spec(connection: sqlite3.Connection, run_id: str) -> bytes:
    """What a run was created with.

    Raises:
        UnknownRun: it is not there.
    """
    (body,) = connection.execute(
        "SELECT body FROM specs WHERE run = ?", (run_key(connection, run_id).number,)
    ).fetchone()
    return bytes(body)


def find(connection: sqlite3.Connection, workflow_id: str) -> str | None:
    """The latest run of a workflow."""
    asked = "SELECT run_id FROM runs WHERE workflow_id = ? ORDER BY number DESC LIMIT 1"
    row = connection.execute(asked, (workflow_id,)).fetchone()
    return None if row is None else str(row[0])


def summary(connection: sqlite3.Connection, run_id: str) -> RunSummary:
    """The row of a run in a list.

    Raises:
        UnknownRun: it is not there.
    """
    row = connection.execute(f"{_ROWS} WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        raise UnknownRun(f"no run {run_id} is in the journal")
    return _summary(row)


def list_runs(
    connection: sqlite3.Connection, *, before: int, status: str | None, workflow_id: str | None, limit: int
) -> RunPage:
    """Runs with a smaller number, the newest first."""
    asked = {"number": before, "status": status, "workflow_id": workflow_id, "limit": limit + 1}
    wanted = "".join(f" AND {name} = :{name}" for name in ("status", "workflow_id") if asked[name] is not None)
    rows = connection.execute(
        f"{_ROWS} WHERE number < :number{wanted} ORDER BY number DESC LIMIT :limit", asked
    ).fetchall()
    more = len(rows) > limit
    return RunPage([_summary(row) for row in rows[:limit]], str(rows[limit - 1][-1]) if more else None)


def controls(connection: sqlite3.Connection, run: int, run_id: str) -> list[ControlEntry]:
    """The commands that were left for a run, in their order."""
    rows = connection.execute("SELECT number, key, body FROM controls WHERE run = ? ORDER BY number", (run,))
    return [ControlEntry(run_id, number, key, body) for number, key, body in rows]


def control(connection: sqlite3.Connection, run_id: str, key: str) -> int:
    """The number of a command that was left for a run which has ended since.

    Raises:
        UnknownRun: it is not there.
        JournalError: no such command was left.
    """
    run = run_key(connection, run_id)
    for entry in controls(connection, run.number, run_id):
        if entry.key == key:
            return entry.number
    raise JournalError(f"run {run_id} has ended ({run.closed}) and takes no commands")


def session(connection: sqlite3.Connection, session_id: str) -> bytes | None:
    """What was kept of a session."""
    row = connection.execute("SELECT body FROM sessions WHERE id = ?", (session_id,)).fetchone()
    return None if row is None else bytes(row[0])


def sessions(connection: sqlite3.Connection) -> Sequence[tuple[str, bytes]]:
    """Every session that is kept."""
    return connection.execute("SELECT id, body FROM sessions").fetchall()


def _summary(row: Sequence[Any]) -> RunSummary:
    run_id, workflow_id, status, created_at, total_nodes, last_seq, ended_at, error, _ = row
    return RunSummary(
        run_id=run_id,
        workflow_id=workflow_id,
        status=RunStatus(status),
        created_at=created_at,
        total_nodes=total_nodes,
        last_seq=last_seq,
        ended_at=ended_at,
        error=error,
    )
