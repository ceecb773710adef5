"""`@every_checkpoint`: a test that explores its scenario.

    @chaos.every_checkpoint(targets="node:upper")
    async def test_upper(world):
        run = await world.run(flow("s >> upper"), inputs={"in": "a"})
        world.expect_unless_hit("node:upper", lambda: run.result == "A")

Theory of operation: the decorated test is a plain function, for it owns `trio.run`, and no plugin that runs coroutines
may take it for one. It asks for all that the scenario takes but the `world`, so fixtures and parameters work; every run
of the test is given the same values. What the command line wants comes by way of `asked`, from
`actors.testing.chaos_plugin`; without that plugin a test explores what it says itself.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final

import attrs

from actors.testing.chaos.errors import ChaosError
from actors.testing.chaos.explore import Budget, explore, replay
from actors.testing.chaos.faults import Call, Cancel, Fault
from actors.testing.chaos.plan import Points
from actors.testing.chaos.report import Report
from actors.testing.chaos.schedules import FIFO
from actors.testing.chaos.trial import Invariant, World

if TYPE_CHECKING:
    from actors.registry import Registry
    from actors.settings import Settings

__all__ = ["MARK", "Asked", "asked", "every_checkpoint"]

MARK: Final = "chaos_every_checkpoint"
"""The attribute by which a decorated test is known."""

WORLD: Final = "world"
"""The argument that is no fixture."""

BUDGET: Final = Budget(runs=500, seconds=10.0)


@attrs.define(eq=False)
class Asked:
    """What somebody else wants of the tests that are called meanwhile; and what came of it."""

    budget: Callable[[Budget], Budget] = lambda budget: budget
    """Given the one of the test."""
    points: Points | None = None
    injection: str | None = None
    """Replay this one, and nothing else."""
    reports: list[Report] = attrs.field(factory=list)


asked: Final[ContextVar[Asked | None]] = ContextVar("asked", default=None)


def every_checkpoint(
    *,
    targets: str | Iterable[str] = "node:*",
    faults: Iterable[Fault] | None = None,
    world: World[Any] | None = None,
    registry: "Registry | None" = None,
    settings: "Settings | None" = None,
    invariants: Iterable[Invariant[Any]] | None = None,
    points: Points = "own",
    schedules: Sequence[str] = (FIFO,),
    budget: Budget = BUDGET,
) -> Callable[[Callable[..., Awaitable[object]]], Callable[..., None]]:
    """Make a test of a scenario: `async def test_…(world)`, and whatever fixtures it takes besides.

    Args:
        targets: patterns of the scopes that are struck.
        faults: what is done to them; default: they are cancelled and, in callboard's world, their run is paused, at
            each of their points. Both are daily life: a node runs again, to the same result. A `Crash` is not.
        world: opens what the scenario needs; default: callboard's, with `registry` and `settings`.
        registry: the kinds of node; default: the built-in ones.
        settings: limits and deadlines.
        invariants: what must hold besides; default: `STANDARD` in callboard's world, nothing in another.
        points: those of the targets' own tasks; or `global`, those of all tasks.
        schedules: texts of `schedules`.
        budget: 500 injections or 10 seconds, whatever is reached first.

    Raises:
        ChaosError: the scenario is no coroutine function that takes a `world`. Of the test: nothing fits the targets,
            or the seconds were over before the first injection.
    """
    patterns = (targets,) if isinstance(targets, str) else tuple(targets)
    daily: tuple[Fault, ...] = (Cancel(*patterns), *((Call("pause", targets=patterns),) if world is None else ()))
    chosen = daily if faults is None else tuple(faults)

    def decorate(scenario: Callable[..., Awaitable[object]]) -> Callable[..., None]:
        signature = inspect.signature(scenario)
        if not inspect.iscoroutinefunction(scenario) or WORLD not in signature.parameters:
            raise ChaosError(f"{scenario!r} is no `async def` that takes a `{WORLD}`")

        @wraps(scenario)
        def test(*args: object, **fixtures: object) -> None:
            __tracebackhide__ = True

            @wraps(scenario)
            async def play(world: object) -> None:
                await scenario(*args, **fixtures, world=world)

            where = _callboard(registry, settings) if world is None else world
            promises = _standard() if world is None and invariants is None else tuple(invariants or ())
            wanted = asked.get() or Asked()
            if wanted.injection is not None:
                report = replay(play, wanted.injection, world=where, invariants=promises)
            else:
                report = explore(
                    play,
                    world=where,
                    faults=chosen,
                    invariants=promises,
                    points=wanted.points or points,
                    schedules=schedules,
                    budget=wanted.budget(budget),
                )
                if not report.injections:
                    raise ChaosError(f"nothing was tried, so nothing is shown: {report}")
            wanted.reports.append(report)
            report.check()

        rest = [parameter for name, parameter in signature.parameters.items() if name != WORLD]
        vars(test).update({MARK: True, "__signature__": signature.replace(parameters=rest, return_annotation=None)})
        return test

    return decorate


def _callboard(registry: "Registry | None", settings: "Settings | None") -> World[Any]:
    from actors.testing.chaos.world import open_world

    return partial(open_world, registry=registry, settings=settings)


def _standard() -> tuple[Invariant[Any], ...]:
    from actors.testing.chaos.invariants import STANDARD

    return STANDARD
