"""The browser of a runtime: one Chromium outside all runs, started when it is first wanted, started again when it died.

Theory of operation: `open_browsers` is entered by the runtime around its runs, and left after all of them have ended.
Nothing is imported and no thread runs until a node asks. Then a task of the service, not the node, starts the bridge,
Playwright and the browser: a node that is cancelled meanwhile goes, and the next finds the browser there. All that wait
for a start get the same outcome.

A browser that dies tells every act that waits on it, and is forgotten at once; the next that asks has another one
started. The first such start is made at once, those after it with a growing delay, until one lasted for a minute; a
start that fails counts as a browser that did not last.

Closing, in this order, each step with a deadline: a start that is under way (one that waits for its time is called off,
and there is no other from then on), the browser, Playwright's driver process, the loop, its thread. If
the whole process is killed, the driver sees its stdin close, and ends the browser and itself.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import trio

from actors.browser.bridge import Bridge, BridgeClosed, open_bridge
from actors.browser.search import NO_BROWSER, Found, Wanted, launch, load_playwright
from actors.errors import NodeError

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Playwright

__all__ = ["CRASHED", "Browsers", "open_browsers"]

CRASHED: Final = "browser_crashed"
"""Code of the error of a node whose browser died."""

LASTED_S: Final = 60.0
"""A browser that lived so long did not die of its start."""
FIRST_DELAY_S: Final = 0.5
MAX_DELAY_S: Final = 30.0
CLOSE_S: Final = 5.0
"""For each step of closing."""
CONTEXT_S: Final = 10.0
"""For a new context; 0.1 s is usual."""

_NOT_OURS: Final = ("Cannot find command to respond", "Cannot find object to")
"""What Playwright stumbled over in a message from its driver, it raises from the next call, before that is sent; so it
is called again. Seen with 1.65.2, once in some hundred runs on a machine with much to do. Its text begins so; that of
an error of the call begins with the call's name, and what the page holds comes later."""

_logger: Final = logging.getLogger(__name__)

T = TypeVar("T")


@attrs.define(eq=False)
class _Start:
    """A start that is under way."""

    done: trio.Event = attrs.field(factory=trio.Event)
    error: NodeError | None = None


class Browsers:
    """The browser of a runtime. Made by `open_browsers`."""

    def __init__(self, wanted: Wanted, nursery: trio.Nursery) -> None:
        self._wanted = wanted
        self._nursery = nursery
        self._bridge: Bridge | None = None
        self._closing = trio.Event()
        self._close_bridge = trio.Event()
        self._bridge_closed = trio.Event()
        self._playwright: Playwright | None = None
        self._found: Found | None = None
        self._start: _Start | None = None
        self._failures = 0
        """Starts in a row that failed, or whose browser did not last."""
        self._started_at = 0.0

    async def found(self) -> Found:
        """The browser, started if need be.

        Raises:
            NodeError: code `no_browser`: there is none, or it does not start. Code `browser_crashed`: it is closed.
        """
        while (found := self._found) is None or not found.browser.is_connected():
            self._refuse_if_closing()
            if self._start is None:
                self._start = _Start()
                self._nursery.start_soon(self._starting, self._start, name="browser")
            start = self._start
            await start.done.wait()
            if start.error is not None:
                # One for each that waits: an exception collects the traceback of whoever raises it.
                raise NodeError(str(start.error), code=start.error.code)
        await trio.lowlevel.checkpoint()
        return found

    @property
    def alive(self) -> bool:
        """Whether a browser runs."""
        return self._found is not None and self._found.browser.is_connected()

    async def open_context(self, storage: Mapping[str, Any] | None) -> "BrowserContext":
        """A context of its own, with the cookies and the local storage of an earlier one if there was one.

        Whoever gets it closes it. A cancel leaves none behind.

        Raises:
            NodeError: code `no_browser`, as `found`. Code `browser_crashed`: it does not make one.
        """
        from playwright.async_api import Error

        browser = (await self.found()).browser
        state: Any = dict(storage) if storage is not None else None
        try:
            # Not cut: one that was made would be nobody's.
            with trio.move_on_after(CONTEXT_S) as scope:
                scope.shield = True
                return await self.call(browser.new_context, storage_state=state)
        except Error as error:
            raise NodeError(f"the browser opens no page: {error}", code=CRASHED) from error
        raise NodeError(f"the browser has opened no page within {CONTEXT_S:g} s", code=CRASHED)

    async def call(self, fn: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
        """Await something of Playwright's in its loop; see `Bridge.call`.

        Raises:
            NodeError: code `browser_crashed`: the loop is gone.
        """
        if self._bridge is None:
            raise NodeError("the browser is closed", code=CRASHED)
        try:
            try:
                return await self._bridge.call(fn, *args, **kwargs)
            except Exception as error:
                if not str(error).startswith(_NOT_OURS):
                    raise
            return await self._bridge.call(fn, *args, **kwargs)
        except BridgeClosed as error:
            raise NodeError(str(error), code=CRASHED) from error

    def tell(self, fn: Callable[..., object], /, *args: Any) -> None:
        """Have `fn` called in trio's thread, by a handler that runs in the loop's."""
        if self._bridge is not None:
            self._bridge.tell(fn, *args)

    async def close(self) -> None:
        """End all of it. Called by `open_browsers`, shielded, when no node runs any more."""
        self._closing.set()
        if self._start is not None:
            # One that takes longer is ended by the end of the driver and of the loop.
            with trio.move_on_after(CLOSE_S):
                await self._start.done.wait()
        await self._discard()
        self._close_bridge.set()
        if self._bridge is not None:
            self._bridge = None
            await self._bridge_closed.wait()

    def _refuse_if_closing(self) -> None:
        if self._closing.is_set():
            raise NodeError("the browser is closed", code=CRASHED)

    async def _starting(self, start: _Start) -> None:  # noqa: ASYNC910  the bridge awaits
        """The task of a start. It is not cut: what it began would be nobody's."""
        try:
            with trio.CancelScope(shield=True):
                await self._discard()
                if self._failures > 1:
                    with trio.move_on_after(min(FIRST_DELAY_S * 2 ** (self._failures - 2), MAX_DELAY_S)):
                        await self._closing.wait()
                self._found = await self._launch()
                self._started_at = trio.current_time()
        except NodeError as error:
            self._failures += 1
            start.error = error
        except BridgeClosed as error:
            start.error = NodeError(str(error), code=CRASHED)
        except Exception as error:  # whoever waits is to hear it
            _logger.exception("the browser did not start")
            self._failures += 1
            start.error = NodeError(f"the browser did not start: {error}", code=NO_BROWSER)
        finally:
            self._start = None
            start.done.set()

    async def _launch(self) -> Found:
        self._refuse_if_closing()
        await load_playwright()
        from playwright.async_api import async_playwright

        self._refuse_if_closing()

        if self._bridge is None:
            self._bridge = await self._nursery.start(self._hold_bridge)
        self._playwright = await self._bridge.call(async_playwright().start)
        found = await self._bridge.call(launch, self._playwright, self._wanted)
        browser = found.browser
        browser.on("disconnected", lambda _: self.tell(self._lost, browser))
        _logger.info("browser %s: %s", browser.version, found.why)
        return found

    async def _hold_bridge(self, task_status: trio.TaskStatus[Bridge]) -> None:
        try:
            with trio.CancelScope(shield=True):
                async with open_bridge() as bridge:
                    task_status.started(bridge)
                    await self._close_bridge.wait()
        finally:
            self._bridge_closed.set()

    def _lost(self, browser: "Browser") -> None:
        """It closed its connection, or its driver did."""
        if self._found is None or self._found.browser is not browser:
            return
        lasted = trio.current_time() - self._started_at
        self._failures = 1 if lasted > LASTED_S else self._failures + 1
        _logger.warning("the browser ended after %.1f s; the next node that needs it starts another", lasted)
        self._found = None

    async def _discard(self) -> None:  # noqa: ASYNC910  the bridge awaits
        """Close what there is, dead or alive; each step has a deadline."""
        found, self._found = self._found, None
        playwright, self._playwright = self._playwright, None
        steps: list[Callable[[], Awaitable[None]]] = []
        if found is not None:
            steps.append(found.browser.close)
        if playwright is not None:
            steps.append(playwright.stop)
        for step in steps:
            with trio.move_on_after(CLOSE_S) as scope:  # noqa: ASYNC912  the bridge awaits
                try:
                    await self.call(step)
                except Exception as error:  # noqa: BLE001  it may be dead already
                    _logger.debug("closing the browser: %s", error)
            if scope.cancelled_caught:
                _logger.warning("the browser does not close within %g s and is left to its driver", CLOSE_S)


@asynccontextmanager
async def open_browsers(wanted: Wanted) -> AsyncIterator[Browsers]:
    """The browser of a runtime, until the block is left; then nothing of it runs any more."""
    async with trio.open_nursery() as nursery:
        browsers = Browsers(wanted, nursery)
        try:
            yield browsers
        finally:
            with trio.CancelScope(shield=True):
                await browsers.close()
