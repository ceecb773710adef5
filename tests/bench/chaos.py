"""The whole sweep: every scenario of tests/chaos with every fault at every point, under many schedules.

One process for each core takes one scenario after the other. What is printed of each: its points, the distinct
injections (fault, target, point, schedule) that were made, how many in a second, and how many broke an invariant.
"""

import argparse
import importlib
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, Final

from actors.testing import chaos

SUBJECTS: Final = ("runs", "children", "controls", "journal", "recovery", "hub", "connection", "client", "server")
"""Modules of tests/chaos/scenarios."""

QUICK_RUNS: Final = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """What may be asked for."""
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} injections each: to see that it works")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only", default="", metavar="TEXT", help="scenarios with this in `subject: name`")
    parser.add_argument(
        "--runs",
        type=int,
        help="injections of each scenario at most, with nodes in scopes of their own, and again without (all there are)",
    )
    parser.add_argument("--seconds", type=float, help="of each scenario at most")
    parser.add_argument("--schedules", type=int, default=20, help="beside fifo: PCT of depth 3 (20)")
    parser.add_argument("--seed", type=int, default=1, help="of the schedules (1)")
    parser.add_argument("--global", dest="everywhere", action="store_true", help="strike after every task's steps")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (one for each core)")


def main(options: argparse.Namespace) -> int:
    """Explore and print; 1 if something was broken."""
    if options.quick:
        options.runs, options.schedules = QUICK_RUNS, 1
    names = [(subject, index) for subject in SUBJECTS for index, name in _names(subject) if options.only in name]
    begun = time.monotonic()
    rows: list[dict[str, Any]] = []
    # Spawned, not forked: a process that has run trio is no good parent of one that will.
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for row in pool.map(partial(_explore, options), names):
            rows.append(row)
            if not options.json:
                print(_line(row), flush=True)
                if row["broken"]:
                    print(row["text"], flush=True)
    seconds = time.monotonic() - begun
    made, broken = sum(row["injections"] for row in rows), sum(row["broken"] for row in rows)
    if options.json:
        json.dump({"scenarios": rows, "injections": made, "broken": broken, "seconds": seconds}, sys.stdout, indent=2)
        print()
    else:
        print(f"{len(rows)} scenarios: {made:,} distinct injections in {seconds:,.0f} s, {broken} broke something")
    return 1 if broken else 0


def _names(subject: str) -> list[tuple[int, str]]:
    return [(index, f"{subject}: {scenario.name}") for index, scenario in enumerate(_scenarios(subject))]


def _scenarios(subject: str) -> Any:
    return importlib.import_module(f"tests.chaos.scenarios.{subject}").SCENARIOS


def _explore(options: argparse.Namespace, which: tuple[str, int]) -> dict[str, Any]:
    subject, index = which
    scenario = _scenarios(subject)[index]
    explore = partial(
        scenario.explore,
        points="global" if options.everywhere else "own",
        schedules=["fifo", *chaos.pct(options.schedules, depth=3, seed=options.seed)],
        budget=chaos.Budget(runs=options.runs, seconds=options.seconds),
    )
    # With scopes of their own nodes can be struck; without them they are what ships.
    reports = [explore(scoped=True), explore(scoped=False)]
    made = {one.id: one for report in reports for one in report.injections}
    return {
        "scenario": f"{subject}: {scenario.name}",
        "points": sum(reports[0].points.values()),
        "schedules": len(reports[0].schedules),
        "injections": len(made),
        "complete": all(report.complete for report in reports),
        "rate": sum(report.runs for report in reports) / sum(report.seconds for report in reports),
        "broken": sum(bool(one.violations) for one in made.values()),
        "text": "\n".join(map(str, reports)),
    }


def _line(row: dict[str, Any]) -> str:
    made = f"{row['injections']:,} injections{'' if row['complete'] else ' (not all)'}"
    return f"{row['scenario']:44} {row['points']:6,} points  {made:30} {row['rate']:5.0f}/s  {row['broken']} broken"
