"""A whole server in memory, and clients of it: runtime, hub, sessions and connections, without a socket or a thread.

    async with memory_server(registry=registry) as server, server.connect(dialect="snake") as peer:
        await peer.send({"type": "workflow.start", "id": "1", "workflow_id": "w", "payload": graph})
        assert (await peer.receive("execution.complete"))["payload"]["status"] == "completed"

Theory of operation. The server is `actors.server.Server`, which has no listener and is brought one end of a cable for
each connection (`actors.testing.cables`); at the other end is a raw client of trio-websocket (`connect`), the Python
client (`client`), or a stream that has said nothing yet (`dial`). All time is trio's, the wall clock too: under a
virtual clock, with what is random sealed, two runs are the same to the step. The watchdog is off, for it measures real
time in a thread. What a journal on disk or a node that goes into a thread does is theirs.

*Its end*. Leaving the block ends the server and then the runtime, in that order and as gracefully as in production:
peers that are still there hear 1001. A client's block is to be left before; what is left earlier is closed in order.

A `Peer` reads as long as there is room for messages that nobody received, `backlog`; then the server feels it.
"""

import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Self
from urllib.parse import urlencode

import attrs
import orjson
import trio
from trio_websocket import CloseReason, ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream
from wsproto.utilities import LocalProtocolError

from actors.client import Client
from actors.client import connect as connect_client
from actors.journal import Journal
from actors.observer import NULL, Observer
from actors.ports import Listeners
from actors.registry import Registry
from actors.runtime import Runtime, open_runtime
from actors.server import Server
from actors.settings import Settings
from actors.testing.cables import CHUNKS, ROOM_BYTES, Cable, MemoryStream
from protocol.messages import Json

__all__ = ["EPOCH_S", "HOST", "MemoryServer", "Message", "Peer", "memory_server"]

HOST: Final = "localhost"
"""Where clients think that it is."""

EPOCH_S: Final = 1_750_000_000.0
"""What the wall clock shows when the block is entered."""

OPEN_S: Final = 10.0
"""For the handshake. trio-websocket alone waits for ever if the connection ends in the middle of it."""
CLOSE_S: Final = 2.0
"""For the closing handshake."""

BACKLOG: Final = 10_000
MAX_MESSAGE_BYTES: Final = 16 * 2**20

Message = dict[str, Any]
"""A message as JSON."""


@asynccontextmanager
async def memory_server(
    *,
    registry: Registry | None = None,
    settings: Settings | None = None,
    observer: Observer = NULL,
    journal: Journal | None = None,
    wall: Callable[[], float] | None = None,
    chunks: Sequence[int] = CHUNKS,
    room: int = ROOM_BYTES,
) -> "AsyncIterator[MemoryServer]":
    """A server that runs until the block is left.

    Args:
        registry: the kinds; default: the built-in ones.
        settings: limits and deadlines.
        observer: the seam for tests.
        journal: where runs are recorded, not yet entered; default: what the settings say, else in memory.
        wall: the time, seconds since the epoch; default: some day in 2025, and from there on trio's clock.
        chunks: bytes that a connection accepts at a time, over and over in this order.
        room: bytes that a connection holds in each direction.

    Raises:
        JournalError: the journal can not be opened.
    """
    began = trio.current_time()
    wall = wall or (lambda: EPOCH_S + trio.current_time() - began)
    opening = open_runtime(
        settings=attrs.evolve(settings or Settings(), step_warn=math.inf, step_limit=0),
        registry=registry or Registry.builtin(),
        journal=journal,
        observer=observer,
        wall=wall,
    )
    async with opening as runtime:
        server = Server(runtime, runtime.settings)
        await runtime.nursery.start(server.run, Listeners((), ()))
        yield MemoryServer(runtime, server, chunks=chunks, room=room)


class MemoryServer:
    """A server, and ways to reach it. Made by `memory_server`."""

    def __init__(self, runtime: Runtime, server: Server, *, chunks: Sequence[int], room: int) -> None:
        self.runtime = runtime
        self.server = server
        self.reachable = True
        """False: whoever dials is refused, as by a host that is down. For tests to set."""
        self.faults: list[str] = []
        """Where a peer, either one, broke the WebSocket protocol: half a frame, something after the close frame."""
        self._chunks = chunks
        self._room = room
        self._cables: list[Cable] = []

    @property
    def cables(self) -> Sequence[Cable]:
        """The connections of which an end is open, the oldest first."""
        self._cables = [cable for cable in self._cables if not cable.closed]
        return tuple(self._cables)

    def cut(self, *, client_knows: bool = True, server_knows: bool = True) -> None:
        """Cut all connections; see `Cable.cut`. Whoever is not told waits until its own patience ends."""
        for cable in self.cables:
            cable.cut(client_knows=client_knows, server_knows=server_knows)

    def plug(self) -> Cable:
        """A new connection, on which nothing was said yet.

        Raises:
            ConnectionRefusedError: the server is not reachable, ends, or has too many.
        """
        if not self.reachable:
            raise ConnectionRefusedError("the server is not reachable")
        cable = Cable(chunks=self._chunks, room=self._room, faults=self.faults)
        self.server.welcome(cable.server)
        self._cables = [*self.cables, cable]
        return cable

    async def dial(self) -> MemoryStream:
        """The client's end of a new connection. Raises what `plug` raises."""
        await trio.lowlevel.checkpoint()
        return self.plug().client

    def client(self, **options: Any) -> AbstractAsyncContextManager[Client]:
        """The Python client of this server, which reconnects; options as for `actors.client.connect`."""
        return connect_client(f"ws://{HOST}", dial=self.dial, wall=self.runtime.wall, **options)

    @asynccontextmanager
    async def connect(
        self,
        path: str = "/ws",
        *,
        session: str | None = None,
        dialect: str | None = None,
        subprotocols: Sequence[str] = (),
        headers: Sequence[tuple[str, str]] = (),
        backlog: int = BACKLOG,
    ) -> "AsyncIterator[Peer]":
        """A raw client that has shaken hands; closed in good order when the block is left.

        Args:
            path: `/` hears every run.
            session: its id; None: the server makes one.
            dialect: `snake`, `camel` or `flat`; None: as the path and the first message say.
            subprotocols: asked for.
            headers: of the handshake, beside the usual ones.
            backlog: messages that may come before they are received; then no more is read from the connection.

        Raises:
            ConnectionRefusedError: the server is not reachable.
            trio_websocket.ConnectionRejected: the server refused the handshake.
            trio.TooSlowError: the connection was lost before the handshake was over.
        """
        query = urlencode({name: said for name, said in (("session", session), ("dialect", dialect)) if said})
        cable = self.plug()
        failure: Exception | None = None
        try:
            async with trio.open_nursery() as nursery:
                try:
                    with trio.fail_after(OPEN_S):
                        socket = await wrap_client_stream(
                            nursery,
                            cable.client,  # type: ignore[arg-type]  # any stream will do
                            HOST,
                            f"{path}{'&' if '?' in path else '?'}{query}" if query else path,
                            subprotocols=subprotocols,
                            extra_headers=[(name.encode(), said.encode()) for name, said in headers],
                            message_queue_size=backlog,
                            max_message_size=MAX_MESSAGE_BYTES,
                        )
                    try:
                        yield Peer(
                            cable, socket, session=session or path.partition("/ws/")[2].partition("?")[0] or None
                        )
                    finally:
                        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_S):
                            await socket.aclose()
                except Exception as error:  # noqa: BLE001  kept, not swallowed
                    # Raised below, outside of the nursery: that is ours, so it is not to come in its group.
                    failure = error
                nursery.cancel_scope.cancel()
        except* ConnectionRejected as group:
            failure = _first(group)
        except* LocalProtocolError:
            # trio-websocket answers a ping that it reads only after it has said close itself.
            pass
        finally:
            await trio.aclose_forcefully(cable.client)
        if failure is not None:
            raise failure


class Peer:
    """A client that speaks JSON over a WebSocket, in any dialect. Made by `MemoryServer.connect`."""

    def __init__(self, cable: Cable, socket: WebSocketConnection, *, session: str | None = None) -> None:
        self.cable = cable
        self.session = session
        """The id that it came with."""
        self.heard: list[Message] = []
        """Every message that was received, those that `receive` passed over too."""
        self.said: list[Message] = []
        """Every message that it has begun to send."""
        self.socket = socket
        """Of trio-websocket, for what there is no word for here."""
        self._coming: deque[Message] = deque()
        """The rest of a batch."""

    @property
    def closed(self) -> CloseReason | None:
        """How it was closed, and by 1006 that it broke; None: it is open."""
        return self.socket.closed

    async def send(self, message: Mapping[str, Json] | str) -> None:
        """Say something, whole: a cancel in the middle of it cuts the connection, on which nothing could follow.

        Args:
            message: an object; or the text of a frame, which may be none.

        Raises:
            trio_websocket.ConnectionClosed: the connection is over.
        """
        if isinstance(message, str):
            text = message
        else:
            text = orjson.dumps(message).decode()
            self.said.append(dict(message))
        try:
            await self.socket.send_message(text)
        except trio.Cancelled:
            self.cable.cut()
            raise

    async def receive(self, *types: str) -> Message:
        """The next message; of one of these types, if any are named.

        Raises:
            trio_websocket.ConnectionClosed: the connection is over, and all that had come was received.
        """
        while True:
            if not self._coming:
                said = orjson.loads(await self.socket.get_message())
                self._coming.extend(said if isinstance(said, list) else [said])
            else:
                await trio.lowlevel.checkpoint()
            message = self._coming.popleft()
            self.heard.append(message)
            if not types or message["type"] in types:
                return message

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """The next message; the iteration ends with the connection."""
        try:
            return await self.receive()
        except ConnectionClosed:
            raise StopAsyncIteration from None


def _first(group: BaseExceptionGroup[ConnectionRejected]) -> Exception:
    """The one error in a group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error
