"""The cursor of a list of runs: the number of the last run that was listed."""

from typing import Final

from protocol.errors import BadField

__all__ = ["LIST_MAX_RUNS", "number_of"]

CURSOR_MAX_DIGITS: Final = 18

LIST_MAX_RUNS: Final = 1000
"""The largest page of a list, whatever was asked for."""


def number_of(cursor: str) -> int:
    """The run's number in a cursor.

    Raises:
        BadField: it is none of ours.
    """
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= CURSOR_MAX_DIGITS):
        raise BadField([("cursor", "is not one that a list has given")])
    return int(cursor)
