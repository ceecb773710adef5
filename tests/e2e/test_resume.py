"""Who comes back, over real sockets, to real processes, one of which was killed: naive clients, and batches."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

ROOT = Path(__file__).resolve().parents[2]
SERVE = [sys.executable, "-c", "import sys; from actors.cli import main; sys.exit(main())", "serve", "--port", "0"]
DEADLINE = 20.0
"""Seconds; only ever reached by a test that fails."""

Message = dict[str, Any]


@attrs.define(eq=False)
class Served:
    """A server in a process of its own, on a journal that the next one gets."""

    journal: Path
    port: int = 0
    process: trio.Process | None = None

    async def start(self) -> None:
        """Start it; returns when it listens."""
        command = [*SERVE, "--journal", f"sqlite:{self.journal}"]
        self.process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, cwd=ROOT)
        assert self.process.stdout is not None
        line = bytearray()
        while not line.endswith(b"\n"):
            chunk = await self.process.stdout.receive_some()
            assert chunk, "it has ended"
            line += chunk
        self.port = int(line.decode().rpartition(":")[2])

    async def end(self, number: int) -> None:
        """Send it a signal, and wait for its end."""
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(number)
        await self.process.wait()
        await self.process.stdout.aclose()


@pytest.fixture
async def served(tmp_path) -> AsyncIterator[Served]:
    """A server of this test; it does not outlive it."""
    server = Served(tmp_path / "journal.db")
    await server.start()
    yield server
    await server.end(signal.SIGKILL)


@asynccontextmanager
async def connected(port: int, path: str, **how: Any) -> AsyncIterator[WebSocketConnection]:
    """A client; when it is left the network is gone, without a close frame."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with trio.open_nursery() as nursery:
        yield await wrap_client_stream(nursery, stream, f"127.0.0.1:{port}", path, **how)
        nursery.cancel_scope.cancel()
    await trio.aclose_forcefully(stream)


async def hear(client: WebSocketConnection, *types: str) -> list[Message]:
    """What comes, until a message of one of these types; one frame may hold many."""
    heard: list[Message] = []
    with trio.fail_after(DEADLINE):
        while not heard or heard[-1]["type"] not in types:
            said = orjson.loads(await client.get_message())
            heard += said if isinstance(said, list) else [said]
    return heard


def flow(*waits: int) -> Message:
    """A chain of nodes that wait, in milliseconds."""
    names = ["s", *(f"w{place}" for place in range(len(waits)))]
    nodes: list[Message] = [{"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}}]
    nodes += [
        {"id": name, "type": "wait", "data": {"config": {"duration": wait, "waitTime": 0}}}
        for name, wait in zip(names[1:], waits, strict=True)
    ]
    return {"nodes": nodes, "edges": [{"source": a, "target": b} for a, b in pairwise(names)]}


STARTS: dict[str, tuple[Message, str, str]] = {
    "snake": (
        {"type": "workflow.start", "id": "1", "workflow_id": "w", "payload": flow(700, 700)},
        "node.running",
        "execution.complete",
    ),
    "camel": (
        {"type": "workflow.start", "id": "1", "workflowId": "w", "payload": flow(700, 700)},
        "node.running",
        "execution.complete",
    ),
    "flat": (
        {"type": "execute_workflow", "id": "1", "workflow": {"id": "w", **flow(700, 700)}},
        "node_status_update",
        "workflow_completed",
    ),
}
"""Dialect → a start, a status of a node, the ending."""


def gapless(heard: list[Message]) -> bool:
    """Whether its events are without a gap, to the last one, but for superseded statuses that were counted instead."""
    events = [message for message in heard if "seq" in message]
    return all(later["seq"] - earlier["seq"] == 1 + later.get("conflated", 0) for earlier, later in pairwise(events))


@pytest.mark.parametrize(
    ("dialect", "number"),
    [
        ("snake", None),
        ("snake", signal.SIGTERM),
        ("snake", signal.SIGKILL),
        ("camel", signal.SIGKILL),
        ("flat", signal.SIGKILL),
    ],
)
async def test_a_naive_client_only_reconnects_with_its_id(served, dialect, number):
    """It lost its connection, or its server: it hears what it missed, in its dialect, without having said a word."""
    start, status, ending = STARTS[dialect]
    async with connected(served.port, "/ws/naive") as client:
        await client.send_message(orjson.dumps(start).decode())
        before = await hear(client, status)
        if number is signal.SIGTERM:
            await served.end(number)
            with pytest.raises(ConnectionClosed):
                await hear(client, "never")
        elif number is signal.SIGKILL:
            await served.end(number)
    if number is not None:
        await served.start()
    async with connected(served.port, "/ws/naive") as client:
        after = await hear(client, ending)
    seen = [message["seq"] for message in before if "seq" in message]
    events = [message for message in after if "seq" in message]
    assert gapless(after)
    assert events[0]["seq"] <= seen[-1] + 1
    assert {message["run_id" if dialect != "camel" else "runId"] for message in events} == {
        message["run_id" if dialect != "camel" else "runId"] for message in before if "seq" in message
    }
    assert [message.get("resumed") for message in after if message["type"] == "connection_established"] == (
        [True] if dialect == "flat" else []
    )


@pytest.mark.parametrize(
    ("path", "subprotocols"), [("/ws/b?batch=1", ()), ("/ws/b", ("callboard.snake.v1.batch",))], ids=["query", "offer"]
)
async def test_a_frame_may_hold_many_messages_for_who_asked_for_that(served, path, subprotocols):
    """Events that come together come as one array; the order is the same, and whoever did not ask gets none."""
    wide = flow(*[0] * 200)
    wide["edges"] = [{"source": "s", "target": node["id"]} for node in wide["nodes"][1:]]
    async with connected(served.port, path, subprotocols=subprotocols) as client, connected(served.port, "/") as plain:
        assert client.subprotocol == (subprotocols[0] if subprotocols else None)
        start = {"type": "workflow.start", "id": "1", "workflow_id": "w", "payload": wide}
        await client.send_message(orjson.dumps(start).decode())
        frames: list[Any] = []
        with trio.fail_after(DEADLINE):
            while "execution.complete" not in [message["type"] for message in (frames[-1] if frames else ())]:
                said = orjson.loads(await client.get_message())
                frames.append(said if isinstance(said, list) else [said])
        heard = [message for frame in frames for message in frame]
        assert gapless(heard)
        assert len(frames) < len(heard) / 2
        said = {}
        with trio.fail_after(DEADLINE):
            while said.get("type") != "execution.complete":
                said = orjson.loads(await plain.get_message())
                assert isinstance(said, dict)
