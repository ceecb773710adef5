"""Expressions in a node's config: finds `{{ … }}` in strings, compiles them once, resolves them when the node starts.

The language is the Common Expression Language (CEL); the data an expression may name are `NAMES`.

*Theory of operation.* `compile_value` walks a config once, at submit, and returns a `Template`, or None if there is
nothing to resolve; a template is immutable and may be resolved any number of times. CEL converts whatever it is given,
so an expression gets no more than it names: the lexer finds `nodes.a` and `nodes["a-b"]`, and only those members
are taken out of the scope; an index that is computed (`nodes[vars.x]`) takes all of them. The scope is therefore asked
for single names, its data for single members, and both may be lazy.

An expression runs on the event loop and inside compiled code, where nothing can interrupt it. Its length, the nesting
and – from the lengths of the data it is given – the time of its list macros are therefore bounded before it runs; its
regular expressions take linear time. What remains is the size of strings and lists that it joins with `+`.
"""

import base64
import datetime as dt
import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, NoReturn, TypeAlias

import attrs
import cel
import orjson

from actors.errors import ExpressionError
from actors.lexer import MAX_LENGTH, NAMES, NARROWED, Analysis, References, analyse, split, union
from protocol.messages import Json

__all__ = [
    "NAMES",
    "Expression",
    "References",
    "Scope",
    "Survey",
    "Template",
    "Verbatim",
    "compile_value",
    "join_path",
    "matches",
    "references",
    "survey",
]

MAX_ESTIMATE_US: Final = 1_000_000.0
"""How long the list macros of one expression may take: as long as a step may be before the watchdog names it."""

STEP_US: Final = 0.25
"""One turn of a list macro, as measured with common-expression-language 0.10."""

COPY_US: Final = 0.022
"""One element of the list that `map` and `filter` copy on each turn, measured likewise."""

_TYPES: Final = frozenset(
    {"bool", "bytes", "double", "int", "list", "map", "null_type", "optional", "string", "type", "uint"}
)

Scope: TypeAlias = Mapping[str, Any] | Callable[[str], Any]
"""Name → its data; a name that is not known here is a KeyError. Data may be lazy mappings."""


class Expression(str):
    """A string of a config that is an expression as a whole, written without braces."""

    __slots__ = ()


class Verbatim(dict[str, Json]):
    """A mapping of a config whose expressions are not this node's: whoever they are for resolves them."""

    __slots__ = ()


@attrs.frozen
class Survey:
    """The expressions of a value."""

    paths: frozenset[str]
    """Where they stand: `selector`, `cases[1].expression`."""
    problems: Sequence[tuple[str, str]]
    """Every wrong one: (path, what is wrong)."""


_NOTHING_FOUND: Final = Survey(frozenset(), ())


@attrs.frozen(kw_only=True, eq=False)
class Template:
    """A value with expressions in it, ready to be resolved."""

    references: References
    """What all of them name together."""
    _root: "_Part"

    def resolve(self, scope: Scope, *, node: str = "") -> Json:
        """The value with every expression replaced by its result.

        Args:
            scope: asked for the names that the expressions name, and for no others.
            node: the id of the node, for the text of an error.

        Raises:
            ExpressionError: an expression failed; the text names node, field and expression.
        """
        return self._root.resolve(scope if callable(scope) else scope.__getitem__, node)


def compile_value(value: Json) -> Template | None:
    """Compile every expression in a value, however deep; None if there is none.

    A string that is one expression keeps the type of its result. Within a longer string, strings are put in as they
    are and everything else as JSON. A backslash before the braces makes them literal.

    Raises:
        ExpressionError: an expression is wrong; `survey` finds all of them.
    """
    if not _may_hold(value):
        return None
    compiler = _Compiler()
    root = compiler.part(value, "")
    if compiler.problems:
        path, message = compiler.problems[0]
        raise ExpressionError(f"{path}: {message}" if path else message, code="bad_expression")
    if root is None:
        return None
    named = [member for part in compiler.programs for member in part.references.items()]
    return Template(references=union(named), root=root)


def survey(value: Json) -> Survey:
    """Where the expressions of a value are, and all that is wrong with them."""
    if not _may_hold(value):
        return _NOTHING_FOUND
    compiler = _Compiler()
    compiler.part(value, "")
    return Survey(frozenset(compiler.paths), compiler.problems)


def references(expression: str) -> References:
    """What an expression names, by its text alone; it need not be right."""
    return analyse(expression).references


def join_path(path: str, key: object) -> str:
    """The path of a member: `config.headers`, `headers["x-a"]`."""
    if not (isinstance(key, str) and key.isidentifier()):
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key


def matches(text: str, pattern: str) -> bool:
    """Whether a regular expression is found in the text, in time linear in both.

    Raises:
        ValueError: the pattern is not a regular expression.
    """
    try:
        return bool(_call(_program("text.matches(pattern)").execute, {"text": text, "pattern": pattern}))
    except Exception as exc:
        raise ValueError(_first_line(exc)) from exc


@attrs.frozen(eq=False)
class _Constant:
    value: Json

    def resolve(self, scope: Callable[[str], Any], node: str) -> Json:
        return self.value


@attrs.frozen(eq=False)
class _Compiled:
    path: str
    source: str
    program: Any
    """cel.Program, which publishes no types."""
    analysis: Analysis

    @property
    def references(self) -> References:
        return self.analysis.references

    def resolve(self, scope: Callable[[str], Any], node: str) -> Json:
        data = {}
        for name, members in self.references.items():
            try:
                value = scope(name)
            except KeyError:
                continue
            if name in NARROWED and isinstance(value, Mapping):
                wanted = value if members is None else members
                value = {key: value[key] for key in wanted if key in value}
            data[name] = value
        if self.analysis.macros:
            self._refuse_long(data, node)
        try:
            return _json(_call(self.program.execute, data))
        except Exception as exc:  # noqa: BLE001  # whatever CEL raises is this node's failure, and is raised as such
            self._fail(_reason(exc, self.references, data), node, exc)

    def _refuse_long(self, data: Mapping[str, Any], node: str) -> None:
        facts = self.analysis
        length = float(_longest(data) * (1 + facts.sums) + facts.commas)
        turns = length**facts.depth
        estimate = facts.macros * turns * (STEP_US + (COPY_US * length if facts.copies else 0.0))
        if estimate > MAX_ESTIMATE_US:
            self._fail(f"{length:.0f} elements are too many for map, filter, all or exists here", node, None)

    def _fail(self, reason: str, node: str, cause: BaseException | None) -> NoReturn:
        where = ": ".join(part for part in (node and f"node {node}", self.path) if part)
        shown = self.source if len(self.source) <= 200 else f"{self.source[:200]}…"  # noqa: PLR2004
        raise ExpressionError(
            f"{where}: {{{{ {shown} }}}}: {reason}" if where else f"{{{{ {shown} }}}}: {reason}"
        ) from cause


@attrs.frozen(eq=False)
class _Text:
    parts: Sequence["str | _Compiled"]

    def resolve(self, scope: Callable[[str], Any], node: str) -> str:
        return "".join(part if isinstance(part, str) else _as_text(part.resolve(scope, node)) for part in self.parts)


@attrs.frozen(eq=False)
class _Object:
    members: Mapping[str, "_Part"]

    def resolve(self, scope: Callable[[str], Any], node: str) -> dict[str, Json]:
        return {key: part.resolve(scope, node) for key, part in self.members.items()}


@attrs.frozen(eq=False)
class _Array:
    members: Sequence["_Part"]

    def resolve(self, scope: Callable[[str], Any], node: str) -> list[Json]:
        return [part.resolve(scope, node) for part in self.members]


_Part: TypeAlias = _Constant | _Compiled | _Text | _Object | _Array


class _Compiler:
    """One walk over one value: its parts, its programs and all that is wrong."""

    def __init__(self) -> None:
        self.programs: list[_Compiled] = []
        self.paths: set[str] = set()
        self.problems: list[tuple[str, str]] = []

    def part(self, value: Json, path: str) -> _Part | None:
        """The part that makes this value; None if the value can stay as it is."""
        match value:
            case Expression():
                return self._expression(value, path)
            case str():
                return self._text(value, path) if "{{" in value else None
            case Mapping():
                # Most values hold no expression, and a path costs more than to see that.
                members = {
                    key: self.part(member, join_path(path, key)) for key, member in value.items() if _may_hold(member)
                }
                if not any(members.values()):
                    return None
                return _Object({key: members.get(key) or _Constant(member) for key, member in value.items()})
            case list() | tuple():
                items = [
                    self.part(member, f"{path}[{index}]") if _may_hold(member) else None
                    for index, member in enumerate(value)
                ]
                if not any(items):
                    return None
                return _Array([part or _Constant(value[index]) for index, part in enumerate(items)])
        return None

    def _text(self, text: str, path: str) -> _Part | None:
        parts: list[str | _Compiled] = []
        try:
            for literal, source in split(text):
                if source is None:
                    parts.append(literal)
                elif (compiled := self._expression(source, path)) is not None:
                    parts.append(compiled)
        except ExpressionError as exc:
            self.paths.add(path)
            self.problems.append((path, str(exc)))
            return None
        if len(parts) == 1 and isinstance(parts[0], _Compiled):
            return parts[0]
        if all(isinstance(part, str) for part in parts):
            return _Constant("".join(part for part in parts if isinstance(part, str)))
        return _Text(tuple(parts))

    def _expression(self, source: str, path: str) -> _Compiled | None:
        source = str(source).strip()
        self.paths.add(path)
        try:
            program, analysis = _compile(source)
        except ExpressionError as exc:
            self.problems.append((path, str(exc)))
            return None
        compiled = _Compiled(path, source, program, analysis)
        self.programs.append(compiled)
        return compiled


def _may_hold(value: Json) -> bool:
    """Whether a value may be, or have in it, an expression."""
    if isinstance(value, str):
        return "{{" in value or isinstance(value, Expression)
    return bool(value) and not isinstance(value, Verbatim)


@functools.lru_cache(maxsize=1024)
def _program(source: str) -> Any:
    return _call(cel.compile, source)


def _call(fn: Callable[..., Any], argument: object) -> Any:
    """Call compiled code; a panic of it, which is no Exception, becomes one."""
    try:
        return fn(argument)
    except Exception:
        raise
    except BaseException as exc:
        if type(exc).__name__ != "PanicException":
            raise
        raise RuntimeError(str(exc)) from exc  # noqa: ASYNC104  a panic is no Cancelled


def _compile(source: str) -> tuple[Any, Analysis]:
    if not source:
        raise _bad("the expression is empty")
    if len(source) > MAX_LENGTH:
        raise _bad(f"the expression has {len(source)} characters; {MAX_LENGTH} are allowed")
    try:
        program = _program(source)
    except Exception as exc:
        raise _bad(_first_line(exc)) from exc
    analysis = analyse(source)
    for name in program.variables():
        if name not in NAMES and name not in analysis.bound and name not in _TYPES:
            raise _bad(_unknown(name))
    return program, analysis


def _bad(reason: str) -> ExpressionError:
    return ExpressionError(reason, code="bad_expression")


def _unknown(name: str) -> str:
    if name == "secrets":
        return "secrets cannot be used in expressions yet"
    near = get_close_matches(name, NAMES, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(NAMES)} (a text needs quotes)"
    return f"unknown name {name}{hint}"


def _longest(data: Json) -> int:
    """The length of the longest list or mapping in some data."""
    longest = 0
    left = [data]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            longest = max(longest, len(value))
            left.extend(value.values())
        elif isinstance(value, list | tuple):
            longest = max(longest, len(value))
            left.extend(value)
    return longest


def _json(value: Any) -> Json:
    """What an expression gave, as JSON; times, durations and bytes as protobuf's JSON spells them."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [_json(member) for member in value]
        case dict():
            return {
                key if isinstance(key, str) else _as_text(_json(key)): _json(member) for key, member in value.items()
            }
        case dt.datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dt.timedelta():
            return f"{value.total_seconds():g}s"
        case bytes():
            return base64.b64encode(value).decode()
        case cel.OptionalValue():
            return _json(value.or_value(None))
    raise TypeError(f"the result is no JSON but {type(value).__name__}")


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _reason(exc: Exception, named: References, data: Mapping[str, Any]) -> str:
    if isinstance(exc, KeyError):
        key = exc.args[0] if exc.args else ""
        if isinstance(data.get("nodes"), Mapping) and key in (named.get("nodes") or ()) and key not in data["nodes"]:
            return f"node {key} has no result here: it has not run, or is no ancestor of this node"
        return f"there is no {key!r}"
    for name in named:
        if name not in data:
            return f"{name} is known only inside a loop" if name in ("item", "index") else f"{name} is not known here"
    return _first_line(exc)


def _first_line(exc: BaseException) -> str:
    """CEL's own words without its drawing and its advice to programmers."""
    text = str(exc)
    if (spot := re.search(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)", text)) is not None:
        text = "line {}, column {}: {}".format(*spot.groups())
    return re.split(r"\n| Check | expecting \{", text, maxsplit=1)[0][:300] or type(exc).__name__
