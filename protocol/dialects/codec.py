"""Canonical objects ↔ the JSON objects of one spelling: cattrs hooks, made once per class.

Theory of operation: `Codec` owns one cattrs converter, configured by a `Spelling`. For each shape it makes one function
per direction, so that nothing is looked up when a message passes. Reading is strict, and tells every fault at once:
cattrs collects them, `faults` names them as the peer spelled them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import attrs
import cattrs
from cattrs.fns import identity
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from protocol.dialects import strict
from protocol.dialects.shapes import ALWAYS, GRAPH, NEVER, OPTIONAL, CommandShape, Shape, Spelling, header
from protocol.dialects.text import MAX_DEPTH, deeper_than
from protocol.dialects.units import Unit
from protocol.messages import Json, NodeChanged
from protocol.states import NodeStatus, RunStatus

__all__ = ["COMMAND_UNITS", "Codec", "Fields", "Spell", "Structure"]

Fields: TypeAlias = dict[str, Json]
Spell: TypeAlias = Callable[[Any], Fields]
"""Object → its fields as keys and values of the wire."""
Structure: TypeAlias = Callable[[Mapping[str, Json]], Any]
"""Keys and values of the wire → object; raises what `Codec.faults` understands."""


class _GraphFaults(Exception):
    """What is wrong with the parts of a graph: pairs of (key, text)."""


def _graph(value: Json) -> Mapping[str, Json]:
    graph = strict.json_object(value)
    faults = [(key, "must be a list") for key in GRAPH if not isinstance(graph.get(key, []), list)]
    if faults:
        raise _GraphFaults(faults)
    return {"nodes": [], **graph} if "edges" in graph or "connections" in graph else {"nodes": [], "edges": [], **graph}


def _shallow(value: Json) -> Json:
    if deeper_than(value, MAX_DEPTH):
        raise ValueError(f"must not be nested deeper than {MAX_DEPTH} levels")
    return value


def _id(value: Json) -> str:
    # Some clients count their messages.
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise TypeError("must be a string")


COMMAND_UNITS: Final[Mapping[str, Unit]] = {
    "id": Unit(spell=None, read=_id, schema={"type": ["string", "integer"]}),
    "graph": Unit(spell=None, read=_graph, schema={"type": "object"}),
    "config": Unit(spell=None, read=lambda value: strict.json_object(_shallow(value)), schema={"type": "object"}),
    "value": Unit(spell=None, read=_shallow, schema={}),
}
"""Fields of commands that are read in a way of their own."""


class Codec:
    """The hooks of one spelling."""

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling
        self._node = next(shape for shape in spelling.shapes if shape.cls is NodeChanged)
        self._converter = converter = cattrs.Converter(detailed_validation=True)
        strict.install(converter)
        converter.register_structure_hook_factory(attrs.has, self._part_reader)
        # Both are strings too, and cattrs asks a type's bases before it asks a factory.
        converter.register_structure_hook(RunStatus, strict.word(RunStatus))
        converter.register_structure_hook(NodeStatus, _hook(spelling.statuses))
        converter.register_unstructure_hook_factory(strict.is_plain, lambda _: identity)
        converter.register_unstructure_hook_factory(_is_optional_part, self._maybe_part)
        converter.register_unstructure_hook_factory(attrs.has, self._part_speller)
        converter.register_unstructure_hook(NodeStatus, spelling.statuses.spell or identity)

    def key(self, name: str, cls: type, rename: Mapping[str, str]) -> str:
        """The key of a field of a class; `rename`: of the shape at hand."""
        own = rename.get(name) or self._spelling.rename.get(cls, {}).get(name)
        return own or self._spelling.key(name)

    def speller(self, shape: Shape) -> Spell:
        """A function that writes the fields of a message, those of its envelope left out."""
        hook = self._unstructure(
            shape.cls,
            never=header(shape.cls) | shape.omit,
            optional=shape.optional,
            rename=shape.rename,
            units=shape.units,
        )
        if not shape.extras:
            return hook
        extras = [
            (self.key(name, shape.cls, {}), extra.spell, self._converter.get_unstructure_hook(extra.type))
            for name, extra in shape.extras.items()
        ]

        def spell(message: Any) -> Fields:
            fields = hook(message)
            for key, extra, part in extras:
                fields[key] = part(extra(message))
            return fields

        return spell

    def reader(self, shape: Shape) -> Structure:
        """A function that reads a message from all of its keys."""
        structure = self._structure(shape.cls, rename={"at": "timestamp", **shape.rename}, units=shape.units)
        restore = shape.restore
        if restore is None:
            return structure
        return lambda keys: structure({**keys, **restore(keys)})

    def command_speller(self, shape: CommandShape) -> Spell:
        """A function that writes the fields of a command, `id` and `workflow_id` left out."""
        return self._unstructure(
            shape.cls,
            never=frozenset({"id", "workflow_id", *shape.says}),
            optional=frozenset(attrs.fields_dict(shape.cls)),
            rename=shape.rename,
            units={},
        )

    def command_reader(self, shape: CommandShape) -> Structure:
        """A function that reads a command from all of its keys."""
        return self._structure(shape.cls, rename=shape.rename, units=COMMAND_UNITS)

    def faults(self, error: BaseException, path: str, paths: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """What a reader raised, as pairs of (path, text).

        Args:
            error: what it raised.
            path: where the object is.
            paths: field → path, for the fields of the outermost object; those within follow the spelling.
        """
        match error:
            case cattrs.ClassValidationError():
                for inner, field in error.group_exceptions()[0]:
                    where = paths.get(field.name) or f"{path}.{self._spelling.key(field.name)}"
                    yield from self.faults(inner, where, {})
            case cattrs.IterableValidationError():
                for inner, item in error.group_exceptions()[0]:
                    yield from self.faults(inner, f"{path}[{item.index}]", {})
            case _GraphFaults():
                for key, text in error.args[0]:
                    yield f"{path}.{key}", text
            case KeyError():
                yield path, "is required"
            case _:
                yield path, str(error)

    def _unstructure(
        self,
        cls: type,
        *,
        never: frozenset[str] = frozenset(),
        optional: frozenset[str] = frozenset(),
        rename: Mapping[str, str],
        units: Mapping[str, Unit],
    ) -> Spell:
        never |= NEVER.get(cls, frozenset())
        optional |= OPTIONAL
        always = ALWAYS.get(cls, frozenset())
        overrides: dict[str, Any] = {}
        for field in attrs.fields(cls):
            unit = units.get(field.name) or self._unit(field)
            overrides[field.name] = override(
                omit=field.name in never,
                rename=self.key(field.name, cls, rename),
                omit_if_default=field.name in optional or (field.default is None and field.name not in always),
                unstruct_hook=(unit.spell or identity) if unit else None,
            )
        return make_dict_unstructure_fn(cls, self._converter, **overrides)

    def _structure(self, cls: type, *, rename: Mapping[str, str], units: Mapping[str, Unit]) -> Structure:
        overrides: dict[str, Any] = {}
        for field in attrs.fields(cls):
            unit = units.get(field.name) or self._unit(field)
            overrides[field.name] = override(
                rename=self.key(field.name, cls, rename), struct_hook=_hook(unit) if unit else None
            )
        hook: Callable[[Any, Any], Any] = make_dict_structure_fn(
            cls, self._converter, _cattrs_detailed_validation=True, **overrides
        )
        return lambda keys: hook(keys, cls)

    def _unit(self, field: "attrs.Attribute[Any]") -> Unit | None:
        match field.metadata.get("unit"):
            case "time":
                return self._spelling.time
            case "duration":
                return self._spelling.duration
            case _:
                return None

    def _part_speller(self, cls: type) -> Spell:
        """Parts of messages have no envelope; a node in a snapshot is written as in its own event."""
        return self.speller(self._node) if cls is NodeChanged else self._unstructure(cls, rename={}, units={})

    def _part_reader(self, cls: type) -> Callable[[Json, Any], Any]:
        if cls is not NodeChanged:
            read = self._structure(cls, rename={}, units={})
            return lambda value, _: read(strict.json_object(value))
        read, key, time = self.reader(self._node), self._spelling.key, self._spelling.time
        outside = {
            key("run_id"): "",
            key("workflow_id"): "",
            "seq": 0,
            "timestamp": time.spell(0.0) if time.spell else 0.0,
        }
        return lambda value, _: read({**strict.json_object(value), **outside})

    def _maybe_part(self, cls: Any) -> Callable[[Any], Json]:
        hook = self._converter.get_unstructure_hook(strict.of_optional(cls))
        return lambda part: None if part is None else hook(part)


def _is_optional_part(cls: Any) -> bool:
    return strict.is_optional(cls) and not strict.is_plain(cls)


def _hook(unit: Unit) -> Callable[[Json, Any], Any]:
    return lambda value, _: unit.read(value)
