"""One connection of a client to its server: from the dial to the goodbye.

Theory of operation. *Started by* the client, which awaits `live()`: that task is the reader. It dials and shakes hands
within `OPEN_S`, calls `up`, and then hands each frame to `hear`, until the link is over. Beside it live the task of
trio-websocket, the writer – the only one that sends messages – and the pinger.

*Its end*: the server's close, a broken stream, silence, `close()` or `cut()` from outside. The writer and the pinger
end first; then, under a shield and for `CLOSE_S`, the closing handshake, for which trio-websocket's task still lives;
then the stream is closed in any case. A cancel may cut a frame that is being sent; nothing is said after it any more.

*What may wait* for the writer is unbounded here; the client bounds it: it posts each unanswered command once per link,
and one subscription for each run that it follows.

A link knows nothing of runs and commands, and is never used twice: to reconnect is to make another one.
"""

import math
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias
from urllib.parse import quote, urlsplit

import attrs
import orjson
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream
from wsproto.utilities import ProtocolError as WebSocketError

from protocol.dialects.text import loads
from protocol.errors import BadJson
from protocol.messages import Json

__all__ = ["TOO_LARGE", "Address", "Dial", "Link", "Parting"]

OPEN_S: Final = 10.0
"""For the connection and its handshake."""
PING_INTERVAL_S: Final = 25.0
PING_TIMEOUT_S: Final = 10.0
"""For the pong, or any other byte: then nobody is there."""
CLOSE_S: Final = 2.0
"""For the closing handshake."""

SUBPROTOCOL: Final = "callboard.snake.v1.batch"
MAX_FRAME_BYTES: Final = 16 * 2**20
"""The server sends no message beyond 1 MiB; a batch of them may be larger."""
RECEIVE_BYTES: Final = 64 * 2**10

GOING_AWAY: Final = 1001
ABNORMAL: Final = 1006
BAD_DATA: Final = 1007
TOO_LARGE: Final = 1009
FINAL_CODES: Final = range(4400, 4500)
"""Close codes that mean: do not come back."""
FINAL_STATUSES: Final = frozenset(range(300, 500)) - {408, 425, 429}
"""Answers to a handshake that will be the same the next time."""

GONE: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, WebSocketError)
"""How a server that cannot be reached, or breaks off, shows."""

Dial: TypeAlias = Callable[[], Awaitable[trio.abc.Stream]]
"""Gives a connected stream to the server."""


@attrs.frozen(kw_only=True)
class Address:
    """Where a server is, and what is asked of it."""

    host: str
    port: int
    tls: bool
    resource: str
    """Path and query of the WebSocket."""

    @classmethod
    def of(cls, url: str, *, session_id: str) -> "Address":
        """The address that a URL means for a session.

        Args:
            url: `ws:`, `wss:`, `http:` or `https:`; its path is what the server's own paths are put behind.
            session_id: becomes part of the path.

        Raises:
            ValueError: it is none of these.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"ws", "wss", "http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a server; one looks like ws://127.0.0.1:8765")
        tls = parts.scheme in {"wss", "https"}
        path = f"{parts.path.rstrip('/')}/ws/{quote(session_id, safe='')}"
        return cls(
            host=parts.hostname,
            port=parts.port or (443 if tls else 80),
            tls=tls,
            resource=f"{path}?{parts.query}" if parts.query else path,
        )

    @property
    def name(self) -> str:
        """As the `Host` header says it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    async def dial(self, ssl_context: ssl.SSLContext | None) -> trio.abc.Stream:
        """Connect.

        Raises:
            OSError: nobody is there.
        """
        if not self.tls:
            return await trio.open_tcp_stream(self.host, self.port)
        return await trio.open_ssl_over_tcp_stream(self.host, self.port, https_compatible=True, ssl_context=ssl_context)


@attrs.frozen(kw_only=True)
class Parting:
    """Why a link is over."""

    text: str
    """For a person."""
    code: int
    """The WebSocket's close code; 1006: there was none."""
    status: int | None = None
    """Of HTTP: how the handshake was refused."""

    @property
    def final(self) -> bool:
        """Whether the server does not want this client back."""
        return self.code in FINAL_CODES or self.status in FINAL_STATUSES


class Link:
    """One connection; see the theory of operation above.

    Args:
        address: names the server and what is asked of it.
        dial: reaches it.
        token: sent as a Bearer header.
    """

    def __init__(self, address: Address, *, dial: Dial, token: str | None) -> None:
        self._address = address
        self._dial = dial
        self._headers = [(b"Authorization", f"Bearer {token}".encode())] if token else []
        self._scope = trio.CancelScope()
        self._outgoing, self._outbox = trio.open_memory_channel[str](math.inf)
        self._parting: Parting | None = None
        self._senseless = False
        """Nobody is there to say goodbye to, or nobody who makes sense."""

    def post(self, text: bytes) -> None:
        """Send a message, when its turn comes. After the end it is dropped."""
        try:
            self._outgoing.send_nowait(text.decode())
        except trio.BrokenResourceError:
            pass

    def cut(self, text: str) -> None:
        """End it because the conversation makes no sense any more."""
        self._part(Parting(text=text, code=ABNORMAL))
        self._senseless = True
        self._scope.cancel()

    def close(self) -> None:
        """End it in good order."""
        self._part(Parting(text="closed", code=GOING_AWAY))
        self._scope.cancel()

    async def live(self, *, up: Callable[["Link"], None], hear: Callable[[Sequence[Json]], Awaitable[None]]) -> Parting:
        """Connect and listen until it is over; says why. Nothing of it is left then.

        Args:
            up: called once, when messages can be posted.
            hear: called with the messages of each frame, in order.
        """
        watched: _Watched | None = None
        socket: WebSocketConnection | None = None
        try:
            async with trio.open_nursery() as nursery:
                with self._scope, self._outbox:
                    with trio.fail_after(OPEN_S):
                        watched = _Watched(await self._dial())
                        socket = await self._shake_hands(nursery, watched)
                    if socket.subprotocol == SUBPROTOCOL:
                        up(self)
                        await self._converse(socket, watched, hear)
                    else:
                        self._part(Parting(text="no callboard server is there", code=ABNORMAL, status=404))
                whole = watched is not None and not watched.cut and not self._senseless
                if socket is not None and socket.closed is None and whole:
                    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_S):
                        await socket.aclose()
                nursery.cancel_scope.cancel()
        except* ConnectionRejected as group:
            self._part(_rejection(group))
        except* GONE as group:
            self._part(Parting(text=_first_words(group), code=ABNORMAL))
        finally:
            if watched is not None:
                await trio.aclose_forcefully(watched)
        return self._parting or Parting(text="the connection broke", code=ABNORMAL)  # noqa: ASYNC910  dialling awaits

    async def _shake_hands(self, nursery: trio.Nursery, watched: "_Watched") -> WebSocketConnection:
        """The handshake; trio-websocket alone would wait for ever on a stream that ends in the middle of it."""
        async with trio.open_nursery() as racing:
            racing.start_soon(watched.raise_at_end)
            socket = await wrap_client_stream(
                nursery,
                watched,  # type: ignore[arg-type]  # any stream will do
                self._address.name,
                self._address.resource,
                subprotocols=(SUBPROTOCOL,),
                extra_headers=self._headers,
                max_message_size=MAX_FRAME_BYTES,
                receive_buffer_size=RECEIVE_BYTES,
            )
            racing.cancel_scope.cancel()
        return socket

    async def _converse(
        self, socket: WebSocketConnection, watched: "_Watched", hear: Callable[[Sequence[Json]], Awaitable[None]]
    ) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, socket)
            nursery.start_soon(self._ping, socket, watched)
            await self._read(socket, hear)
            nursery.cancel_scope.cancel()

    async def _read(self, socket: WebSocketConnection, hear: Callable[[Sequence[Json]], Awaitable[None]]) -> None:
        while True:
            try:
                said = loads(await socket.get_message())
            except ConnectionClosed as closed:
                reason = closed.reason
                if reason is not None and reason.code != ABNORMAL:
                    self._part(Parting(text=reason.reason or "the server closed", code=reason.code))
                return  # noqa: ASYNC910  it was awaited
            except BadJson as error:
                self._part(Parting(text=str(error), code=BAD_DATA))
                return  # noqa: ASYNC910  ditto
            await hear(said if isinstance(said, list) else [said])

    async def _write(self, socket: WebSocketConnection) -> None:
        async for text in self._outbox:
            try:
                await socket.send_message(text)
            except ConnectionClosed:
                return  # the reader finds out why

    async def _ping(self, socket: WebSocketConnection, watched: "_Watched") -> None:
        while True:
            await trio.sleep(PING_INTERVAL_S)
            asked_at = trio.current_time()
            with trio.move_on_after(PING_TIMEOUT_S) as patience:  # noqa: ASYNC912  `ping` awaits
                try:
                    await socket.ping()
                except ConnectionClosed:
                    return
            if patience.cancelled_caught and (watched.cut or watched.heard_at < asked_at):
                self.cut(f"nothing was heard for {PING_TIMEOUT_S:g} s")

    def _part(self, parting: Parting) -> None:
        """The first reason counts."""
        self._parting = self._parting or parting


class _Watched(trio.abc.Stream):
    """A stream of which is known when it was last heard, whether it has ended, and whether a frame was cut."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._ended = trio.Event()
        self.heard_at = trio.current_time()
        self.cut = False
        """Something was not sent whole, or is being sent."""

    async def raise_at_end(self) -> None:
        """Wait until nothing more can be received.

        Raises:
            trio.BrokenResourceError: that is so now.
        """
        await self._ended.wait()
        raise trio.BrokenResourceError("the server broke off the handshake")

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.cut = True
        try:
            await self._stream.send_all(data)
        except trio.Cancelled:
            raise
        except BaseException:
            self._ended.set()
            raise
        self.cut = False

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            data = await self._stream.receive_some(max_bytes)
        except trio.Cancelled:
            raise
        except BaseException:
            self._ended.set()
            raise
        self.heard_at = trio.current_time()
        if not data:
            self._ended.set()
        return data

    async def aclose(self) -> None:
        self._ended.set()
        await self._stream.aclose()


def _rejection(group: BaseExceptionGroup[ConnectionRejected]) -> Parting:
    """What the server said instead of a handshake; it says it in JSON."""
    (rejected,) = _leaves(group)
    assert isinstance(rejected, ConnectionRejected)  # noqa: S101  it is a group of these
    text = f"the server answered {rejected.status_code}"
    try:
        text = f"{text}: {orjson.loads(rejected.body or b'')['error']['message']}"
    except (ValueError, KeyError, TypeError):
        pass
    return Parting(text=text, code=ABNORMAL, status=rejected.status_code)


def _first_words(group: BaseExceptionGroup[Exception]) -> str:
    first = _leaves(group)[0]
    return f"no handshake within {OPEN_S:g} s" if isinstance(first, trio.TooSlowError) else str(first) or repr(first)


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
