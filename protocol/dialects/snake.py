"""The snake dialect: an envelope with a payload, snake_case keys, float seconds."""

from typing import Final

from protocol.dialects.nested import nested
from protocol.dialects.tables import TableDialect
from protocol.dialects.units import SECONDS

__all__ = ["SNAKE"]

SNAKE: Final = TableDialect(nested("snake", key=str, result="result", time=SECONDS, duration=SECONDS))
