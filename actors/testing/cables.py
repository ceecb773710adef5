"""A connection in memory: a server's transport at one end, a client's stream at the other, and a network between them.

Theory of operation. A `Cable` is two pipes, one for each direction. A pipe holds so many bytes, then who sends waits:
a peer that does not read is felt at the other end, as over TCP. It accepts a few bytes at a time, however much room
there is: every writer meets its partial writes, no frame goes out in one step, and whatever cuts a sender cuts a frame
in two. What is there can be received at once. There is no task, no thread and no clock in here, so the same calls in
the same order give the same bytes in the same steps.

*Its end*. An end that closes lets the other one receive what is on its way, then b"", and send nothing more. `cut` is
what a network does: what is on its way is lost, and each end learns it by a reset, or never.

A referee reads each direction along (`actors.testing.referee`).
"""

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Final

import attrs
import trio

from actors.testing.referee import Referee

__all__ = ["CHUNKS", "ROOM_BYTES", "Cable", "MemoryStream", "MemoryTransport"]

CHUNKS: Final = (24, 5, 1000)
"""Bytes that are accepted at a time, in turn: most frames go in three pieces. With the first two alone there is nothing
more to find, and three times as much to do."""

ROOM_BYTES: Final = 64 * 2**10
"""What one direction holds."""

RELAXED_BYTES: Final = 2 * 2**20
"""What it holds beyond that for last words."""

RECEIVE_BYTES: Final = 64 * 2**10


class Cable:
    """One connection; see the theory of operation above.

    Args:
        chunks: bytes that each direction accepts at a time, over and over in this order.
        room: bytes that each direction holds.
        faults: gets what is no WebSocket, in words, one at most for each direction.
    """

    def __init__(
        self, *, chunks: Sequence[int] = CHUNKS, room: int = ROOM_BYTES, faults: list[str] | None = None
    ) -> None:
        self.faults = faults if faults is not None else []
        self._up = _Pipe(room, cycle(chunks), Referee("client", self.faults).hear)
        self._down = _Pipe(room, cycle(chunks), Referee("server", self.faults).hear)
        self.client = MemoryStream(self._down, self._up)
        self.server = MemoryTransport(self._up, self._down)

    @property
    def closed(self) -> bool:
        """Whether both ends are closed."""
        return self._up.over and self._down.over

    def cut(self, *, client_knows: bool = True, server_knows: bool = True) -> None:
        """Lose what is on its way, and all that follows. Idempotent; a second cut may tell who did not know.

        Args:
            client_knows: the client's end is reset; else it can send until the room is full, and hears nothing.
            server_knows: likewise the server's.
        """
        self._up.cut(sender_knows=client_knows, receiver_knows=server_knows)
        self._down.cut(sender_knows=server_knows, receiver_knows=client_knows)


class MemoryTransport:
    """The server's end: what `actors.transport.Transport` promises."""

    def __init__(self, incoming: "_Pipe", outgoing: "_Pipe") -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self.cut_by_cancel = False

    def send_nowait(self, data: bytes | memoryview) -> int:
        """What the pipe accepts now; see `Transport`."""
        return self._outgoing.put_nowait(data)

    async def send(self, data: bytes) -> int:
        """Wait for room, then what the pipe accepts; see `Transport`."""
        with self._outgoing.sending():
            return await self._outgoing.put(data)

    async def receive(self, max_bytes: int) -> bytes:
        """At least one byte, or b"" at the client's end."""
        return await self._incoming.take(max_bytes)

    async def send_eof(self) -> None:
        """End this side."""
        self._outgoing.end()
        await trio.lowlevel.checkpoint()

    def relax(self) -> None:
        """Make room for last words."""
        self._outgoing.room += RELAXED_BYTES

    async def aclose(self) -> None:
        """Close at once; what was accepted still arrives. Idempotent."""
        self._outgoing.end()
        self._incoming.leave()
        await trio.lowlevel.checkpoint()


class MemoryStream(trio.abc.HalfCloseableStream):
    """The client's end: a stream, with the errors of one. A send that is cancelled may have sent a part."""

    def __init__(self, incoming: "_Pipe", outgoing: "_Pipe") -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send it, as much at a time as is accepted.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: it cannot go any more.
            trio.BusyResourceError: another task sends.
        """
        rest = memoryview(data)
        with self._outgoing.sending(), _broken():
            await trio.lowlevel.checkpoint()
            self._outgoing.check_sender()
            while rest:
                rest = rest[await self._outgoing.put(rest) :]

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for room. Raises what `send_all` raises."""
        with self._outgoing.sending(), _broken():
            await self._outgoing.wait_room()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """At least one byte, or b"" at the server's end.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: nothing can come any more.
            trio.BusyResourceError: another task receives.
            ValueError: not even one byte is asked for.
        """
        size = RECEIVE_BYTES if max_bytes is None else operator.index(max_bytes)
        if size < 1:
            raise ValueError("max_bytes must be at least 1")
        with _broken():
            return await self._incoming.take(size)

    async def send_eof(self) -> None:
        """End this side.

        Raises:
            trio.BusyResourceError: another task sends.
        """
        with self._outgoing.sending():
            self._outgoing.end()
            await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Close at once; what was sent still arrives. Idempotent."""
        self._outgoing.end()
        self._incoming.leave()
        await trio.lowlevel.checkpoint()


@attrs.define(eq=False)
class _Pipe:
    """One direction."""

    room: int
    _chunks: Iterator[int]
    _overheard: Callable[[bytes], None]
    _held: bytearray = attrs.field(factory=bytearray, init=False)
    _ended: bool = attrs.field(default=False, init=False)
    """Nothing is put any more."""
    _lost: bool = attrs.field(default=False, init=False)
    """What is put does not come out."""
    _sender_gets: type[Exception] | None = attrs.field(default=None, init=False)
    """What it meets that tries to put."""
    _receiver_gets: type[Exception] | None = attrs.field(default=None, init=False)
    _left: bool = attrs.field(default=False, init=False)
    """The receiver has closed."""
    _sending: bool = attrs.field(default=False, init=False)
    _receiving: bool = attrs.field(default=False, init=False)
    _stirred: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)

    @property
    def over(self) -> bool:
        """Whether both ends have closed."""
        return self._ended and self._left

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Be the one task that sends."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending")
        self._sending = True
        try:
            yield
        finally:
            self._sending = False

    def check_sender(self) -> None:
        if self._sender_gets is not None:
            raise self._sender_gets("nothing can be sent any more")

    def put_nowait(self, data: bytes | memoryview) -> int:
        self.check_sender()
        size = min(len(data), self.room - len(self._held))
        if size <= 0:
            return 0
        accepted = bytes(data[: min(size, next(self._chunks))])
        self._overheard(accepted)
        self._held += accepted
        self._stirred.unpark_all()
        return len(accepted)

    async def put(self, data: bytes | memoryview) -> int:
        # Accepted in the last step: a cancel comes before it, or not at all.
        await self.wait_room()
        return self.put_nowait(data)

    async def wait_room(self) -> None:
        await trio.lowlevel.checkpoint()
        while self._sender_gets is None and len(self._held) >= self.room:
            await self._stirred.park()
        self.check_sender()

    async def take(self, max_bytes: int) -> bytes:
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving")
        self._receiving = True
        try:
            await trio.lowlevel.checkpoint()
            while self._receiver_gets is None and (self._lost or not (self._held or self._ended)):
                await self._stirred.park()
        finally:
            self._receiving = False
        if self._receiver_gets is not None:
            raise self._receiver_gets("nothing can be received any more")
        taken = bytes(self._held[:max_bytes])
        del self._held[:max_bytes]
        self._stirred.unpark_all()
        return taken

    def end(self) -> None:
        """The sender closes."""
        self._ended = True
        self._sender_gets = trio.ClosedResourceError
        self._stirred.unpark_all()

    def leave(self) -> None:
        """The receiver closes."""
        self._left = True
        self._held.clear()
        self._receiver_gets = trio.ClosedResourceError
        if not self._lost:
            self._sender_gets = self._sender_gets or BrokenPipeError
        self._stirred.unpark_all()

    def cut(self, *, sender_knows: bool, receiver_knows: bool) -> None:
        self._lost = True
        self._held.clear()
        if sender_knows:
            self._sender_gets = self._sender_gets or BrokenPipeError
        if receiver_knows:
            self._receiver_gets = self._receiver_gets or ConnectionResetError
        self._stirred.unpark_all()


@contextmanager
def _broken() -> Iterator[None]:
    """An error of the network as a stream raises it."""
    try:
        yield
    except OSError as error:
        raise trio.BrokenResourceError("the connection was lost") from error
