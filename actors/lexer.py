"""Reads the text of an expression without evaluating it: where it ends, what it names, how much work it may be.

This is a lexer, no parser: it knows strings, names, numbers and marks of the Common Expression Language. What it cannot
tell for sure it answers on the safe side: all members of a name, the higher estimate.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from actors.errors import ExpressionError

__all__ = ["MAX_LENGTH", "NAMES", "NARROWED", "Analysis", "References", "analyse", "split", "union"]

NAMES: Final = ("nodes", "inputs", "vars", "item", "index", "run", "secrets")
"""What an expression may name."""

NARROWED: Final = frozenset({"nodes", "inputs", "vars", "run", "secrets"})
"""Those that hold many members, of which an expression gets only what it names."""

MAX_LENGTH: Final = 10_000
"""Characters of one expression."""

_MACROS: Final = frozenset({"all", "exists", "exists_one", "existsOne", "filter", "map"})
_COPYING: Final = frozenset({"filter", "map"})
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
_TOKEN: Final = re.compile(
    r"""
      (?P<space>   \s+ | //(?:(?!}})[^\n])* )
    | (?P<string>  [bB]?[rR][bB]? (?: \"{3}.*?\"{3} | '{3}.*?'{3} | \"[^\"\n]*\" | '[^'\n]*' )
                 | [bB]? (?: \"{3}(?:\\.|[^\\])*?\"{3} | '{3}(?:\\.|[^\\])*?'{3}
                           | \"(?:\\.|[^\"\\\n])*\"    | '(?:\\.|[^'\\\n])*' ) )
    | (?P<name>    [A-Za-z_]\w* )
    | (?P<number>  \d[\w.]* )
    | (?P<mark>    . )
    """,
    re.VERBOSE | re.DOTALL,
)

References: TypeAlias = Mapping[str, frozenset[str] | None]
"""Name → the members of it that an expression names; None: all of them."""


@attrs.frozen(kw_only=True)
class Analysis:
    """What the text of an expression tells about it."""

    references: References
    bound: frozenset[str]
    """Names that a macro introduces: `e` of `list.map(e, e + 1)`."""
    macros: int
    depth: int
    """How many macros are nested in one another."""
    copies: bool
    """One of the macros makes a list."""
    sums: int
    """How often it may add one list to another."""
    joins: int
    """How often it may add one text to another."""
    looks: int
    """How often it may look through a list for something: `in`."""
    patterns: tuple[str, ...] | None
    """The regular expressions it spells out, as literals; None: one of them is computed."""
    commas: int
    """At least the elements of the lists that it spells out."""


def _tokens(source: str, start: int = 0) -> Iterator[re.Match[str]]:
    for token in _TOKEN.finditer(source, start):
        if token.lastgroup != "space":
            yield token


def split(text: str) -> Iterator[tuple[str, str | None]]:
    """(literal, None) and ("", source of an expression), in order; empty literals are left out."""
    literal = ""
    position = 0
    while (opening := text.find("{{", position)) >= 0:
        if text[opening - 1 : opening] == "\\":
            literal += text[position : opening - 1] + "{{"
            position = opening + 2
            continue
        literal += text[position:opening]
        end = _end(text, opening + 2)
        if literal:
            yield literal, None
        yield "", text[opening + 2 : end]
        literal = ""
        position = end + 2
    literal += text[position:]
    if literal:
        yield literal, None


def _end(text: str, start: int) -> int:
    """Where the `}}` stands that closes an expression: not within a string, nor one that closes a map."""
    depth = 0
    for token in _tokens(text, start):
        if token.start() - start > MAX_LENGTH:
            break
        match token.group():
            case "{":
                depth += 1
            case "}" if depth:
                depth -= 1
            case "}" if text.startswith("}}", token.start()):
                return token.start()
    raise ExpressionError(
        rf"{{{{ is not closed by }}}} within {MAX_LENGTH:,} characters (write \{{{{ for literal braces)",
        code="bad_expression",
    )


@functools.lru_cache(maxsize=1024)
def analyse(source: str) -> Analysis:
    """Read an expression once; the answers are kept for the next graph that holds the same text."""
    tokens = [(token.lastgroup, token.group()) for token in _tokens(source)]
    tokens += [("end", "")] * 4
    named: list[tuple[str, frozenset[str] | None]] = []
    bound: set[str] = set()
    macros = depth = deepest = sums = joins = looks = commas = 0
    copies = computed = False
    patterns: list[str] = []
    brackets: list[bool] = []
    """The open brackets; True: a macro's."""
    for place, (group, text) in enumerate(tokens):
        kind_before, before = tokens[place - 1] if place else ("end", "")
        if group == "name" and text == "matches" and tokens[place + 1][1] == "(":
            literal = _pattern(tokens, place)
            computed = computed or literal is None
            patterns.append(literal or "")
        if group == "name" and before == ".":
            if text in _MACROS and tokens[place + 1][1] == "(" and tokens[place + 2][0] == "name":
                bound.add(tokens[place + 2][1])
                macros += 1
                copies = copies or text in _COPYING
        elif group == "name" and text == "in":
            looks += 1
        elif group == "name" and text in NAMES:
            named.append((text, _members(tokens, place)))
        elif text in _CLOSING and group == "mark":
            is_macro = text == "(" and before in _MACROS and place > 1 and tokens[place - 2][1] == "."
            brackets.append(is_macro)
            depth += is_macro
            deepest = max(deepest, depth)
        elif text in _CLOSING.values() and group == "mark" and brackets:
            depth -= brackets.pop()
        elif group == "mark":
            if text == "+":
                # What is added to a number is one, and what is added to a text is one.
                beside = {kind_before, tokens[place + 1][0]}
                sums += beside.isdisjoint({"number", "string"})
                joins += "number" not in beside
            commas += text == ","
    return Analysis(
        references=union(named),
        bound=frozenset(bound),
        macros=macros,
        depth=deepest,
        copies=copies,
        sums=sums,
        joins=joins,
        looks=looks,
        patterns=None if computed else tuple(patterns),
        commas=commas,
    )


def _pattern(tokens: Sequence[tuple[str | None, str]], place: int) -> str | None:
    """The literal that is the last argument of the call at this place; None: it is none."""
    depth = 0
    for at in range(place + 1, len(tokens)):
        group, text = tokens[at]
        if group == "mark":
            depth += text in _CLOSING
            depth -= text in _CLOSING.values()
        if depth == 0:
            alone = tokens[at - 2][1] in ("(", ",")
            return tokens[at - 1][1] if alone and tokens[at - 1][0] == "string" else None
    return None


def _members(tokens: Sequence[tuple[str | None, str]], place: int) -> frozenset[str] | None:
    """The one member that is taken of the name at this place; None if that cannot be told."""
    if tokens[place][1] not in NARROWED:
        return None
    (_, first), (kind, second), (_, third) = tokens[place + 1 : place + 4]
    if first == "." and kind == "name" and third != "(":
        return frozenset({second})
    if first == "[" and kind == "string" and third == "]" and second[0] in "\"'" and second[:3] not in ('"""', "'''"):
        return None if "\\" in second else frozenset({second[1:-1]})
    return None


def union(named: Sequence[tuple[str, frozenset[str] | None]]) -> References:
    """Several references as one."""
    merged: dict[str, frozenset[str] | None] = {}
    for name, members in named:
        known = merged.get(name, frozenset())
        merged[name] = None if members is None or known is None else known | members
    return merged
