"""The tables that a dialect is made of: which message has which type, and how its fields are spelled.

Theory of operation: a `Shape` tells all about one class of server messages in one dialect, a `CommandShape` all about
one type of commands; a `Spelling` is what a whole dialect has in common. Encoders, readers and the JSON Schema are all
made from these rows, and from nothing else, so that they cannot drift apart.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import attrs

from protocol.dialects.units import Unit
from protocol.messages import (
    Command,
    HeartbeatReply,
    Json,
    Logged,
    NodeChanged,
    NodeProgress,
    Progress,
    RunChanged,
    RunEnded,
    RunStarted,
    SystemStatus,
)

__all__ = [
    "GROUPS",
    "ByField",
    "CommandShape",
    "Envelope",
    "Extra",
    "Shape",
    "Spelling",
]

GROUPS: Final[Mapping[type, str]] = {
    NodeChanged: "node_status",
    NodeProgress: "node_status",
    RunStarted: "workflow_status",
    RunChanged: "workflow_status",
    RunEnded: "workflow_status",
    Progress: "progress",
    Logged: "log",
    SystemStatus: "system",
    HeartbeatReply: "system",
}
"""Class of messages → the group that a subscription may name."""


@attrs.frozen(kw_only=True)
class ByField:
    """The type of a message follows from one of its fields."""

    field: str
    types: Mapping[Any, str]


@attrs.frozen(kw_only=True)
class Extra:
    """A key of the wire that no field stands behind."""

    spell: Callable[[Any], Json]
    """Message → what is written, before it is spelled as `type`."""
    type: Any


@attrs.frozen(kw_only=True)
class Shape:
    """How one class of server messages is written in one dialect. A class may have several; the first that fits."""

    cls: type
    type: str | ByField
    fits: Callable[[Any], bool] | None = None
    """Message → whether it is written in this shape; None: always."""
    rename: Mapping[str, str] = attrs.field(factory=dict)
    """Field → key, where the dialect's rule does not say it."""
    omit: frozenset[str] = frozenset()
    """Fields that this shape leaves out."""
    optional: frozenset[str] = frozenset()
    """Fields that are left out when they have their default."""
    units: Mapping[str, Unit] = attrs.field(factory=dict)
    """Field → how its value is written, where its type and metadata do not say it."""
    extras: Mapping[str, Extra] = attrs.field(factory=dict)
    """Key → what else is written."""
    reads: Callable[[Mapping[str, Json]], bool] | None = None
    """Keys of a received message → whether this shape is meant; None: it is, if its type and its seq fit."""
    restore: Callable[[Mapping[str, Json]], Mapping[str, Json]] | None = None
    """Keys of a received message → what else its fields are read from."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every type that it may be sent as, each once."""
        return (self.type,) if isinstance(self.type, str) else tuple(dict.fromkeys(self.type.types.values()))


@attrs.frozen(kw_only=True)
class CommandShape:
    """One type of commands in one dialect."""

    cls: type[Command]
    type: str
    says: Mapping[str, Json] = attrs.field(factory=dict)
    """Field → the value that the type alone tells; such a field is not on the wire."""
    rename: Mapping[str, str] = attrs.field(factory=dict)
    """Field → key, where the dialect's rule does not say it."""


class Envelope(Protocol):
    """Where a dialect puts the fields of a message."""

    def wrap(  # noqa: PLR0917  # the hot path: by place
        self,
        fields: dict[str, Json],
        type: str,
        id: str,
        timestamp: Json,
        workflow_id: str,
        run_id: str | None,
        seq: int | None,
        conflated: int,
        /,
    ) -> dict[str, Json]:
        """A server's message around its fields. All by place: this is the hot path."""
        ...

    def unwrap(self, message: Mapping[str, Json]) -> dict[str, Json]:
        """All keys of a message side by side, those of the envelope first in rank; a null is no key.

        Raises:
            BadField: the envelope itself is broken.
        """
        ...

    def open(self, fields: dict[str, Json]) -> dict[str, Json]:
        """Of a command with a graph, unwrapped: the same with its graph under `graph`."""
        ...

    def path(self, key: str, *, graph: bool) -> str:
        """Where a peer finds a key of its command; `graph`: of one that carries a graph."""
        ...

    def seal(
        self, fields: dict[str, Json], *, type: str, id: str, timestamp: Json, workflow_id: str
    ) -> dict[str, Json]:
        """A client's command around its fields, its graph under `graph`."""
        ...


@attrs.frozen(kw_only=True)
class Spelling:
    """What a dialect is."""

    name: str
    key: Callable[[str], str]
    """Field → key."""
    rename: Mapping[type, Mapping[str, str]] = attrs.field(factory=dict)
    """Class of a part of a message → field → key, where the rule does not say it."""
    time: Unit
    duration: Unit
    statuses: Unit
    """How the status of a node is written."""
    envelope: Envelope
    shapes: Sequence[Shape]
    commands: Sequence[CommandShape]
    matches_types: bool
    """Whether a subscription may name types of messages besides groups."""
