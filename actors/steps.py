"""Steps: the nodes of a graph made ready to run, once per run – and in a dry run, what stands in for their work."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from itertools import islice
from typing import Any, Final

import trio

from actors.context import Fired
from actors.errors import NodeError
from actors.node import NodeTask, Step
from actors.registry import KindSpec, Registry
from actors.schedule import passed_on
from actors.simulated import ODDS
from protocol.execution import ExecutionConfig
from protocol.graph import ERROR, Node, Workflow
from protocol.view import fires

__all__ = ["Steps"]

TOGETHER: Final = 100
"""Steps that are made in one go: made one by one, between other things, they made a run 5 % slower."""


class Steps(dict[str, Step]):
    """A `StepTable`: a step is made when it is asked for, together with those of the next nodes of the graph.

    Args:
        workflow: the checked graph.
        registry: its kinds; in a dry run some may be missing.
        config: of the run.
    """

    def __init__(self, workflow: Workflow, registry: Registry, config: ExecutionConfig) -> None:
        super().__init__()
        self._make = partial(_step, workflow=workflow, kinds=registry.kinds, config=config)
        self._nodes = workflow.nodes
        self._rest = iter(workflow.nodes.values())

    def __missing__(self, node_id: str) -> Step:
        for node in (self._nodes[node_id], *islice(self._rest, TOGETHER)):
            if node.id not in self:
                self[node.id] = self._make(node)
        return self[node_id]


def _step(node: Node, *, workflow: Workflow, kinds: Mapping[str, KindSpec], config: ExecutionConfig) -> Step:
    spec = kinds.get(node.kind)
    has_error_edge = any(edge.source_port == ERROR for edge in workflow.outgoing.get(node.id, ()))
    ports = fires(workflow, node)
    if spec is None and not config.dry_run:
        # It was there when the run began, in another process.
        return _without_kind(node, ports, has_error_edge=has_error_edge)
    if spec is None or (config.dry_run and node.id not in workflow.bodies):
        return Step(
            node=node,
            prepared=None,
            fires=ports,
            wait_time=0.0,
            has_error_edge=has_error_edge,
            control=spec is not None and spec.ports_of(node.config) is not None,
            effects=False,
            interruptible=True,
            work=_pass_on if spec is None else _simulation(node, spec),
        )
    prepared = spec.prepare(node)
    traits = prepared.traits
    wait_time = node.settings.wait_time
    if wait_time is None:
        wait_time = spec.wait_time
        if wait_time and config.default_wait_time is not None:
            wait_time = config.default_wait_time
    return Step(
        node=node,
        prepared=prepared,
        fires=ports,
        wait_time=0.0 if config.dry_run else wait_time,
        has_error_edge=has_error_edge,
        control=spec.ports_of(node.config) is not None,
        effects=traits.effects,
        interruptible=traits.interruptible,
        work=spec.run,
        timeout=None if spec.own_timeout else node.settings.timeout,
    )


def _without_kind(node: Node, ports: tuple[str, ...], *, has_error_edge: bool) -> Step:
    """A node that can not run: it says so when its turn has come."""

    async def fail(_: NodeTask) -> object:
        await trio.lowlevel.checkpoint()
        raise NodeError(f"no kind {node.kind!r} is registered here any more", code="unknown_kind")

    return Step(
        node=node,
        prepared=None,
        fires=ports,
        wait_time=0.0,
        has_error_edge=has_error_edge,
        control=False,
        effects=False,
        interruptible=True,
        work=fail,
    )


def _simulation(node: Node, spec: KindSpec) -> Callable[[NodeTask], Awaitable[object]]:
    """What a known kind does in a dry run: it passes its input on, through a port left to chance if it has several."""
    ports = spec.ports_of(node.config)
    if not ports:
        return _pass_on

    async def choose(task: NodeTask) -> object:
        await trio.lowlevel.checkpoint()
        if ports == ("true", "false"):
            taken = task.random.random() < ODDS
            return Fired({ports[not taken]: passed_on(task.inputs)}, result=taken)
        port = task.random.choice(ports)
        return Fired({port: passed_on(task.inputs)}, result=port)

    return choose


async def _pass_on(task: Any) -> object:
    await trio.lowlevel.checkpoint()
    return passed_on(task.inputs)
