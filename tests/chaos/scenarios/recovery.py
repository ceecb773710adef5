"""Lives of a process: killed at any point, or left in good order, and what the next one makes of it."""

from collections.abc import Callable
from typing import Any, Final

import trio

from actors.testing import chaos
from actors.testing.chaos.world import House
from protocol.messages import NodeChanged, RunChanged
from protocol.states import NodeStatus, RunStatus
from tests.chaos.scenarios.kinds import mortal
from tests.chaos.scenarios.runs import GRAPHS
from tests.chaos.scenarios.scenario import FAULTS, Scenario

__all__ = ["SCENARIOS"]

STEPPED: Final = ("chain", "loop", "retry", "effects")
"""Graphs that are stepped through."""
RESULTS: Final[dict[str, Any]] = {}
"""What a graph gives without a fault."""


def _killed(name: str) -> Callable[[House], Any]:
    async def play(house: House) -> None:
        """A run ends as it would have, however often its process is killed."""
        over = False

        async def body() -> None:
            nonlocal over
            if "r1" not in house.journal.run_ids:
                await house.start(GRAPHS[name])
            await house.end_all()
            over = not house.journal.killed

        while not over:
            await house.live(body)
        ended = house.ended("r1")
        story = ended.status, dict(ended.results)
        if house.trial.struck:
            house.expect_unless_hit("run:*", lambda: story == RESULTS[name])
        else:
            RESULTS[name] = story

    return play


def _left(name: str, seconds: float) -> Callable[[House], Any]:
    async def play(house: House) -> None:
        """A process ends in good order in the midst of a run, and the next one goes on with it."""

        async def first() -> None:
            await house.start(GRAPHS[name])
            await trio.sleep(seconds)

        await house.live(first)
        await house.live(house.end_all)
        twice = [key for key, count in house.effects.items() if count > 1]
        house.expect(not twice or house.cut("r1"), f"what the first process has seen done is done again: {twice}")

    return play


async def paused(house: House) -> None:
    """What was paused stays so, until somebody resumes it in the next life."""

    async def first() -> None:
        run = await house.start(GRAPHS["effects"])
        await trio.sleep(0.2)
        await run.pause()
        await trio.sleep(9)

    async def second() -> None:
        await trio.sleep(1)
        for run in house.runtime.unfinished():
            await run.resume()
        await house.end_all()

    await house.live(first)
    await house.live(second)


def _stepped(name: str) -> Callable[[House], Any]:
    async def play(house: House) -> None:
        """A run is stepped through from a breakpoint on, in as many lives as it takes."""
        over = False

        async def body() -> None:
            nonlocal over
            if "r1" not in house.journal.run_ids:
                await house.start(GRAPHS[name], config={"seed": 1, "breakpoints": ["a"]})
            while runs := house.runtime.unfinished():
                if runs[0].status is RunStatus.PAUSED:
                    await runs[0].resume(step=True)
                await trio.sleep(1)
            over = not house.journal.killed

        while not over:
            await house.live(body)
        stepping, began = False, set[tuple[str, Any]]()
        for event in house.journal.events("r1"):
            if isinstance(event, RunChanged):
                stepping = stepping or event.status is RunStatus.PAUSED
                began = set() if event.status is RunStatus.RUNNING else began
            elif stepping and isinstance(event, NodeChanged) and event.status is NodeStatus.RUNNING:
                began.add((event.node_id, event.iteration))
                house.expect(len(began) == 1, f"one step starts {began}")

    return play


def _changed(name: str) -> Callable[[House], Any]:
    async def play(house: House) -> None:
        """At every stop the breakpoints are set anew, in as many lives as it takes: each life has those of the last."""
        over = False

        async def body() -> None:
            nonlocal over
            if "r1" not in house.journal.run_ids:
                await house.start(GRAPHS[name], config={"seed": 1, "breakpoints": ["a"]})
            while runs := house.runtime.unfinished():
                shown = await house.runtime.snapshot("r1")
                house.snapshots.append(shown)
                if shown.status is RunStatus.PAUSED:
                    await runs[0].set_breakpoints(node_id for node_id in shown.nodes if node_id != shown.node_id)
                    await runs[0].set_breakpoints(runs[0].workflow.nodes.keys() - {shown.node_id})
                    await runs[0].resume()
                await trio.sleep(1)
            over = not house.journal.killed

        while not over:
            await house.live(body)

    return play


KILL: Final = (chaos.Call("kill"), chaos.Cancel("process"))

SCENARIOS: Final = (
    *(Scenario(f"killed: {name}", _killed(name), faults=KILL, world=mortal()) for name in GRAPHS),
    *(
        Scenario(f"killed while breakpoints change: {name}", _changed(name), faults=KILL, world=mortal())
        for name in STEPPED
    ),
    *(Scenario(f"killed while stepped: {name}", _stepped(name), faults=KILL, world=mortal()) for name in STEPPED),
    Scenario("left: chain", _left("chain", 0.5), faults=FAULTS, world=mortal()),
    Scenario("left: effects", _left("effects", 1.2), faults=FAULTS, world=mortal()),
    Scenario("left: wait times", _left("wait times", 2), faults=FAULTS, world=mortal()),
    Scenario("left: retry", _left("retry", 1.5), faults=FAULTS, world=mortal()),
    Scenario("left: paused", paused, faults=FAULTS, world=mortal()),
)
"""All of them."""
