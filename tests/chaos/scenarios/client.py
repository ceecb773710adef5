"""The Python client, whose connection is lost whenever one likes: each event once, each command done once.

Its user may be cancelled anywhere, as `client:<session>`: that costs him what he was doing, and nobody else anything.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from actors.client import Client, ClientState
from actors.remote import RemoteRun
from actors.testing import chaos
from actors.testing.chaos.world import House
from actors.testing.flows import flow
from protocol.messages import Event, RunChanged, RunEnded
from protocol.states import RunStatus
from tests.chaos.scenarios.kinds import house
from tests.chaos.scenarios.scenario import FAULTS, Scenario
from tests.chaos.scenarios.visitors import company

__all__ = ["SCENARIOS"]

CHAIN: Final = flow("s >> a >> b", a="work", b="work")
LONG: Final = flow("s >> a >> b", a=("work", {"seconds": 4}), b="work")

TURNS: Final = flow(
    "s >> l; l:body >> a; l:done >> b", l=("loop", {"count": 5}), a=("work", {"seconds": 0.1}), b="work"
)

Act = Callable[[Client], Awaitable[object]]


async def use(house: House, session: str, act: Act) -> None:
    """Do something with a client."""
    with trio.CancelScope() as scope:
        house.trial.scope(f"client:{session}", scope)
        try:
            async with house.client(session_id=session) as client:
                await act(client)
        finally:
            house.trial.unscope(f"client:{session}")


async def follow(house: House, run: RemoteRun, *, pace: float = 0.0) -> None:
    """Take every event of a run: from the first one to the ending, each once.

    Args:
        house: where.
        run: of a client; nothing of it was taken yet.
        pace: seconds between two events that are taken.
    """
    seen: list[Event] = []
    house.seen.append(seen)
    async for event in run:
        seen.append(event)
        await trio.sleep(pace)
    whole = bool(seen) and seen[0].seq == 1 and isinstance(seen[-1], RunEnded)
    house.expect(whole, f"the iteration over {run.id} ended after {[event.seq for event in seen]}")


async def starts(house: House) -> None:
    """Who starts a run has one run, follows it twice at a time, and hears of its end."""

    async def act(client: Client) -> None:
        run = await client.start(CHAIN, workflow_id="w")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, house, run)
            nursery.start_soon(run.wait)
            nursery.start_soon(follow, house, client.run(run_id=run.id))

    async with company(house) as nursery:
        nursery.start_soon(use, house, "me", act)
    house.expect(len(house.runs) <= 1, f"one start made {list(house.runs)}")


async def watches(house: House) -> None:
    """Who did not start a run finds it by its id or its workflow, before it begins, in the midst of it, or after it."""
    ready = trio.Event()

    async def early(client: Client) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, house, client.run(workflow_id="w-r1"))
            await client.wait_for(ClientState.LIVE)
            ready.set()

    async def late(client: Client) -> None:
        await trio.sleep(0.5)
        await follow(house, client.run(run_id="r1"))
        await follow(house, client.run(workflow_id="w-r1"))

    async with company(house) as nursery:
        nursery.start_soon(use, house, "early", early)
        with trio.move_on_after(30):
            await ready.wait()
        house.submit(CHAIN, run_id="r1")
        nursery.start_soon(use, house, "late", late)


async def steers(house: House) -> None:
    """Pause, resume and stop are each answered, and done once, whatever is lost on the way."""

    async def act(client: Client) -> None:
        run = await client.start(LONG, workflow_id="w")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, house, run)
            await trio.sleep(0.5)
            await run.pause()
            await trio.sleep(1)
            await run.resume()
            await trio.sleep(0.5)
            await run.stop()

    async with company(house) as nursery:
        nursery.start_soon(use, house, "me", act)
    _expect_each_once(house)


async def away(house: House) -> None:
    """Commands that are given while the server can not be reached are done when it can, in their order, each once."""

    async def act(client: Client) -> None:
        run = await client.start(LONG, workflow_id="w")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, house, run)
            await trio.sleep(0.5)
            house.server.reachable = False
            house.server.cut()
            nursery.start_soon(run.pause)
            await trio.sleep(0.2)
            nursery.start_soon(client.start, CHAIN)
            nursery.start_soon(client.status)
            await trio.sleep(1)
            house.server.reachable = True
            await client.wait_for(ClientState.LIVE, ClientState.REPLAYING)
            await trio.sleep(1)
            await run.resume()

    async with company(house) as nursery:
        nursery.start_soon(use, house, "me", act)
    house.expect(len(house.runs) <= 2, f"two starts made {list(house.runs)}")
    _expect_each_once(house)


def _expect_each_once(house: House) -> None:
    """What a client has said once has happened once at most."""
    said = house.trial.injection.aim.subject.rpartition("/")[2]
    for run_id in house.journal.run_ids:
        events = house.journal.events(run_id)
        for status in (RunStatus.PAUSING, RunStatus.STOPPING):
            count = sum(isinstance(event, RunChanged) and event.status is status for event in events)
            house.expect(count <= 1 or said in {"pause", "resume"}, f"{run_id} was {status} {count} times")


async def slow(house: House) -> None:
    """A user who is slow gets every event all the same, and another one of the same run is not kept."""

    async def dawdle(client: Client) -> None:
        await follow(house, client.run(run_id="r1"), pace=0.3)

    async def hurry(client: Client) -> None:
        await follow(house, client.run(run_id="r1"))

    async with company(house) as nursery:
        house.submit(TURNS, run_id="r1")
        nursery.start_soon(use, house, "slow", dawdle)
        nursery.start_soon(use, house, "quick", hurry)


WITH_USERS: Final = (*FAULTS, chaos.Cancel("client:*"))

SCENARIOS: Final = (
    Scenario("starts", starts, world=house(), faults=WITH_USERS),
    Scenario("watches", watches, world=house(), faults=WITH_USERS),
    Scenario("steers", steers, world=house(), faults=WITH_USERS),
    Scenario("away", away, world=house(), faults=WITH_USERS),
    Scenario("slow", slow, world=house(room=400, outbox=600), faults=WITH_USERS),
)
"""All of them."""
