"""What a SQLite journal knows of its file: the open runs, as far as they were handed over, and some figures.

Theory of operation: nobody else writes the file, so this is read once, when it is opened, and carried on in memory.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from actors.errors import JournalError
from actors.journal import Claim, ControlEntry, Ticket
from actors.journals import sqlite_reader as read
from actors.journals.holder import Holder
from actors.journals.sqlite_file import fault, make, open_writer, text, unusable
from actors.journals.sqlite_reader import RunKey
from actors.journals.sqlite_writer import Row
from protocol.errors import BadEntry
from protocol.messages import Event, Logged, NodeChanged, RunChanged, RunEnded, RunStarted
from protocol.states import RunStatus

__all__ = ["Found", "OpenRun", "open_file"]

_OPEN: Final = """
SELECT r.number, r.run_id, r.workflow_id, queue, token, owner, r.created_at, r.status, r.total_nodes, r.error, newest
FROM runs AS r JOIN summaries AS s ON s.number = r.number WHERE closed IS NULL ORDER BY r.number
"""


@attrs.define(eq=False, kw_only=True)
class OpenRun:
    """An open run, as far as it was handed over."""

    number: int
    workflow_id: str
    queue: str
    claim: Claim
    """The newest; token 0: nobody has claimed it yet."""
    created: Ticket | None = None
    """Of its creation, in this process."""
    last_seq: int = 0
    at: float
    """The time of its newest event, or of its creation."""
    status: str = RunStatus.PENDING
    total_nodes: int = 0
    error: str | None = None
    closed: RunStatus | None = None
    controls: list[ControlEntry] = attrs.field(factory=list)
    """Those that are durable."""
    keys: dict[str, tuple[int, Ticket | None]] = attrs.field(factory=dict)
    """Key → number and ticket of every control."""
    handed: int = 0
    """How many of the controls its claim has been given."""

    def follow(self, events: Sequence[Event], close: RunStatus | None) -> bool:
        """Be as its newest events say; whether its row changes by that."""
        changed = close is not None
        for event in events:
            match event:
                case NodeChanged() | Logged():
                    continue
                case RunStarted():
                    self.status, self.total_nodes = event.status, event.total_nodes
                case RunChanged():
                    self.status = event.status
                case RunEnded():
                    self.status, self.error = event.status, event.error
            changed = True
        if events:
            self.last_seq, self.at = events[-1].seq, events[-1].at
        if close is not None:
            self.status = self.closed = close
        return changed

    def row(self) -> Row:
        """What of its row may change."""
        ended = (None, None, None) if self.closed is None else (self.closed, self.at, self.last_seq)
        return (
            self.number,
            self.claim.token,
            self.claim.owner,
            self.status,
            self.total_nodes,
            *ended,
            None if self.error is None else text(self.error),
        )


@attrs.define(eq=False, kw_only=True)
class Found:
    """What is in a file when it is opened."""

    connection: sqlite3.Connection
    holder: Holder
    runs: list[OpenRun]
    """The open ones, oldest first."""
    count: int
    events: int
    number: int
    """The highest that was ever given, as far as it matters."""
    recent: int
    sessions: set[str]
    trash: dict[int, str]


def open_file(path: Path) -> Found:
    """Lock a file, open it, make it if it is not there. Called in a thread.

    Raises:
        JournalError: another process has it, or it can not be used; the text says which, and what to do.
    """
    make(path)
    try:
        holder = Holder(path)
    except OSError as error:
        raise unusable(path, error) from error
    try:
        connection = open_writer(path)
        try:
            return _look(connection, holder)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, BadEntry) as error:
        holder.release()
        why = fault(error, path) if isinstance(error, sqlite3.Error) else error
        raise JournalError(f"the journal {path} can not be opened: {why}") from error
    except BaseException:
        holder.release()
        raise


def _look(connection: sqlite3.Connection, holder: Holder) -> Found:
    count, events, number = connection.execute(
        "SELECT count(*), total(newest), max(coalesce(max(number), 0), (SELECT coalesce(max(run), 0) FROM trash))"
        " FROM summaries"
    ).fetchone()
    (recent,) = connection.execute("SELECT count(*) FROM recent").fetchone()
    return Found(
        connection=connection,
        holder=holder,
        runs=[_open_run(connection, row) for row in connection.execute(_OPEN).fetchall()],
        count=count,
        events=int(events),
        number=number,
        recent=recent,
        sessions={session_id for (session_id,) in connection.execute("SELECT id FROM sessions")},
        trash=dict(connection.execute("SELECT run, run_id FROM trash").fetchall()),
    )


def _open_run(connection: sqlite3.Connection, row: Row) -> OpenRun:
    number, run_id, workflow_id, queue, token, owner, created_at, status, total_nodes, error, newest = row
    controls = read.controls(connection, number, run_id)
    last = read.page(connection, RunKey(number, run_id, workflow_id, None), newest - 1, 1) if newest else []
    return OpenRun(
        number=number,
        workflow_id=workflow_id,
        queue=queue,
        claim=Claim(run_id, token, owner),
        last_seq=newest,
        at=last[0].at if last else created_at,
        status=status,
        total_nodes=total_nodes,
        error=error,
        controls=controls,
        keys={entry.key: (entry.number, None) for entry in controls},
    )
