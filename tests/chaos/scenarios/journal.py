"""A journal that takes its time: followers and effects of runs whose process is killed at any point."""

from functools import partial
from typing import Final

import trio

from actors.handle import Run
from actors.testing import chaos
from actors.testing.chaos.world import House
from actors.testing.flows import flow
from protocol.messages import Event
from tests.chaos.scenarios.kinds import mortal
from tests.chaos.scenarios.runs import GRAPHS
from tests.chaos.scenarios.scenario import Scenario

__all__ = ["SCENARIOS"]

WIDE: Final = flow("s >> a; s >> b; s >> c", a="work", b="mail", c="work")


async def followers(house: House) -> None:
    """Who follows three runs, and comes back after each kill with the position he has, sees each event once."""
    graphs = {"r1": GRAPHS["chain"], "r2": WIDE, "r3": GRAPHS["retry"]}
    seen: dict[str, list[Event]] = {run_id: [] for run_id in graphs}
    house.seen += seen.values()
    over = False

    async def follow(run_id: str) -> None:
        async with house.journal.follow(run_id, len(seen[run_id])) as events:
            async for event in events:
                seen[run_id].append(event)

    async def body() -> None:
        nonlocal over
        async with trio.open_nursery() as nursery:
            for run_id, graph in graphs.items():
                if run_id not in house.journal.run_ids:
                    await house.start(graph, run_id=run_id)
                nursery.start_soon(partial(follow, run_id), name=f"follower of {run_id}")
            await house.end_all()
        over = not house.journal.killed

    while not over:
        await house.live(body)
    for run_id, events in seen.items():
        house.expect(list(house.journal.events(run_id)) == events, f"the follower of {run_id} saw {len(events)} events")


async def together(house: House) -> None:
    """Two runs steered at once, and a process that ends in the midst of it."""

    async def first() -> None:
        one, two = await house.start(WIDE), await house.start(GRAPHS["effects"])
        await trio.sleep(0.4)
        await two.pause()
        await trio.sleep(0.4)
        await one.stop()

    async def second() -> None:
        for run in house.runtime.unfinished():
            await Run.resume(run)
        await house.end_all()

    await house.live(first)
    await house.live(second)


SCENARIOS: Final = (
    Scenario(
        "followers over kills",
        followers,
        faults=(chaos.Call("kill"), chaos.Cancel("process"), chaos.Delay("*")),
        world=mortal(),
    ),
    Scenario("left in the midst", together, world=mortal()),
)
"""All of them."""
