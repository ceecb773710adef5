"""Commands of the parts that are written in TypeScript, run by the Node.js and the packages that `bin/js` finds.

A test names its command, `@pytest.mark.npm("actors/console", "npm", "test")`, and has the fixture `npm` tell whether it
succeeded. Where there is no Node.js, or no network to get packages, it is skipped with the line that says what to do.

Theory of operation: these commands take a minute of a processor together and no test of ours waits for them. So all that
were selected begin when the tests do, at a low priority and one after the other (each waits for the same lock),
and are done when their tests' turn comes. What still runs at the end of the session is killed.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

import attrs
import pytest

__all__ = ["npm", "pytest_collection_finish", "pytest_configure", "pytest_sessionfinish"]

ROOT: Final = Path(__file__).resolve().parents[1]
JS: Final = ROOT / "bin" / "js"

UNAVAILABLE: Final = 69
"""Exit status of bin/js: no Node.js, or no packages."""

DEADLINE: Final = 400.0
"""Seconds; only ever reached by a command that hangs."""

Words = tuple[str, ...]
"""The folder of a package, and a command."""


@attrs.define(eq=False)
class _Running:
    process: subprocess.Popen[bytes]
    output: IO[bytes]

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.output.close()


_running: dict[Words, _Running] = {}


def begin(words: Words, *, patiently: bool) -> None:
    """Start a command, in a process group of its own."""
    package, *command = words
    lock = ["nice", "-n", "15", "flock", str(ROOT / "tests")] if patiently else []
    output = TemporaryFile()  # noqa: SIM115  closed with the process
    process = subprocess.Popen(
        [*lock, str(JS), *command],
        cwd=ROOT / package,
        env={**os.environ, "PYTHON": sys.executable, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    _running[words] = _Running(process, output)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "npm(package, *command): a command of what is written in TypeScript")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin with what was selected."""
    if session.config.option.collectonly or shutil.which("flock") is None or shutil.which("nice") is None:
        return
    for item in session.items:
        for mark in item.iter_markers("npm"):
            begin(mark.args, patiently=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nothing behind."""
    while _running:
        _running.popitem()[1].kill()


@pytest.fixture
def npm(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Waits for the command of this test, and asserts that it succeeded; gives what it wrote."""
    (mark,) = request.node.iter_markers("npm")
    words: Words = mark.args

    def succeeds() -> str:
        if words not in _running:
            begin(words, patiently=False)
        running = _running.pop(words)
        try:
            status = running.process.wait(DEADLINE)
            running.output.seek(0)
            wrote = running.output.read().decode(errors="replace")
        finally:
            running.kill()
        if status == UNAVAILABLE:
            pytest.skip(wrote.strip().splitlines()[-1])
        assert status == 0, wrote
        return wrote

    return succeeds
