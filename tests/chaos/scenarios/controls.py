"""Pause, resume and stop, in every state that a run can be in."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import trio

from actors.handle import Run
from actors.testing.chaos.world import House
from actors.testing.flows import Graph, flow
from protocol.states import RunStatus
from tests.chaos.scenarios.kinds import house
from tests.chaos.scenarios.runs import GRAPHS
from tests.chaos.scenarios.scenario import Scenario

__all__ = ["SCENARIOS"]

BUSY: Final = flow("s >> a; s >> b; a >> c; b >> c", a="act", b="mail", c="work")
"""A node in a section that a pause waits for, and one with effects, side by side."""
RETRY: Final = GRAPHS["retry"]

Steer = Callable[[Run], Awaitable[object]]


def _steered(graph: Graph, *steps: float | Steer, early: Sequence[Steer] = ()) -> Callable[[House], Any]:
    """Start a run, do one thing after the other – a number is a rest –, and go on until it ends."""

    async def play(house: House) -> None:
        run = house.submit(graph)
        for steer in early:
            await steer(run)
        await run.begun()
        async with house.followed(run):
            for step in steps:
                if isinstance(step, int | float):
                    await trio.sleep(step)
                else:
                    await step(run)
            if run.status in {RunStatus.PAUSED, RunStatus.PAUSING}:
                await run.resume()
            await house.end(run)

    return play


pause, resume, stop = Run.pause, Run.resume, Run.stop
drain: Steer = partial(Run.pause, mode="drain")
force: Steer = partial(Run.stop, force=True)


PLAYS: Final = {
    "pause before it begins": _steered(BUSY, 1, resume, early=[pause]),
    "stop before it begins": _steered(BUSY, early=[stop]),
    "pause in a section": _steered(BUSY, 0.5, pause, 3, resume),
    "pause in an effect": _steered(GRAPHS["effects"], 0.2, pause, 3, resume),
    "pause that drains": _steered(BUSY, 0.5, drain, 5, resume),
    "pause taken back": _steered(BUSY, 0.5, pause, resume),
    "drain taken back": _steered(BUSY, 0.5, drain, resume),
    "pause twice, resume twice": _steered(BUSY, 0.5, pause, pause, 2, resume, resume),
    "pause, resume, pause": _steered(BUSY, 0.5, pause, resume, pause, 5, resume),
    "pause in a retry": _steered(RETRY, 1.5, pause, 9, resume),
    "pause in a wait time": _steered(GRAPHS["wait times"], 2, pause, 9, resume),
    "pause in a loop": _steered(GRAPHS["loop"], 0.5, pause, 2, resume),
    "stop in a section": _steered(BUSY, 0.5, stop),
    "stop by force in a section": _steered(BUSY, 0.5, force),
    "stop, then by force": _steered(BUSY, 0.5, stop, 0.1, force),
    "stop while pausing": _steered(BUSY, 0.5, pause, stop),
    "stop while paused": _steered(BUSY, 0.5, pause, 3, stop),
    "stop in a retry": _steered(RETRY, 1.5, stop),
    "stop twice": _steered(BUSY, 0.5, stop, stop),
}

SCENARIOS: Final = tuple(Scenario(name, play, world=house()) for name, play in PLAYS.items())
"""All of them."""
