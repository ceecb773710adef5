"""What `callboard chaos` does: runs a graph with a fault at every point, and prints what did not survive it.

Theory of operation: each injection is a run in a server in memory, on a virtual clock, in a `trio.run` of its own; see
`actors.testing.chaos`. Nothing lives between two of them. The nodes are simulated, unless they are to run for real.
"""

import json
import shlex
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import partial
from typing import Final

import attrs
import trio

from actors.errors import ActorsError
from actors.registry import Registry
from actors.screen import printable
from actors.settings import Settings
from actors.terminal import print_problems
from actors.testing.chaos import STANDARD, Budget, Call, Cancel, ChaosError, House, Skip, explore, replay
from actors.testing.chaos.world import PATIENCE_S, Ended, open_world
from protocol.errors import InvalidWorkflow, ProtocolError
from protocol.messages import Json
from protocol.states import RunStatus

__all__ = ["Exploring", "explore_graph"]

HELD: Final = 0
BROKEN: Final = 1
NOT_STARTED: Final = 2

FAULTS: Final = (
    Cancel("node:*", "run:*"),
    Call("pause", "resume", "stop"),
    Skip(60.0),
)
"""The jump is longer than any grace, and shorter than the patience of the world."""


@attrs.frozen(kw_only=True)
class Exploring:
    """How it is done."""

    runs: int | None
    """Injections at most."""
    seconds: float
    """Real ones, at most."""
    everywhere: bool
    """After the steps of all tasks, not the targets' own."""
    live: bool
    """The nodes run for real."""
    injection: str | None
    """Only this one."""


def explore_graph(
    graph: Json,
    *,
    name: str,
    config: Mapping[str, Json],
    needs_start: bool,
    settings: Settings,
    registry: Registry,
    exploring: Exploring,
    as_json: bool,
) -> int:
    """Explore a graph and print the report on stdout; returns the exit status.

    Args:
        graph: as a client would send it.
        name: how the report calls it.
        config: the ExecutionConfig, likewise.
        needs_start: whether a graph without a `start` node is refused.
        settings: of the runtime; files that runs make are thrown away, whatever they say.
        registry: the kinds.
        exploring: how it is done.
        as_json: the whole report, with each injection, as one object, and nothing else.

    Raises:
        BrokenPipeError: nobody reads stdout any more.
        KeyboardInterrupt: also in a group.
    """
    asked = {"seed": 1, **config, **({} if exploring.live else {"dryRun": True})}
    refusals: list[ProtocolError | ActorsError] = []
    endings: list[Ended] = []

    async def scenario(house: House) -> None:
        try:
            run = house.runtime.submit(graph, config=asked, workflow_id="w1", run_id="r1", needs_start=needs_start)
        except (ProtocolError, ActorsError) as error:
            refusals.append(error)
            raise
        await run.begun()
        try:
            ended = await house.end(run)
        except trio.TooSlowError:
            house.trial.fail("the run ends", f"it goes on after {PATIENCE_S:.0f} seconds of the virtual clock")
            return
        if not house.trial.struck:
            endings.append(ended)

    scenario.__name__ = name if exploring.live else f"{name} (dry run)"
    world = partial(open_world, registry=registry, settings=attrs.evolve(settings, artifacts=None))
    try:
        # What nodes print is not to get into the JSON.
        with redirect_stdout(sys.stderr if as_json else sys.stdout):
            if exploring.injection is not None:
                report = replay(scenario, exploring.injection, world=world, invariants=STANDARD)
            else:
                report = explore(
                    scenario,
                    world=world,
                    faults=FAULTS,
                    invariants=STANDARD,
                    points="global" if exploring.everywhere else "own",
                    budget=Budget(runs=exploring.runs, seconds=exploring.seconds),
                )
    except ChaosError as error:
        sys.stderr.write(f"callboard: {error}\n")
        return NOT_STARTED
    if refusals:
        _refuse(refusals[0])
        return NOT_STARTED
    if as_json:
        sys.stdout.write(json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n")
    else:
        for line in str(report).splitlines():
            sys.stdout.write(f"{printable(line)}\n")
        for broken in report.broken:
            how = [*(["--live"] if exploring.live else []), "--replay", broken.smallest.id]
            sys.stdout.write(f"\nagain: callboard chaos {shlex.join(how)} …\n")
    sys.stdout.flush()
    if endings and endings[0].status is not RunStatus.COMPLETED:
        sys.stderr.write(f"callboard: without a fault the run ends as {endings[0].status}\n")
    return BROKEN if report.broken else HELD


def _refuse(error: ProtocolError | ActorsError) -> None:
    if isinstance(error, InvalidWorkflow):
        print_problems(error.problems, file=sys.stderr)
    else:
        sys.stderr.write(f"callboard: {error}\n")
