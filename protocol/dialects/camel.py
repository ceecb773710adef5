"""The camel dialect: an envelope with a payload, camelCase keys, whole milliseconds."""

from typing import Final

from protocol.dialects.nested import nested
from protocol.dialects.tables import TableDialect
from protocol.dialects.units import MILLISECONDS

__all__ = ["CAMEL"]


def _camel(field: str) -> str:
    head, *tail = field.split("_")
    return head + "".join(word.capitalize() for word in tail)


CAMEL: Final = TableDialect(nested("camel", key=_camel, result="data", time=MILLISECONDS, duration=MILLISECONDS))
