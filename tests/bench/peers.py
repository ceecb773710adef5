"""Peers, as optional columns: libraries that do a part of what callboard does, each as its documentation shows it.

*Fan-out*: `websockets` (its `broadcast`) and `picows` (its transports, in turn). *Nodes*: `langgraph` and
`pydantic-graph`, whose nodes do nothing but say that they run and are done, to whom `websockets` brings it. Nothing is
validated, recorded, limited or replayed, so this is what the part alone costs. Graphs whose nodes wait for several
others can not be said to pydantic-graph, which joins only what was forked at one place; it is given chains alone.

Run by the Python of `.venv-peers`, and speaks as much of the snake dialect as the load needs. Messages are encoded once
for all. A message that can not be understood ends the connection.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise
from typing import Any, TypedDict

RECURSION_LIMIT = 1_000_000

Graph = dict[str, list[dict[str, Any]]]
Tell = Callable[[bytes], None]
Run = Callable[["Story", Graph], Awaitable[None]]


class Story:
    """What is said of one run, to everybody."""

    def __init__(self, tell: Tell, workflow_id: str) -> None:
        self._tell = tell
        self._workflow_id = workflow_id

    def say(self, type_: str, **payload: Any) -> None:
        """Say one event."""
        message = {
            "id": str(uuid.uuid4()),
            "type": type_,
            "timestamp": time.time(),
            "workflow_id": self._workflow_id,
            "payload": payload,
        }
        self._tell(json.dumps(message).encode())

    async def node(self, node_id: str) -> None:
        """One that does nothing."""
        began = time.time()
        self.say("node.running", node_id=node_id, status="running", message="", attempt=1)
        duration = time.time() - began
        self.say("node.success", node_id=node_id, status="success", message="", attempt=1, result={}, duration=duration)

    async def run(self, run: Run, graph: Graph) -> None:
        """From the start to the ending."""
        began = time.time()
        self.say("workflow.start", status="running", total_nodes=len(graph["nodes"]))
        await run(self, graph)
        summary = {"status": "completed", "duration": time.time() - began, "total_nodes": len(graph["nodes"])}
        self.say("execution.complete", status="completed", message="", results={}, summary=summary)


async def speak(story: Story, graph: Graph) -> None:
    """The event source of the fan-out; see `tests/bench/kinds.py`."""
    (config,) = (node["data"]["config"] for node in graph["nodes"] if node["type"] == "speak")
    end = time.monotonic() + config["seconds"]
    while time.monotonic() < end:
        for _ in range(config["events"]):
            message = f"at={time.monotonic():.6f} {config['text']}"
            story.say("execution.log", level="info", message=message, node_id="speak")
        await asyncio.sleep(config["every"])


class Nothing(TypedDict, total=False):
    """A state without anything in it."""


async def langgraph(story: Story, graph: Graph) -> None:
    """As a `StateGraph`, made and compiled for this run, as callboard's plan is."""
    from langgraph.graph import START, StateGraph

    before: dict[str, list[str]] = {node["id"]: [] for node in graph["nodes"]}
    for edge in graph["edges"]:
        before[edge["target"]].append(edge["source"])

    def work(node_id: str) -> Callable[[Nothing], Awaitable[Nothing]]:
        async def call(_: Nothing) -> Nothing:
            await story.node(node_id)
            return {}

        return call

    builder = StateGraph(Nothing)
    for node_id in before:
        builder.add_node(node_id, work(node_id))
    for node_id, sources in before.items():
        builder.add_edge(sources if len(sources) > 1 else sources[0] if sources else START, node_id)
    await builder.compile().ainvoke({}, {"recursion_limit": len(before) + 1})


async def pydantic_graph(story: Story, graph: Graph) -> None:
    """As a `Graph` of steps, one after the other in the order in which they are given."""
    from pydantic_graph import GraphBuilder

    def work(node_id: str) -> Callable[[Any], Awaitable[None]]:
        async def call(_: Any) -> None:
            await story.node(node_id)

        return call

    builder = GraphBuilder()
    steps = [builder.step(work(node["id"]), node_id=node["id"]) for node in graph["nodes"]]
    path = [builder.start_node, *steps, builder.end_node]
    for source, target in pairwise(path):
        builder.add_edge(source, target)
    await builder.build().run()


class House:
    """Everybody who is connected, however, and the runs."""

    def __init__(self, run: Run, tell: Tell) -> None:
        self._run = run
        self._tell = tell
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(self, text: str | bytes, reply: Tell) -> None:
        """One message."""
        message = json.loads(text)
        if message["type"] == "workflow.start":
            story = Story(self._tell, message["workflow_id"])
            task = asyncio.create_task(story.run(self._run, message["payload"]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            reply(json.dumps({"type": message["type"], "timestamp": time.time(), "payload": {"ok": True}}).encode())


async def serve_websockets(run: Run, port: int) -> None:
    """By `websockets`."""
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    # The load hangs up without a word.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    connections: set[ServerConnection] = set()
    house = House(run, lambda data: broadcast(connections, data.decode()))

    async def handle(connection: ServerConnection) -> None:
        connections.add(connection)
        try:
            async for text in connection:
                house.hear(text, lambda data: broadcast([connection], data.decode()))
        finally:
            connections.remove(connection)

    async with serve(handle, "127.0.0.1", port, compression=None, max_size=None, backlog=4096) as server:
        await server.serve_forever()


async def serve_picows(run: Run, port: int) -> None:
    """By `picows`."""
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

    transports: set[WSTransport] = set()

    def tell(data: bytes) -> None:
        for transport in transports:
            transport.send(WSMsgType.TEXT, data)

    house = House(run, tell)

    class Peer(WSListener):  # type: ignore[misc]  # it has no types here
        def on_ws_connected(self, transport: WSTransport) -> None:
            transports.add(transport)

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            transports.discard(transport)

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type == WSMsgType.TEXT:
                house.hear(frame.get_payload_as_bytes(), partial(transport.send, WSMsgType.TEXT))
            elif frame.msg_type == WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            elif frame.msg_type == WSMsgType.CLOSE:
                transport.disconnect()

    def listener(_: WSUpgradeRequest) -> WSListener:
        return Peer()

    server = await ws_create_server(listener, "127.0.0.1", port, max_frame_size=2**26, backlog=4096)
    await server.serve_forever()


SERVERS: dict[str, Callable[[int], Awaitable[None]]] = {
    "websockets": partial(serve_websockets, speak),
    "picows": partial(serve_picows, speak),
    "langgraph": partial(serve_websockets, langgraph),
    "pydantic-graph": partial(serve_websockets, pydantic_graph),
}


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=SERVERS)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    sys.setrecursionlimit(RECURSION_LIMIT)
    asyncio.run(SERVERS[options.name](options.port))  # type: ignore[arg-type]  # each is a coroutine


if __name__ == "__main__":
    main()
