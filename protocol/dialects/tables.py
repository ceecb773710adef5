"""A dialect made from its tables: parse, encode, matches, spell and read, whatever the spelling.

Theory of operation: `TableDialect` asks its spelling once, when it is made, and keeps what a message needs in
dictionaries: type → reader for what arrives, class → encoder for what leaves. Encoding an event is then a dictionary
look-up, one generated function and orjson.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeAlias

import attrs
import cattrs

from protocol.dialects.codec import Codec, Fields, Structure
from protocol.dialects.rows import Row, command_rows, message_rows, needs
from protocol.dialects.shapes import GROUPS, ByField, Shape, Spelling
from protocol.dialects.text import dumps
from protocol.errors import BadField, BadMessage, UnknownType
from protocol.messages import (
    Broadcast,
    Command,
    Control,
    Event,
    Json,
    NodeProgress,
    Progress,
    ServerMessage,
    Snapshot,
    StartRun,
)

__all__ = ["TableDialect"]

_Body: TypeAlias = Callable[[Any, str, float, int], Fields]
"""(message, id, at, conflated) → the JSON object."""
_ANSWERS: Final[Mapping[type[Command], Literal["start", "control"]]] = {StartRun: "start", Control: "control"}


class TableDialect:
    """One spelling of the canonical messages; see `protocol.dialects.contract.Dialect`."""

    def __init__(self, spelling: Spelling) -> None:
        self.spelling = spelling
        self.name = spelling.name
        self._envelope = spelling.envelope
        self._codec = codec = Codec(spelling)
        self._time = spelling.time.spell or float
        self._commands = {shape.type: (shape, codec.command_reader(shape)) for shape in spelling.commands}
        self._paths = {
            shape.type: self._paths_of(shape.cls, command_rows(spelling, shape)) for shape in spelling.commands
        }
        self._needs = {shape.type: needs(spelling, shape) for shape in spelling.commands}
        self._spellers = [(shape, codec.command_speller(shape)) for shape in spelling.commands]
        self._bodies: dict[type, _Body] = {Broadcast: lambda message, *_: dict(message.body)}
        self._types: dict[type, Callable[[Any], str]] = {}
        for cls in dict.fromkeys(shape.cls for shape in spelling.shapes):
            self._add(cls, [shape for shape in spelling.shapes if shape.cls is cls])
        self._readers: dict[str, list[tuple[Shape, Structure]]] = {}
        for shape in spelling.shapes:
            reader = codec.reader(shape)
            for name in shape.names:
                self._readers.setdefault(name, []).append((shape, reader))
        self._names = {
            (shape.cls, name): frozenset({"*", GROUPS.get(shape.cls, "*"), name if spelling.matches_types else "*"})
            for shape in spelling.shapes
            for name in shape.names
        }

    def knows(self, type_: str) -> bool:
        """Whether a peer that speaks this dialect may send messages of this type."""
        return type_ in self._commands

    def answers(self, type_: str) -> Literal["start", "control"] | None:
        """Whether a bad message of this type is answered in its command's own form, and in which."""
        return _ANSWERS.get(self._commands[type_][0].cls) if type_ in self._commands else None

    def parse(self, message: Mapping[str, Json]) -> Command:
        """A peer's message as the command that it means."""
        type_ = message.get("type")
        if not isinstance(type_, str):
            raise BadMessage("A message needs a `type`, which is a string")
        if type_ not in self._commands:
            raise UnknownType(type_)
        shape, read = self._commands[type_]
        keys = self._envelope.unwrap(message)
        if "graph" in attrs.fields_dict(shape.cls):
            keys = self._envelope.open(keys)
        keys = {**keys, **shape.says}
        paths = self._paths[type_]
        lacking = [
            (paths[need.row.name], "is required")
            for need in self._needs[type_]
            if keys.get(need.key) == need.value and need.row.key not in keys
        ]
        try:
            command: Command = read(keys)
        except cattrs.BaseValidationError as error:
            raise BadField([*self._codec.faults(error, "", paths), *lacking]) from None
        if lacking:
            raise BadField(lacking)
        return command

    def body(self, message: ServerMessage, *, id: str = "", at: float = 0.0, conflated: int = 0) -> dict[str, Json]:
        """A message to a peer as the JSON object that `encode` writes."""
        return self._bodies[message.__class__](message, id, at, conflated)

    def encode(self, message: ServerMessage, *, id: str = "", at: float = 0.0, conflated: int = 0) -> bytes:
        """A message to a peer as JSON text in UTF-8."""
        return dumps(self._bodies[message.__class__](message, id, at, conflated))

    def matches(self, types: frozenset[str], message: ServerMessage) -> bool:
        """Whether a message is of one of these types or groups; a broadcast is of all of them."""
        cls = message.__class__
        if cls is Broadcast:
            return True
        return not types.isdisjoint(self._names[cls, self._types[cls](message)])

    def spell(self, command: Command, *, at: float = 0.0) -> bytes:
        """A command as a client sends it: JSON text in UTF-8."""
        for shape, spell in self._spellers:
            if shape.cls is command.__class__ and all(getattr(command, name) == it for name, it in shape.says.items()):
                sealed = self._envelope.seal(
                    spell(command),
                    type=shape.type,
                    id=command.id,
                    timestamp=self._time(at),
                    workflow_id=command.workflow_id,
                )
                return dumps(sealed)
        raise TypeError(f"the dialect {self.name} has no words for {command!r}")

    def read(self, message: Mapping[str, Json]) -> ServerMessage:
        """A server's message as a client sees it; one of no known type is a broadcast."""
        type_ = message.get("type")
        if not isinstance(type_, str) or type_ not in self._readers:
            return Broadcast(message)
        keys = self._envelope.unwrap(message)
        for shape, read in self._readers[type_]:
            if issubclass(shape.cls, Event) == ("seq" in keys) and (shape.reads is None or shape.reads(keys)):
                return self._read(shape, read, keys)
        return Broadcast(message)

    def _read(self, shape: Shape, read: Structure, keys: Fields) -> ServerMessage:
        if issubclass(shape.cls, Progress | NodeProgress):
            n = str(keys.get("id", "")).rpartition(":p")[2]
            keys["n"] = int(n) if n.isdecimal() else None
        try:
            read_message: ServerMessage = read(keys)
        except cattrs.BaseValidationError as error:
            paths = self._paths_of(shape.cls, message_rows(self.spelling, shape))
            raise BadField(list(self._codec.faults(error, "", paths))) from None
        if isinstance(read_message, Snapshot):
            for node in read_message.nodes.values():
                node.run_id, node.workflow_id = read_message.run_id, read_message.workflow_id
        return read_message

    def _paths_of(self, cls: type, rows: Sequence[Row]) -> dict[str, str]:
        graph = "graph" in attrs.fields_dict(cls)
        return {row.name: self._envelope.path(row.key, graph=graph) for row in rows}

    def _add(self, cls: type, shapes: Sequence[Shape]) -> None:
        bodies = [(shape.fits, self._type_of(shape), self._body_of(shape)) for shape in shapes]
        if len(bodies) == 1:
            _, self._types[cls], self._bodies[cls] = bodies[0]
            return

        def type_of(message: Any) -> str:
            return next(type_(message) for fits, type_, _ in bodies if fits is None or fits(message))

        def body(message: Any, id: str, at: float, conflated: int) -> Fields:
            return next(make(message, id, at, conflated) for fits, _, make in bodies if fits is None or fits(message))

        self._types[cls], self._bodies[cls] = type_of, body

    def _type_of(self, shape: Shape) -> Callable[[Any], str]:
        if isinstance(shape.type, ByField):
            field, types = shape.type.field, shape.type.types
            return lambda message: types[getattr(message, field)]
        return partial(_constant, shape.type)

    def _body_of(self, shape: Shape) -> _Body:
        spell, wrap, time, type_of = self._codec.speller(shape), self._envelope.wrap, self._time, self._type_of(shape)

        def event(m: Any, _id: str, _at: float, conflated: int) -> Fields:
            run_id, seq = m.run_id, m.seq
            return wrap(spell(m), type_of(m), f"{run_id}:{seq}", time(m.at), m.workflow_id, run_id, seq, conflated)

        def progress(m: Any, _id: str, _at: float, conflated: int) -> Fields:
            run_id = m.run_id
            return wrap(spell(m), type_of(m), f"{run_id}:p{m.n}", time(m.at), m.workflow_id, run_id, None, conflated)

        def reply(m: Any, id: str, at: float, conflated: int) -> Fields:
            return wrap(spell(m), type_of(m), id, time(at), m.workflow_id, None, None, conflated)

        if issubclass(shape.cls, Event):
            return event
        return progress if issubclass(shape.cls, Progress | NodeProgress) else reply


def _constant(type_: str, _message: Any) -> str:
    return type_
