"""Strikes in real time, for nodes with real processes and threads, which a virtual clock does not wait for.

A play is run again and again: with the fault after the first step of the node's own tasks, after the second, and so on,
until a run ends before its fault could come. Where the system decides who is next two runs differ by some steps; so
what is tried is a sample of all points, and each run is judged by itself.
"""

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal

import trio
from trio.lowlevel import Task

from actors.handle import Run
from actors.runtime import Runtime, open_runtime
from actors.settings import Settings
from actors.testing.flows import Graph
from protocol.messages import Summary

__all__ = ["Fault", "Strike", "strikes"]

Fault = Literal["cancel", "pause", "stop"]

DEADLINE_S = 30.0
"""Seconds; only ever reached by a play that fails."""

MOST = 300
"""Steps; a play that has more goes in a circle."""


class Strike(trio.abc.Instrument):
    """One fault at one step of one node. The observer of the runtime, and an instrument of the loop.

    Args:
        node_id: whose tasks are counted.
        fault: its own scope is cancelled, or its run is paused and resumed, or stopped.
        at: after so many steps.
    """

    active = True

    def __init__(self, node_id: str, fault: Fault, at: int) -> None:
        self.node_id = node_id
        self.fault = fault
        self.at = at
        self.steps = 0
        self.struck = False
        self.errors: list[Exception] = []
        self._scope: trio.CancelScope | None = None
        self._owner: Task | None = None
        self._actions: dict[str, Callable[[], object]] = {}

    def scope(self, label: str, scope: trio.CancelScope) -> None:
        if label == f"node:{self.node_id}":
            self._scope, self._owner = scope, trio.lowlevel.current_task()

    def unscope(self, label: str) -> None:
        if label == f"node:{self.node_id}":
            self._scope = self._owner = None

    def action(self, label: str, fn: Callable[[], object]) -> None:
        self._actions[label.partition("/")[2]] = fn

    def after_task_step(self, task: Task) -> None:
        if self.struck or self._scope is None or not self._is_ours(task):
            return
        self.steps += 1
        if self.steps == self.at:
            self.struck = True
            try:
                if self.fault == "cancel":
                    self._scope.cancel()
                else:
                    self._actions[self.fault]()
            except Exception as error:  # noqa: BLE001  trio drops an instrument that raises
                self.errors.append(error)

    def _is_ours(self, task: Task | None) -> bool:
        while task is not None and task is not self._owner:
            task = task.parent_nursery.parent_task if task.parent_nursery is not None else None
        return task is not None

    @asynccontextmanager
    async def opened(self, settings: Settings):
        """A runtime with this observer."""
        with trio.fail_after(DEADLINE_S):
            async with open_runtime(settings=settings, observer=self) as runtime:
                yield runtime

    async def run(self, runtime: Runtime, graph: Graph) -> tuple[Run, Summary]:
        """Run a graph to its end; one that was paused is resumed."""
        run = await runtime.start(graph, config={"defaultWaitTime": 0, "seed": 1})
        async with trio.open_nursery() as nursery:
            if self.fault == "pause":
                nursery.start_soon(self._resume, run)
            summary = await run.wait()
            nursery.cancel_scope.cancel()
        return run, summary

    @staticmethod
    async def _resume(run: Run) -> None:
        async for event in run.events():
            if getattr(event, "status", None) == "paused":
                await run.resume()


def strikes(play: Callable[[Strike], Awaitable[None]], node_id: str, fault: Fault) -> int:
    """Play it with the fault after each step of the node; gives the number of strikes.

    Args:
        play: opens a runtime by the strike, runs a graph, and asserts what must hold.
        node_id: of the node that is struck.
        fault: what happens to it.
    """
    for at in range(1, MOST):
        strike = Strike(node_id, fault, at)
        trio.run(play, strike, instruments=[strike])
        assert not strike.errors
        if not strike.struck:
            return at - 1
    raise AssertionError(f"{node_id} does not end within {MOST} steps")
