"""`bin/bench`: one command for each measurement, each in a module of its own."""

import json
import statistics
import sys
import tempfile
from pathlib import Path

import attrs
import click
import trio
from rich.console import Console
from rich.table import Table

from tests.bench.chaos_kill import Figures, kill_often


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def bench() -> None:
    """Measure callboard, and try to break it."""


@bench.command("chaos-kill")
@click.option("--kills", default=50, show_default=True, help="How often the server is killed.")
@click.option("--runs", default=20, show_default=True, help="Runs that go on at a time.")
@click.option("--seed", default=1, show_default=True, help="Of graphs and moments.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where journal and ledger are kept; else removed.")
@click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
def chaos_kill(kills: int, runs: int, seed: int, folder: Path | None, *, as_json: bool) -> None:
    """Kill -9 the server at random moments, and look whether anything was lost or done twice."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        figures = trio.run(lambda: kill_often(kills=kills, runs=runs, folder=place, seed=seed))
    if as_json:
        click.echo(json.dumps(attrs.asdict(figures)))
    else:
        _show(figures)
    sys.exit(bool(figures.violations))


def _show(figures: Figures) -> None:
    table = Table("", "figure", title="chaos-kill")
    rows = {
        "kills": figures.kills,
        "runs": figures.runs,
        "events": figures.events,
        "effects": figures.effects,
        "effects in doubt, done once more": figures.in_doubt,
        "runs that failed because a node was cut by 3 crashes": figures.crashed,
        "start to listening, median (s)": f"{statistics.median(figures.restarts):.2f}",
        "start to listening, longest (s)": f"{max(figures.restarts):.2f}",
        "violations": len(figures.violations),
    }
    for name, figure in rows.items():
        table.add_row(name, str(figure))
    console = Console()
    console.print(table)
    for text in figures.violations:
        console.print(text, markup=False)


if __name__ == "__main__":
    bench(prog_name="bin/bench")
