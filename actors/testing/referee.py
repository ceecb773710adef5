"""Reads one direction of a connection along, as the strictest of peers would, and notes what is no WebSocket.

Such is half a frame with another one behind it, or anything behind the close frame. A direction that just ends is no
fault, wherever it ends: that is how a connection breaks. Up to the end of its first head it is HTTP, and all the way if
that upgrades nothing. After the first fault nothing that follows has a meaning, so there is one at most.
"""

from typing import Final, Literal

from wsproto.frame_protocol import FrameDecoder, MessageDecoder, Opcode, ParseFailed

__all__ = ["Referee"]

HEAD_BYTES: Final = 64 * 2**10
"""A head that is longer is not read to its end."""

HEAD_END: Final = b"\r\n\r\n"

UPGRADES: Final = {"client": b"\r\nupgrade: websocket\r\n", "server": b"http/1.1 101 "}
"""What the head of an upgrade has, in lower case."""


class Referee:
    """See above.

    Args:
        who: sends in this direction.
        faults: gets the fault, in words.
    """

    def __init__(self, who: Literal["client", "server"], faults: list[str]) -> None:
        self._who: Final = who
        self._faults = faults
        self._head = bytearray()
        self._frames: FrameDecoder | None = None
        """Once frames are spoken."""
        self._messages = MessageDecoder()
        self._closed = False
        """The close frame was said."""
        self._done = False
        """There is nothing more to find."""

    def hear(self, data: bytes) -> None:
        """What is sent next."""
        if self._done:
            return
        if self._frames is None:
            self._head += data
            if not self._upgraded():
                return
            data = bytes(self._head.partition(HEAD_END)[2])
            self._frames = FrameDecoder(client=self._who == "server")
        try:
            self._read(self._frames, data)
        except ParseFailed as error:
            self._fault(str(error))

    def _upgraded(self) -> bool:
        if HEAD_END not in self._head:
            self._done = len(self._head) > HEAD_BYTES
            return False
        self._done = UPGRADES[self._who] not in self._head.lower()
        return not self._done

    def _read(self, frames: FrameDecoder, data: bytes) -> None:
        frames.receive_bytes(data)
        while not self._closed and (frame := frames.process_buffer()) is not None:
            if not frame.opcode.iscontrol():
                self._messages.process_frame(frame)
            self._closed = frame.opcode is Opcode.CLOSE
        if self._closed and len(frames.buffer):
            self._fault("something follows the close frame")

    def _fault(self, text: str) -> None:
        self._done = True
        self._faults.append(f"the {self._who}: {text}")
