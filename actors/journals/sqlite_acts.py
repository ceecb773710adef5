"""What is written to a SQLite journal besides events, notes and states: each is one act of a group.

Theory of operation: an act is called in the writer's thread, within the transaction of its group, and again if that
could not be committed; so it begins anew each time, and what it found counts only when the group is done.
"""

import sqlite3
import time
from collections.abc import Sequence
from typing import Final

import attrs

from actors.errors import Fenced, Gap, JournalError, UnknownRun
from actors.journal import Claim, ControlEntry, Keep
from actors.journals import sqlite_reader as read
from actors.journals.sqlite_reader import RunKey
from protocol.entries import pack, unpack_many
from protocol.errors import BadEntry
from protocol.messages import Event

__all__ = ["CreateRun", "GiveBack", "PutControl", "PutSession", "Repeat", "Sweep", "Trim"]

DAY_SECONDS: Final = 86_400.0

TRIM_RUNS: Final = 100
"""Forgotten in one act."""

SWEEP_ROWS: Final = 256
"""Deleted in one act."""

GIVE_BACK_PAGES: Final = 256
"""Given back to the disk in one act."""

FREE_SHARE: Final = 4
"""A file keeps this part of its pages free, because the next runs will want them."""


@attrs.define(eq=False, kw_only=True)
class CreateRun:
    """Record a run, if there is none with its id."""

    number: int
    claim: Claim
    """Token 0: nobody's."""
    workflow_id: str
    queue: str
    created_at: float
    status: str
    spec: bytes
    fresh: bool = False
    """Whether it was recorded."""

    def __call__(self, connection: sqlite3.Connection) -> None:
        """Record it, or find that its id is taken."""
        claim = self.claim
        row = (self.number, claim.run_id, self.workflow_id, self.queue, self.created_at, claim.token, claim.owner)
        done = connection.execute(
            "INSERT INTO runs (number, run_id, workflow_id, queue, created_at, token, owner, status, total_nodes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (run_id) DO NOTHING",
            (*row, self.status),
        )
        self.fresh = done.rowcount == 1
        if self.fresh:
            connection.execute("INSERT INTO specs (run, body) VALUES (?, ?)", (self.number, self.spec))


@attrs.define(eq=False)
class Repeat:
    """An append that is not the next one: it is there already, or it is refused."""

    claim: Claim
    events: Sequence[Event]
    refused: JournalError | None = None

    def __call__(self, connection: sqlite3.Connection) -> None:
        """Look."""
        try:
            self._check(connection)
            self.refused = None
        except JournalError as error:
            self.refused = error
        except BadEntry as error:
            self.refused = JournalError(str(error))

    def _check(self, connection: sqlite3.Connection) -> None:
        run_id = self.claim.run_id
        try:
            key = read.run_key(connection, run_id)
        except UnknownRun:
            raise JournalError(f"run {run_id} was never created here, or was trimmed") from None
        token, owner = connection.execute("SELECT token, owner FROM runs WHERE number = ?", (key.number,)).fetchone()
        if (token, owner) != (self.claim.token, self.claim.owner):
            raise Fenced(f"run {run_id} has another writer (token {token})")
        if self.events and self._there(connection, key):
            return
        if key.closed is not None:
            raise Fenced(f"run {run_id} has ended ({key.closed}) and takes nothing more")
        raise Gap(f"run {run_id}: seq {self.events[0].seq} was given to something else")

    def _there(self, connection: sqlite3.Connection, key: RunKey) -> bool:
        position, same = 0, True
        while same and position < len(self.events):
            left = self.events[position:]
            found = read.page(connection, key, left[0].seq - 1, len(left))
            # Both from what is kept, where a tuple within a value has become a list.
            said = unpack_many(b",".join(map(pack, left[: len(found)])), run_id=key.run_id, workflow_id=key.workflow_id)
            same = bool(found) and found == said
            position += len(found)
        return same


@attrs.frozen
class PutControl:
    """Leave a command."""

    run: int
    entry: ControlEntry

    def __call__(self, connection: sqlite3.Connection) -> None:
        """Insert it."""
        entry = self.entry
        connection.execute(
            "INSERT INTO controls (run, number, key, body) VALUES (?, ?, ?, ?)",
            (self.run, entry.number, entry.key, entry.body),
        )


@attrs.frozen
class PutSession:
    """Keep a session, or forget it."""

    session_id: str
    body: bytes | None

    def __call__(self, connection: sqlite3.Connection) -> None:
        """Replace or delete it."""
        if self.body is None:
            connection.execute("DELETE FROM sessions WHERE id = ?", (self.session_id,))
        else:
            connection.execute("INSERT OR REPLACE INTO sessions (id, body) VALUES (?, ?)", (self.session_id, self.body))


@attrs.define(eq=False)
class Trim:
    """Forget some of the runs that ended, the oldest first."""

    keep: Keep
    forgotten: Sequence[tuple[int, str, int]] = ()
    """Number, id and events of each; fewer than `TRIM_RUNS`: these were all."""

    def __call__(self, connection: sqlite3.Connection) -> None:
        """Take the next of them off the list."""
        # An ending is stamped with the time of day, so its age is measured by it too.
        oldest = float("-inf") if self.keep.days is None else time.time() - self.keep.days * DAY_SECONDS
        (ended,) = connection.execute("SELECT count(*) FROM runs WHERE closed IS NOT NULL").fetchone()
        too_many = 0 if self.keep.runs is None else max(ended - self.keep.runs, 0)
        rows = connection.execute(
            "SELECT number, run_id, last_seq, ended_at FROM runs WHERE closed IS NOT NULL"
            " ORDER BY ended_at, number LIMIT ?",
            (TRIM_RUNS + len(self.keep.spare),),
        ).fetchall()
        rows = [row for row in rows if row[1] not in self.keep.spare][:TRIM_RUNS]
        self.forgotten = [
            (number, run_id, last_seq)
            for index, (number, run_id, last_seq, ended_at) in enumerate(rows)
            if index < too_many or ended_at < oldest
        ]
        forgotten = [(number, run_id) for number, run_id, _ in self.forgotten]
        connection.executemany("INSERT INTO trash (run, run_id) VALUES (?, ?)", forgotten)
        connection.execute("DELETE FROM runs WHERE number IN (SELECT run FROM trash)")


@attrs.define(eq=False)
class Sweep:
    """Delete some of what a forgotten run has left."""

    run: int
    empty: bool = False
    """Whether nothing is left of it."""

    def __call__(self, connection: sqlite3.Connection) -> None:
        """Delete as much as one act may."""
        self.empty = False
        for delete in (
            "DELETE FROM recent WHERE rowid IN (SELECT rowid FROM recent WHERE run = ?1 LIMIT ?2)",
            "DELETE FROM chunks WHERE number IN (SELECT number FROM chunks WHERE run = ?1 LIMIT ?2)",
            "DELETE FROM notes WHERE run = ?1 AND key IN (SELECT key FROM notes WHERE run = ?1 LIMIT ?2)",
            "DELETE FROM controls WHERE run = ?1 AND number IN (SELECT number FROM controls WHERE run = ?1 LIMIT ?2)",
        ):
            if connection.execute(delete, (self.run, SWEEP_ROWS)).rowcount == SWEEP_ROWS:
                return
        connection.execute("DELETE FROM specs WHERE run = ?", (self.run,))
        connection.execute("DELETE FROM trash WHERE run = ?", (self.run,))
        self.empty = True


@attrs.define(eq=False)
class GiveBack:
    """Give some of the free pages back to the disk, if there are many."""

    enough: bool = False
    """Whether no more have to be."""

    def __call__(self, connection: sqlite3.Connection) -> None:
        """Give back as much as one act may."""
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        self.enough = free * FREE_SHARE <= pages
        if not self.enough:
            connection.execute(f"PRAGMA incremental_vacuum({GIVE_BACK_PAGES})").fetchall()
