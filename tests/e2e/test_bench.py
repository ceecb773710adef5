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


@pytest.mark.parametrize("name", ["fanout", "nodes"])
def test_what_is_measured_beside_others_is_measured(name, tmp_path):
    """Beside the limit; the baseline is left out, for what it needs is not installed here."""
    command = [sys.executable, "-m", "tests.bench", name, "--quick", "--json", "--folder", str(tmp_path)]
    command += ["--only", "callboard,limit"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=110).stdout
    rows = json.loads(printed)
    assert rows
    for row in rows:
        assert set(row["samples"]) == {"callboard", "limit"}
        for samples in row["samples"].values():
            assert all(sample["wall"] > 0 and sample["work"] > 0 for sample in samples), row["name"]
    assert not list(tmp_path.iterdir())
