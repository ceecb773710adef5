"""JSON Schema of every message in every dialect, made from the rows that the dialects themselves are made from.

Theory of operation: nothing is described here a second time. The leaves of a schema come from the fields of the message
classes; their places come from the dialect's own envelope, which is asked to wrap leaves instead of values. So a schema
cannot say anything else than what is encoded.

`$defs` holds `<dialect>.client` and `<dialect>.server` (any message of that end), `<dialect>.client.<type>` and
`<dialect>.server.<type>` (each message), and `<dialect>.<Class>` (their parts). Unknown extra keys are always allowed:
they are how messages grow.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, get_args, get_origin

import attrs

from protocol.dialects.camel import CAMEL
from protocol.dialects.flat import FLAT
from protocol.dialects.rows import Row, command_rows, key_of, message_rows, needs, part_rows
from protocol.dialects.shapes import CommandShape, Shape, Spelling
from protocol.dialects.snake import SNAKE
from protocol.dialects.strict import is_optional, of_optional
from protocol.dialects.values import GRAPH
from protocol.messages import Event, Json, NodeChanged, NodeProgress, Progress
from protocol.states import NodeStatus

__all__ = ["schema"]

_Schema: TypeAlias = dict[str, Json]

_SCALARS: Final[Mapping[Any, _Schema]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number"},
    type(None): {"type": "null"},
    None: {"type": "null"},
    Any: {},
}
_TEXT: Final = _SCALARS[str]
_NEEDED: Final = frozenset({"workflow"})
"""Objects within a command that must be there, though everything in them may be missing."""


@attrs.frozen
class _Leaf:
    """What stands at one place of a message."""

    schema: _Schema
    required: bool


def schema() -> dict[str, Json]:
    """The JSON Schema (draft 2020-12) of all messages, commands and server's messages alike."""
    definitions: dict[str, _Schema] = {}
    for dialect in (SNAKE, CAMEL, FLAT):
        definitions |= _Writer(dialect.spelling).definitions()
    ends = [f"{dialect.name}.{end}" for dialect in (SNAKE, CAMEL, FLAT) for end in ("client", "server")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The messages of callboard",
        "anyOf": [_ref(end) for end in ends],
        "$defs": definitions,
    }


class _Writer:
    """Writes the schema of one spelling; the parts that messages refer to are found on the way."""

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling
        self._parts: dict[str, _Schema] = {}

    def definitions(self) -> dict[str, _Schema]:
        name, found = self._spelling.name, {}
        for end, shapes in (("client", self._commands()), ("server", self._messages())):
            by_type: dict[str, list[_Schema]] = {}
            for type_, shape in shapes:
                by_type.setdefault(type_, []).append(shape)
            for type_, forms in by_type.items():
                found[f"{name}.{end}.{type_}"] = forms[0] if len(forms) == 1 else {"anyOf": forms}
            found[f"{name}.{end}"] = {"anyOf": [_ref(f"{name}.{end}.{type_}") for type_ in by_type]}
        return found | self._parts

    def _messages(self) -> Iterator[tuple[str, _Schema]]:
        for shape in self._spelling.shapes:
            for type_ in shape.names:
                yield type_, self._message(shape, type_)

    def _message(self, shape: Shape, type_: str) -> _Schema:
        of_run = issubclass(shape.cls, Event | Progress | NodeProgress)
        leaves: Any = self._spelling.envelope.wrap(
            self._written(shape),
            _must({"const": type_}),  # type: ignore[arg-type]  # leaves stand where values stand
            _must(_TEXT),  # type: ignore[arg-type]
            _must(dict(self._spelling.time.schema)),
            _must(_TEXT),  # type: ignore[arg-type]
            _must(_TEXT) if of_run else None,  # type: ignore[arg-type]
            _must({"type": "integer", "minimum": 1}) if issubclass(shape.cls, Event) else None,  # type: ignore[arg-type]
            _may({"type": "integer", "minimum": 1}),  # type: ignore[arg-type]
        )
        return {"description": _summary(shape.cls), **_object(leaves)}

    def _written(self, shape: Shape) -> dict[str, Json]:
        leaves = self._leaves(message_rows(self._spelling, shape))
        for name, extra in shape.extras.items():
            leaves[key_of(self._spelling, shape.cls, name)] = _must(self._type(extra.type))
        return leaves

    def _commands(self) -> Iterator[tuple[str, _Schema]]:
        for shape in self._spelling.commands:
            yield shape.type, self._command(shape)

    def _command(self, shape: CommandShape) -> _Schema:
        rows, needed = command_rows(self._spelling, shape), needs(self._spelling, shape)
        musts = {need.row.name for need in needed if need.always}
        # A peer may leave out, or send as null, whatever has a default.
        leaves: dict[str, Any] = {
            row.key: _must(self._row(row)) if row.required or row.name in musts else _may(_nullable(self._row(row)))
            for row in rows
            if row.written
        }
        if "graph" in leaves:
            leaves["graph"] = {key: _may({"type": ["array", "null"]}) for key in GRAPH}
        spelled: Any = self._spelling.envelope.seal(
            leaves,
            type=_must({"const": shape.type}),  # type: ignore[arg-type]  # leaves stand where values stand
            id=_may(_nullable(self._row(next(row for row in rows if row.name == "id")))),  # type: ignore[arg-type]
            timestamp=_may({}),
            workflow_id=_may(_nullable(_TEXT)),  # type: ignore[arg-type]
        )
        conditions = [
            {
                "if": {"properties": {need.key: {"const": need.value}}, "required": [need.key]},
                "then": {"properties": {need.row.key: self._row(need.row)}, "required": [need.row.key]},
            }
            for need in needed
            if not need.always
        ]
        return {"description": _summary(shape.cls), **_object(spelled)} | ({"allOf": conditions} if conditions else {})

    def _part(self, cls: type) -> _Schema:
        name = f"{self._spelling.name}.{cls.__name__}"
        if name not in self._parts:
            self._parts[name] = {}  # parts may contain each other
            if cls is NodeChanged:
                shape = next(shape for shape in self._spelling.shapes if shape.cls is cls)
                leaves = self._written(shape)
            else:
                leaves = self._leaves(part_rows(self._spelling, cls))
            self._parts[name] = {"description": _summary(cls), **_object(leaves)}
        return _ref(name)

    def _leaves(self, rows: Sequence[Row]) -> dict[str, Json]:
        return {row.key: _Leaf(self._row(row), not row.optional) for row in rows if row.written}

    def _row(self, row: Row) -> _Schema:
        if row.unit is not None:
            return dict(row.unit.schema)
        # What is optional is left out rather than null; what is always there may be.
        return self._type(of_optional(row.type) if row.optional and is_optional(row.type) else row.type)

    def _type(self, cls: Any) -> _Schema:
        if cls in _SCALARS:
            return _SCALARS[cls]
        if cls is NodeStatus:
            return dict(self._spelling.statuses.schema)
        if isinstance(cls, type) and issubclass(cls, Enum):
            return {"enum": [str(member) for member in cls]}
        if attrs.has(cls):
            return self._part(cls)
        if is_optional(cls):
            return _nullable(self._type(of_optional(cls)))
        origin, arguments = get_origin(cls), get_args(cls)
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin is tuple:
            return {"type": "array", "items": self._type(arguments[0])}
        if origin is Mapping:
            return {"type": "object", "additionalProperties": self._type(arguments[1])}
        raise TypeError(f"no schema is known for {cls}")


def _must(leaf: _Schema) -> _Leaf:
    return _Leaf(leaf, required=True)


def _may(leaf: _Schema) -> _Leaf:
    return _Leaf(leaf, required=False)


def _object(leaves: Mapping[str, Any]) -> _Schema:
    """The schema of an object whose members are leaves, or objects of leaves."""
    properties = {key: it.schema if isinstance(it, _Leaf) else _object(it) for key, it in leaves.items()}
    required = [
        key
        for key, it in leaves.items()
        if (it.required if isinstance(it, _Leaf) else key in _NEEDED or "required" in properties[key])
    ]
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


def _nullable(leaf: _Schema) -> _Schema:
    return {"anyOf": [leaf, {"type": "null"}]} if leaf else leaf


def _ref(name: str) -> _Schema:
    return {"$ref": f"#/$defs/{name}"}


def _summary(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]
