"""The kit's own proof: it finds what was planted, and is silent when nothing was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.testing.chaos import Budget, Call, Cancel, Crash, Delay, Skip, explore, pct, replay, walk
from tests.chaos.toy import BUGS, INVARIANTS, toy, watched_run

# As the sweep: other tests see the same lines.
pytestmark = pytest.mark.no_cover

FAULTS = [Cancel("*"), Call("stop", "disconnect"), Skip(20.0), Crash("*"), Delay("*", ticks=5)]

RUNS = {"half a frame": 110, "crash path": 90, "late subscription": 210}
"""How many runs a bug may take; any other is found within 50."""

REPLAY = """
import sys
from actors.testing.chaos import replay
from tests.chaos.toy import INVARIANTS, toy, watched_run
report = replay(watched_run, sys.argv[2], world=toy(sys.argv[1]), invariants=INVARIANTS)
print([(one.invariant, one.text) for made in report.injections for one in made.violations])
print(report.injections[0].line)
"""


@pytest.mark.parametrize("bug", BUGS)
def test_what_is_planted_is_found(bug):
    """Within the budget, by the invariant that it breaks, and the replay id breaks it again."""
    budget = Budget(runs=RUNS.get(bug, 50))
    report = explore(watched_run, world=toy(bug), faults=FAULTS, invariants=INVARIANTS, budget=budget)
    broken = {one.invariant: one for one in report.broken}
    assert BUGS[bug] in broken
    smallest = broken[BUGS[bug]].smallest
    again = replay(watched_run, smallest.id, world=toy(bug), invariants=INVARIANTS)
    assert [made.violations for made in again.injections] == [smallest.violations]


def test_the_correct_toy_is_safe_at_every_own_point():
    """All faults, all points."""
    report = explore(watched_run, world=toy(), faults=FAULTS, invariants=INVARIANTS)
    report.check()
    assert str(report).startswith("watched_run: cancel-safe at all 128 points (own; ")
    assert len({made.id for made in report.injections}) == len(report.injections) > 700


def test_the_correct_toy_is_safe_in_other_schedules():
    """Random priorities and random walks, with every fault somewhere."""
    schedules = [*pct(10, depth=3, seed=1), *walk(5)]
    budget = Budget(runs=500)
    report = explore(watched_run, world=toy(), faults=FAULTS, invariants=INVARIANTS, schedules=schedules, budget=budget)
    report.check()
    assert {made.fault for made in report.injections} == {"cancel", "call", "skip", "crash", "delay"}
    assert len({made.schedule for made in report.injections}) == 15


def test_the_correct_toy_is_safe_between_batches():
    """A cancel from anywhere: after every step, and before the first of every batch."""
    report = explore(watched_run, world=toy(), faults=[Cancel("run:*")], invariants=INVARIANTS, points="global")
    report.check()
    assert sum("/batch/" in made.id for made in report.injections) > 100
    assert str(report).startswith(f"watched_run: cancel-safe at all {len(report.injections)} points (global; ")


@pytest.mark.parametrize(
    ("bug", "schedules"), [("late subscription", ["fifo"]), ("half a frame", pct(1, seed=7)), ("lost event", walk(1))]
)
def test_a_replay_id_holds_in_any_process(bug, schedules):
    """The same violations, word for word, three times of three, however the process hashes."""
    budget = Budget(runs=RUNS.get(bug, 50))
    report = explore(
        watched_run, world=toy(bug), faults=FAULTS, invariants=INVARIANTS, schedules=schedules, budget=budget
    )
    smallest = report.broken[0].smallest
    violations = [(one.invariant, one.text) for one in smallest.violations]
    for seed in "0", "1", "4242":
        done = subprocess.run(
            [sys.executable, "-c", REPLAY, bug, smallest.id],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"{violations}\n{smallest.line}\n"
