"""Breakpoints and steps over a real WebSocket, in each dialect: a screen hears where the run pauses, and why."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from actors.client import connect
from actors.runtime import open_runtime
from actors.server import serve
from actors.settings import Settings
from actors.testing.flows import flow
from protocol.messages import NodeChanged, RunChanged, RunEnded

GRAPH = flow("s >> a >> b", a="log", b="log")
CONFIG = {"seed": 1, "breakpoints": ["b", "nobody"]}


@asynccontextmanager
async def _served() -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery, open_runtime(settings=Settings(port=(0,))) as runtime:
        (address,) = await nursery.start(serve, runtime)
        yield address


class Peer:
    """A client that writes what a dialect writes."""

    def __init__(self, dialect: str, socket: WebSocketConnection) -> None:
        self.dialect = dialect
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    async def say(self, name: str, fields: dict[str, Any]) -> None:
        """A start or a control of the workflow `w`."""
        if self.dialect == "flat":
            message = {"type": "execute_workflow", "workflow": {"id": "w", **fields}}
            if name != "start":
                message = {"type": "control_workflow", "workflow_id": "w", "action": name, **fields}
        else:
            key = "workflow_id" if self.dialect == "snake" else "workflowId"
            message = {"type": f"workflow.{name}", "id": "c", key: "w", "payload": fields}
        await self.socket.send_message(orjson.dumps(message).decode())

    async def subscribe(self) -> None:
        """To the workflow `w`, with its snapshot."""
        message: dict[str, Any] = {"type": "workflow.subscribe", "workflow_id": "w", "payload": {"snapshot": True}}
        if self.dialect == "flat":
            message = {"type": "subscribe", "workflow_id": "w", "event_types": ["*"], "snapshot": True}
        await self.socket.send_message(orjson.dumps(message).decode())

    async def until(self, **wanted: Any) -> dict[str, Any]:
        """The fields of the next message that has these among them; those on the way are in `heard`."""
        while True:
            message = orjson.loads(await self.socket.get_message())
            fields = {**message, **message.get("payload", {})}
            self.heard.append(fields)
            if all(fields.get(key) == value for key, value in wanted.items()):
                return fields


@pytest.mark.parametrize("dialect", ["snake", "camel", "flat"])
async def test_a_run_is_stepped_through_and_says_where_it_is(dialect):
    """The start warns of what is not there; the stop and each step name their node; the last step ends the run."""
    node = "nodeId" if dialect == "camel" else "node_id"
    ok = {"status": "acknowledged"} if dialect == "flat" else {"ok": True}
    refused = {"status": "rejected"} if dialect == "flat" else {"ok": False}
    with trio.fail_after(20):
        async with _served() as address:
            url = f"{address.replace('http', 'ws')}/ws/me?dialect={dialect}"
            async with open_websocket_url(url) as socket:
                peer = Peer(dialect, socket)
                await peer.say("start", {**GRAPH, "config": CONFIG})
                (warning,) = (await peer.until(status="running"))["warnings"]
                assert (warning["code"], warning["path"]) == ("unknown_node", "config.breakpoints[1]")
                assert "nobody" in warning["message"]
                assert (await peer.until(reason="breakpoint"))[node] == "b"  # the node waits there
                pausing = await peer.until(reason="breakpoint", status="pausing")
                paused = await peer.until(reason="breakpoint", status="paused")
                assert pausing[node] == paused[node] == "b"
                assert not any(fields.get(node) == "b" and fields["status"] == "running" for fields in peer.heard)

                await peer.say("resume", {"step": True})
                assert (await peer.until(was="paused")).items() >= ok.items()
                assert (await peer.until(status="running", reason="step"))["seq"]
                await peer.until(**{node: "b", "status": "running"})
                while "summary" not in peer.heard[-1]:
                    await peer.until()
                await peer.say("resume", {"step": True})
                assert (await peer.until(was="completed")).items() >= refused.items()


@pytest.mark.parametrize("dialect", ["snake", "camel", "flat"])
async def test_one_step_is_one_node(dialect):
    """Of two that are ready the first in the graph; then the run pauses behind it. A step while it runs is refused."""
    node = "nodeId" if dialect == "camel" else "node_id"
    graph = flow("s >> b; s >> a", a="log", b="log", s=("start", {"waitTime": 300}))
    with trio.fail_after(20):
        async with _served() as address:
            url = f"{address.replace('http', 'ws')}/ws/me?dialect={dialect}"
            async with open_websocket_url(url) as socket:
                peer = Peer(dialect, socket)
                await peer.say("start", {**graph, "config": {"seed": 1}})
                await peer.until(status="running", **{node: "s"})
                await peer.say("resume", {"step": True})
                said = await peer.until(was="running")
                assert said["code"] == "refused"
                assert "only one that is paused can be stepped" in said["error"]
                await peer.say("pause", {})
                await peer.until(status="paused")
                for expected in "ab":
                    peer.heard.clear()
                    await peer.say("resume", {"step": True})
                    await peer.until(status="pausing", reason="step", **{node: expected})
                    if expected == "a":
                        await peer.until(status="paused", reason="step", **{node: "a"})
                    else:
                        while "summary" not in peer.heard[-1]:
                            await peer.until()
                    begun = [
                        fields[node]
                        for fields in peer.heard
                        if fields.get("status") == "running" and fields.get(node) and "seq" in fields
                    ]
                    assert begun == [expected]


@pytest.mark.parametrize("dialect", ["snake", "camel", "flat"])
async def test_breakpoints_are_told_to_every_screen(dialect):
    """One sets them while the run runs, and is answered; the other hears of it in a line of the log; both see it stop."""
    node, nodes = ("nodeId", "nodeIds") if dialect == "camel" else ("node_id", "node_ids")
    graph = flow("s >> a >> b", a=("wait", {"duration": 500}), b="log")
    log = "execution_log" if dialect == "flat" else "execution.log"
    with trio.fail_after(20):
        async with _served() as address:
            url = f"{address.replace('http', 'ws')}/ws/{{}}?dialect={dialect}"
            async with open_websocket_url(url.format("one")) as one, open_websocket_url(url.format("two")) as two:
                peer, other = Peer(dialect, one), Peer(dialect, two)
                await peer.say("start", {**graph, "config": {"seed": 1}})
                await peer.until(status="running", **{node: "a"})
                await other.subscribe()
                await other.until(breakpoints=[])
                await peer.say("breakpoints", {nodes: ["nobody"]})
                assert (await peer.until(code="unknown_node"))["breakpoints"] == []
                await peer.say("breakpoints", {nodes: ["b"]})
                reply = await peer.until(was="running")
                assert reply["breakpoints"] == ["b"]
                assert reply["status"] == ("acknowledged" if dialect == "flat" else "running")
                for screen in (peer, other):
                    told = await screen.until(context={"breakpoints": ["b"]})
                    assert (told["type"], told["level"], node in told) == (log, "info", False)
                    assert (await screen.until(status="paused", reason="breakpoint"))[node] == "b"
                await other.say("breakpoints", {nodes: []})
                for screen in (peer, other):
                    await screen.until(context={"breakpoints": []})
                await other.say("resume", {})
                for screen in (peer, other):
                    while "summary" not in screen.heard[-1]:
                        await screen.until()


async def test_the_client_library_steps():
    """`RemoteRun.resume(step=True)` goes from node to node; the events are typed and say the reason."""
    with trio.fail_after(20):
        async with _served() as address, connect(address.replace("http", "ws")) as client:
            run = await client.start(GRAPH, workflow_id="w", config={"breakpoints": ["s"]})
            order: list[str] = []
            async for event in run:
                match event:
                    case NodeChanged(status="running"):
                        order.append(event.node_id)
                    case RunChanged(status="paused"):
                        order.append(f"{event.reason}:{event.node_id}")
                        assert (await run.resume(step=True)).ok
                    case RunEnded():
                        order.append(event.status)
    assert order == ["breakpoint:s", "s", "step:s", "a", "step:a", "b", "completed"]
