"""A message as the bytes of one server frame, shared by all who are sent it.

Theory of operation: a server's frames are not masked (RFC 6455, section 5.1), and no extension is negotiated, so the
same message is the same bytes for every peer. One `wsproto` connection serves as the frame factory for the whole
process: it never receives anything, is never closed, and sends only finished messages, after each of which it is as it
was before. How large a frame may be is the caller's business.
"""

from collections.abc import Sequence
from typing import Final

from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

__all__ = ["batch_frame", "text_frame"]

_FACTORY: Final = Connection(ConnectionType.SERVER)


def text_frame(payload: bytes) -> bytes:
    """One complete text frame.

    Args:
        payload: text in UTF-8.
    """
    return _FACTORY.send(TextMessage(data=payload.decode()))


def batch_frame(payloads: Sequence[bytes]) -> bytes:
    """One complete text frame with a JSON array of messages.

    Args:
        payloads: each one JSON text in UTF-8.
    """
    return text_frame(b"[" + b",".join(payloads) + b"]")
