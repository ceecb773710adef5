"""The file of a SQLite journal: its tables, how it is opened, and what is said when that can not be.

Theory of operation: an event is written twice. First into `recent`, in the order in which all runs speak, so that a
commit of a thousand runs touches a few pages and not a thousand; from there, many at a time and sorted by run, into
`chunks`, each with some successive events of one run, joined by commas, for whoever reads them. Both tables only grow
at their end, which is what a B-tree does best. An event is in one of the two, and what a run has in `recent` is newer
than what it has in `chunks`.

A run has a number of its own, so that a row is small; numbers count up and are the order of a list. What was trimmed
has lost its row in `runs`, which is what counts; its other rows are deleted later, little by little, and until then
`trash` has its number.
"""

import errno
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from actors.errors import JournalError

__all__ = [
    "CHUNK_EVENTS",
    "SETTLE_BYTES",
    "SETTLE_EVENTS",
    "fault",
    "make",
    "open_reader",
    "open_writer",
    "settle",
    "text",
    "unusable",
]

VERSION: Final = 2
"""Of the tables. A file of a newer one is refused, one of an older is brought up to it."""

APPLICATION: Final = 0x63616C6C
"""`PRAGMA application_id`: the file is a journal, and not somebody's other database ("call")."""

LEAST_SQLITE: Final = (3, 37, 0)
"""The first with STRICT tables."""

CACHE_KIB: Final = 16 * 1024
"""Pages that the writer keeps in memory: the newest page of some thousand runs."""

WAL_BYTES: Final = 32 * 2**20
"""A write-ahead log that has grown beyond this is cut back when it begins anew."""

LOG_PAGES: Final = 4_096
"""A write-ahead log of this length is copied into the file: long enough that a page which is written again and again,
as those of a thousand runs are, is copied once."""

CHUNK_EVENTS: Final = 64
CHUNK_BYTES: Final = 2**16
"""A chunk ends where a run's seq, or the bytes of its events that are sorted in with it, pass a multiple of these: what
one look reads at least, and how far apart they may lie."""

SETTLE_EVENTS: Final = 32_768
SETTLE_BYTES: Final = 8 * 2**20
"""As much lies in `recent` before it is sorted in: enough that a run has several events for each page they go to,
little enough that the commit in which it happens is no long one."""

_CHUNKS: Final = """
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY, run INTEGER NOT NULL, last INTEGER NOT NULL, bodies BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX chunks_run ON chunks (run, last);
CREATE VIEW summaries AS
    WITH fresh AS MATERIALIZED (SELECT run, max(seq) AS seq FROM recent GROUP BY run)
    SELECT
        number, run_id, workflow_id, status, created_at, total_nodes, ended_at, error,
        coalesce(last_seq, fresh.seq, (SELECT max(last) FROM chunks WHERE run = runs.number), 0) AS newest
    FROM runs LEFT JOIN fresh ON fresh.run = number;
"""

_TABLES: Final = f"""
CREATE TABLE runs (
    number INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, workflow_id TEXT NOT NULL, queue TEXT NOT NULL,
    created_at REAL NOT NULL, token INTEGER NOT NULL, owner TEXT NOT NULL, status TEXT NOT NULL,
    total_nodes INTEGER NOT NULL, closed TEXT, ended_at REAL, last_seq INTEGER, error TEXT
) STRICT;
CREATE INDEX runs_workflow ON runs (workflow_id, number);
CREATE INDEX runs_status ON runs (status, number);
CREATE INDEX runs_open ON runs (number) WHERE closed IS NULL;
CREATE INDEX runs_ended ON runs (ended_at) WHERE closed IS NOT NULL;
CREATE TABLE specs (run INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE recent (run INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
{_CHUNKS}
CREATE TABLE notes (
    run INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (run, key)
) WITHOUT ROWID, STRICT;
CREATE TABLE controls (
    run INTEGER NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (run, number)
) WITHOUT ROWID, STRICT;
CREATE TABLE sessions (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE trash (run INTEGER PRIMARY KEY, run_id TEXT NOT NULL) STRICT;
"""

_SETTLE: Final = """
INSERT INTO chunks (run, last, bodies)
SELECT run, max(seq), CAST(group_concat(body) AS BLOB) FROM (
    SELECT run, seq, body, sum(length(body)) OVER (PARTITION BY run ORDER BY seq) / :bytes AS part FROM {table}
) GROUP BY run, seq / :events, part
"""

_CHUNK: Final = {"events": CHUNK_EVENTS, "bytes": CHUNK_BYTES}

_FROM_1: Final = (
    "DROP VIEW summaries",
    *filter(str.strip, _CHUNKS.split(";")),
    _SETTLE.format(table="events"),
    "DROP TABLE events",
)
"""Version 1 had a row for each event."""

_REASONS: Final = {
    sqlite3.SQLITE_FULL: "there is no room on the disk",
    sqlite3.SQLITE_IOERR: "the disk does not take what is written",
    sqlite3.SQLITE_READONLY: "the file may not be written",
    sqlite3.SQLITE_CANTOPEN: "a file beside it can not be opened or made",
    sqlite3.SQLITE_BUSY: "another program has locked it",
    sqlite3.SQLITE_CORRUPT: "it is damaged; put a backup in its place, or try `sqlite3 FILE .recover`",
    sqlite3.SQLITE_NOTADB: "it is no SQLite database, or its first page is damaged; move it away to begin a new one",
    sqlite3.SQLITE_NOMEM: "there is no memory",
}


def make(path: Path) -> None:
    """Make the file, if it is not there, and its folder; nobody but this user can read what a run did.

    Raises:
        JournalError: that can not be done.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made here and not by SQLite, which gives its other files the mode that this one has.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise unusable(path, error) from error


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes. Makes the tables if they are not there.

    Raises:
        JournalError: it is none of ours, or of a newer version.
        sqlite3.Error: it can not be opened.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=128)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """One of the connections that read; the writer's is open.

    Raises:
        sqlite3.Error: it can not be opened.
    """
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)


def settle(connection: sqlite3.Connection) -> None:
    """Sort what is in `recent` into `events`. Called within a transaction."""
    connection.execute(_SETTLE.format(table="recent"), _CHUNK)
    connection.execute("DELETE FROM recent")


def fault(error: sqlite3.Error, path: Path) -> str:
    """What went wrong, for people."""
    # The low byte says what it is, the rest where in SQLite it happened.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_IOERR and _free(path) == 0:
        code = sqlite3.SQLITE_FULL
    return f"{_REASONS[code]} ({error})" if code in _REASONS else str(error)


def unusable(path: Path, error: OSError) -> JournalError:
    """Why there is no file, and what to do."""
    match error.errno:
        case errno.EACCES | errno.EPERM:
            hint = "make it writable for this user, or name another file"
        case errno.EROFS:
            hint = "its disk can only be read; name another file"
        case errno.ENOSPC | errno.EDQUOT:
            hint = "make room on its disk"
        case errno.EISDIR | errno.ENOTDIR | errno.EEXIST:
            hint = "a journal is a file in a folder; name another one"
        case _:
            hint = "name another file"
    return JournalError(f"the journal {path} can not be opened ({error.strerror}): {hint}")


def text(value: str) -> str:
    """A text as SQLite takes it: a lone surrogate is spelled out."""
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def _free(path: Path) -> int:
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return -1


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        least = ".".join(map(str, LEAST_SQLITE))
        raise JournalError(f"a journal in a file needs SQLite {least}; this Python has {sqlite3.sqlite_version}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION and tables:
        raise JournalError(f"{path} is a database of another program; name another file for the journal")
    if version > VERSION:
        raise JournalError(
            f"the journal {path} was written by a newer callboard (version {version}, this one knows {VERSION}); "
            "install that one, or name another file"
        )
    if not tables:
        # Before the first table; and both before the log, which fixes them.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    if not tables:
        connection.executescript(
            f"BEGIN IMMEDIATE;{_TABLES}PRAGMA application_id = {APPLICATION};PRAGMA user_version = {VERSION};COMMIT;"
        )
    else:
        # Finds out now, and not at the first run, whether it may be written.
        connection.execute("BEGIN IMMEDIATE")
        if version == 1:
            for statement in _FROM_1:
                connection.execute(statement, _CHUNK if ":" in statement else ())
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
