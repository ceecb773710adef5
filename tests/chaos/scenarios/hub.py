"""One run and many who hear it: fast ones, slow ones, and those that come late or leave."""

from functools import partial
from typing import Final

import trio

from actors.testing.chaos.world import House
from actors.testing.flows import flow
from actors.testing.memory_server import Peer
from protocol.states import ENDED, RunStatus
from tests.chaos.scenarios.kinds import house
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.scenarios.visitors import (
    ALIVE,
    company,
    end,
    follower,
    listener,
    order,
    starter,
    subscribe,
    visit,
)

__all__ = ["SCENARIOS"]

TURNS: Final = flow(
    "s >> l; l:body >> a >> b; l:done >> c",
    l=("loop", {"count": 3}),
    a=("work", {"seconds": 0.1}),
    b=("work", {"seconds": 0.1}),
    c="work",
)
"""Some twenty events in less than two seconds."""

CHAIN: Final = flow("s >> a >> b", a="work", b="work")

NARROW: Final = {"room": 400, "outbox": 600}
"""So that three events or so are on their way to a peer, and then it lags."""

PACE_S: Final = 0.25
"""Of who is slow."""


async def slow(house: House) -> None:
    """A slow subscriber is spared what is superseded, and told how much; a fast one hears everything meanwhile."""
    async with company(house) as nursery:
        nursery.start_soon(partial(visit, house, starter(TURNS), session="fast"))
        await trio.sleep(0.05)
        nursery.start_soon(partial(visit, house, follower(pace=PACE_S), session="slow", backlog=1))
    if not house.trial.struck:
        slow, fast = house.peers[1], house.peers[0]
        house.expect(sum(message.get("conflated", 0) for message in slow.heard) > 0, "who is slow is not conflated")
        house.expect(not any("conflated" in message for message in fast.heard), "who is fast is conflated")


async def lossless(house: House) -> None:
    """A slow subscriber that wants everything gets it, however late."""
    async with company(house) as nursery:
        nursery.start_soon(partial(visit, house, starter(TURNS), session="fast"))
        await trio.sleep(0.05)
        nursery.start_soon(partial(visit, house, follower(pace=PACE_S, lossless=True), session="slow", backlog=1))
    for peer in house.peers:
        if peer.session == "slow":
            house.expect(not any("conflated" in message for message in peer.heard), "something was left out")


async def vanishing(house: House) -> None:
    """Subscribers that leave, politely or not, in the midst of a run are no concern of who stays."""

    async def leave(peer: Peer) -> None:
        await peer.send(subscribe(after_seq=0))
        for _ in range(4):
            await peer.receive()

    async def vanish(peer: Peer, *, server_knows: bool) -> None:
        await leave(peer)
        peer.cable.cut(server_knows=server_knows)

    async def lose_interest(peer: Peer) -> None:
        await leave(peer)
        await order(peer, {"type": "workflow.unsubscribe", "id": "2", "workflow_id": "w"}, "workflow.unsubscribe")
        await trio.sleep(1)

    async with company(house) as nursery:
        nursery.start_soon(partial(visit, house, starter(TURNS), session="stays"))
        await trio.sleep(0.05)
        nursery.start_soon(partial(visit, house, leave, session="leaves"))
        nursery.start_soon(partial(visit, house, partial(vanish, server_knows=True), session="breaks"))
        nursery.start_soon(partial(visit, house, partial(vanish, server_knows=False), session="is silent"))
        nursery.start_soon(partial(visit, house, lose_interest, session="loses interest"))


async def late(house: House) -> None:
    """Who comes in the midst of a run, or after it, hears what it asks for: the state, the rest, or everything."""
    here, there = trio.Event(), trio.Event()

    async def look(peer: Peer) -> None:
        await order(peer, {"type": "workflow.snapshot", "id": "2", "workflow_id": "w-r1"})
        confirmed = await order(peer, subscribe(id="3", workflow_id="w-r1"), "workflow.subscribe")
        shown = await peer.receive("workflow.snapshot")
        house.expect(shown["payload"]["last_seq"] == confirmed["payload"]["last_seq"], "the state is not that one")
        here.set()
        if RunStatus(shown["payload"]["status"]) not in ENDED:
            await end(peer)

    async def hear_all(peer: Peer) -> None:
        await order(peer, ALIVE)
        there.set()
        if house.runtime.unfinished():
            await end(peer)

    async with company(house) as nursery:
        run = await house.start(TURNS)
        await trio.sleep(0.3)
        await run.pause()
        nursery.start_soon(partial(visit, house, look, session="looks"))
        nursery.start_soon(partial(visit, house, follower(workflow_id="w-r1"), session="wants all"))
        nursery.start_soon(partial(visit, house, hear_all, "/", session="hears all", dialect="snake"))
        await here.wait()
        await there.wait()
        await run.resume()
        await trio.sleep(5)
        nursery.start_soon(partial(visit, house, follower(workflow_id="w-r1"), session="is late"))


async def everything(house: House) -> None:
    """Who hears all runs hears them side by side; so does, of the types it wants, who asks for them."""
    here, there = trio.Event(), trio.Event()
    endings = subscribe(workflow_id="*", types=["execution.complete", "execution.error"])

    async with company(house) as nursery:
        nursery.start_soon(partial(visit, house, listener(2, ALIVE, here=here), "/", session="all", dialect="snake"))
        nursery.start_soon(partial(visit, house, listener(2, endings, here=there), session="endings"))
        await here.wait()
        await there.wait()
        house.submit(CHAIN, run_id="r1")
        await trio.sleep(0.5)
        house.submit(CHAIN, run_id="r2")


SCENARIOS: Final = (
    Scenario("fast and slow", slow, world=house(**NARROW)),
    Scenario("slow and lossless", lossless, world=house(**NARROW)),
    Scenario("vanishing", vanishing, world=house()),
    Scenario("late", late, world=house()),
    Scenario("all runs", everything, world=house()),
)
"""All of them."""
