"""Expressions in a node's config: finds `{{ … }}` in strings, compiles them once, resolves them when the node starts.

The language is the Common Expression Language (CEL); the data an expression may name are `NAMES`.

*Theory of operation.* `compile_value` walks a config once, at submit, and returns a `Template`, or None if there is
nothing to resolve; a template is immutable and may be resolved any number of times. CEL converts whatever it is given,
so an expression gets no more than it names: the lexer finds `nodes.a` and `nodes["a-b"]`, and only those members
are taken out of the scope; an index that is computed (`nodes[vars.x]`) takes all of them. The scope is therefore asked
for single names, its data for single members, and both may be lazy.

An expression runs on the event loop and inside compiled code, where nothing can interrupt it. Its length and nesting,
the time of its list macros and regular expressions, and the size of what it joins with `+` are therefore bounded before
it runs, from its text and the extent of the data it is given. A pattern has to be spelled out, for it is weighed when
the graph is submitted (`actors.patterns`).
"""

import base64
import datetime as dt
import functools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, NoReturn, TypeAlias

import attrs
import cel
import orjson

from actors.errors import ExpressionError
from actors.lexer import MAX_LENGTH, NAMES, NARROWED, Analysis, References, analyse, split, union
from actors.patterns import Cost, cost
from actors.secrets import unknown
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

MAX_ESTIMATE_US: Final = 100_000.0
"""How long the list macros and patterns of one config may take: nobody notices a loop that is held for so long."""

MAX_PATTERN_US: Final = 30_000.0
"""Of that, to compile the patterns of one expression once."""

MAX_TEXT: Final = 32 * 2**20
"""Characters that an expression, or a text with expressions in it, may make."""

FEW: Final = 8
"""Sums that are not worth a look at the data."""

STEP_US: Final = 0.25
"""One turn of a list macro, as measured with common-expression-language 0.10."""

COPY_US: Final = 0.022
"""One element of the list that `map` and `filter` copy on each turn, measured likewise."""

NESTED: Final = 10.0
"""How many times that each value takes which an element of the list has in it, likewise."""

ADD_US: Final = 0.03
"""One element of a list that is added to another; each of many sums copies what the ones before it have made."""

JOIN_US: Final = 0.0005
"""One character of a text, likewise."""

LOOK_US: Final = 0.05
"""One element of the list in which `in` looks for something, likewise."""

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
    secrets: Sequence[tuple[str, str]] = ()
    """The secrets that they name: (path, name)."""


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
        return self._root.resolve(scope if callable(scope) else scope.__getitem__, _Going(node))


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
    secrets = [(part.path, name) for part in compiler.programs for name in part.references.get("secrets") or ()]
    return Survey(frozenset(compiler.paths), compiler.problems, secrets)


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
        ValueError: the pattern is not a regular expression, or too large.
    """
    weight = cost(pattern)
    if weight.compile_us + weight.scan_us(len(text)) > MAX_ESTIMATE_US:
        raise ValueError(f"the pattern is too large for a text of {len(text)} characters")
    try:
        return bool(_call(_program("text.matches(pattern)").execute, {"text": text, "pattern": pattern}))
    except Exception as exc:
        raise ValueError(_first_line(exc)) from exc


@attrs.define(eq=False)
class _Going:
    """One resolution of one config."""

    node: str
    """The node's id."""
    spent_us: float = 0.0
    """The estimates so far."""


@attrs.frozen(eq=False)
class _Constant:
    value: Json

    def resolve(self, scope: Callable[[str], Any], going: _Going) -> Json:
        return self.value


@attrs.frozen(eq=False)
class _Compiled:
    path: str
    source: str
    program: Any
    """cel.Program, which publishes no types."""
    analysis: Analysis
    costs: Sequence[Cost]
    """Of its patterns."""

    @property
    def references(self) -> References:
        return self.analysis.references

    def resolve(self, scope: Callable[[str], Any], going: _Going) -> Json:
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
        facts = self.analysis
        if facts.macros or facts.patterns or facts.joins > FEW:
            self._refuse_costly(data, going)
        try:
            return _json(_call(self.program.execute, data))
        except Exception as exc:  # noqa: BLE001  # whatever CEL raises is this node's failure, and is raised as such
            self._fail(_reason(exc, self.references, data), going.node, exc)

    def _refuse_costly(self, data: Mapping[str, Any], going: _Going) -> None:
        facts = self.analysis
        elements, characters, values = _extent(data)
        length = (elements + facts.commas + 1) * _growth(facts.sums, facts.macros)
        turns = min(length, 1e6) ** min(facts.depth, 50)
        copy = COPY_US * (1.0 + NESTED * (values / max(1.0, elements) - 1.0))
        each = STEP_US + (copy * length if facts.copies else 0.0) + LOOK_US * length * facts.looks
        estimate = going.spent_us + facts.macros * turns * each
        if not facts.macros:
            # Each sum copies all before it.
            estimate += elements * facts.sums**2 * ADD_US + characters * facts.joins**2 * JOIN_US
        if estimate > MAX_ESTIMATE_US:
            what = "map, filter, all or exists" if facts.macros else "so many sums"
            self._fail(f"{elements:.0f} elements are too many for {what} here", going.node, None)
        estimate += sum(turns * (one.compile_us + one.scan_us(characters + len(self.source))) for one in self.costs)
        if estimate > MAX_ESTIMATE_US:
            self._fail("matches would take too long on so much data", going.node, None)
        going.spent_us = estimate
        made = (characters + len(self.source)) * _growth(facts.joins, facts.macros) * (turns if facts.macros else 1)
        if (facts.joins or facts.copies) and made > MAX_TEXT:
            self._fail(f"what it makes may have more than {MAX_TEXT} characters", going.node, None)

    def fail(self, reason: str, node: str) -> NoReturn:
        """It fails for a reason that lies outside of it."""
        self._fail(reason, node, None)

    def _fail(self, reason: str, node: str, cause: BaseException | None) -> NoReturn:
        where = ": ".join(part for part in (node and f"node {node}", self.path) if part)
        shown = self.source if len(self.source) <= 200 else f"{self.source[:200]}…"  # noqa: PLR2004
        raise ExpressionError(
            f"{where}: {{{{ {shown} }}}}: {reason}" if where else f"{{{{ {shown} }}}}: {reason}"
        ) from cause


@attrs.frozen(eq=False)
class _Text:
    parts: Sequence["str | _Compiled"]

    def resolve(self, scope: Callable[[str], Any], going: _Going) -> str:
        made, length = [], 0
        for part in self.parts:
            made.append(part if isinstance(part, str) else _as_text(part.resolve(scope, going)))
            length += len(made[-1])
            if length > MAX_TEXT and isinstance(part, _Compiled):
                part.fail(f"the text has more than {MAX_TEXT} characters with it", going.node)
        return "".join(made)


@attrs.frozen(eq=False)
class _Object:
    members: Mapping[str, "_Part"]

    def resolve(self, scope: Callable[[str], Any], going: _Going) -> dict[str, Json]:
        return {key: part.resolve(scope, going) for key, part in self.members.items()}


@attrs.frozen(eq=False)
class _Array:
    members: Sequence["_Part"]

    def resolve(self, scope: Callable[[str], Any], going: _Going) -> list[Json]:
        return [part.resolve(scope, going) for part in self.members]


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
            program, analysis, costs = _compile(source)
        except ExpressionError as exc:
            self.problems.append((path, str(exc)))
            return None
        compiled = _Compiled(path, source, program, analysis, costs)
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


def _compile(source: str) -> tuple[Any, Analysis, Sequence[Cost]]:
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
    return program, analysis, _weigh(analysis)


def _weigh(analysis: Analysis) -> Sequence[Cost]:
    if analysis.patterns is None:
        raise _bad("the pattern of matches has to be a text in quotes")
    costs = [cost(str(_call(_program(literal).execute, {}))) for literal in analysis.patterns]
    if sum(one.compile_us for one in costs) > MAX_PATTERN_US:
        raise _bad("the pattern of matches is too large")
    return costs


def _growth(sums: int, macros: int) -> float:
    """How many times as long as its parts a sum may be, at most: macros in a row multiply what each of them adds."""
    if not macros:
        return 1.0 + sums
    return math.exp(min(macros * math.log1p(sums / macros), 100.0))


def _bad(reason: str) -> ExpressionError:
    return ExpressionError(reason, code="bad_expression")


def _unknown(name: str) -> str:
    near = get_close_matches(name, NAMES, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(NAMES)} (a text needs quotes)"
    return f"unknown name {name}{hint}"


def _extent(data: Mapping[str, Any]) -> tuple[float, int, float]:
    """Of some data: the length of the longest list or mapping, that of the longest text, and how many values it has."""
    elements = characters = values = 0
    left: list[Json] = list(data.values())
    while left:
        value = left.pop()
        if isinstance(value, str):
            characters = max(characters, len(value))
        elif isinstance(value, Mapping):
            elements, values = max(elements, len(value)), values + len(value)
            left.extend(value.values())
        elif isinstance(value, list | tuple):
            elements, values = max(elements, len(value)), values + len(value)
            left.extend(value)
    return float(elements), characters, float(max(values, elements))


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
        if key in (named.get("secrets") or ()) and key not in data.get("secrets", ()):
            return unknown(str(key))
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
