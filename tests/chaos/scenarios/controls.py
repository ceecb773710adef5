"""Pause, resume and stop, in every state that a run can be in."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import trio

from actors.handle import Run
from actors.testing import chaos
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


def _steered(
    graph: Graph, *steps: float | Steer, early: Sequence[Steer] = (), breakpoints: Sequence[str] = ()
) -> Callable[[House], Any]:
    """Start a run, do one thing after the other – a number is a rest –, and go on until it ends."""

    async def play(house: House) -> None:
        run = house.submit(graph, config={"breakpoints": list(breakpoints)}) if breakpoints else house.submit(graph)
        for steer in early:
            await steer(run)
        await run.begun()
        async with house.followed(run):
            for step in steps:
                if isinstance(step, int | float):
                    await trio.sleep(step)
                else:
                    await step(run)
            if run.view.breakpoints:
                # A clock that jumped has made some of the steps come too early.
                await run.set_breakpoints(())
            if run.status in {RunStatus.PAUSED, RunStatus.PAUSING}:
                await run.resume()
            await house.end(run)

    return play


pause, resume, stop = Run.pause, Run.resume, Run.stop
drain: Steer = partial(Run.pause, mode="drain")
force: Steer = partial(Run.stop, force=True)
step: Steer = partial(Run.resume, step=True)


def stops(*node_ids: str) -> Steer:
    """These breakpoints, and no others."""
    return partial(Run.set_breakpoints, node_ids=node_ids)


CHANGES: Final = (chaos.Call("breakpoints"),)
"""Somebody else sets breakpoints everywhere, or clears them, at any point."""


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
    "step by step": _steered(GRAPHS["chain"], 0.5, drain, 2, step, 2, step, 2, step, resume),
    "step, and step while it drains": _steered(BUSY, pause, 1, step, 0.2, step, 0.2, step, 9, resume),
    "step into a section, and back": _steered(BUSY, pause, 1, step, 0.5, pause, 4, step, 0.5, resume),
    "step in a retry": _steered(RETRY, 1.5, pause, 2, step, step, 9, step, 9, step, resume),
    "step in a loop": _steered(GRAPHS["loop"], 0.5, pause, step, 2, step, 2, step, 2, step, 2),
    "step in a wait time": _steered(GRAPHS["wait times"], 2, pause, 9, step, 1, stop),
    "step taken back": _steered(GRAPHS["wait times"], 2, pause, 9, step, 1, pause, 1, step, 0.1, resume),
    "breakpoint": _steered(GRAPHS["chain"], 2, resume, 0.5, pause, breakpoints=["a"]),
    "breakpoints side by side": _steered(BUSY, 0.5, resume, 9, resume, 9, resume, breakpoints=["b", "c"]),
    "breakpoint in a loop": _steered(GRAPHS["loop"], 2, resume, 2, resume, breakpoints=["a"]),
    "breakpoint withdrawn, stepped from": _steered(BUSY, 0.5, resume, 2, step, 3, step, resume, breakpoints=["b", "c"]),
    "breakpoint cleared where it stands": _steered(BUSY, 0.5, stops(), 9, resume, breakpoints=["b"]),
    "breakpoints set on the way": _steered(GRAPHS["chain"], 0.5, stops("b"), 3, stops("b", "c"), resume, 3, resume),
    "breakpoints set while it drains": _steered(BUSY, 0.5, drain, stops("c"), 5, resume, 5, stops(), resume),
    "breakpoints set while it stops": _steered(BUSY, 0.5, stop, stops("b", "c")),
    "stop at a breakpoint": _steered(GRAPHS["diamond"], 2, stop, breakpoints=["b"]),
    "stop while it drains to a breakpoint": _steered(BUSY, 0.5, stop, breakpoints=["b"]),
    "stop in a section": _steered(BUSY, 0.5, stop),
    "stop by force in a section": _steered(BUSY, 0.5, force),
    "stop, then by force": _steered(BUSY, 0.5, stop, 0.1, force),
    "stop while pausing": _steered(BUSY, 0.5, pause, stop),
    "stop while paused": _steered(BUSY, 0.5, pause, 3, stop),
    "stop in a retry": _steered(RETRY, 1.5, stop),
    "stop twice": _steered(BUSY, 0.5, stop, stop),
}

CHANGED: Final = ("breakpoint in a loop", "pause in a retry", "pause in a section", "step by step", "stop in a section")
"""What is done while somebody else changes the breakpoints."""

SCENARIOS: Final = (
    *(Scenario(name, play, world=house()) for name, play in PLAYS.items()),
    *(Scenario(f"breakpoints change: {name}", PLAYS[name], faults=CHANGES, world=house()) for name in CHANGED),
)
"""All of them."""
