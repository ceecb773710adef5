"""The fields of a class as one spelling writes them, row by row: encoders, readers and schema are made of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import attrs

from protocol.dialects.shapes import CommandShape, Shape, Spelling
from protocol.dialects.units import Unit
from protocol.dialects.values import COMMAND_UNITS, NEEDED_WITH
from protocol.messages import Event, NodeChanged, NodeProgress, Progress, RunList, RunStarted, Waiting

__all__ = ["Need", "Row", "command_rows", "key_of", "message_rows", "needs", "part_rows"]

_ALWAYS: Final[Mapping[type, frozenset[str]]] = {
    NodeChanged: frozenset({"result"}),
    RunList: frozenset({"next_cursor"}),
    Waiting: frozenset({"schema"}),
}
"""Fields that are there even when they are None; others are left out then."""

_OPTIONAL: Final = frozenset({"iteration"})
"""Fields that are left out when they have their default, though that is not None."""

_NEVER: Final[Mapping[type, frozenset[str]]] = {NodeChanged: frozenset({"values"})}
"""Fields that are not for the wire."""


@attrs.frozen(kw_only=True)
class Row:
    """One field."""

    name: str
    key: str
    type: Any
    """As annotated."""
    unit: Unit | None
    """How its value is written; None: as its type is."""
    written: bool
    """False: an envelope carries it, the type tells it, or nobody does."""
    optional: bool
    """Left out when it has its default."""
    required: bool
    """It has no default."""


class Need(NamedTuple):
    """A field of a command that must be there, though it has a default."""

    row: Row
    key: str
    """The key of the field that decides."""
    value: str
    """With which value it does."""
    always: bool
    """The type of the command tells that value."""


def message_rows(spelling: Spelling, shape: Shape) -> Sequence[Row]:
    """The fields of a server's message."""
    # In the envelope the time of a fact is called what it is there.
    rename = {"at": "timestamp", **shape.rename}
    never = _header(shape.cls) | shape.omit
    return _rows(spelling, shape.cls, never=never, optional=shape.optional, rename=rename, units=shape.units)


def command_rows(spelling: Spelling, shape: CommandShape) -> Sequence[Row]:
    """The fields of a command."""
    never = frozenset({"id", "workflow_id", *shape.says})
    everything = frozenset(attrs.fields_dict(shape.cls))
    return _rows(spelling, shape.cls, never=never, optional=everything, rename=shape.rename, units=COMMAND_UNITS)


def needs(spelling: Spelling, shape: CommandShape) -> Sequence[Need]:
    """The fields of a command that must be there, depending on others."""
    rows = {row.name: row for row in command_rows(spelling, shape)}
    return [
        Need(rows[name], rows[other].key, value, always=shape.says.get(other) == value)
        for name, (other, value) in NEEDED_WITH.items()
        if name in rows and shape.says.get(other, value) == value
    ]


def part_rows(spelling: Spelling, cls: type) -> Sequence[Row]:
    """The fields of a part of a message."""
    return _rows(spelling, cls, never=frozenset(), optional=frozenset(), rename={}, units={})


def key_of(spelling: Spelling, cls: type, name: str) -> str:
    """The key of a field, where no shape says it."""
    return spelling.rename.get(cls, {}).get(name) or spelling.key(name)


def _rows(
    spelling: Spelling,
    cls: type,
    *,
    never: frozenset[str],
    optional: frozenset[str],
    rename: Mapping[str, str],
    units: Mapping[str, Unit],
) -> Sequence[Row]:
    by_metadata = {"time": spelling.time, "duration": spelling.duration}
    never |= _NEVER.get(cls, frozenset())
    optional |= _OPTIONAL
    always = _ALWAYS.get(cls, frozenset())
    return [
        Row(
            name=field.name,
            key=rename.get(field.name) or key_of(spelling, cls, field.name),
            type=field.type,
            unit=units.get(field.name) or by_metadata.get(field.metadata.get("unit", "")),
            written=field.name not in never,
            optional=field.name in optional or (field.default is None and field.name not in always),
            required=field.default is attrs.NOTHING,
        )
        for field in attrs.fields(cls)
    ]


def _header(cls: type) -> frozenset[str]:
    """The fields that a class's envelope carries, and its payload does not."""
    if issubclass(cls, RunStarted):
        return frozenset({"workflow_id", "seq", "at"})
    if issubclass(cls, Event):
        return frozenset({"run_id", "workflow_id", "seq", "at"})
    if issubclass(cls, Progress | NodeProgress):
        return frozenset({"run_id", "workflow_id", "at", "n"})
    return frozenset({"workflow_id"})
