"""Graphs are checked without holding up the loop: a small one at once, a large one in steps between others' turns.

Theory of operation: a `Checker` belongs to one runtime. It begins with every graph at once; one that is not done after
a step waits until no other large graph is being checked, and goes on with a step in each turn of the loop. So no turn
is longer by more than one step, whoever sends how many graphs, and a large one is not slowed down by those behind it.
What is not in pieces (`protocol.graph` says what) is a step of its own, and may take tens of milliseconds.

A cancel leaves nothing: a check changes nothing but itself. `close` ends those that wait or go on.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import trio

from actors.errors import ShuttingDown
from actors.registry import Registry
from actors.settings import Settings
from protocol.execution import ExecutionConfig
from protocol.graph import Limits, Validation, checking, validate
from protocol.messages import Json

__all__ = ["Checker"]

STEP: Final = 0.002
"""Seconds of work after which it yields."""


class Checker:
    """Checks graphs. See the module's docstring.

    Args:
        registry: the kinds.
        settings: how large a graph may be.
    """

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._kinds = registry.kinds
        self._limits = Limits(max_nodes=settings.max_nodes, max_edges=settings.max_edges, max_depth=settings.max_depth)
        self._large = trio.Lock()
        """Held by the large graph that is being checked."""
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a large graph is being checked."""
        return self._large.locked()

    def close(self) -> None:
        """The runtime ends: whoever waits for a large graph is told so. Idempotent."""
        self._closed = True

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

        Raises:
            ShuttingDown: the runtime ends, and the graph is large.
        """
        found: list[Validation] = []

        def pieces() -> Iterator[None]:
            found.append((yield from checking(graph, **self._options(config, needs_start=needs_start))))

        rest = pieces()
        until = trio.current_time() + STEP
        while not found and trio.current_time() < until:
            next(rest, None)
        if not found:
            async with self._large:
                for _ in rest:
                    if trio.current_time() >= until:
                        await trio.lowlevel.checkpoint()
                        if self._closed:
                            raise ShuttingDown("the server shuts down, and checks no more graphs")
                        until = trio.current_time() + STEP
        return found[0]  # noqa: ASYNC910  ditto

    def _options(self, config: ExecutionConfig, *, needs_start: bool) -> dict[str, Any]:
        """What a check is to know beside the graph."""
        return {
            "kinds": self._kinds,
            "dry_run": config.dry_run,
            "needs_start": needs_start,
            "driver": config.driver,
            "limits": self._limits,
        }
