"""Canonical objects ↔ the JSON objects of one spelling: cattrs hooks, made once per class.

Theory of operation: `Codec` owns one cattrs converter, configured by a `Spelling`. For each shape it makes one function
per direction, so that nothing is looked up when a message passes. Reading is strict, and tells every fault at once:
cattrs collects them, `faults` names them as the peer spelled them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import cattrs
from cattrs.fns import identity
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from protocol.dialects import strict
from protocol.dialects.rows import Row, command_rows, key_of, message_rows, part_rows
from protocol.dialects.shapes import CommandShape, Shape, Spelling
from protocol.dialects.units import Unit
from protocol.dialects.values import PartFaults
from protocol.messages import Json, NodeChanged
from protocol.states import NodeStatus, RunStatus

__all__ = ["Codec", "Fields", "Spell", "Structure"]

Fields: TypeAlias = dict[str, Json]
Spell: TypeAlias = Callable[[Any], Fields]
"""Object → its fields as keys and values of the wire."""
Structure: TypeAlias = Callable[[Mapping[str, Json]], Any]
"""Keys and values of the wire → object; raises what `Codec.faults` understands."""


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

    def speller(self, shape: Shape) -> Spell:
        """A function that writes the fields of a message, those of its envelope left out."""
        hook = self._unstructure(shape.cls, message_rows(self._spelling, shape))
        if not shape.extras:
            return hook
        extras = [
            (key_of(self._spelling, shape.cls, name), extra.spell, self._converter.get_unstructure_hook(extra.type))
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
        structure, restore = self._structure(shape.cls, message_rows(self._spelling, shape)), shape.restore
        if restore is None:
            return structure
        return lambda keys: structure({**keys, **restore(keys)})

    def command_speller(self, shape: CommandShape) -> Spell:
        """A function that writes the fields of a command, `id` and `workflow_id` left out."""
        return self._unstructure(shape.cls, command_rows(self._spelling, shape))

    def command_reader(self, shape: CommandShape) -> Structure:
        """A function that reads a command from all of its keys."""
        return self._structure(shape.cls, command_rows(self._spelling, shape))

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
            case PartFaults():
                for part, text in error.args[0]:
                    yield f"{path}{part}", text
            case KeyError():
                yield path, "is required"
            case _:
                yield path, str(error)

    def _unstructure(self, cls: type, rows: Sequence[Row]) -> Spell:
        overrides: dict[str, Any] = {
            row.name: override(
                omit=not row.written,
                rename=row.key,
                omit_if_default=row.optional,
                unstruct_hook=(row.unit.spell or identity) if row.unit else None,
            )
            for row in rows
        }
        return make_dict_unstructure_fn(cls, self._converter, **overrides)

    def _structure(self, cls: type, rows: Sequence[Row]) -> Structure:
        overrides: dict[str, Any] = {
            row.name: override(rename=row.key, struct_hook=_hook(row.unit) if row.unit else None) for row in rows
        }
        hook: Callable[[Any, Any], Any] = make_dict_structure_fn(
            cls, self._converter, _cattrs_detailed_validation=True, **overrides
        )
        return lambda keys: hook(keys, cls)

    def _part_speller(self, cls: type) -> Spell:
        """Parts of messages have no envelope; a node in a snapshot is written as in its own event."""
        return (
            self.speller(self._node) if cls is NodeChanged else self._unstructure(cls, part_rows(self._spelling, cls))
        )

    def _part_reader(self, cls: type) -> Callable[[Json, Any], Any]:
        if cls is not NodeChanged:
            read = self._structure(cls, part_rows(self._spelling, cls))
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
