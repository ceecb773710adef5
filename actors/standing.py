"""Where one peer stands: what it asked to hear, and up to which seq of each run everything surely reached it.

Theory of operation: a standing is taken when a connection goes, and given to the one that comes back; so nothing is
told from memory that was not in here. A position may be too low, then events come twice; it is never too high, or one
would be missed. Runs that began after `at` are in none of the positions: whoever comes back asks the journal for them.
It is a value that nobody changes, and it can be written down.
"""

from collections.abc import Mapping
from typing import Any, Self

import attrs

from actors.interests import Interests
from protocol.messages import Json

__all__ = ["Standing"]


@attrs.frozen(kw_only=True)
class Standing:
    """One peer's place in everything."""

    interests: Interests
    positions: Mapping[str, int]
    """Run id → the newest seq up to which all has arrived; 0: none. Runs of which the ending has arrived are not here.
    """
    at: float
    """When that was so: seconds since the epoch."""

    @classmethod
    def before(cls, run_id: str, *, at: float) -> Self:
        """Of a peer that is to hear all of one run, and had nothing of it at `at`."""
        interests = Interests()
        interests.want_run(run_id)
        return cls(interests=interests, positions={run_id: 0}, at=at)

    def __or__(self, other: "Standing") -> "Standing":
        """The standing of two peers that can not be told apart: neither misses anything."""
        interests = self.interests.copy()
        interests.update(other.interests)
        positions = dict(self.positions)
        for run_id, seq in other.positions.items():
            positions[run_id] = min(seq, positions.get(run_id, seq))
        return Standing(interests=interests, positions=positions, at=min(self.at, other.at))

    def pack(self) -> Mapping[str, Json]:
        """As JSON."""
        return {"interests": self.interests.pack(), "positions": self.positions, "at": self.at}

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Self:
        """Back from JSON.

        Raises:
            KeyError, TypeError, ValueError: this is none.
        """
        return cls(
            interests=Interests.unpack(packed["interests"]), positions=dict(packed["positions"]), at=packed["at"]
        )
