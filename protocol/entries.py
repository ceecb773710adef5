"""An event as a journal keeps it: JSON bytes that leave out what is at its default, and which run it is of.

Theory of operation: one table has for each class of event its letter, what takes its fields, and what makes a value
read from JSON into the field's own type. Writing is the hot path, an event in about a microsecond, so cattrs makes a
function for each class, and no value is converted before orjson meets it. Whoever keeps entries knows the run, so
`run_id` and `workflow_id` are not repeated; the seq is, so that entries which were mixed up are found out.

A field that this version does not know comes from a newer one and is left out; an event without a field that it must
have, or of a kind that is not known, cannot be read, and says so.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import attrs
import cattrs
import orjson
from cattrs.fns import identity
from cattrs.gen import make_dict_unstructure_fn, override

from protocol.dialects.text import dumps
from protocol.errors import BadEntry
from protocol.graph import Problem
from protocol.messages import (
    Event,
    Json,
    Logged,
    NodeChanged,
    RunChanged,
    RunEnded,
    RunStarted,
    Summary,
    Waiting,
)
from protocol.states import NodeStatus, RunStatus

__all__ = ["pack", "pack_json", "unpack", "unpack_json", "unpack_many"]

_Read: TypeAlias = Callable[[Any], Any]

_CONVERTER: Final = cattrs.Converter()

_KIND: Final = "e"
"""The key of an entry that tells the class of its event."""


class _Shape(NamedTuple):
    """How the fields of one class are written and read."""

    made: type
    fields: Callable[[Any], dict[str, Any]]
    """What of an object is not at its default, as it is."""
    read: Sequence[tuple[str, _Read]]
    """Fields that JSON gives in another type than their own."""
    known: frozenset[str]


def pack(event: Event) -> bytes:
    """An event, without `run_id` and `workflow_id`. What JSON can not say becomes the nearest that it can."""
    letter, shape = _WRITTEN[type(event)]
    entry = shape.fields(event)
    entry[_KIND] = letter
    try:
        return orjson.dumps(entry, _plain)
    except TypeError:
        return dumps({name: _plainly(value) for name, value in entry.items()})


def unpack(entry: bytes, *, run_id: str, workflow_id: str) -> Event:
    """The event that was packed.

    Raises:
        BadEntry: it was not written by `pack`, or by a version that knows more kinds of events.
    """
    events = unpack_many(entry, run_id=run_id, workflow_id=workflow_id)
    if len(events) != 1:
        raise _unreadable(run_id, events, f"{len(events)} entries where there should be one")
    return events[0]


def unpack_many(entries: bytes | str, *, run_id: str, workflow_id: str) -> list[Event]:
    """The events that were packed one after another, joined by commas.

    Raises:
        BadEntry: one of them can not be read, as for `unpack`, or they do not follow each other.
    """
    events: list[Event] = []
    seq = 0
    try:
        for fields in orjson.loads(b"[%b]" % entries if isinstance(entries, bytes) else f"[{entries}]"):
            made, _, read, known = _READ[fields.pop(_KIND)]
            for name, convert in read:
                if name in fields:
                    fields[name] = convert(fields[name])
            if not fields.keys() <= known:
                fields = {name: value for name, value in fields.items() if name in known}  # noqa: PLW2901
            event = made(run_id=run_id, workflow_id=workflow_id, **fields)
            if events and event.seq != seq + 1:
                raise ValueError(f"event {event.seq} follows {seq}")
            seq = event.seq
            events.append(event)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(run_id, events, f"{type(error).__name__}: {error}") from None
    return events


def pack_json(value: Json) -> bytes:
    """A value of a note. What JSON can not say becomes the nearest that it can."""
    return dumps(value)


def unpack_json(value: bytes | str) -> Json:
    """What was packed.

    Raises:
        BadEntry: it is no JSON.
    """
    try:
        return orjson.loads(value)
    except ValueError as error:
        raise BadEntry(f"a note can not be read: {error}") from None


def _unreadable(run_id: str, events: Sequence[Event], why: str) -> BadEntry:
    where = f"what follows event {events[-1].seq}" if events else "an event"
    return BadEntry(
        f"{where} of run {run_id} can not be read ({why}): the journal is damaged, or was written by a newer version"
    )


def _shape(made: type, *keys: str, **read: _Read) -> _Shape:
    """The fields of a class but `keys`."""
    names = frozenset(field.name for field in attrs.fields(made)).difference(keys)
    overrides: dict[str, Any] = {name: override(unstruct_hook=identity) for name in names}
    overrides |= {key: override(omit=True) for key in keys}
    write: Callable[[Any], dict[str, Any]] = make_dict_unstructure_fn(
        made, _CONVERTER, _cattrs_omit_if_default=True, **overrides
    )
    return _Shape(made, write, tuple(read.items()), names)


def _plain(value: Any) -> Any:
    """What orjson does not write by itself: the parts of an event, and mappings that are no dict."""
    if (shape := _PARTS.get(type(value))) is not None:
        return shape.fields(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _plainly(value: Any) -> Any:
    """A field whose parts are dicts."""
    if isinstance(value, tuple):
        return [_plainly(each) for each in value]
    return _plain(value) if type(value) in _PARTS else value


def _part(shape: _Shape) -> _Read:
    """Reads a part; None stays None."""

    def read(value: dict[str, Any] | None) -> Any:
        if value is None:
            return None
        fields = {name: each for name, each in value.items() if name in shape.known}
        for name, convert in shape.read:
            if name in fields:
                fields[name] = convert(fields[name])
        return shape.made(**fields)

    return read


def _maybe_tuple(value: list[Any] | None) -> tuple[Any, ...] | None:
    return None if value is None else tuple(value)


# By a table, which is five times as fast as calling the class.
_RUN_STATUS: Final = {status.value: status for status in RunStatus}.__getitem__
_NODE_STATUS: Final = {status.value: status for status in NodeStatus}.__getitem__

_PROBLEM: Final = _shape(Problem)
_WAITING: Final = _shape(Waiting)
_SUMMARY: Final = _shape(Summary, status=_RUN_STATUS, abandoned=_maybe_tuple)
_PARTS: Final[Mapping[type, _Shape]] = {shape.made: shape for shape in (_PROBLEM, _WAITING, _SUMMARY)}

_KEY: Final = ("run_id", "workflow_id")


def _problems(value: list[dict[str, Any]]) -> tuple[Any, ...]:
    return tuple(map(_part(_PROBLEM), value))


_READ: Final[Mapping[str, _Shape]] = {
    "s": _shape(RunStarted, *_KEY, status=_RUN_STATUS, warnings=_problems),
    "n": _shape(NodeChanged, *_KEY, status=_NODE_STATUS, iteration=tuple, fired=tuple, waiting=_part(_WAITING)),
    "l": _shape(Logged, *_KEY, iteration=tuple),
    "r": _shape(RunChanged, *_KEY, status=_RUN_STATUS, in_flight=_maybe_tuple),
    "z": _shape(RunEnded, *_KEY, status=_RUN_STATUS, summary=_part(_SUMMARY)),
}
"""Letter → class. A letter is never given to another class."""

_WRITTEN: Final = {shape.made: (letter, shape) for letter, shape in _READ.items()}
