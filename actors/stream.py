"""A byte stream whose frames go out whole: handed over in one synchronous step, never cut by a cancel.

Theory of operation: `OwnedStream` owns its transport and a queue of frames. Handing a frame over (`push`, `post`,
`send_all`) never awaits: the kernel takes what it takes at once if nothing waits, and the rest waits in the queue, in
order. So a task that is cancelled while it hands over has handed over all of the frame or none of it.

Who drains: `drain()` is the only place that awaits the transport for sending. A connection's writer task does it,
between `expect_writer` and `writer_left`; then everyone else who must wait for its own bytes (`send_all`, which
trio-websocket uses for the handshake, pings and pongs) parks until the writer got that far. Without a writer – an HTTP
exchange, a handshake – `send_all` drains by itself.

What full means: `push` refuses (False, nothing taken) what would make the queue longer than `outbox`; a frame larger
than the outbox is taken when nothing waits, or it could never go. `post` and `send_all` always take: their callers
bound themselves (a reader that waits for the drain before it takes the next command; one control frame at a time).

What a cancel leaves: over a socket, a cancelled drain has lost nothing. Over a stream that may be cut in the middle of
a chunk (TLS, in memory), `push` only queues, and a drain that was cancelled breaks the stream: it can be closed, never
continued. Closing is `finish()` (what waits, our end of the stream, then what the peer still sends is discarded, so
that no reset destroys the last words), bounded by the caller, and then `aclose()`, always.

This file knows nothing of WebSocket, HTTP or sessions.
"""

import math
from typing import Final

import attrs
import trio

from actors.transport import Transport

__all__ = ["OwnedStream", "StreamStatistics"]

RECEIVE_BYTES: Final = 64 * 2**10
"""Read at once at most: 10,000 small messages in a burst are some twenty reads."""

CHUNK_BYTES: Final = 64 * 2**10
"""Joined into one send: 64 frames in one call cost little more than one."""


@attrs.frozen(kw_only=True)
class StreamStatistics:
    """What went through a stream. Sizes in bytes, times on trio's clock."""

    sent: int
    """Accepted by the transport."""
    received: int
    queued: int
    """Handed over, and not accepted yet."""
    refused: int
    """Pushes that found the outbox full."""
    last_received: float
    last_drained: float
    """When the transport last accepted bytes that had to wait: a sign that the peer takes what we send."""


class OwnedStream(trio.abc.HalfCloseableStream):
    """A stream for one connection; see the theory of operation above.

    Args:
        transport: owned from now on.
        outbox: bytes that `push` lets wait at most.

    Error handling: what the peer broke raises `trio.BrokenResourceError`, from every call until it is closed; after
    `aclose()` every call raises `trio.ClosedResourceError`. `push` and `post` raise neither: a dead stream takes
    nothing.
    """

    __slots__ = (
        "_attended",
        "_broken",
        "_closed",
        "_handed",
        "_last_drained",
        "_last_received",
        "_moved",
        "_outbox",
        "_queue",
        "_queued",
        "_received",
        "_refused",
        "_sent",
        "_stirred",
        "_transport",
        "_waiting_since",
    )

    def __init__(self, transport: Transport, *, outbox: int) -> None:
        self._transport = transport
        self._outbox = outbox
        self._queue: list[bytes | memoryview] = []
        self._queued = 0
        self._sent = 0
        self._handed = 0
        self._received = 0
        self._refused = 0
        self._last_received = self._last_drained = trio.current_time()
        self._waiting_since = math.inf
        self._attended = False
        self._broken: BaseException | None = None
        self._closed = False
        self._stirred = trio.lowlevel.ParkingLot()
        """The writer, while nothing waits."""
        self._moved = trio.lowlevel.ParkingLot()
        """Senders whose bytes wait for the writer."""

    @property
    def queued(self) -> int:
        """Bytes that wait."""
        return self._queued

    @property
    def last_life(self) -> float:
        """When the peer last showed that it is there: it sent something, or made room for what waited."""
        return max(self._last_received, self._last_drained)

    @property
    def waiting_since(self) -> float:
        """Since when not one byte of what waits was accepted; infinity while nothing waits."""
        return self._waiting_since

    def statistics(self) -> StreamStatistics:
        """What went through so far."""
        return StreamStatistics(
            sent=self._sent,
            received=self._received,
            queued=self._queued,
            refused=self._refused,
            last_received=self._last_received,
            last_drained=self._last_drained,
        )

    def push(self, data: bytes) -> bool:
        """Hand over whole frames if there is room.

        Returns:
            False: the outbox is full, or the stream is dead. Nothing was taken.
        """
        if self._broken is not None or self._closed:
            return False
        if self._queued and self._queued + len(data) > self._outbox:
            self._refused += 1
            return False
        self.post(data)
        return self._broken is None

    def post(self, data: bytes) -> None:
        """Hand over whole frames, whether there is room or not. Taken by nobody if the stream is dead."""
        if self._broken is not None or self._closed or not data:
            return
        self._handed += len(data)
        if self._queued:
            self._queue.append(data)
            self._queued += len(data)
            return
        try:
            accepted = self._transport.send_nowait(data)
        except OSError as error:
            self._break(error)
            return
        self._sent += accepted
        if accepted < len(data):
            self._queue.append(memoryview(data)[accepted:] if accepted else data)
            self._queued = len(data) - accepted
            self._waiting_since = trio.current_time()
            self._stirred.unpark_all()

    async def wait_backlog(self) -> None:
        """Wait until something waits. For the writer.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: the stream is dead.
        """
        self._check()
        if not self._queued:
            await self._stirred.park()
            self._check()
        else:
            await trio.lowlevel.checkpoint()

    async def drain(self) -> None:
        """Wait until some of what waits was accepted; at once if nothing waits. One task at a time.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: the stream is dead.
            trio.BusyResourceError: another task drains.
        """
        self._check()
        if not self._queued:
            await trio.lowlevel.checkpoint()
            return
        chunk = self._gather()
        try:
            accepted = await self._transport.send(chunk)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._break(error)
            self._check()
            raise
        except trio.Cancelled as error:
            if self._transport.cut_by_cancel:
                self._break(error)
            raise
        self._accept(accepted)

    def _gather(self) -> bytes:
        size = 0
        frames: list[bytes | memoryview] = []
        for frame in self._queue:
            frames.append(frame)
            size += len(frame)
            if size >= CHUNK_BYTES:
                break
        return b"".join(frames)

    def _accept(self, accepted: int) -> None:
        """The transport took this much from the head of the queue."""
        self._sent += accepted
        self._queued -= accepted
        queue, whole = self._queue, 0
        while accepted:
            size = len(queue[whole])
            if accepted < size:
                queue[whole] = memoryview(queue[whole])[accepted:]
                break
            accepted -= size
            whole += 1
        del queue[:whole]
        self._last_drained = trio.current_time()
        self._waiting_since = self._last_drained if self._queued else math.inf
        self._moved.unpark_all()

    def expect_writer(self) -> None:
        """A task was started that drains: from now on nobody else does, until `writer_left`."""
        self._attended = True

    def writer_left(self) -> None:
        """That task is over: whoever sends drains."""
        self._attended = False
        self._moved.unpark_all()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:  # noqa: ASYNC910  one of two branches awaits
        """Hand over whole frames, then wait until they were accepted. A cancel cuts the waiting, not the frames.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: the stream is dead.
        """
        self._check()
        self.post(bytes(data))
        mine = self._handed
        if self._handed - self._queued >= mine:
            self._check()
            await trio.lowlevel.checkpoint()
        while self._handed - self._queued < mine:
            if self._attended:
                await self._moved.park()
                self._check()
            else:
                await self.drain()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until nothing waits.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: the stream is dead.
        """
        self._check()
        while self._queued:
            if self._attended:
                await self._moved.park()
                self._check()
            else:
                await self.drain()
        await trio.lowlevel.checkpoint()

    async def wait_room(self) -> None:  # noqa: ASYNC910  one of two branches awaits
        """Wait until no more waits than `push` would let; at once if so. Only beside a writer.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: the stream is dead.
        """
        self._check()
        if self._queued <= self._outbox:
            await trio.lowlevel.checkpoint()
        while self._queued > self._outbox:
            await self._moved.park()
            self._check()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """At least one byte, or b"" at the peer's end.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: the stream is dead.
        """
        if self._closed:
            raise trio.ClosedResourceError("this stream was closed")
        try:
            data = await self._transport.receive(max_bytes or RECEIVE_BYTES)
        except OSError as error:
            self._break(error)
            raise trio.BrokenResourceError("the peer is gone") from error
        self._received += len(data)
        self._last_received = trio.current_time()
        return data

    async def send_eof(self) -> None:
        """End our side, after everything that waits.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: the stream is dead.
        """
        await self.wait_send_all_might_not_block()
        try:
            await self._transport.send_eof()
        except OSError as error:
            self._break(error)
            self._check()

    async def finish(self) -> None:  # noqa: ASYNC910  a dead stream has nothing to wait for
        """Send what waits, end our side, and wait for the peer's end; `aclose()` must follow, also after a cancel.

        Nobody may drain or receive beside it. It takes as long as the peer likes: bound it.
        """
        try:
            await self.send_eof()
            await self.discard()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def discard(self) -> None:  # noqa: ASYNC910  a dead stream has nothing to wait for
        """Receive until the peer's end, and forget it.

        To close with unread bytes sends a reset, and a reset can overtake last words that the peer has not read yet.
        It takes as long as the peer likes: bound it.
        """
        try:
            while await self.receive_some():
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    def forget(self) -> None:
        """Drop the frames that wait, and let the transport hold what is handed over from now on as best it can.

        A frame that has begun to be sent stays whole. Nobody may be in `drain()`.
        """
        # Only the rest of a frame is a view.
        while self._queue and isinstance(self._queue[-1], bytes):
            dropped = len(self._queue.pop())
            self._queued -= dropped
            self._handed -= dropped
        self._transport.relax()
        while self._queue:
            try:
                accepted = self._transport.send_nowait(self._queue[0])
            except OSError as error:
                self._break(error)
                return
            if not accepted:
                return
            self._accept(accepted)
        self._waiting_since = math.inf

    async def aclose(self) -> None:
        """Close at once; what waits is lost. Idempotent, and done even if it is cancelled."""
        self._closed = True
        self._queue.clear()
        self._queued = 0
        self._waiting_since = math.inf
        self._stirred.unpark_all()
        self._moved.unpark_all()
        await self._transport.aclose()

    def _break(self, error: BaseException) -> None:
        if self._broken is None:
            self._broken = error
        self._stirred.unpark_all()
        self._moved.unpark_all()

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this stream was closed")
        if self._broken is not None:
            raise trio.BrokenResourceError("the peer is gone") from self._broken
