"""The spellings of the messages on the wire: snake, camel and flat, each a value without state."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from protocol.dialects.camel import CAMEL
from protocol.dialects.contract import Dialect
from protocol.dialects.flat import FLAT
from protocol.dialects.snake import SNAKE

__all__ = ["DIALECTS", "Dialect"]

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({dialect.name: dialect for dialect in (SNAKE, CAMEL, FLAT)})
"""Name → dialect."""
