"""The connection actor: one peer's WebSocket, with one reader task and one writer task.

Theory of operation. *Started by* the server, after the head of the request was read and admitted; `serve()` is the
actor's whole life, and its caller's task is the reader. It owns nothing but its two children, the writer and
trio-websocket's own task; the stream belongs to the server, which closes it after `serve()` in any case.

*Reader*: text → session → command → `_obey` → reply. It never awaits an effect; what follows a command comes as events.
It awaits the journal for a question about a run, its turns to check a large graph, and room in the outbox when replies
have filled it: a peer that asks and does not read is not read either.

*Writer*: the only task that awaits the socket for sending. When the outbox has drained it asks the hub for what this
peer lags behind. It is also the actor's clock: heartbeats, pings, and the deadlines of a peer that takes nothing or
shows no life. Life is any byte that came, and any byte that had to wait and was taken.

*Proof of arrival*: a pong proves that everything sent before its ping has arrived, from any peer, whatever it knows of
us. So a ping goes out within a second after the last event, and while more and more follow, four seconds after the
first that no ping follows yet; how far the peer was just before, by the hub, is its position once the pong is there. An
idle connection is pinged for its life only, every `ping_interval`.

*Mailbox*: there is none. `push` and `reply` are called by the hub and by runs in their own steps and never block: a
push that finds the outbox full takes nothing, and the hub keeps this peer's cursor; a reply is always queued, and there
are only as many as commands were read.

*Its end*: `close()` from anywhere, the peer's close, its silence, a cancel. From then on nothing is taken. Whatever it
was: leave the table and the hub, then – under a shield, for `close_timeout` – what waits, one close frame if none was
said, our end of the stream, and the peer's. The children live so long: the writer writes it, trio-websocket hears the
answer. A peer that was too slow gets the close frame instead of what still waited.
"""

import logging
import math
from functools import partial
from typing import Final
from zlib import crc32

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream
from wsproto import WSConnection
from wsproto.utilities import LocalProtocolError

from actors.commands import Commands
from actors.errors import ActorsError
from actors.fitting import fit
from actors.http import Request
from actors.rate import Bucket, Taken
from actors.sessions import ConnectionStatistics
from actors.settings import Settings
from actors.stream import OwnedStream
from actors.wire import Wire
from protocol.dialects import Dialect
from protocol.dialects.text import MAX_DEPTH, deeper_than, loads
from protocol.errors import BadJson, ProtocolError
from protocol.frames import text_frame
from protocol.messages import ErrorReply, Event, HeartbeatReply, Json, Reply, ServerMessage, Snapshot, SystemStatus
from protocol.session import Session

__all__ = ["Connection"]

RECEIVE_BYTES: Final = 16 * 2**10
"""Read at once by trio-websocket."""

GOING_AWAY: Final = 1001
UNSUPPORTED: Final = 1003
ABNORMAL: Final = 1006
INTERNAL: Final = 1011
TOO_SLOW: Final = 4008
REPLACED: Final = 4409
TOO_MANY: Final = 4429

GONE: Final = (
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    ConnectionClosed,
    LocalProtocolError,
)
"""How a peer that is gone, or late, shows. The last: trio-websocket answers a ping after a close."""

PROOF_SECONDS: Final = (0.75, 1.0)
"""From the last event to the ping that follows it. Between the two each session has its own, or all who hear the same
event would be pinged in the same turn of the loop."""

PROOF_LIMIT: Final = 4.0
"""Seconds from the first of events that go on and on to the ping: what is told twice, at most, to who comes back. A
ping and its pong cost as much as many pushes, so a thousand who watch one run are not asked each second."""

CLIENT_INFO_BYTES: Final = 4096
"""What a client may say of itself."""

logger = logging.getLogger(__name__)


class Connection:
    """One peer; see the theory of operation above.

    Args:
        commands: what commands do; shared by all connections of the server.
        settings: of the server.
        stream: owned and closed by the caller.
        session: whose id was taken from the request.
        request: the head of the upgrade.
    """

    __slots__ = (
        "__weakref__",
        "_answered",
        "_client_info",
        "_closing",
        "_commands",
        "_connected_at",
        "_dead",
        "_heartbeat_due",
        "_last_heartbeat",
        "_nap",
        "_obeyed",
        "_ping_due",
        "_pinged_at",
        "_proof",
        "_proof_due",
        "_proof_until",
        "_rtt",
        "_runtime",
        "_scope",
        "_session",
        "_settings",
        "_stream",
        "_taken_at",
        "batch",
        "session_id",
    )

    def __init__(
        self, commands: Commands, *, settings: Settings, stream: OwnedStream, session: Session, request: Request
    ) -> None:
        self.session_id = session.session_id
        self.batch = session.batch
        self._commands = commands
        self._runtime = commands.runtime
        self._settings = settings
        self._stream = stream
        self._session = session
        self._client_info = _client_info(request)
        self._obeyed = ""
        """The id of the newest command."""
        self._answered = False
        """Whether that has its answer."""
        self._scope = trio.CancelScope()
        self._closing: tuple[int, str] | None = None
        self._dead = False
        """Nobody is there who could read a close frame."""
        self._connected_at = self._runtime.wall()
        self._last_heartbeat: float | None = None
        self._rtt: float | None = None
        now = trio.current_time()
        self._heartbeat_due = now + self._settings.heartbeat
        self._ping_due = now + self._settings.ping_interval
        self._pinged_at: float | None = None
        """When the ping went out that waits for its pong."""
        shortest, longest = PROOF_SECONDS
        self._proof = shortest + (longest - shortest) * crc32(session.session_id.encode(errors="replace")) / 2**32
        """Seconds from the last event to its ping."""
        self._taken_at = -math.inf
        """When an event was handed over last."""
        self._proof_due = math.inf
        """When to ping, unless more has followed; infinity: a ping has followed all that was handed over."""
        self._proof_until = math.inf
        """When to ping whatever has followed."""
        self._nap = trio.CancelScope()
        """The writer's, while there is nothing to write."""

    @property
    def dialect(self) -> Dialect:
        """How this peer spells; it has decided when it is subscribed to anything."""
        assert self._session.dialect is not None  # noqa: S101  only a decided peer gets as far as the hub
        return self._session.dialect

    @property
    def session(self) -> Session:
        """The peer's conversation."""
        return self._session

    def statistics(self) -> ConnectionStatistics:
        """How the connection does."""
        stream = self._stream.statistics()
        return ConnectionStatistics(
            session_id=self.session_id,
            connected_at=self._connected_at,
            last_heartbeat=self._last_heartbeat,
            client_info={"user_agent": self._client_info} if isinstance(self._client_info, str) else self._client_info,
            dialect=self._session.dialect.name if self._session.dialect is not None else None,
            rtt=self._rtt,
            sent=stream.sent,
            received=stream.received,
            queued=stream.queued,
        )

    # What others do to it, each in one synchronous step.

    def push(self, data: bytes, *, events: bool = True) -> bool:
        """Whole frames. False: the outbox is full, nothing was taken; `Hub.refill` is asked after a drain."""
        taken = self._closing is None and self._stream.push(data)
        if taken and events:
            self._want_proof()
        return taken

    def reply(self, reply: Reply) -> None:
        """Answer, in order with the pushes; always taken, unless it is closing."""
        self._answered |= reply.reply_to == self._obeyed
        self._post(reply)

    def tell(self, event: Event) -> None:
        """Send this peer alone an event, in order with its replies."""
        self._post(event)

    def _post(self, message: ServerMessage) -> None:
        if self._closing is None:
            self._stream.post(text_frame(fit(message, partial(self._session.encode, at=self._runtime.wall()))))
            if isinstance(message, Event | Snapshot):
                self._want_proof()

    def _want_proof(self) -> None:
        """Something was sent of which the arrival matters."""
        self._taken_at = now = trio.current_time()
        if self._proof_due == math.inf:
            self._proof_due, self._proof_until = now + self._proof, now + PROOF_LIMIT
            self._wake()

    def _put_off(self, now: float) -> bool:
        """Whether more has followed what is to be proven, so that the ping can wait for the last of it."""
        self._proof_due = min(self._taken_at + self._proof, self._proof_until)
        return now < self._proof_due

    def _wake(self) -> None:
        """The writer has something to do, perhaps earlier than it thought."""
        self._nap.deadline = min(self._nap.deadline, self._due())

    def beat(self) -> None:
        """It answered our heartbeat."""
        self._last_heartbeat = self._runtime.wall()

    def replaced(self) -> None:
        """Another connection took the session over."""
        self.close(REPLACED, "another connection took over this session")

    def go_away(self) -> None:
        """The server ends."""
        status = self._commands.status(self.session_id)
        self._say(attrs.evolve(status, status="shutting_down", message="the server is going away"))
        self.close(GOING_AWAY, "the server is going away")

    def tell_status(self) -> None:
        """The server does worse than before, or well again."""
        self._say(self._commands.status(self.session_id))

    def _say(self, status: SystemStatus) -> None:
        """An undecided peer would not understand it."""
        if self._session.dialect is not None:
            self.reply(status)

    def close(self, code: int, reason: str) -> None:
        """End it with a close frame. The first one wins."""
        if self._closing is None:
            self._closing = (code, reason)
            self._scope.cancel()

    # Its life.

    async def serve(self, wire: Wire) -> None:  # noqa: ASYNC910  the nursery of its children awaits
        """Speak with the peer until the connection is over; the stream is finished then, and still to be closed.

        Args:
            wire: its view of the stream, with the request in front, for the handshake.
        """
        label = f"conn:{self.session_id}"
        socket: WebSocketConnection | None = None
        until = math.inf
        self._runtime.observer.scope(label, self._scope)
        self._runtime.observer.action(f"{label}/close", partial(self.close, GOING_AWAY, "closed by an observer"))
        try:
            async with trio.open_nursery() as nursery:
                try:
                    with self._scope:
                        socket = await self._shake_hands(wire, nursery)
                        self._greet()
                        # Who says goodbye before the writer's first step must not drain beside it.
                        self._stream.expect_writer()
                        nursery.start_soon(self._write, socket, nursery, name=f"writer {self.session_id}")
                        await self._read(socket)
                except Exception:
                    self._fail()
                    raise
                finally:
                    self._commands.sessions.leave(self)
                    until = trio.current_time() + self._settings.close_timeout
                    with trio.CancelScope(shield=True, deadline=until):
                        await self._say_goodbye(wire, socket)
                    nursery.cancel_scope.cancel()
        except* GONE as gone:
            logger.debug("the peer of %s is gone: %r", label, gone.exceptions)
        except* Exception:
            logger.exception("%s failed", label)
        finally:
            self._runtime.observer.unscope(label)
            if wire.open and not wire.closed and not self._dead:
                # It has not closed in good order, so it may still be sending.
                with trio.CancelScope(shield=True, deadline=until):
                    await self._stream.discard()

    async def _say_goodbye(self, wire: Wire, socket: WebSocketConnection | None) -> None:  # noqa: ASYNC910  see below
        """What waits, our close frame, our end of the stream; then the peer's close frame."""
        if self._dead or socket is None:
            return  # noqa: ASYNC910  nobody is there to say it to
        code, reason = self._closing = self._closing or (GOING_AWAY, "the server is going away")
        wire.say_close(code, reason)
        try:
            await self._stream.send_eof()
            while True:
                await socket.get_message()
        except GONE:
            pass

    async def _shake_hands(self, wire: Wire, nursery: trio.Nursery) -> WebSocketConnection:
        with trio.fail_after(self._settings.head_timeout):
            proposal = await wrap_server_stream(
                nursery, wire, max_message_size=self._settings.max_message, receive_buffer_size=RECEIVE_BYTES
            )
            socket = await proposal.accept(subprotocol=self._session.subprotocol)
        # Until something else comes trio-websocket keeps the request; its headers were read before.
        proposal.headers.clear()
        _forget_handshake(socket)
        return socket

    def _greet(self) -> None:
        """From here on it is a connection of its session."""
        sessions = self._commands.sessions
        hello = self._session.hello(resumed=sessions.known(self.session_id))
        if hello is not None:
            self.reply(hello)
        sessions.join(self)
        if self._runtime.journal.degraded is not None:
            self.tell_status()
        if self._session.hears_all:
            self._runtime.hub.hear_all(self, None)

    def _fail(self) -> None:
        """A bug of ours ends it."""
        self._closing = self._closing or (INTERNAL, "internal error")

    async def _read(self, socket: WebSocketConnection) -> None:
        """The reader: until the peer closes, or must be closed."""
        settings = self._settings
        bucket = Bucket(settings.rate_messages, refill=settings.rate_refill, patience=settings.rate_patience)
        while True:
            try:
                text = await socket.get_message()
            except ConnectionClosed as closed:
                self._closed_by_peer(closed)
                return  # noqa: ASYNC910  it was awaited
            if self._closing is not None:
                return  # noqa: ASYNC910  ditto: whoever took over has not heard it either
            if isinstance(text, bytes):
                self.close(UNSUPPORTED, "only text frames are understood")
                return  # noqa: ASYNC910  ditto
            match bucket.take():
                case Taken.PASSED:
                    await self._hear(text)
                case Taken.REFUSED_FIRST:
                    message = f"more than {settings.rate_refill:g} messages a second; what comes is dropped for now"
                    self.reply(ErrorReply(code="rate_limited", message=message))
                case Taken.OUT_OF_PATIENCE:
                    self.close(TOO_MANY, "too many messages")
                    return  # noqa: ASYNC910  ditto
                case Taken.REFUSED:
                    pass
            await self._stream.wait_room()

    def _closed_by_peer(self, closed: ConnectionClosed) -> None:
        """It was closed, or broke the protocol; in the second case nobody has told it yet."""
        if closed.reason is None or closed.reason.code == ABNORMAL:
            self._dead = True
        elif self._closing is None:
            self._closing = (closed.reason.code, closed.reason.reason or "")

    async def _hear(self, text: str) -> None:  # noqa: ASYNC910  most commands await nothing
        """One message: obeyed, or refused with exactly one answer."""
        undecided = self._session.dialect is None
        self._answered = False
        try:
            command = self._session.receive(text)
            self._obeyed = command.id
            if undecided:
                self._commands.sessions.decided(self)
            await self._commands.obey(command, self)
        except ProtocolError as error:
            self._refuse(error, text)
        except ActorsError as error:
            self._refuse(_refusal(error.code, str(error)), text)
        except Exception:
            # A bug of ours in one command; the peer's other runs and subscriptions are no part of it.
            logger.exception("a command of %s failed", self.session_id)
            self._refuse(_refusal("internal_error", "internal error"), text)

    def _refuse(self, error: ProtocolError, text: str) -> None:
        """Say that a command failed; if it has its answer already, as something that went wrong since."""
        refusal = self._session.refuse(error, text)
        self.reply(attrs.evolve(refusal, reply_to=None, answers=None, action=None) if self._answered else refusal)

    async def _write(self, socket: WebSocketConnection, nursery: trio.Nursery) -> None:
        """The writer, until the connection is over: drain, refill, and what is due."""
        stream, settings = self._stream, self._settings
        try:
            while True:
                self._tick(socket, nursery)
                if not stream.queued:
                    with trio.CancelScope(deadline=self._due()) as self._nap:
                        await stream.wait_backlog()
                    continue
                with trio.CancelScope(deadline=stream.waiting_since + settings.stall_timeout) as stalled:
                    await stream.drain()
                if stalled.cancelled_caught:
                    self.close(TOO_SLOW, f"took nothing for {settings.stall_timeout:g} s; come back and resume")
                    stream.forget()
                if not stream.queued:
                    await self._runtime.hub.refill(self)
        except Exception:
            self._fail()
            raise
        finally:
            stream.writer_left()

    def _due(self) -> float:
        """When the writer has something to do though nothing is to be written."""
        if self._closing is not None or self._dead:
            return math.inf
        if self._pinged_at is None:
            return min(self._heartbeat_due, self._ping_due, self._proof_due)
        return min(self._heartbeat_due, max(self._pinged_at, self._stream.last_life) + self._settings.ping_timeout)

    def _tick(self, socket: WebSocketConnection, nursery: trio.Nursery) -> None:
        """Do what is due by now."""
        if self._closing is not None:
            return
        now, settings = trio.current_time(), self._settings
        if now >= self._heartbeat_due:
            self._heartbeat_due = now + settings.heartbeat
            if self._session.dialect is None or self._session.dialect.name == "flat":
                self._stream.push(text_frame(self._session.encode(HeartbeatReply(), at=self._runtime.wall())))
        if self._pinged_at is None:
            if now >= self._ping_due or (now >= self._proof_due and not self._put_off(now)):
                self._ping_due, self._pinged_at, self._proof_due = now + settings.ping_interval, now, math.inf
                nursery.start_soon(self._ping, socket)
        elif not self._stream.queued and now >= max(self._pinged_at, self._stream.last_life) + settings.ping_timeout:
            self._dead = True
            self._scope.cancel()

    async def _ping(self, socket: WebSocketConnection) -> None:
        began, mark = trio.current_time(), self._runtime.hub.mark(self)
        try:
            await socket.ping()
        except ConnectionClosed:
            return  # noqa: ASYNC910  it was awaited
        self._rtt = trio.current_time() - began
        self._last_heartbeat = self._runtime.wall()
        self._pinged_at = None
        self._wake()
        if self._runtime.hub.arrived(self, mark):
            self._commands.sessions.move(self.session_id)


class _Over:
    """A handshake that is over: nothing comes of it any more."""

    def events(self) -> tuple[()]:
        """None."""
        return ()


OVER: Final = _Over()


def _forget_handshake(socket: WebSocketConnection) -> None:
    """Free the h11 connection that wsproto keeps, and asks for nothing but events: 2 KiB for each that is idle."""
    machine = getattr(socket, "_wsproto", None)
    if isinstance(machine, WSConnection) and machine.connection is not None:
        machine.handshake = OVER  # type: ignore[assignment]  # all that is asked of it


def _refusal(code: str, message: str) -> ProtocolError:
    """An error of this side as the session says it."""
    refusal = ProtocolError(message)
    refusal.code = code  # type: ignore[misc]  # an instance is more precise than its class
    return refusal


def _client_info(request: Request) -> Json:
    """What the client says of itself: `?client=` as a JSON object, else its user agent, which is the shorter so."""
    told = request.query.get("client", "")
    if told and len(told) <= CLIENT_INFO_BYTES:
        try:
            info = loads(told)
        except BadJson:
            info = None
        if isinstance(info, dict) and not deeper_than(info, MAX_DEPTH):
            return info
    return request.headers.get("user-agent", "")
