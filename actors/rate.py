"""How much a peer may say: a bucket of messages that refills.

Theory of operation: each message takes one; an empty bucket refuses. From the first refusal on the peer is *over* its
rate, until the bucket holds a second's worth again; so a peer is told once, however often it is refused meanwhile, and
one that stays over for too long can be told from one that had a burst. Nothing here awaits.
"""

import enum
import math
from typing import Final

import trio

__all__ = ["Bucket", "Taken"]

RECOVERED_S: Final = 1.0
"""When the bucket holds what flows in within so long, a peer that was over its rate is not any more."""


class Taken(enum.Enum):
    """What became of a message."""

    PASSED = enum.auto()
    REFUSED_FIRST = enum.auto()
    """The peer is over its rate from now on."""
    REFUSED = enum.auto()
    OUT_OF_PATIENCE = enum.auto()
    """It has been over for too long."""


class Bucket:
    """One peer's bucket.

    Args:
        size: messages in a burst.
        refill: messages a second.
        patience: seconds that a peer may be over its rate.
    """

    __slots__ = ("_filled_at", "_level", "_over_since", "_patience", "_refill", "_size")

    def __init__(self, size: int, *, refill: float, patience: float) -> None:
        self._size = size
        self._refill = refill
        self._patience = patience
        self._level = float(size)
        self._filled_at = trio.current_time()
        self._over_since = math.inf

    def take(self) -> Taken:
        """A message came."""
        now = trio.current_time()
        self._level = min(self._size, self._level + (now - self._filled_at) * self._refill)
        self._filled_at = now
        if self._level >= min(self._size, self._refill * RECOVERED_S):
            self._over_since = math.inf
        if self._level >= 1:
            self._level -= 1
            return Taken.PASSED
        if self._over_since == math.inf:
            self._over_since = now
            return Taken.REFUSED_FIRST
        return Taken.OUT_OF_PATIENCE if now - self._over_since >= self._patience else Taken.REFUSED
