"""How runs are listed, and what a row and the figures of a journal say."""

import pytest
import trio

from actors.errors import JournalError, UnknownRun
from actors.testing.journals.stage import BEGAN, JournalTests, claimed, ended, lines, over, started
from protocol.errors import BadField
from protocol.messages import RunChanged
from protocol.states import RunStatus

__all__ = ["Listing"]


class Listing(JournalTests):
    """`list_runs`, `summary` and `statistics`."""

    async def test_runs_are_listed_newest_first(self) -> None:
        """All of them, open or ended, each with its own key."""
        async with self.opened() as journal:
            assert (list((await journal.list_runs()).runs), (await journal.list_runs()).next_cursor) == ([], None)
            for number in range(3):
                await over(journal, f"r{number}", "w1")
            await claimed(journal, "open", "w2")
            page = await journal.list_runs()
            assert [row.run_id for row in page.runs] == ["open", "r2", "r1", "r0"]
            assert [row.workflow_id for row in page.runs] == ["w2", "w1", "w1", "w1"]
            assert page.next_cursor is None

    async def test_pages_stay_when_runs_come(self) -> None:
        """Following the cursor shows each run once, whatever began meanwhile."""
        seen: list[str] = []
        async with self.opened() as journal:
            for number in range(10):
                await over(journal, f"r{number}", "w1")
            cursor = None
            while True:
                page = await journal.list_runs(limit=3, cursor=cursor)
                seen += [row.run_id for row in page.runs]
                cursor = page.next_cursor
                if cursor is None:
                    break
                await over(journal, f"new{len(seen)}", "w1")
            assert seen == [f"r{number}" for number in range(9, -1, -1)]

    async def test_filters_come_before_the_paging(self) -> None:
        """By workflow and by the state that a run is in now; a page is as full as it can be."""
        async with self.opened() as journal:
            for number in range(10):
                await over(journal, f"r{number}", f"w{number % 2}")
            claim = await claimed(journal, "r10", "w1")
            first = await journal.list_runs(workflow_id="w1", status="completed", limit=3)
            assert [row.run_id for row in first.runs] == ["r9", "r7", "r5"]
            rest = await journal.list_runs(workflow_id="w1", status="completed", limit=3, cursor=first.next_cursor)
            assert ([row.run_id for row in rest.runs], rest.next_cursor) == (["r3", "r1"], None)
            assert [row.run_id for row in (await journal.list_runs(status="pending")).runs] == ["r10"]
            await journal.append_nowait(claim, [started("r10", "w1")])
            assert [row.run_id for row in (await journal.list_runs(status="running")).runs] == ["r10"]
            assert list((await journal.list_runs(status="pending")).runs) == []
            assert list((await journal.list_runs(workflow_id="w9")).runs) == []

    async def test_a_page_is_never_empty_nor_without_an_end(self) -> None:
        """A limit outside of 1 to 1,000 is taken as the nearest of these."""
        async with self.opened() as journal:

            async def create(number: int) -> None:
                await journal.create(f"r{number}", f"w{number}", b"{}", created_at=BEGAN)

            async with trio.open_nursery() as nursery:
                for number in range(1002):
                    nursery.start_soon(create, number)
            assert len((await journal.list_runs(limit=0)).runs) == 1
            assert len((await journal.list_runs(limit=-5)).runs) == 1
            page = await journal.list_runs(limit=10**9)
            assert len(page.runs) == 1000
            rest = await journal.list_runs(limit=10**9, cursor=page.next_cursor)
            assert (len(rest.runs), rest.next_cursor) == (2, None)
            assert len({row.run_id for row in (*page.runs, *rest.runs)}) == 1002

    @pytest.mark.parametrize("cursor", ["", "no cursor of ours", "-1", "\u0663", "9" * 5000, "\x00"])
    async def test_a_cursor_that_no_list_has_given_is_a_bad_field(self, cursor: str) -> None:
        """The peer is told; it is neither an error of the journal nor taken for another page."""
        async with self.opened() as journal:
            with pytest.raises(BadField):
                await journal.list_runs(cursor=cursor)

    async def test_a_row_tells_how_a_run_is(self) -> None:
        """It follows the run's own events: state, size, newest seq, ending, error; the list has the same row."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            row = await journal.summary("r1")
            assert (row.run_id, row.workflow_id, row.created_at) == ("r1", "w1", BEGAN)
            assert (row.status, row.last_seq, row.total_nodes, row.ended_at) == (RunStatus.PENDING, 0, 0, None)
            paused = RunChanged(run_id="r1", workflow_id="w1", seq=2, at=102.0, status=RunStatus.PAUSED)
            await journal.append_nowait(claim, [started(), paused, *lines(3, 3)])
            row = await journal.summary("r1")
            assert (row.status, row.last_seq, row.total_nodes, row.ended_at) == (RunStatus.PAUSED, 3, 3, None)
            await journal.append_nowait(claim, [ended(4, error="it broke")], close=RunStatus.FAILED)
            row = await journal.summary("r1")
            assert (row.status, row.last_seq, row.ended_at, row.error) == (RunStatus.FAILED, 4, 104.0, "it broke")
            assert type(row.status) is RunStatus
            assert list((await journal.list_runs()).runs) == [row]

    async def test_the_figures_are_right(self) -> None:
        """Runs, events, sessions, who follows, what is uncommitted; repeats and refusals count for nothing."""
        async with self.opened() as journal:
            await over(journal, "r1", "w1")
            claim = await claimed(journal, "r2", "w2")
            for _ in range(2):
                await journal.append_nowait(claim, [started("r2", "w2"), *lines(2, 5, "r2", "w2")])
                await journal.put_session("s1", b"1")
            with pytest.raises(JournalError):
                await journal.append_nowait(claim, lines(99, 99, "r2", "w2"))
            figures = journal.statistics()
            assert (figures.runs, figures.open_runs, figures.events, figures.sessions) == (2, 1, 7, 1)
            assert (figures.following, figures.uncommitted) == (0, 0)
            with pytest.raises(UnknownRun):
                await journal.summary("r3")
