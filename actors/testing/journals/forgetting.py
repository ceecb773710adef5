"""What is forgotten, and what never is."""

import time

import pytest

from actors.errors import UnknownRun
from actors.journal import Keep
from actors.testing.journals.stage import JournalTests, claimed, lines, over, started

__all__ = ["Forgetting"]

DAY_SECONDS = 86_400.0


class Forgetting(JournalTests):
    """`trim`."""

    async def test_nothing_is_forgotten_unasked(self) -> None:
        """Without a limit every run is kept."""
        async with self.opened() as journal:
            await over(journal, "r1", "w1")
            assert list((await journal.trim(Keep())).run_ids) == []
            assert (await journal.load("r1")).last_seq == 2

    async def test_the_newest_ended_runs_are_kept(self) -> None:
        """As many as asked for; the others are named, and gone wherever one looks."""
        async with self.opened() as journal:
            for number in range(5):
                await over(journal, f"r{number}", f"w{number}", at=200.0 + number)
            assert sorted((await journal.trim(Keep(runs=2))).run_ids) == ["r0", "r1", "r2"]
            assert [row.run_id for row in (await journal.list_runs()).runs] == ["r4", "r3"]
            assert (await journal.find("w0"), await journal.find("w4")) == (None, "r4")
            for ask in (journal.load, journal.spec, journal.summary):
                with pytest.raises(UnknownRun):
                    await ask("r0")
            with pytest.raises(UnknownRun):
                async with journal.follow("r0"):
                    pytest.fail("it was entered")
            figures = journal.statistics()
            assert (figures.runs, figures.open_runs, figures.events) == (2, 0, 4)
            assert list((await journal.trim(Keep(runs=2))).run_ids) == []

    async def test_runs_that_ended_long_ago_are_forgotten(self) -> None:
        """By days since the ending, in the time of day; of two limits the strictest counts."""
        now = time.time()
        async with self.opened() as journal:
            for number, days in enumerate((10, 3, 2, 0)):
                await over(journal, f"r{number}", f"w{number}", at=now - days * DAY_SECONDS)
            assert list((await journal.trim(Keep(days=5, runs=10))).run_ids) == ["r0"]
            assert list((await journal.trim(Keep(days=365, runs=2))).run_ids) == ["r1"]
            assert list((await journal.trim(Keep(days=0.5))).run_ids) == ["r2"]
            assert [row.run_id for row in (await journal.list_runs()).runs] == ["r3"]

    async def test_what_is_still_needed_is_spared(self) -> None:
        """However many are, and whichever limit they are over; the next older ones are not taken in their place."""
        async with self.opened() as journal:
            for number in range(40):
                await over(journal, f"r{number}", f"w{number}", at=200.0 + number)
            spare = {f"r{number}" for number in range(30)}
            assert sorted((await journal.trim(Keep(runs=35, days=1e9, spare=spare))).run_ids) == sorted(
                f"r{number}" for number in range(30, 35)
            )
            assert len((await journal.trim(Keep(runs=0, spare=spare))).run_ids) == 5
            assert len((await journal.trim(Keep(runs=0))).run_ids) == 30

    async def test_an_open_run_is_never_forgotten(self) -> None:
        """However old it is; and it goes on as if nothing had happened."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            await journal.append_nowait(claim, [started()], [("k", 1)])
            await over(journal, "r2", "w2")
            assert list((await journal.trim(Keep(runs=0, days=0))).run_ids) == ["r2"]
            await journal.append_nowait(claim, lines(2, 2))
            page = await journal.load("r1")
            assert (page.last_seq, page.notes, page.closed) == (2, {"k": 1}, None)
            assert await journal.find("w1") == "r1"
            assert (journal.statistics().runs, journal.statistics().open_runs) == (1, 1)

    async def test_a_kept_run_of_the_same_workflow_is_still_found(self) -> None:
        """Forgetting an older run of a workflow takes nothing from the newer one."""
        async with self.opened() as journal:
            await over(journal, "r1", "w1", at=200.0)
            await over(journal, "r2", "w1", at=201.0)
            assert list((await journal.trim(Keep(runs=1))).run_ids) == ["r1"]
            assert await journal.find("w1") == "r2"
            assert (await journal.load("r2")).last_seq == 2

    async def test_a_clock_that_was_set_back_is_no_matter(self) -> None:
        """An older run of a workflow that ended, by the time of day, after the newer one is forgotten after it."""
        async with self.opened() as journal:
            await over(journal, "r1", "w1", at=300.0)
            await over(journal, "r2", "w1", at=200.0)
            assert list((await journal.trim(Keep(runs=0))).run_ids) == ["r2", "r1"]
            assert await journal.find("w1") is None

    async def test_a_spared_run_is_forgotten_later(self) -> None:
        """Also if the newer run of its workflow is gone by then."""
        async with self.opened() as journal:
            await over(journal, "r1", "w1", at=200.0)
            await over(journal, "r2", "w1", at=201.0)
            assert list((await journal.trim(Keep(runs=0, spare={"r1"}))).run_ids) == ["r2"]
            assert (await journal.load("r1")).last_seq == 2
            assert list((await journal.trim(Keep(runs=0))).run_ids) == ["r1"]
