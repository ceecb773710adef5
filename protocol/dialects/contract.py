"""What a dialect promises: one spelling of the canonical messages on the wire, in both directions.

Theory of operation: a dialect is a value without state, made once when its module is imported; it may be shared by
every session and every thread. It knows no session: ids and times of replies are handed to it. Server and client are
two ends of the same tables, so what one end spells the other end reads: `parse` undoes `spell`, `read` undoes `encode`.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

from protocol.messages import Command, Json, ServerMessage

__all__ = ["Dialect"]


class Dialect(Protocol):
    """One spelling of the canonical messages."""

    @property
    def name(self) -> str:
        """`snake`, `camel` or `flat`."""
        ...

    def knows(self, type_: str) -> bool:
        """Whether a peer that speaks this dialect may send messages of this type."""
        ...

    def answers(self, type_: str) -> Literal["start", "control"] | None:
        """Whether a bad message of this type is answered in its command's own form, and in which."""
        ...

    def parse(self, message: Mapping[str, Json]) -> Command:
        """A peer's message as the command that it means.

        Raises:
            BadMessage: it has no `type`.
            UnknownType: its `type` is not one of this dialect.
            BadField: fields are missing or wrong; every one of them is named, in the peer's spelling.
        """
        ...

    def body(self, message: ServerMessage, *, id: str = "", at: float = 0.0, conflated: int = 0) -> dict[str, Json]:
        """A message to a peer as the JSON object that `encode` writes."""
        ...

    def encode(self, message: ServerMessage, *, id: str = "", at: float = 0.0, conflated: int = 0) -> bytes:
        """A message to a peer as JSON text in UTF-8. Never raises for the sake of a user's value.

        Args:
            message: events and progress know their id and time; a broadcast is written verbatim.
            id: of a reply.
            at: time of a reply, in seconds since the epoch.
            conflated: how many seqs were left out before this message; 0 says nothing.
        """
        ...

    def matches(self, types: frozenset[str], message: ServerMessage) -> bool:
        """Whether a message is of one of these types or groups, as this dialect names them."""
        ...

    def spell(self, command: Command, *, at: float = 0.0) -> bytes:
        """A command as a client sends it: JSON text in UTF-8."""
        ...

    def read(self, message: Mapping[str, Json]) -> ServerMessage:
        """A server's message as a client sees it; one of no known type is a broadcast.

        Raises:
            BadField: it is of a known type, but not one that this dialect writes.
        """
        ...
