"""Messages as the bytes of server frames, shared by all who are sent them.

Theory of operation: a server's frames are not masked (RFC 6455, section 5.1), and no extension is negotiated, so the
same message is the same bytes for every peer. One `wsproto` connection serves as the frame factory for the whole
process: it never receives anything, is never closed, and sends only finished messages, after each of which it is as it
was before. What it writes before a payload depends on the size alone, so it is asked once for each size that is in use.
How large a frame may be is the caller's business.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

__all__ = ["batch_frame", "text_frame", "text_frames"]

_FACTORY: Final = Connection(ConnectionType.SERVER)

_SIZES: Final = 4096
"""Those that are remembered: nearly all messages are shorter than that."""


def text_frame(payload: bytes) -> bytes:
    """One complete text frame.

    Args:
        payload: text in UTF-8.
    """
    return _head(len(payload)) + payload


def text_frames(payloads: Iterable[bytes]) -> bytes:
    """A complete text frame for each, one after the other.

    Args:
        payloads: each one text in UTF-8.
    """
    return b"".join([part for payload in payloads for part in (_head(len(payload)), payload)])


def batch_frame(payloads: Sequence[bytes]) -> bytes:
    """One complete text frame with a JSON array of messages.

    Args:
        payloads: each one JSON text in UTF-8.
    """
    return text_frame(b"[" + b",".join(payloads) + b"]")


@lru_cache(maxsize=_SIZES)
def _head(size: int) -> bytes:
    """What comes before a payload of so many bytes."""
    frame = _FACTORY.send(TextMessage(data=" " * size))
    return frame[: len(frame) - size]
