"""The server on real sockets: one port for everything, and a client that stalls beside many that do not."""

import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import orjson
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage

from actors.runtime import open_runtime
from actors.server import serve
from actors.settings import Settings


@asynccontextmanager
async def _served(**settings) -> AsyncIterator[str]:
    runtime_settings = Settings(port=(0,), **settings)
    async with trio.open_nursery() as nursery, open_runtime(settings=runtime_settings) as runtime:
        (address,) = await nursery.start(serve, runtime)
        yield address


@pytest.fixture
def served() -> Callable[..., AbstractAsyncContextManager[str]]:
    """Makes a server on a port of its own; the address is `http://HOST:PORT`."""
    return _served


READ_BYTES = 2**18


def port_of(address: str) -> int:
    """The port."""
    return int(address.rpartition(":")[2])


async def upgraded(address: str, path: str, *, receive_buffer: int | None = None) -> trio.SocketStream:
    """A raw connection that shook hands."""
    connected = trio.socket.socket()
    if receive_buffer is not None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await connected.connect(("127.0.0.1", port_of(address)))
    stream = trio.SocketStream(connected)
    await stream.send_all(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await stream.receive_some(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    return stream


def wide(nodes: int) -> dict:
    """A graph with a wide layer, whose events are not small."""
    layer = [
        {"id": f"n{n}", "type": "set", "data": {"config": {"text": "x" * 400, "waitTime": 0}}} for n in range(nodes)
    ]
    return {
        "nodes": [{"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}}, *layer],
        "edges": [{"source": "s", "target": node["id"]} for node in layer],
    }


@asynccontextmanager
async def client_of(address: str, path: str) -> AsyncIterator[WebSocketConnection]:
    """A client that shook hands; its socket is closed in any case."""
    async with await trio.open_tcp_stream("127.0.0.1", port_of(address)) as stream, trio.open_nursery() as nursery:
        yield await wrap_client_stream(nursery, stream, "localhost", path)
        nursery.cancel_scope.cancel()


async def test_one_port_speaks_http_and_websocket(served):
    """On the same address, at the same time."""
    async with (
        served() as address,
        client_of(address, "/ws/me") as client,
        await trio.open_tcp_stream("127.0.0.1", port_of(address)) as plain,
    ):
        assert orjson.loads(await client.get_message())["session_id"] == "me"
        await plain.send_all(b"GET /api/connections HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b'"session_id":"me"' in await plain.receive_some()


async def test_events_that_went_out_at_once_are_followed_by_a_ping(served):
    """Nothing had to wait in the outbox, so nothing else woke the connection; its pong is there soon after."""
    async with served() as address, client_of(address, "/ws/me?dialect=snake") as client:
        start = {"type": "workflow.start", "id": "1", "workflow_id": "w", "payload": wide(1)}
        await client.send_message(orjson.dumps(start).decode())
        while orjson.loads(await client.get_message())["type"] != "execution.complete":
            pass
        began, rtt = trio.current_time(), None
        while rtt is None:
            async with await trio.open_tcp_stream("127.0.0.1", port_of(address)) as plain:
                await plain.send_all(b"GET /api/connections HTTP/1.1\r\nHost: localhost\r\n\r\n")
                said = await plain.receive_some()
                rtt = orjson.loads(said.partition(b"\r\n\r\n")[2])["connections"][0]["rtt"]
            await trio.sleep(0.05)
        assert 0.5 < trio.current_time() - began < 5


async def test_the_end_of_the_runtime_closes_1001(served):
    """A real client sees the status, then the close code, and nobody waits for anybody."""
    codes: list[int] = []

    async def listen(address: str, task_status) -> None:
        async with client_of(address, "/ws/me?dialect=snake") as client:
            task_status.started()
            assert orjson.loads(await client.get_message())["payload"]["status"] == "shutting_down"
            with pytest.raises(ConnectionClosed) as closed:
                await client.get_message()
            assert closed.value.reason is not None
            codes.append(closed.value.reason.code)

    began = trio.current_time()
    async with trio.open_nursery() as nursery, served() as address:
        await nursery.start(listen, address)
    assert codes == [1001]
    assert trio.current_time() - began < 1.5


async def test_one_stalled_client_of_fifty_costs_the_others_nothing(served):
    """The others get every event; it is told 4008 behind the last whole frame that it had room for."""
    nodes = 2500
    # Large enough for readers that share one core with the server, and a fraction of what the run says.
    async with served(stall_timeout=1.0, outbox=2**20, close_timeout=0.5) as address:
        stalled = await upgraded(address, "/?dialect=snake", receive_buffer=4096)
        seen: list[list[int]] = []

        async def watch(task_status) -> None:
            async with await upgraded(address, "/?dialect=snake") as stream:
                task_status.started()
                data = bytearray()
                while b'"execution.complete"' not in data[-2 * READ_BYTES :]:
                    chunk = await stream.receive_some(READ_BYTES)
                    assert chunk
                    data += chunk
                seen.append([int(seq) for seq in re.findall(rb'"seq":(\d+)', data)])

        async with trio.open_nursery() as nursery:
            for _ in range(49):
                await nursery.start(watch)
            async with client_of(address, "/ws/me?dialect=snake") as client:
                start = {"type": "workflow.start", "id": "1", "workflow_id": "w", "payload": wide(nodes)}
                with trio.fail_after(60):
                    await client.send_message(orjson.dumps(start).decode())
        assert all(seqs == list(range(1, seqs[-1] + 1)) for seqs in seen)
        assert len(seen) == 49
        await trio.sleep(2)
        peer = Connection(ConnectionType.CLIENT)
        data = bytearray()
        async with stalled:
            async for chunk in stalled:
                data += chunk
        peer.receive_data(bytes(data))
        events = list(peer.events())
        texts = [event for event in events if isinstance(event, TextMessage)]
        closes = [event.code for event in events if isinstance(event, CloseConnection)]
        assert closes[0] == 4008
        seqs = [message["seq"] for text in texts if "seq" in (message := orjson.loads(text.data))]
        assert seqs == sorted(set(seqs))
        assert 0 < len(seqs) < nodes
