"""Strict reading: a cattrs converter that takes JSON values at their word, and says what it expected instead.

A number is no string, a string is no list, true is no number. Each hook raises TypeError or ValueError with a text for
the peer; cattrs collects them with their places.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from types import GenericAlias, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

import cattrs

from protocol.messages import Json

__all__ = ["install", "is_optional", "is_plain", "json_object", "of_optional", "word"]


def install(converter: cattrs.Converter) -> None:
    """Make a converter read the types that messages are made of, strictly."""
    for scalar, read in _SCALARS.items():
        converter.register_structure_hook(scalar, _ignoring_type(read))
    converter.register_structure_hook_factory(lambda cls: cls is Any, lambda _: _ignoring_type(lambda value: value))
    converter.register_structure_hook_factory(_is_word, word)
    converter.register_structure_hook_factory(_is_tuple, lambda cls: _tuple(converter, cls))
    converter.register_structure_hook_factory(_is_mapping, lambda cls: _mapping(converter, cls))
    converter.register_structure_hook_factory(is_optional, lambda cls: _maybe(converter, cls))


def json_object(value: Json) -> Mapping[str, Json]:
    """The value, which must be an object."""
    if not isinstance(value, dict):
        raise TypeError("must be an object")
    return value


def is_optional(cls: Any) -> bool:
    """Whether a type is `X | None`."""
    return get_origin(cls) in (Union, UnionType) and type(None) in get_args(cls)


def of_optional(cls: Any) -> Any:
    """The X of `X | None`."""
    (inner,) = (arg for arg in get_args(cls) if arg is not type(None))
    return inner


def is_plain(cls: Any) -> bool:
    """Whether values of a type are JSON as they are."""
    if cls is Any or cls in _SCALARS or _is_word(cls):
        return True
    arguments = [arg for arg in get_args(cls) if arg is not Ellipsis and arg is not type(None)]
    return bool(arguments) and all(map(is_plain, arguments))


def word(cls: Any) -> Callable[[Json, Any], Any]:
    """A hook that reads a `Literal` or an enumeration of strings."""
    members = {str(member): member for member in get_args(cls) or cls}

    def read(value: Json) -> Any:
        if not isinstance(value, str) or value not in members:
            raise ValueError(f"must be one of {', '.join(members)}")
        return members[value]

    return _ignoring_type(read)


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("must be a string")
    return value


def _flag(value: Json) -> bool:
    if not isinstance(value, bool):
        raise TypeError("must be true or false")
    return value


def _count(value: Json) -> int:
    # Every whole number on the wire counts something.
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("must be a whole number, not below 0")
    return value


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("must be a number")
    return float(value)


_SCALARS: Final[Mapping[Any, Callable[[Json], Any]]] = {str: _text, bool: _flag, int: _count, float: _number}


def _ignoring_type(read: Callable[[Json], Any]) -> Callable[[Json, Any], Any]:
    return lambda value, _: read(value)


def _is_word(cls: Any) -> bool:
    return get_origin(cls) is Literal or (isinstance(cls, type) and issubclass(cls, Enum))


def _is_tuple(cls: Any) -> bool:
    return get_origin(cls) is tuple


def _tuple(converter: cattrs.Converter, cls: Any) -> Callable[[Json, Any], Any]:
    many = GenericAlias(list, get_args(cls)[0])
    hook = converter.get_structure_hook(many)

    def read(value: Json) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise TypeError("must be a list")
        return tuple(hook(value, many))

    return _ignoring_type(read)


def _is_mapping(cls: Any) -> bool:
    return get_origin(cls) is Mapping


def _mapping(converter: cattrs.Converter, cls: Any) -> Callable[[Json, Any], Any]:
    member = get_args(cls)[1]
    if member is Any:
        return _ignoring_type(json_object)
    hook = converter.get_structure_hook(member)
    return _ignoring_type(lambda value: {key: hook(inner, member) for key, inner in json_object(value).items()})


def _maybe(converter: cattrs.Converter, cls: Any) -> Callable[[Json, Any], Any]:
    inner = of_optional(cls)
    hook = converter.get_structure_hook(inner)
    return _ignoring_type(lambda value: None if value is None else hook(value, inner))
