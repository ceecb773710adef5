"""Our own sweep, with a short budget: the long one is `bin/bench chaos`."""

import importlib

import pytest

from actors.testing import chaos
from tests.bench.chaos import SUBJECTS

RUNS = 40
"""Of each scenario: one of each stratum first, so that every line and kind of point is struck once."""

SCENARIOS = [
    pytest.param(scenario, id=f"{subject}: {scenario.name}")
    for subject in SUBJECTS
    for scenario in importlib.import_module(f"tests.chaos.scenarios.{subject}").SCENARIOS
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_is_found(scenario):
    """Whatever strikes, wherever it strikes: the invariants hold."""
    report = scenario.explore(schedules=["fifo", *chaos.pct(1, depth=3, seed=5)], budget=chaos.Budget(runs=RUNS))
    assert len(report.injections) >= min(RUNS, 10)
    report.check()
