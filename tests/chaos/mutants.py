"""Puts real bugs back, one at a time, and sees that the suite fails: `python -m tests.chaos.mutants [NAME …]`.

Each mutant is planted in a copy of the tree, whose tests then run until the first failure: the sweep, and if that holds,
those of the part in which the bug is. A text that is to be replaced and is not there any more, or more than once, is an
error, so no mutant grows stale unseen.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

__all__ = ["MUTANTS", "Mutant", "main"]

ROOT: Final = Path(__file__).parents[2]

LIMIT_S: Final = 300.0
"""For one run of tests. A suite that hangs has not held."""

SWEEP: Final = ("tests/chaos/test_sweep.py",)


@attrs.frozen
class Mutant:
    """A bug."""

    name: str
    edits: Mapping[str, Sequence[tuple[str, str]]]
    """File → what is replaced there, and by what."""
    tests: Sequence[str]
    """Those of the part in which it is."""


MUTANTS: Final = (
    Mutant(
        "the ending is not shielded",
        {"actors/run.py": [("self._scope = trio.CancelScope(shield=True)", "self._scope = trio.CancelScope()")]},
        ["tests/actors/run/test_stop.py", "tests/actors/test_runtime.py"],
    ),
    Mutant(
        "published before it is committed",
        {
            "actors/journals/sqlite.py": [
                (
                    "group.told.append(partial(self._appended, run, events, notes, closes=close is not None))",
                    "self._appended(run, events, notes, closes=close is not None)",
                )
            ]
        },
        ["tests/actors/journals/test_sqlite.py"],
    ),
    # A node has no socket here; this is any task that sends past the writer, behind half a frame of it.
    Mutant(
        "sent from another task than the writer",
        {
            "actors/stream.py": [
                (
                    (
                        "        if self._queued:\n"
                        "            self._queue.append(data)\n"
                        "            self._queued += len(data)\n"
                        "            return\n"
                        "        try:\n"
                    ),
                    "        try:\n",
                ),
                (
                    "            self._queued = len(data) - accepted\n",
                    "            self._queued += len(data) - accepted\n",
                ),
            ]
        },
        ["tests/actors/test_stream.py"],
    ),
    # A subscriber has no channel here, but an entry of the hub.
    Mutant(
        "a subscriber is never let go",
        {"actors/hub.py": [("listener = self._listeners.pop(outlet, None)", "listener = self._listeners.get(outlet)")]},
        ["tests/actors/test_hub.py"],
    ),
    Mutant(
        "a pause cancels who writes",
        {
            "actors/run.py": [
                ("        if not self._drain:\n", "        self._scope.cancel()\n        if not self._drain:\n"),
            ]
        },
        ["tests/actors/run/test_pause.py"],
    ),
    Mutant(
        "every resume opens a generation",
        {
            "actors/run.py": [
                (
                    "if self._goes_on and not self._generations.ready and not self._schedule.idle:",
                    "if self._goes_on and not self._schedule.idle:",
                )
            ]
        },
        ["tests/actors/run/test_pause.py"],
    ),
    Mutant(
        "completed after a stop",
        {
            "actors/run.py": [
                (
                    "        final = advance(self.status, trigger)\n",
                    "        final = RunStatus.COMPLETED if self._schedule.idle else advance(self.status, trigger)\n",
                )
            ]
        },
        ["tests/actors/run/test_stop.py"],
    ),
    Mutant(
        "a handshake may last for ever",
        {"actors/connection.py": [("with trio.fail_after(self._settings.head_timeout):", "with trio.CancelScope():")]},
        ["tests/actors/test_connection.py", "tests/actors/test_server.py"],
    ),
    Mutant(
        "a retry ignores the pause",
        {
            "actors/timers.py": [("            self._stopped_at = trio.current_time()\n", "            pass\n")],
            "actors/run.py": [
                (
                    "        if self.status is not RunStatus.PAUSED:\n            # What",
                    "        if True:\n            # What",
                ),
                (
                    "        return self.status is RunStatus.RUNNING and not self.leaving\n",
                    "        return self.status in {RunStatus.RUNNING, RunStatus.PAUSED} and not self.leaving\n",
                ),
                (
                    "if self.status is RunStatus.RUNNING and self._generations.ready and",
                    "if self._goes_on and self._generations.ready and",
                ),
            ],
        },
        ["tests/actors/run/test_pause.py"],
    ),
    Mutant(
        "an outcome is noted after the waitTime",
        {
            "actors/schedule.py": [
                (
                    '        self.note(step, region, "outcome", {"fields": outcome, "until": until})\n',
                    "        del outcome\n",
                )
            ]
        },
        ["tests/actors/run/test_recovery.py"],
    ),
)


@contextmanager
def planted(mutant: Mutant) -> Iterator[Path]:
    """A copy of the tree with the bug in it.

    Raises:
        ValueError: a text to be replaced is not there exactly once.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    with tempfile.TemporaryDirectory(prefix="callboard-mutant-") as folder:
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, Path(folder) / name)
        for name, edits in mutant.edits.items():
            (Path(folder) / name).write_text(edited(mutant, name, edits))
        yield Path(folder)


def edited(mutant: Mutant, name: str, edits: Sequence[tuple[str, str]]) -> str:
    """The text of a file with the bug in it."""
    text = (ROOT / name).read_text()
    for old, new in edits:
        if text.count(old) != 1:
            raise ValueError(f"{mutant.name}: {name} has {text.count(old)} times\n{old}")
        text = text.replace(old, new)
    return text


def find(mutant: Mutant) -> tuple[str | None, float]:
    """The first test that fails, and after how many seconds; None: it survived."""
    begun = time.monotonic()
    with planted(mutant) as folder:
        for tests in (SWEEP, mutant.tests):
            found = _failure(folder, tests)
            if found is not None:
                return found, time.monotonic() - begun
    return None, time.monotonic() - begun


def _failure(folder: Path, tests: Sequence[str]) -> str | None:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{tests[0]} hangs"
    if done.returncode == 0:
        return None
    failed = [line.split(" ", 1)[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed[0] if failed else f"{tests[0]} breaks off: {done.stdout[-300:]}{done.stderr[-300:]}"


def main(arguments: Sequence[str]) -> int:
    """Plant them, and print who was found by what; 1 if one was not."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="texts in the names of mutants (all)")
    names = parser.parse_args(arguments).names or [""]
    survived = 0
    for mutant in MUTANTS:
        if any(name in mutant.name for name in names):
            found, seconds = find(mutant)
            survived += found is None
            print(f"{mutant.name:40} {seconds:5.0f} s  {found or 'SURVIVED'}", flush=True)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
