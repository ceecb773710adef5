"""What was found, as rows: the cost of each contestant and the ratio to the baseline, with its spread."""

import argparse
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import attrs

from tests.bench.rig import BASELINE, CALLBOARD, LIMIT, PLAIN, SQLITE, Sample

__all__ = ["Figure", "Row", "show"]

TOO_BUSY: Final = 0.9

MANY: Final = 100
"""From here on nobody cares about hundredths."""

ORDER: Final = (CALLBOARD, SQLITE, "websockets", "picows", "langgraph", "pydantic-graph", PLAIN, LIMIT, BASELINE)


@attrs.frozen
class Row:
    """One case."""

    name: str
    samples: Mapping[str, Sequence[Sample]]
    unit: str
    scale: float
    """From seconds per piece of work to the unit."""
    by: Literal["wall", "cpu"]
    """Which cost the target speaks of."""
    target: float | None = None
    """The ratio to the baseline that is to be reached."""

    def cost(self, name: str, by: str) -> float:
        """Median, in the row's unit."""
        return statistics.median(_cost(sample, by) for sample in self.samples[name]) * self.scale

    def ratios(self, name: str, by: str) -> list[float]:
        """How many times the baseline's cost is that of another one: round by round, least first."""
        pairs = zip(self.samples.get(BASELINE, ()), self.samples.get(name, ()), strict=False)
        return sorted(_cost(theirs, by) / _cost(ours, by) for theirs, ours in pairs)


@attrs.frozen
class Figure:
    """Something that is found of each contestant, and is not a cost."""

    name: str
    unit: str
    found: Mapping[str, Sequence[float]]
    target: str = ""


def _cost(sample: Sample, by: str) -> float:
    return float(getattr(sample, by)) / sample.work


def show(found: Sequence[Row | Figure], options: argparse.Namespace) -> None:
    """Print them, for people or as JSON."""
    if options.json:
        print(json.dumps([_plain(each) for each in found], indent=2))
        return
    rows = [each for each in found if isinstance(each, Row)]
    figures = [each for each in found if isinstance(each, Figure)]
    print("\n\n".join(text for text in (rows and _table(rows), figures and _list(figures)) if text))


def _plain(found: Row | Figure) -> dict[str, object]:
    if isinstance(found, Figure):
        return attrs.asdict(found)
    return {
        "name": found.name,
        "target": found.target,
        "by": found.by,
        "samples": {name: [attrs.asdict(sample) for sample in samples] for name, samples in found.samples.items()},
        "ratios": {name: {by: found.ratios(name, by) for by in ("wall", "cpu")} for name in found.samples},
    }


def _table(rows: Sequence[Row]) -> str:
    lines = [
        f"{'':30} {'unit':>12} {'baseline':>9} {'':>9} {'':>9}  ratio to the baseline: min, median, max",
        f"{'':30} {'':>12} {'wall':>9} {'wall':>9} {'cpu':>9}  {'wall':^18} {'cpu':^18} {'target':>8}",
    ]
    for row in rows:
        for name in _in_order(row.samples):
            if name == BASELINE:
                continue
            baseline = f"{row.cost(BASELINE, 'wall'):,.1f}" if BASELINE in row.samples else "–"
            target = f"{row.target:g} {row.by}" if row.target is not None and name == CALLBOARD else ""
            lines.append(
                f"{row.name if name == CALLBOARD else '  ' + name:30} {row.unit:>12} {baseline:>9}"
                f" {row.cost(name, 'wall'):9,.1f} {row.cost(name, 'cpu'):9,.1f}"
                f"  {_spread(row.ratios(name, 'wall')):^18} {_spread(row.ratios(name, 'cpu')):^18} {target:>8}"
            )
        busy = max((sample.busy for samples in row.samples.values() for sample in samples), default=0.0)
        if busy > TOO_BUSY:
            lines.append(f"  the load was busy {busy:.0%} of the time: it may be what was measured")
    return "\n".join(lines)


def _spread(ratios: Sequence[float]) -> str:
    if not ratios:
        return "–"
    spread = (ratios[0], statistics.median(ratios), ratios[-1])
    return ", ".join(f"{value:.2f}" if value < MANY else f"{value:,.0f}" for value in spread)


def _in_order(names: Iterable[str]) -> list[str]:
    """Whoever was measured, ORDER first."""
    return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def _list(figures: Sequence[Figure]) -> str:
    names = _in_order({name for figure in figures for name in figure.found})
    lines = [f"{'min, median, max':44} {'unit':>8}" + "".join(f" {name:^24}" for name in names) + " target"]
    for figure in figures:
        cells = "".join(f" {_spread(sorted(figure.found.get(name, ()))):^24}" for name in names)
        lines.append(f"{figure.name:44} {figure.unit:>8}{cells} {figure.target}".rstrip())
    return "\n".join(lines)
