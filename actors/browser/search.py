"""Which browser: Playwright, if it is installed, and the places where a browser may be, in the order of trying.

The configured path or channel, and nothing else, if there is one; else Playwright's own Chromium, the `chrome` and
`msedge` that are installed, Chromium on PATH. The first that starts is taken; why the others are not is kept, for
`callboard doctor` and for the error.
"""

import functools
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

from actors.errors import NodeError

if TYPE_CHECKING:
    from playwright.async_api import Browser, Playwright

__all__ = ["INSTALL", "INSTALL_EXTRA", "NO_BROWSER", "Found", "Wanted", "launch", "load_playwright"]

NO_BROWSER: Final = "no_browser"
"""Code of the error of a browser node on a machine without a browser, or without Playwright."""

INSTALL: Final = "python -m playwright install chromium"
INSTALL_EXTRA: Final = "pip install 'callboard[browser]'"

LAUNCH_TIMEOUT_S: Final = 30.0
"""One that has not started by then does not start; 0.4–0.8 s are usual."""

_ON_PATH: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_NOT_THERE: Final = ("xecutable doesn't exist", "is not found at", "is not supported on")
_LOG_LINES: Final = 3
"""Of what a browser said that did not start."""


@attrs.frozen
class Wanted:
    """What the settings say."""

    path: str | None = None
    channel: str | None = None


@attrs.frozen(eq=False)
class Found:
    """A browser that runs."""

    browser: "Browser"
    why: str
    """Where it was found."""
    passed_over: Sequence[str]
    """What was tried before, and why it was not taken."""


async def load_playwright() -> None:
    """Import Playwright; then its names can be imported on the loop.

    It takes half a second the first time, which a thread has to spare and the loop has not.

    Raises:
        NodeError: code `no_browser`: it is not installed.
    """
    if _import.cache_info().currsize:
        await trio.lowlevel.checkpoint()
        return
    try:
        # A cancel leaves the import to the thread: whoever comes next waits for its lock, in a thread as well.
        await trio.to_thread.run_sync(_import, abandon_on_cancel=True)
    except ImportError as error:
        raise NodeError(f"a real browser needs Playwright: {INSTALL_EXTRA}", code=NO_BROWSER) from error


@functools.cache
def _import() -> object:
    return import_module("playwright.async_api")


async def launch(playwright: "Playwright", wanted: Wanted) -> Found:
    """Start the first that can be started. Runs in the asyncio loop.

    Raises:
        NodeError: code `no_browser`: there is none; the text says what was tried and what to do.
    """
    from playwright.async_api import Error

    passed_over: list[str] = []
    for why, options in _places(wanted):
        try:
            browser = await playwright.chromium.launch(
                **options,
                timeout=LAUNCH_TIMEOUT_S * 1000,
                # The runtime closes it, in its order; a Ctrl-C reaches the whole process group, and would be first.
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
                # Chromium has no sandbox for root.
                chromium_sandbox=not _is_root(),
            )
        except Error as error:
            passed_over.append(f"{why}: {_reason(error.message)}")
        else:
            return Found(browser, why, passed_over)
    tried = "; ".join(passed_over) or "nothing is there"
    advice = "check browser_path and browser_channel" if wanted.path or wanted.channel else f"install one: {INSTALL}"
    raise NodeError(f"no browser could be started ({tried}); {advice}", code=NO_BROWSER)


def _places(wanted: Wanted) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each place in words, with what it means for Playwright."""
    if wanted.path is not None:
        yield f"browser_path {wanted.path}", {"executable_path": wanted.path}
        return
    if wanted.channel is not None:
        yield f"browser_channel {wanted.channel}", {"channel": wanted.channel}
        return
    yield "Playwright's own Chromium", {}
    for channel in ("chrome", "msedge"):
        yield f"the installed {channel}", {"channel": channel}
    for name in _ON_PATH:
        if (path := shutil.which(name)) is not None:
            yield f"{path}, on PATH", {"executable_path": path}


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _reason(message: str) -> str:
    if any(sign in message for sign in _NOT_THERE):
        return "not installed"
    # What the browser itself said stands behind its process id.
    said = [line.partition("[err]")[2].strip() for line in message.splitlines() if "[err]" in line]
    return " / ".join([message.splitlines()[0], *[line for line in said if line][:_LOG_LINES]])
