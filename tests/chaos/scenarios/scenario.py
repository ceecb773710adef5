"""What a scenario of the sweep is: something that is done in a house, and what may strike meanwhile."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs

from actors.testing import chaos
from actors.testing.chaos.invariants import STANDARD
from actors.testing.chaos.world import House, open_world

__all__ = ["FAULTS", "Scenario"]

FAULTS = (
    chaos.Cancel("node:*", "run:*", "conn:*", "hub", "server", "process"),
    chaos.Crash("node:*"),
    chaos.Call("pause", "resume", "stop", "close", "cut"),
    chaos.Skip(5.0),
    chaos.Delay("*"),
)
"""All that a scenario is tried with, unless it says otherwise."""


@attrs.frozen
class Scenario:
    """One of the sweep."""

    name: str
    play: Callable[[House], Awaitable[object]]
    faults: Sequence[chaos.Fault] = FAULTS
    world: Callable[..., Any] = open_world

    def explore(self, **options: Any) -> chaos.Report:
        """Explore it; options as of `chaos.explore`."""
        given = {"world": self.world, "faults": self.faults, "invariants": STANDARD, **options}
        return attrs.evolve(chaos.explore(self.play, **given), name=self.name)

    def replay(self, injection: str) -> chaos.Report:
        """Make one injection again."""
        return chaos.replay(self.play, injection, world=self.world, invariants=STANDARD)
