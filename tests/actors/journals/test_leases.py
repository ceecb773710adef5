"""Which open run is claimed until when, to the instant."""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.journals.leases import Leases


def opened(*run_ids: str) -> Leases:
    """Runs that nobody has claimed."""
    leases = Leases()
    for run_id in run_ids:
        leases.add(run_id, "q")
    return leases


async def test_a_lease_ends_at_its_instant(autojump_clock: MockClock):
    """Not before; whoever waits is woken then, without polling."""
    leases = opened("r1")
    leases.claim("r1", 5.0, token=1)
    begun = trio.current_time()
    await trio.sleep(4.999)
    assert leases.passed(["q"], limit=9) == []
    await leases.wait(["q"])
    assert trio.current_time() == begun + 5.0
    assert leases.passed(["q"], limit=9) == ["r1"]


async def test_a_wait_follows_a_lease_that_is_renewed(autojump_clock: MockClock):
    """For longer or for shorter: it ends when the run may be claimed, and not for a run of another queue."""
    leases = opened("r1")
    leases.claim("r1", 5.0, token=1)
    woken: list[float] = []

    async def wait() -> None:
        await leases.wait(["q"])
        woken.append(trio.current_time())

    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(4)
        leases.renew("r1", 60.0)
        leases.add("r2", "other")
        await trio.sleep(4)
        assert woken == []
        leases.renew("r1", 1.0)
    assert woken == [begun + 9]


async def test_an_ended_run_has_no_lease(autojump_clock: MockClock):
    """Dropped, once or twice, it is never passed; who waited for it goes on waiting, until it is closed."""
    leases = opened("r1", "r2")
    leases.claim("r1", 5.0, token=1)
    leases.claim("r2", 5.0, token=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leases.wait, ["q"])
        await wait_all_tasks_blocked()
        for run_id in ("r1", "r2", "r1"):
            leases.drop(run_id)
        await trio.sleep(60)
        assert len(nursery.child_tasks) == 1
        assert leases.passed(["q"], limit=9) == []
        leases.close()


async def test_no_two_claims_have_the_same_owner():
    """Whoever put a journal back to an older state does not give the same claim twice."""
    leases = opened("r1")
    assert len({leases.claim("r1", 0.0, token=1).owner for _ in range(100)}) == 100
