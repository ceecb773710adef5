"""What is special to the journal in SQLite: files, processes, full disks. The rest is in its conformance suite.

Files, threads and processes are real here, so time is.
"""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.lowlevel
from trio.testing import wait_all_tasks_blocked

from actors.errors import JournalError, UnknownRun
from actors.journal import Keep
from actors.journals import sqlite_acts, sqlite_reader, sqlite_writer
from actors.journals.sqlite import SqliteJournal
from actors.testing.journals.stage import (
    BEGAN,
    FOREVER_SECONDS,
    Heard,
    claimed,
    ended,
    lines,
    over,
    seqs,
    started,
    until,
)
from protocol.messages import Logged
from protocol.states import RunStatus

ROOT = Path(__file__).parents[3]

WRITER = """
import sys, trio
from actors.journals.sqlite import SqliteJournal
from actors.testing.journals.stage import claimed, lines, started

async def main():
    async with SqliteJournal(sys.argv[1]) as journal:
        claims = await journal.claim(lease=3600)
        claim = claims[0] if claims else await claimed(journal)
        last = (await journal.load("r1", limit=1)).last_seq
        print("open", last, flush=True)
        while True:
            tickets = []
            for size in (1, 3, 40):
                events = lines(last + 1, last + size)
                last += size
                tickets.append((last, journal.append_nowait(claim, events, [("last", last)])))
            for seq, ticket in tickets:
                await ticket
                print(seq, flush=True)

trio.run(main)
"""

HOLDER = """
import sys, trio
from actors.journals.sqlite import SqliteJournal

async def main():
    async with SqliteJournal(sys.argv[1]):
        print("open", flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is to be."""
    return tmp_path / "state" / "runs.db"


@contextmanager
def process(code: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another Python that has opened the journal; killed in the end."""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as other:
        assert other.stdout is not None
        try:
            assert other.stdout.readline().startswith("open")
            yield other
        finally:
            other.kill()


@contextmanager
def quota(path: Path) -> Iterator[None]:
    """No file of this process can grow beyond what the largest of the journal has by now: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(each.stat().st_size for each in path.parent.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fat(first: int, last: int) -> list[Logged]:
    """Lines that need some room."""
    return [
        Logged(run_id="r1", workflow_id="w1", seq=seq, at=BEGAN, level="info", message="x" * 50_000)
        for seq in range(first, last + 1)
    ]


def test_a_kill_takes_nothing_that_was_acknowledged(path):
    """SIGKILL in the middle of appends, several times: what was said to be durable is there, without gap or repeat."""
    acknowledged = 0
    for acks in (1, 20, 150, 3, 60):
        with process(WRITER, path) as other:
            assert other.stdout is not None
            for _ in range(acks):
                acknowledged = int(other.stdout.readline())
            other.send_signal(signal.SIGKILL)
            rest = other.stdout.read().split()
        # A line that the kill cut in two is no acknowledgement.
        acknowledged = max([acknowledged, *(int(seq) for seq in rest[:-1])])

        async def look() -> tuple[list[int], object]:
            async with SqliteJournal(path) as journal:
                return await seqs(journal), (await journal.load("r1", limit=1)).notes["last"]

        found, note = trio.run(look)
        assert found == list(range(1, len(found) + 1))
        assert len(found) >= acknowledged
        assert note == len(found)


async def test_a_second_process_is_refused_and_told_who_has_the_file(path):
    """By process id, and with the path; when the first is killed the file is free at once."""
    with process(HOLDER, path) as other:
        with pytest.raises(JournalError, match=rf"runs\.db is in use by process {other.pid} on .*, since 20"):
            async with SqliteJournal(path):
                pytest.fail("it was opened")
        other.kill()
        other.wait()
        async with SqliteJournal(path) as journal:
            await claimed(journal)


async def test_a_second_journal_of_the_same_process_is_refused(path):
    """It would be a second writer as well; the first goes on."""
    async with SqliteJournal(path) as journal:
        with pytest.raises(JournalError, match=f"process {os.getpid()} "):
            async with SqliteJournal(path):
                pytest.fail("it was opened")
        await claimed(journal)
    async with SqliteJournal(path) as journal:
        assert await journal.find("w1") == "r1"


async def test_a_file_has_one_lock_by_whatever_name(path):
    """Through a link it is the same file."""
    link = path.with_name("link.db")
    async with SqliteJournal(path):
        link.symlink_to(path)
        with pytest.raises(JournalError, match="in use"):
            async with SqliteJournal(link):
                pytest.fail("it was opened")


async def test_nobody_else_can_read_what_a_run_did(path):
    """The folder is made for this user alone, and so is every file."""
    async with SqliteJournal(path) as journal:
        await claimed(journal)
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}


async def test_a_closed_journal_is_one_file(path):
    """What was in the log is in the file: it can be copied as it is. The lock's file stays."""
    async with SqliteJournal(path) as journal:
        await claimed(journal)
        await journal.load("r1")
    assert {each.name for each in path.parent.iterdir()} == {"runs.db", "runs.db.lock"}


@pytest.fixture(params=["quota", "disk"])
def full(request, path):
    """Makes the journal's disk full, for as long as the context lasts."""
    if request.param == "quota":
        yield partial(quota, path)
        return
    path.parent.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(path.parent)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")

    @contextmanager
    def fill() -> Iterator[None]:
        ballast = path.parent / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        try:
            yield
        finally:
            ballast.unlink()

    yield fill
    subprocess.run(["umount", path.parent], check=True)


async def test_a_full_disk_loses_nothing(path, full):
    """Tickets wait, `degraded` says why, what is there can be read; with room all goes on, in order."""
    async with SqliteJournal(path) as journal:
        journal.attach(heard := Heard(journal))
        claim = await claimed(journal)
        await journal.append_nowait(claim, [started()])
        with trio.fail_after(60):
            with full():
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(journal.health_changed)
                    await wait_all_tasks_blocked()
                    tickets = [journal.append_nowait(claim, fat(seq, seq)) for seq in range(2, 100)]
                assert str(path) in str(journal.degraded)
                assert not tickets[-1].done
                waiting = journal.statistics().uncommitted
                assert waiting > 0
                assert await seqs(journal) == list(range(1, 100 - waiting))
                assert heard.seqs() == list(range(1, 100 - waiting))
                # Another retry, and it is still so.
                last = journal.append_nowait(claim, fat(100, 100))
                with trio.move_on_after(0.3):
                    await last
                assert not last.done
            await last
            assert journal.degraded is None
        assert journal.statistics().uncommitted == 0
        assert heard.seqs() == await seqs(journal) == list(range(1, 101))


async def test_a_full_disk_says_that_it_is_full(path, full):
    """For people: not only that SQLite has failed."""
    async with SqliteJournal(path) as journal:
        claim = await claimed(journal)
        with full():
            journal.append_nowait(claim, fat(1, 99))
            await until(lambda: journal.degraded is not None)
            assert "the disk" in str(journal.degraded)
        await until(lambda: journal.degraded is None)


async def test_closing_does_not_wait_for_a_full_disk(path, full, monkeypatch):
    """It gives up: tickets say so and why; what was durable is there, and the rest is gone as a whole."""
    monkeypatch.setattr(sqlite_writer, "GIVE_UP_SECONDS", 0.2)
    with ExitStack() as room:
        with trio.fail_after(60):
            async with SqliteJournal(path) as journal:
                claim = await claimed(journal)
                await journal.append_nowait(claim, [started()])
                room.enter_context(full())
                tickets = [journal.append_nowait(claim, fat(seq, seq)) for seq in range(2, 100)]
                await until(lambda: journal.degraded is not None)
        assert not tickets[-1].done
        with pytest.raises(JournalError, match="the disk"):
            await tickets[-1]
    durable = 1 + sum(ticket.done for ticket in tickets)
    async with SqliteJournal(path) as journal:
        assert await seqs(journal) == list(range(1, durable + 1))


async def test_a_file_of_a_newer_version_is_refused(path):
    """Instead of being misread; the text says which version it is."""
    async with SqliteJournal(path):
        pass
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(JournalError, match=r"runs\.db was written by a newer callboard \(version 99"):
        async with SqliteJournal(path):
            pytest.fail("it was opened")


async def test_somebody_elses_database_is_refused(path):
    """And left as it is."""
    path.parent.mkdir()
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE theirs (x)")
    file.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"runs\.db is a database of another program"):
        async with SqliteJournal(path):
            pytest.fail("it was opened")
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused(path):
    """With its path, and what to do."""
    path.parent.mkdir()
    path.write_bytes(b"these are not the bytes you are looking for " * 200)
    with pytest.raises(JournalError, match=r"runs\.db can not be opened: it is no SQLite database.*move it away"):
        async with SqliteJournal(path):
            pytest.fail("it was opened")


async def test_a_place_where_no_file_can_be_is_refused(tmp_path):
    """A folder, or a file where a folder should be."""
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "runs.db"):
        with pytest.raises(JournalError, match=f"the journal {path} can not be opened"):
            async with SqliteJournal(path):
                pytest.fail("it was opened")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
async def test_a_file_that_may_not_be_written_is_refused(path):
    """With its path, and what to do."""
    async with SqliteJournal(path):
        pass
    path.chmod(0o400)
    with pytest.raises(JournalError, match=r"runs\.db can not be opened .*make it writable"):
        async with SqliteJournal(path):
            pytest.fail("it was opened")


async def test_a_damaged_page_is_an_error_not_a_gap(path):
    """What can not be read says so, and which file it is."""
    async with SqliteJournal(path) as journal:
        await journal.append_nowait(await claimed(journal), [started(), *lines(2, 9_000)])
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 200_000)
    with pytest.raises(JournalError, match=r"runs\.db"):
        async with SqliteJournal(path) as journal:
            await seqs(journal)


async def test_a_refused_file_is_free_again(path):
    """Who was refused holds no lock."""
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    for _ in range(2):
        with pytest.raises(JournalError, match="no SQLite database"):
            async with SqliteJournal(path):
                pytest.fail("it was opened")
    path.unlink()
    async with SqliteJournal(path) as journal:
        await claimed(journal)


async def test_events_are_read_the_same_before_and_after_they_are_sorted_in(path, monkeypatch):
    """Wherever a page begins, however many of its events lie where."""
    monkeypatch.setattr(sqlite_writer, "SETTLE_EVENTS", 40)
    async with SqliteJournal(path) as journal:
        claims = {run: await claimed(journal, f"r{run}", f"w{run}") for run in (1, 2, 3)}
        for seq in range(1, 150):
            for run, claim in claims.items():
                await journal.append_nowait(claim, lines(seq, seq, f"r{run}", f"w{run}"))
            if seq % 7 == 0:
                for after in range(0, seq, 5):
                    page = await journal.load("r2", after, 12)
                    wanted = list(range(after + 1, min(after + 12, seq) + 1))
                    assert [event.seq for event in page.events] == wanted
                    assert page.last_seq == seq
                assert {row.last_seq for row in (await journal.list_runs()).runs} == {seq}
    async with SqliteJournal(path) as journal:
        for run in claims:
            assert await seqs(journal, f"r{run}") == list(range(1, 150))


async def test_a_file_of_the_first_version_is_brought_up(path):
    """Nothing of it is lost, wherever its events lie."""
    async with SqliteJournal(path) as journal:
        await journal.append_nowait(await claimed(journal), [started(), *lines(2, 200)])
        await over(journal, "r2", "w2")
    with closing(sqlite3.connect(path)) as file:
        file.executescript(
            """
            BEGIN;
            DROP VIEW summaries;
            DROP TABLE chunks;
            CREATE TABLE events (
                run INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (run, seq)
            ) WITHOUT ROWID, STRICT;
            INSERT INTO events SELECT run, seq, body FROM recent WHERE run = 2 OR seq < 170;
            DELETE FROM recent WHERE run = 2 OR seq < 170;
            CREATE VIEW summaries AS SELECT number FROM runs;
            PRAGMA user_version = 1;
            COMMIT;
            """
        )
    async with SqliteJournal(path) as journal:
        assert await seqs(journal) == list(range(1, 201))
        assert await seqs(journal, "r2") == [1, 2]
        assert [row.last_seq for row in (await journal.list_runs()).runs] == [2, 200]
        await journal.append_nowait((await journal.claim(lease=60.0))[0], lines(201, 210))
    async with SqliteJournal(path) as journal:
        assert await seqs(journal) == list(range(1, 211))


async def test_a_page_ends_before_it_is_too_large(path, monkeypatch):
    """However many events were asked for; one at least, however large it is."""
    monkeypatch.setattr(sqlite_reader, "PAGE_BYTES", 120_000)
    monkeypatch.setattr(sqlite_writer, "SETTLE_EVENTS", 7)
    async with SqliteJournal(path) as journal:
        claim = await claimed(journal)
        for seq in range(1, 11):
            await journal.append_nowait(claim, fat(seq, seq))
        assert [event.seq for event in (await journal.load("r1")).events] == [1, 2, 3]
        assert [event.seq for event in (await journal.load("r1", after=6)).events] == [7, 8, 9]
        assert await seqs(journal) == list(range(1, 11))
        monkeypatch.setattr(sqlite_reader, "PAGE_BYTES", 1)
        assert await seqs(journal) == list(range(1, 11))


async def test_a_batch_may_be_larger_than_any_statement(path):
    """It is one transaction all the same."""
    async with SqliteJournal(path) as journal:
        ticket = journal.append_nowait(
            await claimed(journal),
            [started(), *lines(2, 20_000)],
            [(f"k{number}", number) for number in range(20_000)],
        )
        await ticket
        assert len(await seqs(journal)) == 20_000
        assert len((await journal.load("r1", limit=1)).notes) == 20_000


async def test_trimming_gives_the_room_back(path, monkeypatch):
    """Little by little: the rows go, then the file shrinks; and what is left to do is done after the next start."""
    monkeypatch.setattr(sqlite_acts, "SWEEP_ROWS", 8)
    async with SqliteJournal(path) as journal:
        await journal.append_nowait(await claimed(journal), [*fat(1, 100), ended(101)], close=RunStatus.COMPLETED)
        await over(journal, "r2", "w2", at=BEGAN + 1_000)
    large = path.stat().st_size
    async with SqliteJournal(path) as journal:
        assert list((await journal.trim(Keep(runs=1))).run_ids) == ["r1"]
    async with SqliteJournal(path) as journal:
        await until(lambda: rows(path, "trash") == 0 and rows(path, "runs") == 1)
        await until(lambda: pages(path) * 4096 < large // 4)
        assert (rows(path, "chunks") + rows(path, "recent"), rows(path, "specs")) == (2, 1)
        assert await seqs(journal, "r2") == [1, 2]
    assert path.stat().st_size < large // 4


async def test_what_is_followed_is_deleted_later(path):
    """As soon as nobody follows it any more."""
    async with SqliteJournal(path) as journal:
        await over(journal, "r1", "w1")
        async with journal.follow("r1") as events:
            assert (await anext(events)).seq == 1
            await journal.trim(Keep(runs=0))
            assert rows(path, "trash") == 1
            assert [event.seq async for event in events] == [2]
        await until(lambda: rows(path, "trash") == 0)
        assert rows(path, "chunks") + rows(path, "recent") == 0


async def test_texts_that_sqlite_can_not_take_cost_nobody_a_run(path):
    """A lone surrogate in a name is spelled out."""
    async with SqliteJournal(path) as journal:
        claim = await claimed(journal, "r1", "w\ud800")
        await journal.append_nowait(claim, [started()], [("\udfff", "\ud800")])
        assert await journal.find("w\ud800") == "r1"
        assert (await journal.list_runs(workflow_id="w\ud800")).runs
        assert len((await journal.load("r1")).notes) == 1
        await journal.put_session("\ud800", b"x")
        assert await journal.get_session("\ud800") == b"x"
        with pytest.raises(UnknownRun):
            await journal.load("\ud800")


async def test_a_file_that_was_changed_behind_its_back_ends_the_journal(path):
    """Nothing is guessed: whoever waits is told, the error comes out, and the lock is let go of."""
    with pytest.raises(BaseExceptionGroup) as raised:
        async with SqliteJournal(path) as journal:
            await claimed(journal)
            with sqlite3.connect(path) as file:
                file.execute("UPDATE runs SET number = 2")
            file.close()
            await claimed(journal, "r2", "w2")
    assert raised.group_contains(sqlite3.IntegrityError)
    async with SqliteJournal(path) as journal:
        assert await journal.find("w1") == "r1"


async def test_a_listener_that_fails_ends_the_journal(path):
    """What was handed over is written all the same; nobody waits for ever."""

    class Failing:
        def publish(self, *batch: object) -> None:
            raise ZeroDivisionError

    with trio.fail_after(60), pytest.raises(BaseExceptionGroup) as raised:
        async with SqliteJournal(path) as journal:
            claim = await claimed(journal)
            journal.attach(Failing())
            journal.append_nowait(claim, [started()])
            await journal.append_nowait(claim, lines(2, 2))
    assert raised.group_contains(ZeroDivisionError)
    async with SqliteJournal(path) as journal:
        assert await seqs(journal) == [1, 2]


async def test_a_cancel_of_anything_leaves_the_journal_whole(path):
    """At each of its awaits: what it did is done or not, everybody else goes on, and it can be opened again."""
    async with SqliteJournal(path) as journal:
        claim = await claimed(journal)
        await journal.append_nowait(claim, [started()])
        await over(journal, "r2", "w2")

        async def append() -> None:
            last = journal.statistics().uncommitted + (await journal.load("r1")).last_seq
            await journal.append_nowait(claim, lines(last + 1, last + 1))

        async def follow() -> None:
            async with journal.follow("r1") as events:
                async for _ in events:
                    await trio.lowlevel.checkpoint()

        async def create() -> None:
            await journal.create("r3", "w3", b"{}", created_at=BEGAN, lease=FOREVER_SECONDS)

        operations: list[Callable[[], Awaitable[object]]] = [
            create,
            append,
            follow,
            partial(journal.claim, lease=FOREVER_SECONDS),
            partial(journal.renew, [claim], lease=FOREVER_SECONDS),
            partial(journal.control, "r1", "k", b"pause"),
            partial(journal.put_session, "s", b"x"),
            partial(journal.get_session, "s"),
            journal.list_sessions,
            partial(journal.load, "r1"),
            partial(journal.spec, "r1"),
            partial(journal.summary, "r1"),
            partial(journal.find, "w1"),
            journal.list_runs,
            journal.claimable,
            journal.health_changed,
            partial(journal.trim, Keep(runs=0)),
        ]
        with trio.fail_after(60):
            for operation in operations:
                for steps in range(12):
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(operation)
                        for _ in range(steps):
                            await trio.lowlevel.checkpoint()
                        nursery.cancel_scope.cancel()
                    await journal.put_session("alive", b"x")
            found = await seqs(journal)
            assert found == list(range(1, len(found) + 1))
            assert journal.statistics().following == 0
            await journal.append_nowait(claim, [ended(len(found) + 1)], close=RunStatus.COMPLETED)
    async with SqliteJournal(path) as journal:
        assert await seqs(journal) == [*found, len(found) + 1]
        assert (journal.statistics().runs, journal.statistics().open_runs) == (2, 1)
        assert [each.run_id for each in await journal.claim(lease=FOREVER_SECONDS)] == ["r3"]


@pytest.mark.parametrize("steps", range(8))
async def test_a_cancel_of_opening_leaves_the_file_free(path, steps):
    """Wherever it comes."""
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def opens() -> None:
                async with SqliteJournal(path):
                    await trio.sleep_forever()

            nursery.start_soon(opens)
            for _ in range(steps):
                await trio.sleep(0.001)
            scope.cancel()
    async with SqliteJournal(path) as journal:
        await claimed(journal)


def rows(path: Path, table: str) -> int:
    """How many rows a table has, seen from outside."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as file:
        (count,) = file.execute(f"SELECT count(*) FROM {table}").fetchone()
    file.close()
    return int(count)


def pages(path: Path) -> int:
    """How many pages the file has, seen from outside."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as file:
        (count,) = file.execute("PRAGMA page_count").fetchone()
    file.close()
    return int(count)
