"""What `callboard doctor` looks at: what a server would find on this machine, and what to do where it would not.

It looks by doing: a file is written where the journal and the artifacts would be, and the browser is started.
"""

import importlib.metadata
import importlib.util
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import attrs
import trio

from actors.browser.search import INSTALL_EXTRA, Wanted
from actors.browser.service import open_browsers
from actors.errors import NodeError
from actors.settings import Settings

__all__ = ["Finding", "examine"]

PACKAGES: Final = ("trio", "trio-websocket", "common-expression-language", "playwright")


@attrs.frozen
class Finding:
    """One thing that was looked at. `missing` is an optional part, `broken` one that a server needs."""

    what: str
    state: Literal["ok", "missing", "broken"]
    text: str


async def examine(settings: Settings) -> Sequence[Finding]:
    """Look at everything that a server with these settings would use."""
    python = f"{platform.python_version()} at {sys.executable}, {platform.platform()}"
    return [
        Finding("callboard", "ok", importlib.metadata.version("callboard")),
        Finding("Python", "ok", python),
        *map(_package, PACKAGES),
        await trio.to_thread.run_sync(_writable, "journal", _folder_of(settings.journal)),
        await trio.to_thread.run_sync(_writable, "artifacts", settings.artifacts),
        await _browser(settings),
    ]


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", f"for a real browser: {INSTALL_EXTRA}")


def _folder_of(journal: str | None) -> str | None:
    return str(Path(journal.removeprefix("sqlite:")).parent) if journal and journal.startswith("sqlite:") else None


def _writable(what: str, folder: str | None) -> Finding:
    if folder is None:
        return Finding(what, "ok", "nothing is kept on disk")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"callboard doctor")
    except OSError as error:
        return Finding(what, "broken", f"{folder} can not be written: {error.strerror}; choose another by --{what}")
    return Finding(what, "ok", f"{folder} can be written")


async def _browser(settings: Settings) -> Finding:
    if importlib.util.find_spec("playwright") is None:
        return Finding("browser", "missing", "needs Playwright first")  # noqa: ASYNC910  nothing to start, or it was started
    async with open_browsers(Wanted(settings.browser_path, settings.browser_channel)) as browsers:
        try:
            found = await browsers.found()
        except NodeError as error:
            return Finding("browser", "missing", str(error))
    passed_over = "".join(f"\n{line}" for line in found.passed_over)
    return Finding("browser", "ok", f"{found.browser.version}, {found.why}{passed_over}")
