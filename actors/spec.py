"""What a run is started with, as the journal keeps it: enough to run it again from nothing but that."""

from collections.abc import Mapping
from typing import Any

import attrs
import orjson

from protocol.dialects.text import dumps
from protocol.messages import Json

__all__ = ["Spec"]


@attrs.frozen(kw_only=True)
class Spec:
    """Graph, config, and what was drawn at random."""

    graph: Mapping[str, Json]
    """As the client sent it."""
    config: Mapping[str, Json]
    """The ExecutionConfig as the client sent it."""
    needs_start: bool
    """A graph without a `start` node is refused."""
    seed: int
    """Of the run's random numbers."""
    starter: str = ""
    """The session that started it; "" if none did."""
    parent: str = ""
    """The run inside which it runs; "" if it is nobody's child."""
    depth: int = 0
    """How many runs are around it."""

    def pack(self) -> bytes:
        """As bytes."""
        return dumps(attrs.asdict(self, recurse=False))

    @classmethod
    def unpack(cls, text: bytes) -> "Spec":
        """Back from bytes; what a newer version added is ignored."""
        known: dict[str, Any] = orjson.loads(text)
        return cls(**{field.name: known[field.name] for field in attrs.fields(cls) if field.name in known})
