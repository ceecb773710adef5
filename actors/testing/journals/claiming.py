"""Who may write a run: claims, their leases, and who is fenced."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.errors import Fenced, JournalError
from actors.journal import Claim, Journal
from actors.testing.journals.stage import (
    BEGAN,
    FOREVER_SECONDS,
    Heard,
    JournalTests,
    claimed,
    ended,
    lines,
    refused,
    seqs,
    started,
)
from protocol.states import RunStatus

__all__ = ["Claiming"]


class Claiming(JournalTests):
    """`claim`, `claimable`, `renew`, and the token and owner of an append."""

    async def test_a_run_that_is_held_is_nobody_elses(self) -> None:
        """While its lease lasts, `claim` returns at once and without it."""
        async with self.opened() as journal:
            await claimed(journal)
            assert not await journal.claim(lease=FOREVER_SECONDS)

    async def test_a_run_is_claimable_when_its_lease_has_passed(self, clock: trio.abc.Clock | None) -> None:
        """Not before; the new claim has a higher token and another owner, and is itself a lease."""
        async with self.opened() as journal:
            begun = trio.current_time()
            old = await claimed(journal, lease=self.lease)
            (new,) = await _next(journal, lease=FOREVER_SECONDS)
            assert trio.current_time() >= begun + self.lease
            assert new.run_id == "r1"
            assert new.token > old.token
            assert new.owner != old.owner
            assert not await journal.claim(lease=FOREVER_SECONDS)

    async def test_the_oldest_are_claimed_first_and_no_more_than_asked_for(self) -> None:
        """In order of their creation, page by page."""
        async with self.opened() as journal:
            for number in range(5):
                await journal.create(f"r{number}", f"w{number}", b"{}", created_at=BEGAN + number)
            assert _ids(await journal.claim(limit=2, lease=FOREVER_SECONDS)) == ["r0", "r1"]
            assert _ids(await journal.claim(limit=2, lease=FOREVER_SECONDS)) == ["r2", "r3"]
            assert _ids(await journal.claim(limit=2, lease=FOREVER_SECONDS)) == ["r4"]
            assert not await journal.claim(limit=2, lease=FOREVER_SECONDS)

    async def test_an_ended_run_is_nobodys(self) -> None:
        """Neither with a lease that lasts nor with one that has passed."""
        async with self.opened() as journal:
            for number, lease in enumerate((0, FOREVER_SECONDS)):
                run_id, workflow_id = f"r{number}", f"w{number}"
                claim = await claimed(journal, run_id, workflow_id, lease=lease)
                events = [started(run_id, workflow_id), ended(2, run_id, workflow_id)]
                await journal.append_nowait(claim, events, close=RunStatus.COMPLETED)
            assert not await journal.claim(lease=FOREVER_SECONDS)

    async def test_only_runs_of_the_queues_are_claimed(self) -> None:
        """The queue is what `create` said; "" is one like any other."""
        async with self.opened() as journal:
            for number, queue in enumerate(("", "a", "b", "a")):
                await journal.create(f"r{number}", f"w{number}", b"{}", created_at=BEGAN, queue=queue)
            await journal.claimable(("a",))
            assert _ids(await journal.claim(("a",), lease=FOREVER_SECONDS)) == ["r1", "r3"]
            assert not await journal.claim(("a", "c"), lease=FOREVER_SECONDS)
            assert _ids(await journal.claim(("b", ""), lease=FOREVER_SECONDS)) == ["r0", "r2"]

    async def test_of_many_who_claim_at_once_each_run_has_one(self) -> None:
        """No run is given twice, and none is forgotten."""
        taken: list[str] = []
        async with self.opened() as journal:
            for number in range(12):
                await journal.create(f"r{number}", f"w{number}", b"{}", created_at=BEGAN)

            async def take() -> None:
                while claims := await journal.claim(limit=1, lease=FOREVER_SECONDS):
                    taken.extend(_ids(claims))

            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(take)
            assert sorted(taken) == sorted(f"r{number}" for number in range(12))

    async def test_who_waits_hears_of_a_new_run(self) -> None:
        """All who wait for that queue; a wait that is cancelled takes nothing with it."""
        async with self.opened() as journal:
            with trio.CancelScope() as scope:
                scope.cancel()
                await journal.claimable()
            assert scope.cancelled_caught
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(journal.claimable)
                await wait_all_tasks_blocked()
                await journal.create("r1", "w1", b"{}", created_at=BEGAN)
            assert _ids(await journal.claim(lease=FOREVER_SECONDS)) == ["r1"]

    async def test_who_waits_hears_of_a_run_that_is_given_back(self) -> None:
        """A claim renewed for no time at all is anybody's at once."""
        async with self.opened() as journal, trio.open_nursery() as nursery:
            claim = await claimed(journal)
            nursery.start_soon(journal.claimable)
            await wait_all_tasks_blocked()
            assert not (await journal.renew([claim], lease=0)).lost

    async def test_a_renewed_claim_lasts_from_the_renewal(self, clock: trio.abc.Clock | None) -> None:
        """The lease that `claim` gave is replaced by the new one."""
        async with self.opened() as journal:
            claim = await claimed(journal, lease=self.lease)
            renewed = await journal.renew([claim], lease=FOREVER_SECONDS)
            assert not renewed.lost
            assert not renewed.controls
            await trio.sleep(2 * self.lease)
            assert not await journal.claim(lease=FOREVER_SECONDS)
            await journal.renew([claim], lease=self.lease)
            assert _ids(await _next(journal, lease=FOREVER_SECONDS)) == ["r1"]

    async def test_a_lease_that_passed_takes_nothing_away(self, clock: trio.abc.Clock | None) -> None:
        """Until somebody claims the run its holder may append, and renew."""
        async with self.opened() as journal:
            claim = await claimed(journal, lease=self.lease)
            await trio.sleep(2 * self.lease)
            await journal.append_nowait(claim, [started()])
            assert not (await journal.renew([claim], lease=FOREVER_SECONDS)).lost
            assert not await journal.claim(lease=FOREVER_SECONDS)

    async def test_who_was_replaced_is_fenced(self) -> None:
        """After a new claim the old one appends nothing, not even what it has appended before; the new one goes on."""
        async with self.opened() as journal:
            old = await claimed(journal)
            await journal.append_nowait(old, [started()])
            await journal.renew([old], lease=0)
            (new,) = await _next(journal, lease=FOREVER_SECONDS)
            heard = Heard(journal)
            journal.attach(heard)
            for events in ([started()], lines(2, 2), []):
                with pytest.raises(Fenced):
                    await refused(journal, old, events, [("k", 1)], close=RunStatus.FAILED)
            await journal.append_nowait(new, lines(2, 2))
            page = await journal.load("r1")
            assert (page.last_seq, page.notes, page.closed) == (2, {}, None)
            assert (heard.seqs(), heard.notes()) == ([2], [])

    async def test_a_claim_is_its_token_and_its_owner(self) -> None:
        """One that was made up appends nothing: another token, another owner, a run that is not there."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            for token, owner in (
                (claim.token - 1, claim.owner),
                (claim.token + 1, claim.owner),
                (claim.token, "somebody else"),
            ):
                with pytest.raises(Fenced):
                    await refused(journal, Claim("r1", token, owner), [started()])
            with pytest.raises(JournalError):
                await refused(journal, Claim("r2", claim.token, claim.owner), [started("r2", "w2")])
            assert (await journal.load("r1")).last_seq == 0

    async def test_a_renewal_names_the_claims_that_are_lost(self) -> None:
        """Those of somebody else, of an ended run, of one that is not there; the others are kept."""
        async with self.opened() as journal:
            replaced, finished = await claimed(journal, "r1", "w1"), await claimed(journal, "r2", "w2")
            await journal.renew([replaced], lease=0)
            (new,) = await _next(journal, lease=0)
            kept = await claimed(journal, "r3", "w3", lease=0)
            events = [started("r2", "w2"), ended(2, "r2", "w2")]
            await journal.append_nowait(finished, events, close=RunStatus.COMPLETED)
            unknown = Claim("r4", 1, kept.owner)
            renewed = await journal.renew([replaced, new, finished, kept, unknown], lease=FOREVER_SECONDS)
            assert sorted(_ids(renewed.lost)) == ["r1", "r2", "r4"]
            assert replaced in renewed.lost
            assert new not in renewed.lost
            assert not await journal.claim(lease=FOREVER_SECONDS)
            assert await seqs(journal, "r2") == [1, 2]


async def _next(journal: Journal, *, lease: float) -> Sequence[Claim]:
    """What can be claimed next, when there is something."""
    while True:
        await journal.claimable()
        if claims := await journal.claim(lease=lease):
            return claims


def _ids(claims: Sequence[Claim]) -> list[str]:
    return [claim.run_id for claim in claims]
