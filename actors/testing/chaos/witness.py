"""Watches the kinds of node at work, for what only their own code can get wrong: what they make of a cancel.

Theory of operation: `Witness.watch` gives a registry with the same kinds, of which each coroutine is wrapped in one
that sees what trio resumes it with. A `Cancelled` that comes from outside of the kind, and not out of a scope or behind
a shield of its own, has to leave it again: the runtime takes what returns for done. Only the node's own task is seen,
not those in a nursery of the kind. To whoever walks the frames of a task the wrapper looks like the coroutine in it.
Which scopes are the kind's own is private to trio: without these names nobody is watched.
"""

from collections.abc import Awaitable, Callable, Generator
from functools import partial
from inspect import iscoroutine
from types import CoroutineType, FrameType
from typing import Any, Final

import attrs
import trio
from outcome import Error

from actors.context import NodeContext
from actors.registry import Registry
from actors.testing.chaos import private
from actors.testing.chaos.tasks import place

__all__ = ["Wait", "Witness"]

LONG_S: Final = 1.0
"""A wait that takes longer is noted."""


@attrs.frozen
class Wait:
    """A node waited for long."""

    node: str
    line: str
    """Of its kind's coroutine function."""
    began: float
    ended: float
    """Both of the wall clock of the world."""


@attrs.define(eq=False)
class Witness:
    """Of one world.

    Args:
        wall: its wall clock.
    """

    wall: Callable[[], float]
    swallowed: list[str] = attrs.field(factory=list)
    """Where a kind was cut and returned all the same, in words."""
    waits: list[Wait] = attrs.field(factory=list)

    def watch(self, registry: Registry) -> Registry:
        """A registry with the same kinds, under watch."""
        if not private.available:
            return registry
        watched = Registry()
        for spec in registry.kinds.values():
            watched.register(attrs.evolve(spec, run=partial(self._run, spec.run)))
        return watched

    def _run(self, run: Callable[[NodeContext[Any]], Awaitable[object]], ctx: NodeContext[Any]) -> Awaitable[object]:
        work = run(ctx)
        return _Watched(work, self, ctx.node_id) if iscoroutine(work) else work


class _Watched(Generator[Any, Any, object]):
    """A kind at work, in the task of its node."""

    def __init__(self, work: "CoroutineType[Any, Any, object]", witness: Witness, node: str) -> None:
        self._work = work
        self._witness = witness
        self._node = node
        self._task = trio.lowlevel.current_task()
        self._outside = frozenset(private.scopes_around(self._task))
        self._cut_at = ""
        self._waits_since = witness.wall()

    @property
    def cr_frame(self) -> FrameType | None:
        """As of a coroutine."""
        return self._work.cr_frame

    @property
    def cr_await(self) -> object:
        """As of a coroutine."""
        return self._work.cr_await

    def __await__(self) -> Generator[Any, Any, object]:
        return self

    def send(self, value: Any) -> Any:
        """Trio resumes the task; with an `Outcome`, but for the first time."""
        now = self._witness.wall()
        if now > self._waits_since + LONG_S:
            self._witness.waits.append(Wait(self._node, self._line(), self._waits_since, now))
        if isinstance(value, Error) and isinstance(value.error, trio.Cancelled) and self._is_cut_from_outside():
            self._cut_at = self._line()
        try:
            said = self._work.send(value)
        except StopIteration:
            if self._cut_at:
                self._witness.swallowed.append(f"{self._node} was cut at {self._cut_at}, and returned all the same")
            raise
        self._waits_since = self._witness.wall()
        return said

    def throw(self, *error: Any) -> Any:
        """Something is raised in it, by what is no trio."""
        return self._work.throw(*error)

    def close(self) -> None:
        """It is dropped."""
        self._work.close()

    def _line(self) -> str:
        """Where it stands."""
        frame = self._work.cr_frame
        return place(frame.f_code, frame.f_lineno) if frame is not None else ""

    def _is_cut_from_outside(self) -> bool:
        """Whether the cancel that is being delivered is no affair of a scope of the kind itself."""
        for scope in private.scopes_around(self._task):
            if scope in self._outside and scope.cancel_called:
                return True
            if scope.shield:
                return False
        return False
