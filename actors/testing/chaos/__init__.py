"""Cancels, crashes and interrupts a scenario at every point it has, one run each, and says what did not survive it.

    report = chaos.explore(scenario, world=world, faults=[Cancel("node:*")], invariants=[...])
    report.check()

Needs trio and attrs, and no pytest. Theory of operation: `explore` runs the scenario clean, and counts; `plan` says
which injections that gives; `tryout` makes one of them, in one `trio.run`; `trial` is what the world of that run holds
in its hands, and `probe` sits in trio's hooks. Everything private to trio is in `private`.
"""

from actors.testing.chaos.errors import ChaosError, ChaosFailure, Crashed, NotDeterministic
from actors.testing.chaos.explore import Budget, explore, replay
from actors.testing.chaos.faults import Call, Cancel, Crash, Delay, Fault, Skip
from actors.testing.chaos.report import Report
from actors.testing.chaos.schedules import pct, walk
from actors.testing.chaos.trial import Invariant, Trial, Violation, World

__all__ = [
    "Budget",
    "Call",
    "Cancel",
    "ChaosError",
    "ChaosFailure",
    "Crash",
    "Crashed",
    "Delay",
    "Fault",
    "Invariant",
    "NotDeterministic",
    "Report",
    "Skip",
    "Trial",
    "Violation",
    "World",
    "explore",
    "pct",
    "replay",
    "walk",
]
