"""A node's config: from what the client wrote to an object of the kind's attrs class, with every problem and its path.

On the wire the keys are camelCase (`clickType`), in the class snake_case (`click_type`). Editors send much as text, so
`"3"` is a number where a number is wanted and `3` a text where a text is wanted; nothing else is bent. Unknown keys are
kept out and warned about. A value that an expression will make is checked when it has been made.
"""

import ast
import functools
import inspect
import itertools
import math
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import attrs
import cattrs
import orjson
from cattrs.cols import homogenous_tuple_structure_factory, list_structure_factory, mapping_structure_factory
from cattrs.gen import make_dict_structure_fn, override

from actors.expressions import Expression, Verbatim, join_path
from protocol.graph import COMMON_SETTINGS
from protocol.messages import Json

__all__ = ["NoConfig", "Problem", "check", "json_schema", "mark_expressions", "option", "structure", "wire_name"]

Problem: TypeAlias = tuple[str, str, str, Literal["error", "warning"]]
"""(code, path within the config, message, severity)"""


MAX_TOLD: Final = 20
"""Faults of one config that came out of its expressions: a list of thousands can have as many."""


@attrs.frozen(kw_only=True)
class NoConfig:
    """The config of a kind without settings of its own."""


def option(
    default: Any = attrs.NOTHING,
    *,
    factory: Callable[[], Any] | None = None,
    choices: Sequence[str] = (),
    needed: bool = False,
    expression: bool = False,
    verbatim: bool = False,
    minimum: float | None = None,
    check: Callable[[Any], object] | None = None,
) -> Any:
    """A field of a config class with more to say than its type.

    Args:
        default: as of `attrs.field`.
        factory: likewise.
        choices: the values known; another one is an error, on the simulated driver a warning.
        needed: may be left out on the simulated driver only.
        expression: a string in it is an expression even without braces.
        verbatim: the expressions in it (a mapping) are not this node's, and stay as they are.
        minimum: the least number allowed.
        check: is given the value, and raises a ValueError that says what is wrong with it.
    """
    checks = [*([] if minimum is None else [functools.partial(_check_least, minimum)]), *([check] if check else [])]
    metadata = {
        "choices": tuple(choices),
        "needed": needed,
        "expression": expression,
        "verbatim": verbatim,
        "minimum": minimum,
        "checks": checks,
    }
    if factory is not None:
        return attrs.field(factory=factory, metadata=metadata)
    return attrs.field(default=default, metadata=metadata)


def wire_name(name: str) -> str:
    """How a field is called on the wire: `click_type` → `clickType`."""
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


def structure(config: Mapping[str, Json], cls: type) -> Any:
    """The config as an object of its class (as a plain dict if that is the class).

    Raises:
        ValueError: it does not fit; the text names every path, up to `MAX_TOLD`.
    """
    if cls is dict:
        return dict(config)
    try:
        return _CONVERTER.structure(config, cls)
    except Exception as exc:
        told = [f"{path}: {text}" if path else text for path, text in itertools.islice(_faults(exc, "", cls), MAX_TOLD)]
        raise ValueError("; ".join(told)) from exc


def check(config: Mapping[str, Json], cls: type, *, driver: str, later: frozenset[str] = frozenset()) -> list[Problem]:
    """Everything that is wrong with a config.

    Args:
        config: as the client wrote it.
        cls: the kind's config class.
        driver: the name of the run's driver.
        later: the paths of values that are not known yet.
    """
    if cls is dict:
        return []
    problems: list[Problem] = []
    try:
        _CONVERTER.structure(config, cls)
    except Exception as exc:  # noqa: BLE001  # whatever a validator raises is a problem of the config
        problems += [
            ("bad_config", path, text, "error") for path, text in _faults(exc, "", cls) if not _within(path, later)
        ]
    lenient: Literal["error", "warning"] = "warning" if driver == "simulated" else "error"
    for field in attrs.fields(cls):
        name = wire_name(field.name)
        value = config.get(name)
        choices = field.metadata.get("choices")
        if choices and isinstance(value, str) and value not in choices and name not in later:
            problems.append(
                ("bad_config", name, f"{value!r} is none of {', '.join(choices)}{_hint(value, choices)}", lenient)
            )
        if field.metadata.get("needed") and value in (None, "") and driver != "simulated":
            problems.append(("bad_config", name, "is required", "error"))
    problems += [("bad_config", path, text, "warning") for path, text in _strangers(config, cls, "", COMMON_SETTINGS)]
    return problems


def mark_expressions(config: Mapping[str, Json], cls: type) -> Mapping[str, Json]:
    """The config, marked where braces do not tell: the strings that are expressions without, and what is verbatim."""
    if cls is dict or not _has_expressions(cls):
        return config
    marked = dict(config)
    for field, hint in _fields(cls):
        name = wire_name(field.name)
        value = marked.get(name)
        inner = _element(hint)
        if field.metadata.get("expression") and isinstance(value, str) and "{{" not in value:
            marked[name] = Expression(value)
        elif field.metadata.get("verbatim") and isinstance(value, Mapping):
            marked[name] = Verbatim(value)
        elif attrs.has(inner) and isinstance(value, list):
            marked[name] = [mark_expressions(one, inner) if isinstance(one, Mapping) else one for one in value]
    return marked


def json_schema(cls: type) -> dict[str, Json]:
    """JSON Schema (draft 2020-12) of a config class, for editors."""
    if cls is dict:
        return {"type": "object", "additionalProperties": True}
    documents = _field_documents(cls)
    properties: dict[str, Json] = {}
    required: list[str] = []
    for field, hint in _fields(cls):
        name = wire_name(field.name)
        schema = _type_schema(hint)
        if field.metadata.get("choices"):
            schema["examples"] = list(field.metadata["choices"])
        if field.metadata.get("minimum") is not None:
            schema["minimum"] = field.metadata["minimum"]
        if field.name in documents:
            schema["description"] = documents[field.name]
        if field.default is attrs.NOTHING:
            required.append(name)
        elif field.default is None or isinstance(field.default, bool | int | float | str):
            schema["default"] = field.default
        properties[name] = schema
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _text(value: Any, _: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return orjson.dumps(value).decode()
    raise ValueError(f"expected a text, not {_shown(value)}")


def _integer(value: Any, _: Any) -> int:
    number = _number(value, _)
    if not number.is_integer():
        raise ValueError(f"expected a whole number, not {_shown(value)}")
    return int(value) if isinstance(value, int) else int(number)


def _number(value: Any, _: Any) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise ValueError(f"expected a number, not {_shown(value)}")


def _boolean(value: Any, _: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError(f"expected true or false, not {_shown(value)}")


def _literal(value: Any, cls: Any) -> Any:
    choices = get_args(cls)
    if value not in choices or isinstance(value, bool) is not isinstance(choices[choices.index(value)], bool):
        raise ValueError(f"{_shown(value)} is none of {', '.join(map(str, choices))}{_hint(value, choices)}")
    return value


def _union(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    """A value of one of the types stays what it is; another becomes the first of them that takes it."""
    hooks = {member: converter.get_structure_hook(member) for member in get_args(cls) if member is not NoneType}
    *others, last = hooks

    def structure_union(value: Any, _: Any) -> Any:
        if value is None and NoneType in get_args(cls):
            return None
        kind: Any = float if type(value) is int and int not in hooks else type(value)
        if kind in hooks:
            return hooks[kind](value, kind)
        for member in others:
            try:
                return hooks[member](value, member)
            except Exception:  # noqa: BLE001, S112  # the next one may take it; the last one says why it does not
                continue
        return hooks[last](value, last)

    return structure_union


def _only(accepted: tuple[type, ...], what: str, factory: Callable[..., Any]) -> Callable[..., Any]:
    """A hook factory for values that must be of some type before anything else is looked at."""

    def make(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
        hook = factory(cls, converter)

        def check_first(value: Any, wanted: Any) -> Any:
            if not isinstance(value, accepted):
                raise TypeError(f"expected {what}, not {_shown(value)}")
            return hook(value, wanted)

        return check_first

    return make


def _class(cls: type, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    overrides = {}
    for field, hint in _fields(cls):
        checks = field.metadata.get("checks")
        hook = _checked(checks, converter.get_structure_hook(hint)) if checks else None
        overrides[field.name] = override(rename=wire_name(field.name), struct_hook=hook)
    return make_dict_structure_fn(cls, converter, _cattrs_detailed_validation=True, **overrides)  # type: ignore[arg-type]


def _checked(checks: Sequence[Callable[[Any], object]], hook: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def structure_and_check(value: Any, wanted: Any) -> Any:
        made = hook(value, wanted)
        if made is not None:
            for check_value in checks:
                check_value(made)
        return made

    return structure_and_check


def _check_least(minimum: float, number: float) -> None:
    if number < minimum:
        raise ValueError(f"expected {minimum:g} or more, not {_shown(number)}")


def _origin(hint: Any) -> Any:
    return get_origin(hint)


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)
    for cls, hook in ((str, _text), (int, _integer), (float, _number), (bool, _boolean)):
        converter.register_structure_hook(cls, hook)
    lists = _only((list, tuple), "a list", list_structure_factory)
    tuples = _only((list, tuple), "a list", homogenous_tuple_structure_factory)
    objects = _only((Mapping,), "an object", mapping_structure_factory)
    converter.register_structure_hook_factory(lambda cls: _origin(cls) in (list, Sequence), lists)
    converter.register_structure_hook_factory(
        lambda cls: _origin(cls) is tuple and get_args(cls)[-1:] == (...,), tuples
    )
    converter.register_structure_hook_factory(lambda cls: _origin(cls) in (dict, Mapping), objects)
    converter.register_structure_hook_factory(attrs.has, _only((Mapping,), "an object", _class))
    converter.register_structure_hook_func(lambda cls: _origin(cls) is Literal, _literal)
    converter.register_structure_hook_factory(lambda cls: _origin(cls) in (Union, UnionType), _union)
    return converter


_CONVERTER: Final = _converter()


def _faults(exc: BaseException, path: str, cls: Any) -> Iterator[tuple[str, str]]:
    """The problems in what cattrs raised, with their paths as on the wire."""
    if isinstance(exc, cattrs.ClassValidationError):
        noted, bare = exc.group_exceptions()
        for inner, note in noted:
            yield from _faults(inner, join_path(path, wire_name(note.name)), note.type)
        for inner in bare:
            yield path, str(inner)
    elif isinstance(exc, cattrs.IterableValidationError):
        for inner, place in exc.group_exceptions()[0]:
            index = place.index
            yield from _faults(
                inner, f"{path}[{index}]" if isinstance(index, int) else join_path(path, index), place.type
            )
    elif isinstance(exc, KeyError):
        yield path, "is required"
    else:
        yield path, str(exc) or type(exc).__name__


def _strangers(
    config: Mapping[str, Json], cls: type, path: str, common: frozenset[str] = frozenset()
) -> Iterator[tuple[str, str]]:
    """The keys that a class does not know."""
    known = [wire_name(field.name) for field in attrs.fields(cls)]
    for key in config:
        if key not in known and key not in common:
            yield join_path(path, key), f"unknown key{_hint(key, (*known, *common))}"
    for field, hint in _fields(cls):
        inner = _element(hint)
        name = wire_name(field.name)
        value = config.get(name)
        if attrs.has(inner) and isinstance(value, list):
            for index, one in enumerate(value):
                if isinstance(one, Mapping):
                    yield from _strangers(one, inner, f"{join_path(path, name)}[{index}]")


def _within(path: str, later: frozenset[str]) -> bool:
    return any(path == place or (path.startswith(place) and path[len(place)] in ".[") for place in later)


def _hint(value: Json, known: Sequence[str]) -> str:
    snake = wire_name(value) if isinstance(value, str) else ""
    near = [snake] if snake in known else get_close_matches(str(value), [str(one) for one in known], n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004


@functools.cache
def _fields(cls: type) -> Sequence[tuple["attrs.Attribute[Any]", Any]]:
    hints = get_type_hints(cls)
    return [(field, hints[field.name]) for field in attrs.fields(cls)]


@functools.cache
def _has_expressions(cls: type) -> bool:
    return any(
        field.metadata.get("expression")
        or field.metadata.get("verbatim")
        or (attrs.has(_element(hint)) and _has_expressions(_element(hint)))
        for field, hint in _fields(cls)
    )


def _element(hint: Any) -> Any:
    """The class of the members of a list; None for anything else."""
    return get_args(hint)[0] if _origin(hint) in (list, tuple, Sequence) else None


_SCALARS: Final = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def _type_schema(hint: Any) -> dict[str, Json]:
    origin, args = _origin(hint), get_args(hint)
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin in (Union, UnionType):
        return {"anyOf": [_type_schema(arg) for arg in args]}
    if origin in (list, tuple, Sequence):
        return {"type": "array", "items": _type_schema(args[0])}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _type_schema(args[1])}
    return json_schema(hint) if attrs.has(hint) else {}


def _field_documents(cls: type) -> dict[str, str]:
    """Field → the string beneath it in the source, where there is a source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return {}
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef))
    documents = {}
    for field, text in itertools.pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(document))):
                documents[name] = inspect.cleandoc(document)
    return documents
