"""A whole server in memory, on the virtual clock, and peers that speak WebSocket or HTTP to it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import orjson
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection

from actors.settings import Settings

if TYPE_CHECKING:
    from actors.journal import Journal
    from actors.runtime import Runtime
    from actors.server import Server
    from actors.testing.cables import MemoryStream
    from actors.testing.memory_server import MemoryServer

Message = dict[str, Any]


@attrs.define(eq=False)
class Client:
    """A peer that speaks JSON over WebSocket."""

    socket: WebSocketConnection
    stream: "MemoryStream"

    async def send(self, **message: Any) -> None:
        """Say something."""
        await self.socket.send_message(orjson.dumps(message).decode())

    async def hear(self, *types: str, **fields: Any) -> Message:
        """The next message; of these types and with these fields, if any are given."""
        while True:
            message = orjson.loads(await self.socket.get_message())
            if not types or message["type"] in types:
                said = {**message, **message.get("payload", {})}
                if all(said.get(name) == value for name, value in fields.items()):
                    return dict(message)

    async def ask(self, **message: Any) -> Message:
        """Say something, and hear the next message."""
        await self.send(**message)
        return await self.hear()

    async def close_code(self) -> int:
        """With what the server closes; what it says before is dropped."""
        try:
            while True:
                await self.socket.get_message()
        except ConnectionClosed as closed:
            return closed.reason.code if closed.reason is not None else 0


@attrs.define(eq=False)
class House:
    """The server, and ways to reach it."""

    memory: "MemoryServer"

    @property
    def runtime(self) -> "Runtime":
        """What is served."""
        return self.memory.runtime

    @property
    def server(self) -> "Server":
        """Who serves it."""
        return self.memory.server

    def connect(self) -> "MemoryStream":
        """The peer's end of a new connection, before a byte was said."""
        return self.memory.plug().client

    async def call(self, raw: str, body: bytes = b"", **headers: str) -> tuple[int, Mapping[str, str], Any]:
        """One HTTP request on a connection of its own: status, headers, and the body (as JSON, if it is that)."""
        stream = self.connect()
        lines = [f"{raw} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        if "host" not in {name.lower() for name in headers}:
            lines.append("Host: localhost")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        await stream.send_all("\r\n".join((*lines, "", "")).encode() + body)
        await stream.send_eof()
        answer = bytearray()
        async for chunk in stream:
            answer += chunk
        head, _, content = bytes(answer).partition(b"\r\n\r\n")
        status, *rest = head.decode().split("\r\n")
        seen = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        is_json = "json" in seen.get("content-type", "") and content
        return int(status.split()[1]), seen, orjson.loads(content) if is_json else content

    @asynccontextmanager
    async def client(
        self, path: str = "/ws/me", *, subprotocols: tuple[str, ...] = (), **headers: str
    ) -> AsyncIterator[Client]:
        """A client that shook hands. Left, it is closed in good order."""
        extra = [(name.replace("_", "-"), value) for name, value in headers.items()]
        async with self.memory.connect(path, subprotocols=subprotocols, headers=extra) as peer:
            yield Client(peer.socket, peer.cable.client)

    async def quiet(self) -> None:
        """Wait until no connection is left, and assert that no task of one is."""
        with trio.fail_after(120):
            await self.server.wait_empty()
        await trio.testing.wait_all_tasks_blocked()
        assert not self.server.sessions
        names = [task.name for task in _tasks(trio.lowlevel.current_root_task())]
        assert [name for name in names if name.startswith(("connection", "writer", "trio_websocket"))] == []


def _tasks(task: trio.lowlevel.Task | None) -> list[trio.lowlevel.Task]:
    found, rest = [], [task] if task is not None else []
    while rest:
        found.append(one := rest.pop())
        rest += [child for nursery in one.child_nurseries for child in nursery.child_tasks]
    return found


OpenHouse = Callable[..., AbstractAsyncContextManager[House]]


@asynccontextmanager
async def _open_house(journal: "Journal | None" = None, **settings: Any) -> AsyncIterator[House]:
    # Only who opens a house pays for its imports.
    from actors.testing.memory_server import memory_server

    async with memory_server(settings=Settings(**settings), journal=journal) as memory:
        yield House(memory)
    assert [fault for fault in memory.faults if fault.startswith("the server")] == []


@pytest.fixture
def open_house() -> OpenHouse:
    """Makes a house with other settings, or another journal."""
    return _open_house


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A house with the default settings."""
    async with _open_house() as opened:
        yield opened
