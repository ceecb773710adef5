"""A run inside a run: what is done to the one around it, and what is done to the one inside."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio

from actors.handle import Run
from actors.testing import chaos
from actors.testing.chaos.world import House
from actors.testing.flows import flow
from protocol.states import ENDED, RunStatus
from tests.chaos.scenarios.controls import drain, force, pause, resume, stop
from tests.chaos.scenarios.kinds import house, mortal
from tests.chaos.scenarios.scenario import FAULTS, Scenario

__all__ = ["SCENARIOS"]

INNER: Final = flow("a >> c; a >> b", a="act", b="mail", c="work")
GRAPH: Final = flow("s >> f >> e; s >> w", f=("subflow", {"workflow": INNER}), e="work", w="work")
DEEP: Final = flow("s >> f >> e", f=("subflow", {"workflow": flow("g", g=("subflow", {"workflow": INNER}))}), e="work")
FAILING: Final = flow("s >> f; s >> w", f=("subflow", {"workflow": INNER}), w=("work", {"seconds": 1.5, "worksAt": 9}))
LATE: Final = flow(
    "s >> f; f:error >> e",
    f=("subflow", {"workflow": INNER, "timeout": 1500, "retry": {"maxAttempts": 2, "delay": 100}}), e="work",
)  # fmt: skip
TURNS: Final = flow(
    "s >> l; l:body >> w >> k; l:body >> f; l:done >> e",
    l=("loop", {"count": 2}), w=("work", {"seconds": 1.2}), k="break", f=("subflow", {"workflow": INNER}), e="work",
)  # fmt: skip

Step = float | Callable[[Run], Awaitable[object]] | str


def _steered(graph: Any, *steps: Step) -> Callable[[House], Any]:
    """Start a run and do one thing after the other: a number is a rest, a text is done to the run inside."""
    deeds: dict[str, Callable[[Run], Awaitable[object]]] = {"pause": pause, "resume": resume, "stop": stop}

    async def play(house: House) -> None:
        run = await house.start(graph)
        async with house.followed(run):
            for step in steps:
                if isinstance(step, int | float):
                    await trio.sleep(step)
                elif not isinstance(step, str):
                    await step(run)
                elif (child := house.runtime.run(f"{run.id}.1")) is not None:
                    await deeds[step](child)
            await _go_on(house)
            await house.end(run)
        await house.end_all()

    return play


async def _go_on(house: House) -> None:
    """Resume what is paused, the runs around first, until nothing is."""
    while paused := [run for run in house.runtime.unfinished() if run.status in {RunStatus.PAUSED, RunStatus.PAUSING}]:
        for run in paused:
            await run.resume()
        await trio.sleep(0.1)


def _lives(*steps: Step) -> Callable[[House], Any]:
    """The same, until its process ends; the next one goes on with both."""

    async def play(house: House) -> None:
        async def first() -> None:
            run = await house.start(GRAPH)
            for step in steps:
                if isinstance(step, int | float):
                    await trio.sleep(step)
                elif not isinstance(step, str):
                    await step(run)

        async def second() -> None:
            await trio.sleep(1)
            await _go_on(house)
            await house.end_all()

        await house.live(first)
        while any(house.journal.status(run_id) not in ENDED for run_id in house.journal.run_ids):
            await house.live(second)

    return play


PLAYS: Final = {
    "nothing happens": _steered(GRAPH),
    "pause": _steered(GRAPH, 0.5, pause, 5, resume),
    "drain": _steered(GRAPH, 0.5, drain, 5, resume),
    "pause taken back": _steered(GRAPH, 0.5, pause, resume),
    "drain taken back": _steered(GRAPH, 0.5, drain, resume),
    "stop": _steered(GRAPH, 0.5, stop),
    "stop by force": _steered(GRAPH, 0.5, stop, 0.1, force),
    "stop while pausing": _steered(GRAPH, 0.5, pause, stop),
    "stop while paused": _steered(GRAPH, 0.5, pause, 5, stop),
    "pause inside": _steered(GRAPH, 0.5, "pause", 5, pause, 1, resume, 1, "resume"),
    "stop inside": _steered(GRAPH, 0.5, "stop"),
    "deep: pause, then stop": _steered(DEEP, 0.5, pause, 5, resume, 0.5, stop),
    "a failure beside it": _steered(FAILING),
    "a timeout around it": _steered(LATE),
    "a turn that is broken off": _steered(TURNS, 1.1, pause, 5, resume),
}

KILL: Final = (chaos.Call("kill"), chaos.Cancel("process"))

SCENARIOS: Final = (
    *(Scenario(name, play, world=house()) for name, play in PLAYS.items()),
    Scenario("killed", _lives(20), faults=KILL, world=mortal()),
    Scenario("killed while paused", _lives(0.5, pause, 5, resume, 3), faults=KILL, world=mortal()),
    Scenario("killed while stopped", _lives(0.5, stop, 7), faults=KILL, world=mortal()),
    Scenario("left", _lives(1.2), faults=FAULTS, world=mortal()),
)
"""All of them."""
