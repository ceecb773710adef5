"""JSON text: what a peer sent, as values; our values, as text that every peer can read.

Theory of operation: `dumps` is orjson, and only when orjson refuses a value – a lone surrogate, a whole number beyond
64 bits, a key that is no string, nesting beyond its limit – is a cleaned copy made and written instead. Results are
checked to be JSON before they become state, so that path is rare; but one odd value must not cost a client its event.

The bytes that orjson returns lie in a block of 4 KiB or more, however short they are. Texts are kept, by the thousand,
so `dumps` returns a copy, which is as long as its text: it costs 0.1 µs, and a kept block 17 (a new page of memory).
"""

from collections.abc import Mapping
from typing import Final

import orjson

from protocol.errors import BadJson
from protocol.messages import Json

__all__ = ["MAX_DEPTH", "deeper_than", "dumps", "loads"]

MAX_DEPTH: Final = 64
"""Levels of nesting that a value of a peer may have."""
_CLEAN_DEPTH: Final = 200
"""Levels that are written; orjson's own limit is 254, and the envelope needs some."""


def loads(text: str | bytes) -> Json:
    """The value that a JSON text says.

    Raises:
        BadJson: it says none, or is nested beyond 1,024 levels.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadJson(f"Not JSON: {error}") from None


def dumps(value: Json) -> bytes:
    """A value as JSON text in UTF-8; NaN and infinities become null.

    What JSON can not say is written as the nearest that it can: a lone surrogate as U+FFFD, a whole number beyond
    64 bits as a float, a set as a list, any other object as its `str`, what is nested too deep as null.
    """
    try:
        return b"%b" % orjson.dumps(value)
    except TypeError:
        return b"%b" % orjson.dumps(_clean(value, depth=0))


def deeper_than(value: Json, limit: int) -> bool:
    """Whether a JSON value has more than `limit` levels of objects and lists. Not recursive."""
    level = [value]
    for _ in range(limit + 1):
        outer = [member for member in level if isinstance(member, dict | list)]
        if not outer:
            return False
        level = [inner for each in outer for inner in (each.values() if isinstance(each, dict) else each)]
    return True


def _clean(value: object, *, depth: int) -> Json:
    match value:
        case None | bool() | float():
            return value
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case int():
            return _number(value)
        case Mapping() | list() | tuple() | set() | frozenset() if depth >= _CLEAN_DEPTH:
            return None
        case Mapping():
            return {_clean(str(key), depth=depth): _clean(member, depth=depth + 1) for key, member in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(member, depth=depth + 1) for member in value]
        case _:
            return _clean(str(value), depth=depth)


def _number(value: int) -> int | float | None:
    if -(2**63) <= value < 2**64:
        return value
    try:
        return float(value)
    except OverflowError:
        return None
