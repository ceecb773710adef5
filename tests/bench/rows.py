"""What was found, as rows: the cost of each contestant and the ratio to the baseline, with its spread."""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import attrs

from tests.bench.rig import BASELINE, CALLBOARD, LIMIT, SQLITE, Sample

__all__ = ["Row", "show"]

TOO_BUSY: Final = 0.9

ORDER: Final = (CALLBOARD, SQLITE, LIMIT)


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


def _cost(sample: Sample, by: str) -> float:
    return float(getattr(sample, by)) / sample.work


def show(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Print them, for people or as JSON."""
    print(json.dumps([_plain(row) for row in rows], indent=2) if options.json else _table(rows))


def _plain(row: Row) -> dict[str, object]:
    return {
        "name": row.name,
        "target": row.target,
        "by": row.by,
        "samples": {name: [attrs.asdict(sample) for sample in samples] for name, samples in row.samples.items()},
        "ratios": {name: {by: row.ratios(name, by) for by in ("wall", "cpu")} for name in row.samples},
    }


def _table(rows: Sequence[Row]) -> str:
    lines = [
        f"{'':30} {'unit':>12} {'baseline':>9} {'':>9} {'':>9}  ratio to the baseline: min, median, max",
        f"{'':30} {'':>12} {'wall':>9} {'wall':>9} {'cpu':>9}  {'wall':^18} {'cpu':^18} {'target':>8}",
    ]
    for row in rows:
        for name in ORDER:
            if name not in row.samples:
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
    return ", ".join(f"{value:.2f}" for value in (ratios[0], statistics.median(ratios), ratios[-1]))
