"""JSON Schema for what people answer: whether a schema is one, and what is wrong with an answer, and where.

*Theory of operation.* Both the schema and the answer come from outside, and are looked at on the event loop inside
compiled code, where nothing can interrupt it. So what it may cost is bounded before: the size of a schema, the number
and length of its patterns, and the size of an answer – the larger the schema, the smaller. Patterns take linear time
(the syntax of RE2: no look-around, no back-references). A schema has no references: a few that name each other twice
take 2ⁿ steps, and none is worth it for a form. Nothing is ever fetched.
"""

from collections.abc import Iterator
from typing import Any, Final

import jsonschema_rs
import orjson

from actors.expressions import join_path
from protocol.messages import Json

__all__ = ["check_schema", "misfit"]

MAX_SCHEMA: Final = 64 * 2**10
"""Bytes of a schema, as JSON."""

MAX_PATTERNS: Final = 16
"""One may take 9 ms to compile."""

MAX_PATTERN: Final = 500
"""Characters of a pattern."""

MAX_WORK: Final = 2**26
"""Bytes of the schema times bytes of the answer: 70 ms with jsonschema-rs 0.60."""

MAX_PATTERN_WORK: Final = 2**16
"""Patterns times bytes of the answer: 70 ms likewise, for the worst of patterns."""

MAX_FAULTS: Final = 3
"""Told at once."""

MAX_SHOWN: Final = 200
"""Characters of one of them."""

_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_OPTIONS: Final = jsonschema_rs.RegexOptions(size_limit=2**16, dfa_size_limit=2**16)


def check_schema(schema: Json) -> None:
    """Refuse what is no schema, and what would take too long.

    Args:
        schema: JSON Schema, draft 2020-12; None: any answer will do.

    Raises:
        ValueError: what is wrong with it.
    """
    if schema is not None:
        _compile(schema)


def misfit(schema: Json, answer: Json) -> str | None:
    """What is wrong with an answer, and where: `answer.age: "x" is not of type "integer"`. None: it fits.

    Args:
        schema: one that was checked.
        answer: as it was sent.
    """
    try:
        size = len(orjson.dumps(answer))
    except (TypeError, ValueError) as error:
        return f"answer: {_cut(str(error))}"
    if schema is None:
        return None
    schema_size, patterns = len(orjson.dumps(schema)), sum(1 for _ in _patterns(schema))
    most = min(MAX_WORK // schema_size, MAX_PATTERN_WORK // max(1, patterns))
    if size > most:
        return f"answer: it has {size} bytes; {most} are allowed with this schema"
    faults = []
    for fault in _compile(schema).iter_errors(answer):
        path = "answer"
        for step in fault.instance_path:
            path = f"{path}[{step}]" if isinstance(step, int) else join_path(path, step)
        faults.append(f"{_cut(path)}: {_cut(fault.message)}")
        if len(faults) == MAX_FAULTS:
            break
    return "; ".join(faults) or None


def _compile(schema: Json) -> jsonschema_rs.Draft202012Validator:
    if not isinstance(schema, dict | bool):
        raise ValueError("expected a JSON Schema: an object, true or false")  # noqa: TRY004  what is wrong is a setting
    try:
        size = len(orjson.dumps(schema))
    except (TypeError, ValueError) as error:
        raise ValueError(f"is not JSON: {error}") from error
    if size > MAX_SCHEMA:
        raise ValueError(f"has {size} bytes; {MAX_SCHEMA} are allowed")
    for member in _objects(schema):
        for name in _REFERENCES:
            if isinstance(member.get(name), str):
                raise ValueError(f"has a {name}; write what it refers to in its place")  # noqa: TRY004  ditto
    patterns = list(_patterns(schema))
    if len(patterns) > MAX_PATTERNS:
        raise ValueError(f"has {len(patterns)} patterns; {MAX_PATTERNS} are allowed")
    if any(len(pattern) > MAX_PATTERN for pattern in patterns):
        raise ValueError(f"has a pattern of more than {MAX_PATTERN} characters")
    try:
        return jsonschema_rs.Draft202012Validator(schema, pattern_options=_OPTIONS, offline=True)
    except (jsonschema_rs.ValidationError, ValueError) as error:
        text = error.message if isinstance(error, jsonschema_rs.ValidationError) else str(error)
        raise ValueError(f"is no JSON Schema: {_cut(text)}") from error


def _objects(value: Json) -> Iterator[dict[str, Json]]:
    """Every object in a value, however deep."""
    left: list[Any] = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield one
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)


def _patterns(schema: Json) -> Iterator[str]:
    """Whatever may be a regular expression; a property that is called so counts as well."""
    for member in _objects(schema):
        if isinstance(pattern := member.get("pattern"), str):
            yield pattern
        if isinstance(named := member.get("patternProperties"), dict):
            yield from named


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
