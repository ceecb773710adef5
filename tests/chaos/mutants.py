"""Puts real bugs back, one at a time, and sees that the suite fails: `python -m tests.chaos.mutants [--only TEXT]`.

Theory of operation: each mutant is planted in a copy of the tree. There the scenarios of the sweep run that it should
not survive, and if they hold, the tests of the part in which it is; the first failure has found it. What has found it
then runs in a copy without a bug, where it has to hold: a suite that always fails finds nothing.

A text that is to be replaced and is not there any more, or more than once, is an error, so no mutant grows stale
unseen; `test_mutants.py` says so every time the tests run.
"""

import argparse
import json
import os
import re
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

__all__ = ["MUTANTS", "ROOT", "Found", "Mutant", "main"]

ROOT: Final = Path(__file__).parents[2]

LIMIT_S: Final = 300.0
"""For one run of tests. A suite that hangs has not held."""

SWEEP: Final = "tests/chaos/test_sweep.py"

FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
REPLAY: Final = re.compile(r"^E +(.+): broken (?:once|\d+ times)\nE +replay: (\S+)", re.MULTILINE)
"""Of a report of the kit: the invariant, and the injection that broke it."""

HELD, FOUND = 0, 1
"""What pytest exits with. Anything else is about the command, not about what it was to test."""


@attrs.frozen
class Mutant:
    """A bug."""

    name: str
    edits: Mapping[str, Sequence[tuple[str, str]]]
    """File → what is replaced there, and by what."""
    tests: Sequence[str]
    """Those of the part in which it is."""
    sweep: Sequence[str] = ()
    """Those of the sweep that should find it; none: it is in what a simulation replaces."""


@attrs.frozen(kw_only=True)
class Found:
    """What became of a mutant."""

    mutant: str
    files: Sequence[str]
    by: str | None
    """The first test that failed, or what hung; None: it survived."""
    invariant: str | None
    """That was broken, if the kit has found it."""
    replay: str | None
    """The injection that broke it."""
    seconds: float


MUTANTS: Final = (
    Mutant(
        "the ending is not shielded",
        {"actors/run.py": [("self._scope = trio.CancelScope(shield=True)", "self._scope = trio.CancelScope()")]},
        tests=["tests/actors/run/test_stop.py", "tests/actors/test_runtime.py"],
        sweep=["test_nothing_is_found[recovery: left: effects]"],
    ),
    # The journal of the sweep is one in memory; this is the one that has something to wait for.
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
        tests=["tests/actors/journals/test_sqlite.py"],
    ),
    # A node has no socket here; this is whoever has something to say and sends it by itself, beside the writer.
    Mutant(
        "sent from another task than the writer",
        {
            "actors/stream.py": [
                (
                    "        self._check()\n        self.post(bytes(data))\n",
                    (
                        "        self._check()\n"
                        "        while data:\n"
                        "            data = data[await self._transport.send(bytes(data)) :]\n"
                        "        return\n"
                    ),
                )
            ]
        },
        tests=["tests/actors/test_stream.py"],
        sweep=["test_nothing_is_found[connection: exact]", "test_nothing_is_found[hub: slow and lossless]"],
    ),
    # A subscriber has no channel here, but an entry of the hub, which has its subscriptions.
    Mutant(
        "a subscriber is never let go",
        {"actors/hub.py": [("listener = self._listeners.pop(outlet, None)", "listener = self._listeners.get(outlet)")]},
        tests=["tests/actors/test_hub.py"],
        sweep=["test_nothing_is_found[hub: vanishing]"],
    ),
    # Who writes a run's story is its actor.
    Mutant(
        "a pause cancels who writes",
        {
            "actors/run.py": [
                ("        if not drain:\n", "        self._scope.cancel()\n        if not drain:\n"),
            ]
        },
        tests=["tests/actors/run/test_pause.py"],
        sweep=["test_nothing_is_found[controls: pause in a section]"],
    ),
    # Also one that withdraws a drain, and then nobody lets the one before end.
    Mutant(
        "every resume opens a generation",
        {
            "actors/run.py": [
                (
                    "        self._drain = False\n        self._recorder",
                    "        self._again = True\n        self._recorder",
                ),
                ("        self._decided = False\n", "        self._decided = self._again = False\n"),
                (
                    "            if self._goes_on and not self._generations.ready and not self._schedule.idle:\n",
                    (
                        "            ready = self._generations.ready and not self._again\n"
                        "            if self._goes_on and not ready and not self._schedule.idle:\n"
                        "                self._again = False\n"
                    ),
                ),
            ]
        },
        tests=["tests/actors/run/test_pause.py"],
        sweep=["test_nothing_is_found[controls: drain taken back]"],
    ),
    Mutant(
        "completed after a stop",
        {
            "actors/run.py": [
                (
                    "        final = advance(self.status, trigger)\n",
                    (
                        "        final = advance(self.status, trigger)\n"
                        "        if self.view.counts()[NodeStatus.SUCCESS] == self.view.total:\n"
                        "            final = RunStatus.COMPLETED\n"
                    ),
                )
            ]
        },
        tests=["tests/actors/run/test_stop.py"],
        sweep=["test_nothing_is_found[controls: stop in a section]"],
    ),
    Mutant(
        "a handshake may last for ever",
        {"actors/connection.py": [("with trio.fail_after(self._settings.head_timeout):", "with trio.CancelScope():")]},
        tests=["tests/actors/test_connection.py", "tests/actors/test_server.py"],
        sweep=["test_nothing_is_found[connection: handshake]"],
    ),
    # Its clock goes on, and so does it.
    Mutant(
        "a retry ignores the pause",
        {
            "actors/timers.py": [("            self._stopped_at = trio.current_time()\n", "            pass\n")],
            "actors/run.py": [
                (
                    "        if self._timers and self.status is not RunStatus.PAUSED:\n",
                    "        if self._timers:\n",
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
        tests=["tests/actors/run/test_pause.py"],
        sweep=["test_nothing_is_found[controls: pause in a retry]"],
    ),
    # Until then nobody knows of it but this process.
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
        tests=["tests/actors/run/test_recovery.py"],
        sweep=["test_nothing_is_found[recovery: left: wait times]"],
    ),
    # Everybody is told of them, and the next process knows nothing.
    Mutant(
        "breakpoints are told and not noted",
        {
            "actors/run.py": [
                ("        self._recorder.note(BREAKPOINTS, held)\n", "        self.view.note(BREAKPOINTS, held)\n")
            ]
        },
        tests=["tests/actors/run/test_breakpoints.py"],
        sweep=["test_nothing_is_found[recovery: killed while breakpoints change: chain]"],
    ),
    Mutant(
        "a breakpoint stops what had begun",
        {
            "actors/schedule.py": [
                ("            and (node.id, ready.region.iteration) not in self._began\n", ""),
            ]
        },
        tests=["tests/actors/run/test_breakpoints.py"],
        sweep=["test_nothing_is_found[controls: breakpoints change: pause in a retry]"],
    ),
)


def edited(mutant: Mutant, name: str) -> str:
    """The text of a file with the bug in it.

    Raises:
        ValueError: a text to be replaced is not there exactly once.
    """
    text = (ROOT / name).read_text()
    for old, new in mutant.edits[name]:
        if text.count(old) != 1:
            raise ValueError(f"{mutant.name}: {name} has {text.count(old)} times\n{old}")
        text = text.replace(old, new)
    return text


@contextmanager
def planted(mutant: Mutant | None) -> Iterator[Path]:
    """A copy of the tree as it is now, new files included, with a bug in it, or without one.

    Raises:
        ValueError: as `edited`.
    """
    texts = {} if mutant is None else {name: edited(mutant, name) for name in mutant.edits}
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
        for name, text in texts.items():
            (Path(folder) / name).write_text(text)
        yield Path(folder)


def find(mutant: Mutant) -> Found:
    """Plant it, and run what should find it until something fails.

    Raises:
        RuntimeError: the tests could not be run, or fail without the bug, too.
    """
    begun = time.monotonic()
    by = output = None
    with planted(mutant) as folder:
        for tests in filter(None, ([f"{SWEEP}::{test}" for test in mutant.sweep], mutant.tests)):
            output = _failure(folder, tests)
            if output is not None:
                failed = FAILED.search(output)
                by = [failed[1]] if failed else tests
                break
    if by is not None:
        with planted(None) as folder:
            if (broken := _failure(folder, by)) is not None:
                raise RuntimeError(f"{mutant.name}: {' '.join(by)} fails without it, too\n{broken}")
    report = REPLAY.search(output or "")
    return Found(
        mutant=mutant.name,
        files=list(mutant.edits),
        by=None if by is None else " ".join(by),
        invariant=report and report[1],
        replay=report and report[2],
        seconds=round(time.monotonic() - begun, 1),
    )


def _failure(folder: Path, tests: Sequence[str]) -> str | None:
    """What pytest says if they do not all hold."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=short", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{tests[0]} has not ended after {LIMIT_S:g} s"
    if done.returncode not in {HELD, FOUND}:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return None if done.returncode == HELD else done.stdout


def main(arguments: Sequence[str]) -> int:
    """Plant them, and print who was found by what; 1 if one was not."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants with this in their names")
    parser.add_argument("--list", action="store_true", help="plant nothing, print their names and files")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if options.only in mutant.name]
    if not chosen:
        parser.error(f"no mutant has {options.only!r} in its name")
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name:40} {', '.join(mutant.edits)}")
        return 0
    all_found: list[Found] = []
    for mutant in chosen:
        all_found.append(found := find(mutant))
        if not options.json:
            print(_line(found), flush=True)
    if options.json:
        json.dump([attrs.asdict(found) for found in all_found], sys.stdout, indent=2)
        print()
    return 1 if any(found.by is None for found in all_found) else 0


def _line(found: Found) -> str:
    by = "SURVIVED" if found.by is None else found.by.removeprefix(f"{SWEEP}::")
    said = f"  {found.invariant}  {found.replay}" if found.replay else ""
    return f"{found.mutant:40} {', '.join(found.files):34} {found.seconds:5.0f} s  {by}{said}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
