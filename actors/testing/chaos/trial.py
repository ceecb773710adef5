"""One run of a scenario in its world, with at most one injection: what the world holds in its hands.

Theory of operation: `tryout.try_out` runs `async with world(trial) as w: await scenario(w)` on a virtual clock that
jumps when nothing else is left to do, with everything random sealed and trio's scheduling in the hands of a scheduler.
The trial is the observer that the world gives to its runtime. A probe sits in trio's hooks: it counts the steps,
strikes at the one that the injection names, and ends a run that goes nowhere. What is wrong is never raised: it is
kept, as a violation, and asked for when all is over. The invariants are asked outside of trio, of what the world saw.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Final, Generic, TypeVar

import attrs
import trio
import trio.testing
from trio.lowlevel import Task

from actors.testing.chaos import private
from actors.testing.chaos.errors import NotDeterministic
from actors.testing.chaos.faults import fits
from actors.testing.chaos.injections import Injection
from actors.testing.chaos.tasks import draw
from actors.testing.chaos.trace import Trace

__all__ = ["NO_EXCEPTION", "Invariant", "Play", "Trial", "Violation", "World"]

W = TypeVar("W")

NO_EXCEPTION: Final = "no unexpected exception"

World = Callable[["Trial"], AbstractAsyncContextManager[W]]
"""Opens everything that a scenario needs, all of it in memory, and closes it again."""


@attrs.frozen
class Invariant(Generic[W]):
    """What must hold after every run."""

    name: str
    check: Callable[[W], Iterable[str]]
    """Is given the world, closed, and says what is wrong with it: one text each."""


@attrs.frozen
class Violation:
    """What did not hold."""

    invariant: str
    text: str


@attrs.frozen
class Play(Generic[W]):
    """What is the same in every run."""

    scenario: Callable[[W], Awaitable[object]]
    world: World[W]
    invariants: tuple[Invariant[W], ...] = ()


@attrs.define(eq=False)
class _Told:
    name: str
    label: str
    scope: trio.CancelScope
    owner: Task
    depth: int
    """How many nurseries its owner had open."""


class Trial:
    """The observer of one run. The world passes it to its runtime; the rest is for the world itself.

    Args:
        injection: what is done, or a clean one.
    """

    main: Task
    """The first task of the run."""

    def __init__(self, injection: Injection) -> None:
        self.injection = injection
        self.active = injection.scoped
        """Part of the observer: whether nodes have scopes of their own."""
        self.clock = trio.testing.MockClock(autojump_threshold=0)
        """The run's."""
        self.struck = False
        """Whether the injection was made."""
        self.steps = 0
        """Steps of tasks so far."""
        self.violations: list[Violation] = []
        self.trace = Trace()
        self._told: dict[str, _Told] = {}
        """Name → a scope that is there."""
        self._names: dict[str, int] = {}
        """Label → how often it was told."""
        self._actions: dict[str, Callable[[], object]] = {}
        self._numbers: dict[Task, int] = {}

    # The observer

    def scope(self, label: str, scope: trio.CancelScope) -> None:
        """A scope was entered, or is about to be."""
        task = trio.lowlevel.current_task()
        count = self._names[label] = self._names.get(label, 0) + 1
        name = label if count == 1 else f"{label}~{count}"
        self._told[name] = _Told(name, label, scope, task, len(task.child_nurseries))
        self.trace.scopes[name] = (self.steps + 1, self.steps + 1)

    def unscope(self, label: str) -> None:
        """It was left: of several with this label, the one that this task told."""
        task = trio.lowlevel.current_task()
        told = [told for told in self._told.values() if told.label == label]
        if not told:
            self.fail("the observer is told the truth", f"{label} was left, but is not there")
            return
        gone = next((one for one in told if one.owner is task), told[0])
        del self._told[gone.name]
        self.trace.scopes[gone.name] = (self.trace.scopes[gone.name][0], self.steps + 1)

    def action(self, label: str, fn: Callable[[], object]) -> None:
        """`fn` is a command that may be given at any time from now on, as `run:r1/pause`. The last one told counts."""
        self._actions[label] = fn
        self.trace.actions.setdefault(label, self.steps + 1)

    # For the world

    def hit(self, pattern: str) -> bool:
        """Whether the injection was made, and struck a scope, or commanded an actor, whose name fits."""
        return self.struck and fits(self.injection.aim.target, (pattern,))

    def fail(self, invariant: str, text: str) -> None:
        """Something does not hold. May be called at any time, from anywhere in the thread."""
        self.violations.append(Violation(invariant, text))

    def tree(self) -> str:
        """All tasks, and where they stand."""
        labels = {told.owner: told.name for told in self._told.values()}
        return draw(self.main, age=self.number, notes=lambda task: f"  [{labels[task]}]" if task in labels else "")

    # For the kit

    def number(self, task: Task) -> int:
        """The how manieth task of the run it is."""
        return self._numbers.setdefault(task, len(self._numbers))

    def within(self, task: Task) -> tuple[str, ...]:
        """The names of the scopes that the task stands in."""
        if private.available:
            scopes = {told.scope: told.name for told in self._told.values()}
            return tuple(scopes[scope] for scope in private.scopes_around(task) if scope in scopes)
        return tuple(told.name for told in self._told.values() if _is_below(task, told))

    def told(self, name: str) -> trio.CancelScope:
        """The scope of this name.

        Raises:
            NotDeterministic: it is not there, though it was in a clean run.
        """
        if name not in self._told:
            raise NotDeterministic(f"{self.injection}: {name!r} is not there; it was in a clean run")
        return self._told[name].scope

    def call(self, label: str) -> None:
        """Give the command with this label.

        Raises:
            NotDeterministic: as above.
        """
        if label not in self._actions:
            raise NotDeterministic(f"{self.injection}: {label!r} was not told; it was in a clean run")
        try:
            self._actions[label]()
        except Exception as error:  # noqa: BLE001  a command is the world's, and may raise anything
            self.fail(NO_EXCEPTION, f"{label} raised {error!r}")

    def abandon(self) -> None:
        """The run was left with tasks in it: see that they never learn of it."""
        for task in self._numbers:
            private.keep(task)

    def left(self) -> tuple[str, ...]:
        """The names of the scopes that are still there."""
        return tuple(self._told)


def _is_below(task: Task, told: _Told) -> bool:
    """As far as nurseries tell."""
    if task is told.owner:
        return True
    while (nursery := task.parent_nursery) is not None:
        task = nursery.parent_task
        if task is told.owner:
            return nursery in task.child_nurseries[told.depth :]
    return False
