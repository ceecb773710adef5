"""Graphs are checked without holding up the loop: a small one at once, a large one in steps between others' turns.

Theory of operation: a `Checker` belongs to one runtime. A check that is not done after a step of 2 ms yields, and goes
on with a step in each turn of the loop. Several share that step, so that a turn is not longer because there are many;
and where turns are long, since the server has much to do, so are the steps: a check always has a part of the time. A
step ends where `protocol.graph` yields; what is one piece there may take tens of milliseconds.

A cancel leaves nothing: a check changes nothing but itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import trio

from actors.registry import Registry
from actors.settings import Settings
from protocol.execution import ExecutionConfig
from protocol.graph import Limits, Validation, checking, validate
from protocol.messages import Json

__all__ = ["Checker"]

STEP: Final = 0.002
"""Seconds of work after which it yields."""

SHARE: Final = 0.25
"""Of the time that the others have had since its last step, if that is more."""


class Checker:
    """Checks graphs. See the module's docstring.

    Args:
        registry: the kinds.
        settings: how large a graph may be.
    """

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._kinds = registry.kinds
        self._limits = Limits(max_nodes=settings.max_nodes, max_edges=settings.max_edges, max_depth=settings.max_depth)
        self._yielding = 0
        """Checks that others have their turns beside."""

    def check_now(self, graph: Mapping[str, Json], config: ExecutionConfig, *, needs_start: bool) -> Validation:
        """Check a graph in one step, however long it takes."""
        return validate(graph, **self._options(config, needs_start=needs_start))

    async def check(  # noqa: ASYNC910  a small graph takes no longer than a step
        self, graph: Mapping[str, Json], config: ExecutionConfig, *, needs_start: bool
    ) -> Validation:
        """Check a graph; nobody may change it meanwhile.

        Args:
            graph: as the client sent it.
            config: of the run.
            needs_start: whether a graph without a `start` node is an error.
        """
        found: list[Validation] = []

        def pieces() -> Iterator[None]:
            found.append((yield from checking(graph, **self._options(config, needs_start=needs_start))))

        rest = pieces()
        until = trio.current_time() + STEP
        while not found and trio.current_time() < until:
            next(rest, None)
        if not found:
            self._yielding += 1
            try:
                await self._go_on(rest)
            finally:
                self._yielding -= 1
        return found[0]  # noqa: ASYNC910  ditto

    async def _go_on(self, rest: Iterator[None]) -> None:
        """Step by step, until nothing is left."""
        until = -1.0
        for _ in rest:
            if (now := trio.current_time()) >= until:
                await trio.lowlevel.checkpoint()
                resumed = trio.current_time()
                until = resumed + max(STEP, SHARE * (resumed - now)) / self._yielding
        await trio.lowlevel.checkpoint()

    def _options(self, config: ExecutionConfig, *, needs_start: bool) -> dict[str, Any]:
        """What a check is to know beside the graph."""
        return {
            "kinds": self._kinds,
            "dry_run": config.dry_run,
            "needs_start": needs_start,
            "driver": config.driver,
            "limits": self._limits,
        }
