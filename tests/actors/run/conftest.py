"""A world to run graphs in: the real runtime on the virtual clock, with nodes that do what a test says."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

from actors.context import NodeContext
from actors.registry import Registry, node
from actors.runtime import open_runtime
from actors.settings import Settings
from actors.testing.flows import flow
from protocol.messages import ControlReply, Event, Logged, NodeChanged, RunChanged, RunEnded
from protocol.states import ENDED, NODE, NODE_ENDED, RUN, NodeStatus, RunStatus
from protocol.view import View

if TYPE_CHECKING:
    from actors.handle import Run
    from actors.runtime import Runtime

Deed = Callable[[NodeContext[Any]], Awaitable[object]]


def check(events: list[Event], view: View) -> None:
    """What holds of every run: seq, transitions, one ending, one end per node that began, the fold."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [type(event) for event in events].count(RunEnded) == 1
    ending = events[-1]
    assert isinstance(ending, RunEnded)
    status = RunStatus.RUNNING
    live: dict[Any, NodeStatus] = {}
    for event in events:
        if isinstance(event, RunChanged | RunEnded):
            moves = set(RUN[status].values())
            assert event.status in moves, f"{status} → {event.status}"
            status = event.status
        elif isinstance(event, NodeChanged):
            assert status is not RunStatus.PAUSED, f"{event.node_id} is {event.status} while the run is paused"
            key = (event.node_id, event.iteration)
            if event.status is NodeStatus.RUNNING and event.attempt > 1:
                # The next attempt of a loop begins from its first turn: its body has not been anywhere yet.
                body = {name for name, loop in view.workflow.loops.items() if loop == event.node_id}
                live = {other: at for other, at in live.items() if other[0] not in body}
            assert event.status in NODE[live.get(key, NodeStatus.PENDING)], (key, live.get(key), event.status)
            assert not (event.status is NodeStatus.RUNNING and status not in {RunStatus.RUNNING, RunStatus.PAUSING}), (
                f"{key} begins while {status}"
            )
            live[key] = event.status
    began = {
        key
        for event in events
        if isinstance(event, NodeChanged)
        for key in [(event.node_id, event.iteration)]
        if event.status is NodeStatus.RUNNING
    }
    assert {key for key in began if live[key] not in NODE_ENDED} == set()
    again = View(view.workflow, run_id=view.run_id, workflow_id=view.workflow_id)
    for event in events:
        again.apply(event)
    assert (again.status, again.nodes, again.edges, again.summary) == (
        view.status,
        view.nodes,
        view.edges,
        view.summary,
    )


def told(events: list[Event]) -> list[str]:
    """A story in short: `a running`, `a#0 success`, `paused`, `completed`."""
    lines = []
    for event in events:
        match event:
            case NodeChanged():
                turns = "".join(f"#{turn}" for turn in event.iteration)
                lines.append(f"{event.node_id}{turns} {event.status}" + (f" ({event.reason})" if event.reason else ""))
            case RunChanged() | RunEnded():
                lines.append(str(event.status))
            case _:
                pass
    return lines


def logs(events: list[Event], level: str) -> list[str]:
    """The messages of a level."""
    return [event.message for event in events if isinstance(event, Logged) and event.level == level]


def answered(reply: ControlReply) -> tuple[bool, str | None, str | None]:
    """A reply in short: ok, the state found, the state after."""
    return reply.ok, reply.was, reply.status


@attrs.define(eq=False)
class World:
    """A runtime, and what its nodes of the kinds `do` and `act` do."""

    runtime: "Runtime"
    deeds: dict[str, Deed]
    """Node id → what it does. `do` may be cut by a pause, `act` has effects and may not."""
    began: float = attrs.Factory(trio.current_time)

    check = staticmethod(check)
    told = staticmethod(told)
    logs = staticmethod(logs)
    answered = staticmethod(answered)
    flow = staticmethod(flow)

    def now(self) -> float:
        """Seconds since the world began."""
        return trio.current_time() - self.began

    async def start(self, edges: str, *, config: Mapping[str, Any] | None = None, **nodes: Any) -> "Run":
        """Start a graph."""
        return await self.runtime.start(flow(edges, **nodes), config={"seed": 1, **(config or {})}, workflow_id="w")

    async def story(self, run: "Run") -> list[Event]:
        """All events of a run that has ended or will; what holds of every story is checked."""
        events = [event async for event in run.events()]
        check(events, run.view)
        return events

    async def until(self, run: "Run", status: RunStatus) -> None:
        """Wait until the run is in a state."""
        while run.status is not status:
            assert run.status not in ENDED, f"{run.status} instead of {status}"
            await trio.sleep(0.001)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world with the default settings. A test names `autojump_clock` as well, or it runs in real time."""
    deeds: dict[str, Deed] = {}
    registry = Registry.builtin()

    @registry.register
    @node("do", config=dict, effects=False)
    async def do(ctx: NodeContext[Any]) -> object:
        """Do what the test says."""
        return await deeds[ctx.node_id](ctx)

    @registry.register
    @node("act", config=dict)
    async def act(ctx: NodeContext[Any]) -> object:
        """Do what the test says, with effects."""
        return await deeds[ctx.node_id](ctx)

    async with open_runtime(settings=Settings(), registry=registry) as runtime:
        yield World(runtime, deeds)
