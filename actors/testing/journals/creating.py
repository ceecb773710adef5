"""How runs are recorded: once, durably, one open run per workflow."""

import pytest
import trio

from actors.errors import UnknownRun
from actors.journal import Created
from actors.testing.journals.stage import BEGAN, FOREVER_SECONDS, JournalTests, claimed, ended, over, started
from protocol.states import RunStatus

__all__ = ["Creating"]


class Creating(JournalTests):
    """`create`, `spec` and `find`."""

    async def test_a_run_is_recorded_with_its_claim(self) -> None:
        """Whoever asks for a lease has the claim at once; what was recorded is given back to the byte."""
        spec = bytes(range(256)) * 4096
        async with self.opened() as journal:
            created = await journal.create("r1", "w1", spec, created_at=BEGAN, lease=FOREVER_SECONDS)
            assert (created.run_id, created.fresh) == ("r1", True)
            assert created.claim is not None
            assert created.claim.run_id == "r1"
            assert await journal.spec("r1") == spec
            await journal.append_nowait(created.claim, [started()])

    async def test_a_run_may_be_left_to_whoever_claims_first(self) -> None:
        """Without a lease the creator has no claim; the first who claims has it."""
        async with self.opened() as journal:
            created = await journal.create("r1", "w1", b"{}", created_at=BEGAN)
            assert (created.run_id, created.claim, created.fresh) == ("r1", None, True)
            await journal.claimable()
            (claim,) = await journal.claim(lease=FOREVER_SECONDS)
            assert claim.run_id == "r1"
            assert claim.token > 0
            await journal.append_nowait(claim, [started()])

    async def test_a_workflow_has_one_open_run(self) -> None:
        """A second run of an open workflow is not recorded and names the first; after the end there is room again."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            second = await journal.create("r2", "w1", b"{}", created_at=BEGAN, lease=FOREVER_SECONDS)
            assert second == Created("r1", None, fresh=False)
            with pytest.raises(UnknownRun):
                await journal.spec("r2")
            await journal.append_nowait(claim, [started(), ended(2)], close=RunStatus.COMPLETED)
            assert (await journal.create("r2", "w1", b"{}", created_at=BEGAN)).fresh

    async def test_of_many_who_create_at_once_one_does(self) -> None:
        """All others are told which run stands in their way."""
        found: list[Created] = []
        async with self.opened() as journal:

            async def create(number: int) -> None:
                created = await journal.create(f"r{number}", "w1", b"{}", created_at=BEGAN, lease=FOREVER_SECONDS)
                found.append(created)

            async with trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(create, number)
            (first,) = [created for created in found if created.fresh]
            assert first.claim is not None
            assert [created for created in found if not created.fresh] == [Created(first.run_id, None, fresh=False)] * 9
            assert journal.statistics().runs == 1

    async def test_a_run_id_is_never_used_twice(self) -> None:
        """The id of another run can not be recorded again, under whatever workflow, open or ended."""
        async with self.opened() as journal:
            await over(journal, "r1", "w1")
            await claimed(journal, "r2", "w2")
            for taken in ("r1", "r2"):
                again = await journal.create(taken, "w3", b"other", created_at=BEGAN, lease=FOREVER_SECONDS)
                assert again == Created(taken, None, fresh=False)
                assert await journal.spec(taken) == b"{}"
            assert await journal.find("w3") is None

    async def test_who_is_told_that_a_run_stands_in_the_way_finds_it_there(self) -> None:
        """Not one that was itself refused a moment ago: a workflow that nobody runs takes the next who comes."""
        found: dict[str, Created] = {}
        async with self.opened() as journal:
            await over(journal, "r1", "w1")

            async def create(run_id: str) -> None:
                found[run_id] = await journal.create(run_id, "w2", b"{}", created_at=BEGAN)

            async with trio.open_nursery() as nursery:
                for run_id in ("r1", "r2"):
                    nursery.start_soon(create, run_id)
            assert found == {"r1": Created("r1", None, fresh=False), "r2": Created("r2", None)} or found == {
                "r1": Created("r2", None, fresh=False),
                "r2": Created("r2", None),
            }
            assert await journal.find("w2") == "r2"

    async def test_a_cancelled_create_leaves_a_run_recorded_or_not(self) -> None:
        """Never half of one: whoever creates it again is told which, and has it then."""
        async with self.opened() as journal:
            with trio.CancelScope() as scope:
                scope.cancel()
                await journal.create("r1", "w1", b"{}", created_at=BEGAN)
            again = await journal.create("r1", "w1", b"{}", created_at=BEGAN)
            assert again.run_id == "r1"
            assert await journal.spec("r1") == b"{}"
            assert (await journal.summary("r1")).workflow_id == "w1"
            assert [claim.run_id for claim in await journal.claim(lease=FOREVER_SECONDS)] == ["r1"]

    async def test_the_latest_run_of_a_workflow_is_found(self) -> None:
        """Open or ended; None for a workflow that is not known."""
        async with self.opened() as journal:
            assert await journal.find("w1") is None
            await over(journal, "r1", "w1")
            await claimed(journal, "other", "w2")
            assert await journal.find("w1") == "r1"
            await claimed(journal, "r2", "w1")
            assert await journal.find("w1") == "r2"

    async def test_a_run_that_is_not_there_is_unknown(self) -> None:
        """Whatever is asked of it."""
        async with self.opened() as journal:
            for ask in (journal.load, journal.spec, journal.summary):
                with pytest.raises(UnknownRun):
                    await ask("r1")
            with pytest.raises(UnknownRun):
                async with journal.follow("r1"):
                    pytest.fail("it was entered")
            with pytest.raises(UnknownRun):
                await journal.control("r1", "k", b"")
