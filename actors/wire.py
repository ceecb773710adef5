"""What trio-websocket is given for a stream: our OwnedStream, with the head of the request put back in front.

Theory of operation: trio-websocket does the handshake, pings, pongs, and all inbound messages. It also answers a close
as soon as it has read one, though what came before it may still wait to be obeyed and answered; it closes its stream
whenever it thinks that all is said, sometimes without having said why (a frame that breaks the protocol), and leaves it
open when it has closed a connection itself (a message that is too large). So closing is not its business here: `aclose`
only ends what it hears, its close frames go nowhere, and the connection that owns the stream says the last words
(`say_close`), and closes. After the last words nothing more is sent, whatever trio-websocket tries. Everything that
goes through here is a whole frame, handed over in one step.

A peer should wait for our half of the handshake before it sends a frame. What one sends that does not is held back
until then: wsproto would lose it, or take it for the wrong thing.
"""

from typing import Final

import trio
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection
from wsproto.frame_protocol import Opcode

from actors.stream import OwnedStream

__all__ = ["Wire", "close_frame"]

FIN: Final = 0x80
"""RFC 6455, 5.2: the first byte of a frame that is a message of its own, beside the opcode."""

CODE: Final = slice(2, 4)
"""RFC 6455, 5.5.1: where a close frame of ours has its code."""

TOO_LARGE: Final = (1009).to_bytes(2)

SWITCHING: Final = b"HTTP/1.1 101 "

REASON_BYTES: Final = 123
"""RFC 6455, 5.5: what a control frame holds, less the code."""


class Wire(trio.abc.Stream):
    """A view of a stream that it does not own.

    Args:
        stream: where everything goes.
        head: of the request, received already.
        behind: what was received after it already.
    """

    __slots__ = ("_behind", "_ended", "_frames", "_head", "_stream", "closed", "open", "said_close")

    def __init__(self, stream: OwnedStream, head: bytes, behind: bytes) -> None:
        self._stream = stream
        self._head = head
        self._behind = behind
        self._ended = False
        self._frames: trio.Event | None = trio.Event()
        """It is open, or was closed before; None: it was, and nobody waits any more."""
        self.open = False
        """Whether frames are spoken; before, it is HTTP."""
        self.said_close = False
        """Whether the close frame was handed over. Nothing may follow it."""
        self.closed = False
        """Whether the peer's close frame came: it asks for ours, or is the answer to it."""

    def say_close(self, code: int, reason: str) -> None:
        """Hand over the close frame, if none was yet."""
        if self.open and not self.said_close:
            self.said_close = True
            self._stream.post(close_frame(code, reason))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Hand over a whole frame (or the answer to the handshake), then wait until it was accepted."""
        closes = self.open and data[0] == FIN | Opcode.CLOSE
        # A close frame of trio-websocket is its answer to the peer's, unless it is about a message that is too large.
        self.closed |= closes and data[CODE] != TOO_LARGE
        if closes or self.said_close:
            await trio.lowlevel.checkpoint()
            return
        if not self.open and bytes(data).startswith(SWITCHING):
            self.open = True
            self._speak()
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until nothing waits."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The head, then – once frames are spoken – what came behind it, then what comes; b"" at either side's end."""
        if self._head:
            await trio.lowlevel.checkpoint()
            data, self._head = self._head, b""
            return data
        if self._frames is not None:
            await self._frames.wait()
        if self._ended or self._behind:
            await trio.lowlevel.checkpoint()
            data, self._behind = self._behind, b""
            return b"" if self._ended else data
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Hear nothing more. The stream stays open."""
        self._ended = True
        self._speak()
        await trio.lowlevel.checkpoint()

    def _speak(self) -> None:
        if self._frames is not None:
            self._frames.set()
            self._frames = None


def close_frame(code: int, reason: str) -> bytes:
    """One complete close frame.

    Args:
        code: of RFC 6455, 7.4, or 4000–4999.
        reason: for a person; cut to what a frame holds.
    """
    reason = reason.encode()[:REASON_BYTES].decode(errors="ignore")
    return Connection(ConnectionType.SERVER).send(CloseConnection(code=code, reason=reason))
