"""Commands of the parts that are written in TypeScript, run by the Node.js and the packages that `bin/js` finds.

Where those can not be had – no Node.js, no network – whoever asks is skipped with the line that says what to do.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
JS = ROOT / "bin" / "js"

UNAVAILABLE = 69
"""Exit status of bin/js: no Node.js, or no packages."""

DEADLINE = 300.0
"""Seconds; only ever reached by a command that hangs."""


@cache
def _missing() -> str:
    """Why there is no Node.js with its packages, or ""."""
    done = subprocess.run([JS], capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode in {0, UNAVAILABLE}, done.stderr
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def succeeds(package: str, *command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command in the folder of a package, and assert that it succeeds; gives what it wrote."""
    if missing := _missing():
        pytest.skip(missing)
    done = subprocess.run(
        [JS, *command],
        cwd=ROOT / package,
        env={**os.environ, "PYTHON": sys.executable, "NO_COLOR": "1", **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
