"""What measures works: each subcommand of bin/bench, in its quick form. What it measures is for people to judge."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_journal_is_measured(tmp_path):
    """Each way of writing beside the disk itself, and a journal of many events, as JSON for programs."""
    command = [sys.executable, "-m", "tests.bench", "journal", "--quick", "--json", "--folder", str(tmp_path)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=110).stdout
    figures = json.loads(printed)
    assert len(figures["cases"]) == 5
    for name, rounds in figures["cases"].items():
        for each in rounds:
            assert each["rate"] > 0, name
            assert each["ratio"] > 0, name
    assert figures["large"]["events"] == 20_000
    assert figures["large"]["open"] > 0
    assert not list(tmp_path.iterdir())


def measured(name, folder):
    """What a subcommand prints for programs; the baseline is left out, for what it needs is not installed here."""
    command = [sys.executable, "-m", "tests.bench", name, "--quick", "--json", "--folder", str(folder)]
    command += ["--only", "callboard,sqlite,plain,limit"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=110).stdout
    assert not list(folder.iterdir())
    return json.loads(printed)


@pytest.mark.parametrize(
    ("name", "contestants"),
    [
        ("fanout", {"callboard", "plain", "limit"}),
        ("nodes", {"callboard", "sqlite", "plain", "limit"}),
        ("latency", {"callboard", "plain", "limit"}),
    ],
)
def test_costs_are_measured_beside_others(name, contestants, tmp_path):
    """Each contestant has done its work and taken its time."""
    rows = [found for found in measured(name, tmp_path) if "samples" in found]
    assert rows
    for row in rows:
        assert set(row["samples"]) == contestants
        for samples in row["samples"].values():
            assert all(sample["wall"] > 0 and sample["work"] > 0 for sample in samples), row["name"]


@pytest.mark.parametrize("name", ["stalled", "memory", "connections"])
def test_what_is_no_cost_is_measured(name, tmp_path):
    """As often as asked for; and those that read are told all beside one that does not."""
    figures = {figure["name"]: figure["found"] for figure in measured(name, tmp_path)}
    assert figures
    assert all(len(values) == 1 for found in figures.values() for values in found.values())
    if name == "stalled":
        assert figures["told to the healthy beside a stalled one"] == {"callboard": [100.0]}
    elif name == "connections":
        assert figures["of them heard a heartbeat or a ping"]["callboard"] == [100.0]
