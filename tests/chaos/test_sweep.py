"""Our own sweep, with a short budget: the long one is `bin/bench chaos`."""

import importlib

import pytest

from actors.testing import chaos
from tests.bench.chaos import SUBJECTS
from tests.chaos.scenarios.scenario import Scenario

# Other tests see the same lines; measured, each of thousands of runs takes twice as long.
pytestmark = pytest.mark.no_cover

RUNS = 30
"""Of each scenario: one of each stratum first, so that every line and kind of point is struck once."""

SCENARIOS: dict[str, Scenario] = {
    f"{subject}: {scenario.name}": scenario
    for subject in SUBJECTS
    for scenario in importlib.import_module(f"tests.chaos.scenarios.{subject}").SCENARIOS
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_found(name):
    """Whatever strikes, wherever it strikes: the invariants hold."""
    report = SCENARIOS[name].explore(schedules=["fifo", *chaos.pct(1, depth=3, seed=5)], budget=chaos.Budget(runs=RUNS))
    report.check()
    assert len(report.injections) >= min(RUNS, 10)


@pytest.mark.parametrize("name", ["runs: chain"])
def test_nothing_is_found_at_any_point(name):
    """All there are of the smallest, for what goes wrong at one point in a hundred: a stop right before the ending."""
    report = SCENARIOS[name].explore()
    report.check()
    assert report.complete


@pytest.mark.parametrize("name", ["runs: chain", "controls: pause in a section", "controls: stop while paused"])
def test_nothing_is_found_at_any_instant(name):
    """After every step of every task and before every batch: all instants at which a cancel can come from outside."""
    report = SCENARIOS[name].explore(points="global", budget=chaos.Budget(runs=3 * RUNS))
    assert {made.id.split("/")[-2] for made in report.injections} == {"global", "batch"}
    report.check()


@pytest.mark.parametrize("name", ["runs: diamond", "controls: pause taken back", "controls: stop in a section"])
def test_nothing_is_found_as_it_ships(name):
    """Nodes share the scope of their run's generation, unless they need one."""
    report = SCENARIOS[name].explore(scoped=False, budget=chaos.Budget(runs=2 * RUNS))
    assert all(made.id.endswith("/unscoped") for made in report.injections)
    report.check()
