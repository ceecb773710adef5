"""The pytest plugin of the chaos kit: options for tests with `@chaos.every_checkpoint`, and their reports as they are.

Theory of operation: every pytest of an environment that has callboard loads this module, so it imports nothing but
pytest. It leaves alone whatever test is not decorated. To one that is it hands the options, in a context variable; the
report that comes back fills in the figures of the test, and if the test failed is shown in place of a traceback. The
figures travel as properties of pytest's own reports, so they survive a process between (xdist) and are in JUnit's XML.
"""

import argparse
import math
import os
import shlex
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter

__all__: list[str] = []

MARK = "chaos_every_checkpoint"
"""That of `actors.testing.chaos.decorator`, which is not to be imported for it."""

TOLD, POINTS, INJECTIONS = "chaos", "chaos-points", "chaos-injections"
"""Properties of a test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """What may be said of all decorated tests at once."""
    group = parser.getgroup("chaos", "chaos: tests with @chaos.every_checkpoint")
    group.addoption("--chaos-runs", type=_runs, metavar="N", help="Injections for each test; 0: no limit.")
    group.addoption("--chaos-seconds", type=_seconds, metavar="S", help="Seconds for each test; 0: no limit.")
    group.addoption(
        "--chaos-global", action="store_true", help="Strike after steps of all tasks, not the targets' own."
    )
    group.addoption("--chaos-replay", metavar="ID", help="Make this one injection again, and no other.")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test is called."""
    if not hasattr(pyfuncitem.obj, MARK):
        return (yield)
    import attrs

    from actors.testing.chaos.decorator import Asked, asked
    from actors.testing.chaos.explore import Budget

    option = pyfuncitem.config.getoption
    limits = {"runs": option("--chaos-runs"), "seconds": option("--chaos-seconds")}

    def limited(budget: Budget) -> Budget:
        return attrs.evolve(budget, **{name: said or None for name, said in limits.items() if said is not None})

    wanted = Asked(limited, "global" if option("--chaos-global") else None, option("--chaos-replay"))
    token = asked.set(wanted)
    try:
        return (yield)
    finally:
        asked.reset(token)
        for report in wanted.reports:
            pyfuncitem.user_properties += [
                (TOLD, str(report).partition("\n")[0].partition(": ")[2]),
                (POINTS, sum(report.points.values())),
                (INJECTIONS, len(report.injections)),
            ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test is over, or a part of it."""
    report = yield
    if report.failed and call.excinfo is not None and hasattr(getattr(item, "obj", None), MARK):
        from actors.testing.chaos.errors import ChaosError, ChaosFailure

        error = call.excinfo.value
        if isinstance(error, ChaosFailure | ChaosError):
            told = _Told("\n".join([str(error), *_again(item, str(error))]))
            report.longrepr = told  # type: ignore[assignment]  # pytest asks for no more than _Told has
    return report


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter") -> None:
    """All tests are over: a line for all that explored; with -v one for each."""
    explored: dict[str, dict[str, Any]] = {}
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        properties = dict(getattr(report, "user_properties", ()))
        if TOLD in properties:
            explored[report.nodeid] = properties
    if not explored or terminalreporter.verbosity < 0:
        return
    terminalreporter.section("chaos")
    if terminalreporter.verbosity > 0:
        for nodeid, properties in explored.items():
            terminalreporter.line(f"{nodeid}: {properties[TOLD]}")
    points, injections = (sum(properties[name] for properties in explored.values()) for name in (POINTS, INJECTIONS))
    terminalreporter.line(f"tests: {len(explored)}, points: {points}, injections: {injections}")


class _Told:
    """How pytest shows a failure: all of the report once, and its first line wherever it has one line for it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.reprcrash = self
        self.message = text.partition("\n")[0]

    def __str__(self) -> str:
        return self.text

    def toterminal(self, writer: "TerminalWriter") -> None:
        """Show it, uncoloured."""
        writer.line(self.text)


def _again(item: pytest.Item, text: str) -> list[str]:
    """How to see the same failure once more."""
    test = f"{os.path.relpath(item.path)}::{item.nodeid.partition('::')[2]}"
    ids = [line.partition("replay: ")[2] for line in text.splitlines() if line.startswith("  replay: ")]
    return ["", *(f"again: pytest {shlex.quote(test)} --chaos-replay={shlex.quote(one)}" for one in ids)]


def _runs(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of injections")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds
