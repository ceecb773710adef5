"""The server: one port for HTTP and WebSocket, from the first byte of a connection to the last.

Theory of operation. `serve()` has two halves. Outside, in the caller's nursery, it only waits for its end: a cancel, or
the runtime that ends and closes it first. Inside, shielded, is the *house*: the accept loops and one task per
connection, so that a cancel of the caller's nursery never cuts a frame. Whichever end comes, the same goodbye follows:
stop listening; tell each peer that the server goes away; wait for their closing handshakes, `close_timeout` at most;
write down which sessions there are; then cancel what is left of the house.

One task per connection, `attend()`: it owns the stream and closes it in any case. It reads a head, checks who may
connect before anything else looks at it, and answers; or it hands an upgrade on to a `Connection` and is then that
actor's reader task. A connection that waits for its next request is cut at once at the end, one that is being answered
is not.

What full means: above `max_connections` a peer is told 503 and left; some hundred above that it is dropped unheard.
"""

import base64
import binascii
import http
import logging
import socket
from collections.abc import Sequence
from functools import partial
from typing import Final
from urllib.parse import unquote

import attrs
import trio

from actors.admission import Admission
from actors.bundle import accepts_page, console
from actors.commands import Commands
from actors.connection import Connection
from actors.http import HttpError, HttpPeer, Request, Response
from actors.keeper import Keeper
from actors.ports import Listeners, accept, open_listeners
from actors.routes import Routes
from actors.runtime import Runtime
from actors.sessions import new_session_id
from actors.settings import Settings
from actors.stream import OwnedStream
from actors.transport import SocketTransport, Transport
from actors.wire import Wire
from protocol.session import Session

__all__ = ["Server", "serve"]

UNHEARD: Final = 100
"""So many connections above the limit are told so; the next ones are only closed."""

GOODBYE_S: Final = 0.5
"""What the goodbye may take beyond `close_timeout`: the house's own work."""

WEBSOCKET_VERSION: Final = "13"
KEY_BYTES: Final = 16
"""RFC 6455, 4.2.1: what a Sec-WebSocket-Key decodes to."""

SESSION_ID_CHARS: Final = 200

logger = logging.getLogger(__name__)


async def serve(
    runtime: Runtime,
    settings: Settings | None = None,
    *,
    task_status: trio.TaskStatus[Sequence[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve a runtime until it ends, or until cancelled.

    Args:
        runtime: it ends this server before its runs, whatever nursery this is in.
        settings: default: the runtime's.
        task_status: gets the addresses, `http://HOST:PORT` with the real port, once connections are accepted.

    Raises:
        OSError: an address cannot be listened on.
    """
    settings = settings if settings is not None else runtime.settings
    listeners = await open_listeners(settings)
    server = Server(runtime, settings)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run, listeners)
            task_status.started(listeners.addresses)
    finally:
        listeners.close()


class Server:
    """The house; see the theory of operation above. It may do without listeners, and `welcome` other transports.

    Args:
        runtime: what is served.
        settings: limits, deadlines, and who may connect.
    """

    def __init__(self, runtime: Runtime, settings: Settings) -> None:
        self._keeper = Keeper(runtime, settings)
        self.sessions = self._keeper.sessions
        self._runtime = runtime
        self._settings = settings
        self._commands = Commands(runtime, self.sessions)
        self._admission = Admission(settings)
        self._routes = Routes(self._commands)
        self._open = 0
        self._idle: set[trio.CancelScope] = set()
        """HTTP conversations that wait for a request."""
        self._house_nursery: trio.Nursery | None = None
        """While there is a house."""
        self._ending = trio.Event()
        self._ended = trio.Event()
        self._empty = trio.Event()

    async def run(self, listeners: Listeners, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled, or closed by the runtime."""
        self._runtime.at_end(self.aclose)
        try:
            await self._keeper.restore()
            async with trio.open_nursery() as nursery:
                house: trio.CancelScope = await nursery.start(self._house, listeners)
                # Not before: a start that is cancelled has to end the house.
                house.shield = True
                task_status.started()
                try:
                    await self._ending.wait()
                finally:
                    grace = self._settings.close_timeout + GOODBYE_S
                    with trio.CancelScope(shield=True, deadline=trio.current_time() + grace):
                        await self._say_goodbye(listeners)
                        await self._keeper.flush()
                    house.cancel()
        finally:
            self._ended.set()

    async def wait_empty(self) -> None:
        """Wait until no connection is open, WebSocket or HTTP."""
        await trio.lowlevel.checkpoint()
        while self._open:
            await self._empty.wait()

    async def aclose(self) -> None:
        """End it gracefully; returns when it has ended."""
        self._ending.set()
        await self._ended.wait()

    async def _house(self, listeners: Listeners, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        with trio.CancelScope() as scope:
            self._runtime.observer.scope("server", scope)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._keeper.run)
                    nursery.start_soon(self._tell_health)
                    for listening in listeners.sockets:
                        nursery.start_soon(self._accept, listening, name=f"listener {listening.getsockname()}")
                    self._house_nursery = nursery
                    task_status.started(scope)
                    try:
                        await trio.sleep_forever()
                    finally:
                        self._house_nursery = None
            finally:
                self._runtime.observer.unscope("server")

    async def _tell_health(self) -> None:
        """Tell every peer when the journal can not write, and when it can again."""
        told: str | None = None
        while True:
            reason = self._runtime.journal.degraded
            if reason != told:
                told = reason
                for member in self.sessions:
                    member.tell_status()
            await self._runtime.journal.health_changed()

    async def _say_goodbye(self, listeners: Listeners) -> None:
        self._ending.set()
        listeners.close()
        for idle in tuple(self._idle):
            idle.cancel()
        self.sessions.end()
        await self.wait_empty()

    async def _accept(self, listening: socket.socket) -> None:
        while True:  # noqa: ASYNC913  `accept` awaits
            try:
                connected = await accept(listening)
            except trio.ClosedResourceError:
                return  # noqa: ASYNC910  it awaited
            try:
                self.welcome(SocketTransport(connected), local=str(connected.getsockname()[0]))
            except ConnectionRefusedError:
                connected.close()

    def welcome(self, transport: Transport, *, local: str = "127.0.0.1") -> None:
        """Have a task of the house `attend` one peer, as if it had come to a listener. Arguments as there.

        Raises:
            ConnectionRefusedError: the server ends, or has far too many connections; the transport is the caller's.
        """
        full = self._open >= self._settings.max_connections + UNHEARD
        if self._house_nursery is None or self._ending.is_set() or full:
            raise ConnectionRefusedError("the server takes no connection")
        self._house_nursery.start_soon(partial(self.attend, transport, local=local), name="connection")

    async def attend(self, transport: Transport, *, local: str = "127.0.0.1") -> None:
        """Serve one peer until its connection is over; the transport is closed then, in any case.

        Args:
            transport: owned from now on.
            local: the address that the peer is connected to.
        """
        stream = OwnedStream(transport, outbox=self._settings.outbox)
        self._open += 1
        try:
            upgraded = await self._converse(stream, local)
            if upgraded is not None:
                # What HTTP needed is gone by now: an idle connection is to be small.
                connection, wire = upgraded
                del upgraded
                await connection.serve(wire)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as gone:
            logger.debug("a peer went: %s", gone)
        except Exception:
            logger.exception("a connection failed")
        finally:
            self._open -= 1
            if not self._open:
                self._empty.set()
                self._empty = trio.Event()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + GOODBYE_S):
                await stream.aclose()

    async def _converse(self, stream: OwnedStream, local: str) -> tuple[Connection, Wire] | None:
        """Speak HTTP until the connection is over (None) or is to be a WebSocket: its actor, and what that hears."""
        peer = HttpPeer(stream, self._settings)
        while not self._ending.is_set():
            request: Request | None = None
            try:
                with trio.CancelScope() as idle:
                    self._idle.add(idle)
                    try:
                        request = await peer.read_request()
                    finally:
                        self._idle.discard(idle)
                if request is None:
                    break
                self._admit(request, local)
                if request.upgrades:
                    return self._upgrade(request, stream), Wire(stream, *peer.replay())
                response = await self._routes.answer(request, await peer.read_body(request))
            except HttpError as error:
                response = await self._refuse(request, error)
            if request is not None:
                said, cors = response.headers, self._admission.cors(request)
                vary = ", ".join(filter(None, (said.get("Vary"), cors["Vary"])))
                response = attrs.evolve(response, headers={**said, **cors, "Vary": vary})
            await peer.respond(response)
            if not peer.reusable():
                with trio.CancelScope(shield=True, deadline=trio.current_time() + self._settings.close_timeout):
                    await stream.finish()
                break
        return None  # noqa: ASYNC910  reading or finishing awaits

    def _admit(self, request: Request, local: str) -> None:
        """Before anything else, for every method and every path."""
        self._admission.check(request, local=local)
        if self._open > self._settings.max_connections:
            raise HttpError(503, "too_many_connections", "too many connections", headers={"Retry-After": "5"})

    async def _refuse(self, request: Request | None, error: HttpError) -> Response:
        """The error as JSON; but a browser that has no token gets the page, which asks for it."""
        if error.status != http.HTTPStatus.UNAUTHORIZED or request is None or not accepts_page(request):
            return error.response()  # noqa: ASYNC910  a look-up
        page = await console(request, status=error.status)
        return attrs.evolve(page, headers={**page.headers, **error.headers})

    def _upgrade(self, request: Request, stream: OwnedStream) -> Connection:
        _check_handshake(request)
        session_id = _session_id(request)
        session = Session(
            session_id=session_id,
            path=request.path,
            subprotocols=request.subprotocols,
            query=request.query,
            dialect=self.sessions.dialect(session_id),
            replies=self.sessions.replies(session_id),
        )
        return Connection(self._commands, settings=self._settings, stream=stream, session=session, request=request)


def _check_handshake(request: Request) -> None:
    """What trio-websocket would refuse, refused before: it waits for ever after a bad handshake."""
    if request.method != "GET":
        raise HttpError(405, "method_not_allowed", "a WebSocket begins with GET", headers={"Allow": "GET"})
    if request.headers.get("sec-websocket-version") != WEBSOCKET_VERSION:
        raise HttpError(
            426,
            "websocket_version",
            f"WebSocket version {WEBSOCKET_VERSION} is spoken here",
            headers={"Sec-WebSocket-Version": WEBSOCKET_VERSION, "Upgrade": "websocket", "Connection": "Upgrade"},
        )
    try:
        key = base64.b64decode(request.headers.get("sec-websocket-key", ""), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES or "content-length" in request.headers or "transfer-encoding" in request.headers:
        raise HttpError(400, "bad_request", "this is no handshake of a WebSocket")


def _session_id(request: Request) -> str:
    """The id that the peer names, in the path or the query, or a new one.

    Raises:
        HttpError: 404 no WebSocket is here; 400 this cannot be an id.
    """
    match request.path.split("/"):
        case ["", ""] | ["", "ws"] | ["", "ws", ""]:
            named = ""
        case ["", "ws", segment]:
            named = unquote(segment)
        case _:
            raise HttpError(404, "not_found", "a WebSocket is at /, /ws and /ws/{session_id}")
    session_id = named or request.query.get("session", "")
    if len(session_id) > SESSION_ID_CHARS or not session_id.isprintable():
        raise HttpError(400, "bad_session", f"a session id is {SESSION_ID_CHARS} printable characters at most")
    return session_id or new_session_id()
