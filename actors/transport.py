"""What carries a connection's bytes: a non-blocking socket, or any trio stream.

Theory of operation: a transport owns what it wraps and closes it. It keeps no bytes: what it did not accept is still
the caller's. One task sends and one receives at a time. Sending is `send_nowait` (never waits) and `send` (waits until
some bytes were accepted); what a cancelled `send` leaves differs, and `cut_by_cancel` tells.
"""

import socket
from typing import Final, Protocol

import trio

__all__ = ["SocketTransport", "StreamTransport", "Transport"]

UNSENT_BYTES: Final = 64 * 2**10
"""TCP_NOTSENT_LOWAT: what the kernel may hold unsent. A longer backlog lies with us, where it can be conflated."""

RELAXED_UNSENT_BYTES: Final = 2**31 - 1
"""The bound lifted, so that the last words of a stalled connection find room in the kernel."""


class Transport(Protocol):
    """What carries the bytes."""

    cut_by_cancel: bool
    """A cancelled `send` may have sent a part, and nobody knows how much."""

    def send_nowait(self, data: bytes | memoryview) -> int:
        """Send what can go without waiting; how many bytes that was.

        Raises:
            OSError: the peer is gone.
        """
        ...

    async def send(self, data: bytes) -> int:
        """Wait until at least one byte was accepted; how many were.

        Raises:
            OSError, trio.BrokenResourceError, trio.ClosedResourceError: it cannot go any more.
        """
        ...

    async def receive(self, max_bytes: int) -> bytes:
        """At least one byte, or b"" at the peer's end."""
        ...

    async def send_eof(self) -> None:
        """End our side."""

    def relax(self) -> None:
        """The end is near: let the transport hold as much as it can."""

    async def aclose(self) -> None:
        """Close at once. What the kernel holds may still arrive."""


class SocketTransport:
    """A connected stdlib stream socket, which it owns from now on."""

    __slots__ = ("_closed", "_socket", "cut_by_cancel")

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self.cut_by_cancel = False
        self._socket = connected
        self._closed = False
        # Neither option exists for a Unix socket, and the second not everywhere; both only make things faster.
        for name, value in (("TCP_NODELAY", 1), ("TCP_NOTSENT_LOWAT", UNSENT_BYTES)):
            self._set(name, value)

    def _set(self, option: str, value: int) -> None:
        number = getattr(socket, option, None)
        if number is not None:
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, number, value)
            except OSError:
                pass

    def send_nowait(self, data: bytes | memoryview) -> int:
        """What the kernel takes now."""
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0

    async def send(self, data: bytes) -> int:
        """Wait for room in the kernel, then fill it."""
        while True:
            await trio.lowlevel.wait_writable(self._socket.fileno())
            accepted = self.send_nowait(data)
            if accepted:
                return accepted

    async def receive(self, max_bytes: int) -> bytes:
        """At least one byte, or b"" at the peer's end."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            data = self._socket.recv(max_bytes)
        except (BlockingIOError, InterruptedError):
            pass
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return data
        while True:
            await trio.lowlevel.wait_readable(self._socket.fileno())
            try:
                return self._socket.recv(max_bytes)
            except (BlockingIOError, InterruptedError):
                continue

    async def send_eof(self) -> None:
        """End our side of the TCP connection."""
        await trio.lowlevel.checkpoint()
        self._socket.shutdown(socket.SHUT_WR)

    def relax(self) -> None:
        """Let the kernel hold unsent what its buffer can."""
        self._set("TCP_NOTSENT_LOWAT", RELAXED_UNSENT_BYTES)

    async def aclose(self) -> None:
        """Close at once, and wake whoever waits. Idempotent."""
        if not self._closed:
            self._closed = True
            trio.lowlevel.notify_closing(self._socket.fileno())
            self._socket.close()
        await trio.lowlevel.checkpoint()


class StreamTransport:
    """Any trio stream, which it owns from now on."""

    __slots__ = ("_stream", "cut_by_cancel")

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.cut_by_cancel = True

    def send_nowait(self, data: bytes | memoryview) -> int:
        """Nothing: a stream always waits."""
        return 0

    async def send(self, data: bytes) -> int:
        """Send all of it."""
        await self._stream.send_all(data)
        return len(data)

    async def receive(self, max_bytes: int) -> bytes:
        """At least one byte, or b"" at the peer's end."""
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_eof(self) -> None:
        """End our side, where the stream can."""
        if isinstance(self._stream, trio.abc.HalfCloseableStream):
            await self._stream.send_eof()
        else:
            await trio.lowlevel.checkpoint()

    def relax(self) -> None:
        """A stream has no such bound."""

    async def aclose(self) -> None:
        """Close forcefully. Idempotent as far as the stream is."""
        await trio.aclose_forcefully(self._stream)
