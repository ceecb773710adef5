"""What every journal promises, tried on the one in memory."""

from collections.abc import Sequence
from itertools import pairwise

import attrs
import pytest
import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from actors.errors import JournalError, UnknownRun
from actors.journal import Claim, Keep, MemoryJournal, Note
from protocol.errors import BadField
from protocol.messages import Event, Logged, RunChanged, RunEnded, RunStarted, Summary
from protocol.states import RunStatus


@attrs.define
class Heard:
    batches: list[tuple[str, list[int], list[Note]]] = attrs.field(factory=list)

    def publish(self, run_id: str, events: Sequence[Event], notes: Sequence[Note]) -> None:
        self.batches.append((run_id, [event.seq for event in events], list(notes)))


def started(run_id: str = "r1", workflow_id: str = "w1") -> RunStarted:
    """Seq 1 of a run."""
    return RunStarted(run_id=run_id, workflow_id=workflow_id, seq=1, at=100.0, total_nodes=3)


def logged(seq: int, run_id: str = "r1", workflow_id: str = "w1") -> Logged:
    """A line of a run's log."""
    return Logged(run_id=run_id, workflow_id=workflow_id, seq=seq, at=100.0 + seq, level="info", message=f"line {seq}")


def ended(seq: int, run_id: str = "r1", workflow_id: str = "w1", *, error: str | None = None) -> RunEnded:
    """The ending of a run: failed if there is an error."""
    status = RunStatus.FAILED if error else RunStatus.COMPLETED
    summary = Summary(
        status=status,
        duration=1.0,
        total_nodes=3,
        succeeded=3,
        failed=0,
        skipped=0,
        not_begun=0,
        started_at=100.0,
        ended_at=100.0 + seq,
    )
    return RunEnded(
        run_id=run_id,
        workflow_id=workflow_id,
        seq=seq,
        at=100.0 + seq,
        status=status,
        message="",
        summary=summary,
        error=error,
    )


def claimed(journal: MemoryJournal, run_id: str = "r1", workflow_id: str = "w1", at: float = 100.0) -> Claim:
    """The right to write a new run."""
    created = journal.create_nowait(run_id, workflow_id, {"nodes": []}, at)
    assert created.claim is not None
    return created.claim


def over(journal: MemoryJournal, run_id: str, workflow_id: str, at: float = 100.0) -> None:
    """A run that has come and gone."""
    claim = claimed(journal, run_id, workflow_id, at)
    journal.append_nowait(
        claim, [started(run_id, workflow_id), ended(2, run_id, workflow_id)], close=RunStatus.COMPLETED
    )


async def test_an_append_is_durable_and_published_when_it_returns():
    """The ticket is done at once; the listener heard events and notes together, in the order of the commits."""
    heard = Heard()
    async with MemoryJournal(publish=heard) as journal:
        claim = claimed(journal)
        ticket = journal.append_nowait(claim, [started(), logged(2)], [("k", 1)])
        assert ticket.done
        await ticket
        journal.append_nowait(claim, [], [("k", None)])
        journal.append_nowait(claim, [logged(3)])
    assert heard.batches == [("r1", [1, 2], [("k", 1)]), ("r1", [], [("k", None)]), ("r1", [3], [])]


async def test_attach_changes_who_hears():
    """Only the listener attached at the time of a commit hears it; None is nobody."""
    early, late = Heard(), Heard()
    async with MemoryJournal(publish=early) as journal:
        claim = claimed(journal)
        journal.append_nowait(claim, [started()])
        journal.attach(late)
        journal.append_nowait(claim, [logged(2)])
        journal.attach(None)
        journal.append_nowait(claim, [logged(3)])
    assert [seqs for _, seqs, _ in early.batches] == [[1]]
    assert [seqs for _, seqs, _ in late.batches] == [[2]]


async def test_a_workflow_has_one_open_run():
    """A second run of an open workflow is not recorded and names the first; after its end there is room again."""
    async with MemoryJournal() as journal:
        claim = claimed(journal)
        refused = journal.create_nowait("r2", "w1", {}, 101.0)
        assert (refused.run_id, refused.claim) == ("r1", None)
        with pytest.raises(UnknownRun):
            await journal.spec("r2")
        journal.append_nowait(claim, [started(), ended(2)], close=RunStatus.COMPLETED)
        assert journal.create_nowait("r2", "w1", {}, 102.0).claim is not None
        assert await journal.find("w1") == "r2"


async def test_a_run_id_is_never_used_twice():
    """The id of a run that ended can not be recorded again, under whatever workflow."""
    async with MemoryJournal() as journal:
        over(journal, "r1", "w1")
        again = journal.create_nowait("r1", "w2", {}, 101.0)
        assert (again.run_id, again.claim) == ("r1", None)
        assert await journal.find("w2") is None


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([logged(3)], id="a gap"),
        pytest.param([logged(1)], id="a seq given before to something else"),
        pytest.param([logged(2), logged(4)], id="a gap inside"),
        pytest.param([started(), logged(2)], id="partly there"),
        pytest.param([logged(2, run_id="r9")], id="of another run"),
    ],
)
async def test_a_batch_that_is_not_next_is_refused_and_changes_nothing(events: list[Event]):
    """Anything but the run's next events raises; nothing is stored and nobody hears of it."""
    heard = Heard()
    async with MemoryJournal(publish=heard) as journal:
        claim = claimed(journal)
        journal.append_nowait(claim, [started()])
        with pytest.raises(JournalError):
            journal.append_nowait(claim, events, [("k", 1)], close=RunStatus.FAILED)
        page = await journal.load("r1")
        assert (page.last_seq, page.notes, page.closed) == (1, {}, None)
        assert len(heard.batches) == 1


async def test_a_repeated_batch_is_done_already():
    """The same events once more, also after the end, are neither an error nor a second commit."""
    heard = Heard()
    async with MemoryJournal(publish=heard) as journal:
        claim = claimed(journal)
        journal.append_nowait(claim, [started(), ended(2)], close=RunStatus.COMPLETED)
        assert journal.append_nowait(claim, [started(), ended(2)], close=RunStatus.COMPLETED).done
        assert (await journal.load("r1")).last_seq == 2
        assert len(heard.batches) == 1


async def test_a_closed_run_takes_nothing_more():
    """After the ending neither events nor notes are accepted."""
    async with MemoryJournal() as journal:
        claim = claimed(journal)
        journal.append_nowait(claim, [started(), ended(2)], close=RunStatus.COMPLETED)
        with pytest.raises(JournalError):
            journal.append_nowait(claim, [logged(3)])
        with pytest.raises(JournalError):
            journal.append_nowait(claim, [], [("k", 1)])
        page = await journal.load("r1")
        assert (page.last_seq, page.notes, page.closed) == (2, {}, RunStatus.COMPLETED)


async def test_only_the_claim_writes():
    """An older token, or a run that nobody created, is refused."""
    async with MemoryJournal() as journal:
        claim = claimed(journal)
        with pytest.raises(JournalError):
            journal.append_nowait(Claim("r1", claim.token - 1, claim.owner), [started()])
        with pytest.raises(JournalError):
            journal.append_nowait(Claim("r2", 1, ""), [started("r2")])


async def test_notes_last_one_wins_and_come_with_the_first_page():
    """A key keeps its newest value, None deletes it, and later pages repeat none of it."""
    async with MemoryJournal() as journal:
        claim = claimed(journal)
        journal.append_nowait(claim, [started(), logged(2)], [("a", 1), ("b", 1)])
        journal.append_nowait(claim, [], [("a", 2), ("b", None)])
        assert (await journal.load("r1")).notes == {"a": 2}
        assert (await journal.load("r1", after=1)).notes == {}


async def test_load_pages_through_a_run():
    """Pages follow each other without a gap or a repeat, and each names the newest seq."""
    async with MemoryJournal() as journal:
        journal.append_nowait(claimed(journal), [started(), *(logged(n) for n in range(2, 12))])
        seen: list[int] = []
        while True:
            with assert_checkpoints():
                page = await journal.load("r1", after=len(seen), limit=4)
            assert page.last_seq == 11
            if not page.events:
                break
            assert len(page.events) <= 4
            seen += [event.seq for event in page.events]
        assert seen == list(range(1, 12))


async def test_follow_replays_then_lives_then_ends():
    """Started in the middle of a run, it tells what was, then what comes, and ends after the ending."""
    async with MemoryJournal() as journal, trio.open_nursery() as nursery:
        claim = claimed(journal)
        journal.append_nowait(claim, [started(), *(logged(n) for n in range(2, 600))])
        seen: list[int] = []

        async def read() -> None:
            async with journal.follow("r1", after=5) as events:
                seen.extend([event.seq async for event in events])

        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        assert seen == []
        assert journal.statistics().following == 1
        for seq in range(600, 700):
            journal.append_nowait(claim, [logged(seq)])
        journal.append_nowait(claim, [ended(700)], close=RunStatus.COMPLETED)
        nursery.cancel_scope.deadline = trio.current_time() + 5
    assert seen == list(range(6, 701))


async def test_a_cancelled_follower_leaves_nothing():
    """Cancelled while it waits, or left in mid-iteration, nothing of a follower stays in the journal."""
    async with MemoryJournal() as journal:
        claim = claimed(journal)
        journal.append_nowait(claim, [started(), logged(2)])
        with trio.CancelScope() as scope:
            async with journal.follow("r1") as events:
                async for event in events:
                    if event.seq == 2:
                        scope.cancel()
        assert scope.cancelled_caught
        async with journal.follow("r1") as events:
            async for _ in events:
                break
        assert journal.statistics().following == 0
        journal.append_nowait(claim, [logged(3)])


async def test_closing_wakes_a_follower_of_an_open_run():
    """A follower does not wait for ever on a journal that takes nothing more; one of an ended run just ends."""
    async with trio.open_nursery() as nursery:
        async with MemoryJournal() as journal:
            claim = claimed(journal)
            journal.append_nowait(claim, [started()])

            async def read() -> None:
                with pytest.raises(JournalError):
                    async with journal.follow("r1") as events:
                        async for _ in events:
                            pass

            nursery.start_soon(read)
            await wait_all_tasks_blocked()
        with pytest.raises(JournalError):
            journal.append_nowait(claim, [logged(2)])
        with pytest.raises(JournalError):
            journal.create_nowait("r2", "w2", {}, 100.0)


async def test_list_is_newest_first_and_pages_stay_when_runs_come():
    """Following the cursor shows each run once, whatever began meanwhile; filters apply before the paging."""
    async with MemoryJournal() as journal:
        for n in range(10):
            over(journal, f"r{n}", f"w{n % 2}", at=float(n))
        seen: list[str] = []
        cursor = None
        while True:
            page = await journal.list_runs(limit=3, cursor=cursor)
            seen += [row.run_id for row in page.runs]
            over(journal, f"new{len(seen)}", "other")
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == [f"r{n}" for n in range(9, -1, -1)]
        odd = await journal.list_runs(workflow_id="w1", limit=5)
        assert [row.run_id for row in odd.runs] == ["r9", "r7", "r5", "r3", "r1"]
        assert odd.next_cursor is None
        assert (await journal.list_runs(status="running")).runs == []
        for wrong in ("x", "", "-1", "9" * 5000):
            with pytest.raises(BadField):
                await journal.list_runs(cursor=wrong)


async def test_a_row_tells_how_a_run_is():
    """The row follows the run's own events: status, size, newest seq, ending, error."""
    async with MemoryJournal() as journal:
        claim = claimed(journal)
        (row,) = (await journal.list_runs()).runs
        assert (row.status, row.last_seq, row.total_nodes, row.ended_at) == (RunStatus.PENDING, 0, 0, None)
        paused = RunChanged(run_id="r1", workflow_id="w1", seq=2, at=102.0, status=RunStatus.PAUSED)
        journal.append_nowait(claim, [started(), paused])
        (row,) = (await journal.list_runs(status="paused")).runs
        assert (row.status, row.last_seq, row.total_nodes, row.ended_at) == (RunStatus.PAUSED, 2, 3, None)
        journal.append_nowait(claim, [ended(3, error="it broke")], close=RunStatus.FAILED)
        (row,) = (await journal.list_runs()).runs
        assert (row.status, row.ended_at, row.error) == (RunStatus.FAILED, 103.0, "it broke")


async def test_trim_forgets_the_oldest_endings_and_never_an_open_run():
    """By number or by age; the latest run of a workflow is still found as long as it is kept."""
    async with MemoryJournal() as journal:
        open_claim = claimed(journal, "open", "w-open", at=0.0)
        journal.append_nowait(open_claim, [started("open", "w-open")])
        for n in range(5):
            over(journal, f"r{n}", "w1", at=float(n))
        assert (await journal.trim(Keep())).runs == 0
        assert (await journal.trim(Keep(runs=2))).runs == 3
        assert [row.run_id for row in (await journal.list_runs()).runs] == ["r4", "r3", "open"]
        assert await journal.find("w1") == "r4"
        with pytest.raises(UnknownRun):
            await journal.load("r0")
        assert (await journal.trim(Keep(days=1.0))).runs == 2
        assert await journal.find("w1") is None
        assert [row.run_id for row in (await journal.list_runs()).runs] == ["open"]
        assert (journal.statistics().runs, journal.statistics().open_runs) == (1, 1)


async def test_events_keep_the_order_in_which_they_were_appended():
    """Whatever the batches, what is read is gapless and rising."""
    async with MemoryJournal() as journal:
        claim = claimed(journal)
        journal.append_nowait(claim, [started()])
        seq = 2
        for size in (1, 7, 2, 30):
            journal.append_nowait(claim, [logged(n) for n in range(seq, seq + size)])
            seq += size
        seqs = [event.seq for event in (await journal.load("r1")).events]
        assert all(later == earlier + 1 for earlier, later in pairwise(seqs))
        assert len(seqs) == 41
