"""How one value is written: a time, a duration, a status; and how it is read again.

A time is float seconds since the epoch in the canonical messages, a duration float seconds. What is no number (NaN, an
infinity) or lies beyond the calendar is written as null.
"""

import functools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from protocol.messages import Json

__all__ = ["ISO", "MILLISECONDS", "SECONDS", "Unit", "words"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class Unit:
    """One way to write a value."""

    spell: Callable[[Any], Json] | None
    """Canonical → wire; None: it is written as it is."""
    read: Callable[[Json], Any]
    """Wire → canonical.

    Raises:
        ValueError: it is not written in this way.
    """
    schema: Mapping[str, Json]
    """JSON Schema of what is written."""


def words(table: Mapping[Any, str]) -> Unit:
    """Each value has a word of its own."""
    back = {word: value for value, word in table.items()}

    def read(word: Json) -> Any:
        if isinstance(word, str) and word in back:
            return back[word]
        raise ValueError(f"must be one of {', '.join(back)}")

    return Unit(spell=table.__getitem__, read=read, schema={"enum": list(back)})


def _read_seconds(value: Json) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError("must be a number")


def _milliseconds(seconds: float) -> int | None:
    try:
        return round(seconds * 1000)
    except (OverflowError, ValueError):
        return None


def _iso(at: float) -> str | None:
    try:
        second, millisecond = divmod(round(at * 1000), 1000)
        return f"{_iso_second(second)}.{millisecond:03d}Z"
    except (OverflowError, ValueError):
        return None


@functools.lru_cache(maxsize=16)
def _iso_second(second: int) -> str:
    """Thousands of events share a second, and the calendar is the dear part of writing one."""
    return (_EPOCH + timedelta(seconds=second)).replace(tzinfo=None).isoformat()


def _read_iso(value: Json) -> float:
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            pass
    raise ValueError("must be a time like 2026-01-31T12:00:00.000Z")


SECONDS: Final = Unit(spell=None, read=_read_seconds, schema={"type": "number"})
"""Float seconds, as the canonical messages say them."""
MILLISECONDS: Final = Unit(
    spell=_milliseconds, read=lambda value: _read_seconds(value) / 1000, schema={"type": "integer"}
)
"""Whole milliseconds, rounded."""
ISO: Final = Unit(spell=_iso, read=_read_iso, schema={"type": "string", "format": "date-time", "pattern": r"\.\d{3}Z$"})
"""ISO 8601 in UTC with three fraction digits and a `Z`."""
