"""Cancels, crashes and interrupts a scenario at every point it has, one run each, and says what did not survive it.

    report = chaos.explore(scenario, faults=[Cancel("node:*"), Call("pause")])
    report.check()

Needs trio and attrs, and no pytest. Theory of operation: `explore` runs the scenario clean, and counts; `plan` says
which injections that gives; `tryout` makes one of them, in one `trio.run`; `trial` is what the world of that run holds
in its hands, and `probe` sits in trio's hooks. Everything private to trio is in `private`.

That much knows trio alone. Callboard's own are `open_world`, a whole server in memory that is watched, `STANDARD`, what
holds of it, and `flow`, which writes a graph in a line. World and invariants are imported when they are first used:
they take a server.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from actors.testing.chaos.decorator import every_checkpoint
from actors.testing.chaos.errors import ChaosError, ChaosFailure, Crashed, NotDeterministic
from actors.testing.chaos.explore import Budget, explore, replay
from actors.testing.chaos.faults import Call, Cancel, Crash, Delay, Fault, Skip
from actors.testing.chaos.report import Report
from actors.testing.chaos.schedules import pct, walk
from actors.testing.chaos.trial import Invariant, Trial, Violation, World
from actors.testing.flows import flow

if TYPE_CHECKING:
    from actors.testing.chaos.invariants import STANDARD
    from actors.testing.chaos.world import House, open_world

__all__ = [
    "STANDARD",
    "Budget",
    "Call",
    "Cancel",
    "ChaosError",
    "ChaosFailure",
    "Crash",
    "Crashed",
    "Delay",
    "Fault",
    "House",
    "Invariant",
    "NotDeterministic",
    "Report",
    "Skip",
    "Trial",
    "Violation",
    "World",
    "every_checkpoint",
    "explore",
    "flow",
    "open_world",
    "pct",
    "replay",
    "walk",
]

_HOMES: Final = {"STANDARD": "invariants", "House": "world", "open_world": "world"}
"""Name → the module it is from, of those that are imported on first use."""


def __getattr__(name: str) -> object:
    """A name that takes a server, imported on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
