"""A whole server, from the first command over the wire to its graceful end, and what finds its clients after that."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio

from actors.client import Client
from actors.errors import ShuttingDown
from actors.remote import RemoteRun
from actors.testing import chaos
from actors.testing.chaos.world import House
from actors.testing.flows import flow
from actors.testing.memory_server import Message, Peer
from protocol.messages import RunChanged
from protocol.states import RunStatus
from tests.chaos.scenarios.client import follow, use
from tests.chaos.scenarios.kinds import house, mortal
from tests.chaos.scenarios.scenario import FAULTS, Scenario
from tests.chaos.scenarios.visitors import (
    ALIVE,
    PATIENCE_S,
    company,
    follower,
    listener,
    lonely,
    look_after,
    order,
    resume_all,
    starter,
    visit,
)

__all__ = ["SCENARIOS"]

EFFECTS: Final = flow("s >> a >> b", a="mail", b="act")
CHAIN: Final = flow("s >> a >> b", a="work", b="work")

LIFE_S: Final = 1.3
"""After which the first server ends, in the midst of a run."""
DOWN_S: Final = 1.0
"""Until there is another one."""

Come = Callable[[], Awaitable[object]]


async def steered(house: House) -> None:
    """One starts a run, one watches it, and one pauses, resumes and stops it, each time once."""

    async def steer(peer: Peer) -> None:
        for number, action in enumerate(("pause", "resume", "stop"), 1):
            await order(peer, _control(number, action), "workflow_control_response")
            await trio.sleep(0.6)

    watching = trio.Event()
    async with company(house) as nursery:
        watch = listener(1, ALIVE, here=watching)
        nursery.start_soon(partial(visit, house, watch, "/", session="watches", dialect="camel"))
        await watching.wait()
        nursery.start_soon(partial(visit, house, starter(EFFECTS, request_id="mine"), session="starts"))
        await trio.sleep(0.4)
        nursery.start_soon(partial(visit, house, steer, session="steers", dialect="flat"))
    house.expect(len(house.runs) <= 1, f"one start made {list(house.runs)}")
    for run_id in house.journal.run_ids:
        changes = [event.status for event in house.journal.events(run_id) if isinstance(event, RunChanged)]
        for status in (RunStatus.PAUSING, RunStatus.STOPPING):
            once = changes.count(status) == 1 if not house.trial.struck else changes.count(status) <= 1
            house.expect(once or house.trial.hit(f"run:{run_id}"), f"{run_id} went through {changes}")


def _control(number: int, action: str) -> Message:
    """As flat says it; the same number is the same request, however often it is said."""
    said = {"type": "control_workflow", "id": str(number), "workflow_id": "w", "action": action}
    return {**said, "request_id": f"steer-{number}"}


async def goodbye(house: House) -> None:
    """A server that ends in good order tells everybody so, in their own dialect, and closes."""

    async def listen(peer: Peer) -> None:
        await order(peer, ALIVE)
        async for _ in peer:
            pass
        said = {**peer.heard[-1], **peer.heard[-1].get("payload", {})}
        told = said.get("status") == "shutting_down" and peer.closed is not None and peer.closed.code == 1001
        house.expect(told or house.trial.struck, f"{peer.session} heard {said} before {peer.closed}")

    async def come(dialect: str) -> None:
        with trio.move_on_after(PATIENCE_S):
            await visit(house, listen, session=dialect, dialect=dialect)

    async def body() -> None:
        for dialect in ("snake", "camel", "flat"):
            nursery.start_soon(come, dialect)
        await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        await house.live(body)


async def again(house: House) -> None:
    """A server ends in the midst of runs, or dies; who was there comes back to the next one, and misses nothing."""

    async def act(client: Client) -> None:
        run: RemoteRun | None = None
        while run is None:
            try:
                run = await client.start(CHAIN, workflow_id="other")
            except ShuttingDown:
                await trio.sleep(DOWN_S)
        await follow(house, run)

    await _lives(
        house,
        partial(visit, house, starter(EFFECTS), session="starts"),
        partial(visit, house, follower(), session="follows"),
        partial(use, house, "client", act),
    )


async def _lives(house: House, *visits: Come) -> None:
    """One life that ends too early, and then as many as it takes until every visitor has gone home."""
    over, gone = False, trio.Event()

    async def come() -> None:
        with trio.move_on_after(PATIENCE_S) as patience:
            async with trio.open_nursery() as visitors:
                for each in visits:
                    visitors.start_soon(each)
        house.expect(not patience.cancelled_caught or lonely(house), "somebody waits for ever")
        gone.set()

    async def begin() -> None:
        if not nursery.child_tasks and not gone.is_set():
            nursery.start_soon(come)

    async def first() -> None:
        await begin()
        await trio.sleep(LIFE_S)

    async def rest() -> None:
        nonlocal over
        await begin()
        async with trio.open_nursery() as watch:
            watch.start_soon(look_after, house)
            await gone.wait()
            watch.cancel_scope.cancel()
        await resume_all(house)
        await house.end_all()
        over = True

    async with trio.open_nursery() as nursery:
        await house.live(first)
        await trio.sleep(DOWN_S)
        while not over:
            await house.live(rest)


KILLED: Final = (*FAULTS, chaos.Call("kill"), chaos.Cancel("client:*"))

SCENARIOS: Final = (
    Scenario("steered over the wire", steered, world=house()),
    Scenario("goodbye", goodbye, world=mortal()),
    Scenario("ends and comes again", again, world=mortal(), faults=KILLED),
)
"""All of them."""
