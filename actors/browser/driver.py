"""The browser driver: hands and eyes of the nodes of one run, on a page of its own in a real Chromium.

Theory of operation: the runtime makes one for each run with `driver: "browser"`. Its first act opens a context and a
page in the runtime's browser; the run closes it (`close`) after its last node and before its ending is told, so that
nothing of it is left then. On a page one act is made at a time, in the order in which the nodes were started; its
nodes wait for their turn in it.

*Two phases.* A click waits, unshielded, until the element could be clicked; a cancel ends that within milliseconds.
The wait tries to hover and not to click: Playwright's trial of a click does press the button, and keeps the events from
most of the page but not from listeners of its window, nor after a cancel in mid-press. Then it acts inside `once`,
where neither a pause nor a stop cuts it, and with a short timeout; an element that went away meanwhile is waited for
again. It is Playwright's full click (without `no_wait_after`, which tells a click that missed a moving element as
done). After a timeout its call log tells whether the button was pressed: what was sent is never sent again. Typing is
alike. Conditions look once, and never wait for an element.

*What is left of a page.* After each act the address and the storage (cookies, local storage) are noted in the run. When
the page is lost – the browser died, the server was killed – the next act opens another one there and warns; where
that can not be done the node fails with `browser_lost`. The driver has all of it in memory; the note, which is for
another process, has no secret: what holds one is left out of it.

*Failure.* The error carries Playwright's call log, and a picture of the page is kept among the artifacts.
"""

import contextlib
import logging
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import orjson
import trio

from actors import expressions
from actors.browser.search import load_playwright
from actors.browser.service import CRASHED, Browsers
from actors.browser.turns import Turns
from actors.context import DRIVER_NOTE, NodeContext, Picture
from actors.errors import NodeError
from protocol.messages import Json

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Dialog, Error, Frame, Locator, Page

__all__ = ["BrowserDriver"]

PATIENCE_S: Final = 30.0
"""How long an element or a page is waited for by a node without a `timeout`."""
MARGIN_S: Final = 0.1
"""By which Playwright gives up before the node's timeout: its error says why, that of the timeout can not."""
ACT_S: Final = 1.0
"""For an act on an element that was ready a moment ago. Pauses and stops wait for it."""
LOOK_S: Final = 10.0
"""For a look at a page, which answers at once unless it hangs."""
NOTE_S: Final = 2.0
CLOSE_S: Final = 5.0
MAX_STORAGE: Final = 2**20
"""Bytes as JSON; a larger one is not noted, cookies excepted."""
FRAME: Final = ">>>"
"""Between the selector of an iframe and what is in it: `iframe#pay >>> button`."""

_BLANK: Final = "about:blank"
_SENT: Final = re.compile(r"performing click action(?!.*(?:retrying click|intercepts pointer))", re.DOTALL)
"""In a call log whose last attempt got as far as pressing the button."""
_PNG_SIZE: Final = slice(16, 24)
"""Of the IHDR chunk, which comes first (ISO/IEC 15948, 11.2.2)."""
_TEXT_OF: Final = """elements => elements.map(
  e => /^(INPUT|TEXTAREA|SELECT)$/.test(e.tagName) ? e.value : e.innerText ?? e.textContent)"""

_logger: Final = logging.getLogger(__name__)

T = TypeVar("T")


class _NotYetError(Exception):
    """The element was ready, and is not any more."""


@attrs.define(eq=False)
class _Tab:
    """What a run has in the browser."""

    context: "BrowserContext"
    page: "Page"
    lost: str = ""
    """Why it can not be used any more."""


class BrowserDriver:
    """A `Driver` on a real page.

    Args:
        browsers: the runtime's browser.
        notes: the notes of the run.
        note: writes one: the context of the node, the key, the value.
        blot: gives JSON without the secrets in it.
        order: the contexts of the nodes that run, first started first.
    """

    name = "browser"

    def __init__(
        self,
        browsers: Browsers,
        *,
        notes: Mapping[str, Json],
        note: Callable[[NodeContext[Any], str, Json], None],
        blot: Callable[[Json], Json],
        order: Callable[[], Iterable[object]],
    ) -> None:
        self._browsers = browsers
        self._notes = notes
        self._note = note
        self._blot = blot
        self._state: dict[str, Json] | None = None
        """Where the page is, and its storage; None: there was none in this process."""
        self._turns = Turns(order)
        self._tab: _Tab | None = None
        self._acting: NodeContext[Any] | None = None
        """Whose turn it is, or was last: what the page says by itself is said in its name."""

    async def open(self, ctx: NodeContext[Any], url: str | None, app: str | None) -> None:
        """Open the address in a page. It is no effect: what is cut is opened again."""
        async with self._act(ctx, f"open {url}", fresh=url is not None) as tab:
            if url is not None:
                await self._wait(tab.page.goto, _address(url))
            await self._remember(ctx, tab)

    async def click(self, ctx: NodeContext[Any], selector: str, *, button: str, count: int, nth: int | None) -> None:
        """Wait until the element can be clicked, then click."""
        if ctx.done(name := ctx.act("click")):
            # Before a crash or a pause: its element need not be there any more.
            await trio.lowlevel.checkpoint()
            return
        from playwright.async_api import expect

        async with self._act(ctx, f"click {selector!r}") as tab:
            element = _find(tab.page, selector, nth)
            how: dict[str, Any] = {"button": button, "click_count": count}
            until = _deadline()

            async def act() -> None:
                await self._press(ctx, element, how)
                await self._remember_if_there(ctx, tab)

            while True:
                await self._wait(element.hover, trial=True, until=until)
                await self._expect(f"click {selector!r}", expect(element).to_be_enabled, until)
                try:
                    await ctx.once(name, act)
                except _NotYetError:
                    continue
                # No checkpoint from here on: what was done is recorded, and is to be seen before any cancel.
                return

    async def fill(self, ctx: NodeContext[Any], selector: str, text: str, *, clear: bool) -> None:
        """Wait until the element can be typed into, then set its text."""
        if ctx.done(name := ctx.act("fill")):
            # Before a crash or a pause: its element need not be there any more.
            await trio.lowlevel.checkpoint()
            return
        from playwright.async_api import TimeoutError as PlaywrightTimeout
        from playwright.async_api import expect

        async with self._act(ctx, f"type into {selector!r}", secret=text) as tab:
            element = _find(tab.page, selector, None)
            until = _deadline()

            async def act() -> None:
                try:
                    before = "" if clear else (await self._look(element.evaluate_all, _TEXT_OF) or [""])[0]
                    await self._browsers.call(element.fill, f"{before}{text}", timeout=ACT_S * 1000)
                except PlaywrightTimeout as error:
                    raise _NotYetError from error
                await self._remember_if_there(ctx, tab)

            while True:
                await self._expect(f"type into {selector!r}", expect(element).to_be_editable, until)
                try:
                    await ctx.once(name, act)
                except _NotYetError:
                    continue
                return

    async def check(self, ctx: NodeContext[Any], selector: str, operator: str, value: Json) -> bool:
        """One look at the page; an element that is not there has no text.

        Of several elements one is enough that is visible; the text is that of the first.
        """
        async with self._act(ctx, f"look at {selector!r}") as tab:
            await self._parsed(tab)
            element = _find(tab.page, selector, None)
            if operator in ("visible", "hidden"):
                seen = await self._look(element.filter(visible=True).count) > 0
                holds = seen is (operator == "visible")
            elif operator in ("exists", "not_exists"):
                there = await self._look(element.count) > 0
                holds = there is (operator == "exists")
            else:
                texts = await self._look(element.evaluate_all, _TEXT_OF)
                holds = _compare(texts[0].strip() if texts else None, operator, value)
            await self._remember(ctx, tab)
        return holds

    async def wait_for(self, ctx: NodeContext[Any], selector: str, *, state: str, nth: int | None = None) -> None:
        """Wait until an element is attached, visible, hidden or detached; of several one that is there is enough."""
        async with self._act(ctx, f"wait until {selector!r} is {state}") as tab:
            element = _find(tab.page, selector, nth)
            if state in ("visible", "hidden"):
                # Hidden: none is visible.
                element = element.filter(visible=True)
            how = "attached" if state in ("visible", "attached") else "detached"
            await self._wait(element.first.wait_for, state=how)
            await self._remember(ctx, tab)

    async def screenshot(self, ctx: NodeContext[Any], *, full: bool) -> Picture:
        """A PNG of the page."""
        async with self._act(ctx, "take a picture") as tab:
            await self._parsed(tab)
            png = await self._wait(tab.page.screenshot, full_page=full)
            await self._remember(ctx, tab)
        width, height = struct.unpack(">II", png[_PNG_SIZE])
        return Picture(png, width, height)

    async def close(self) -> None:  # noqa: ASYNC910  the bridge awaits
        """Close the page, bounded; the run calls it when no node runs any more."""
        tab, self._tab, self._acting = self._tab, None, None
        if tab is not None:
            await self._close(tab)

    # The page

    @asynccontextmanager
    async def _act(
        self, ctx: NodeContext[Any], what: str, *, fresh: bool = False, secret: str = ""
    ) -> AsyncIterator[_Tab]:
        """One's turn on the page. What goes wrong is told in words, with a picture of the page.

        Args:
            ctx: whose.
            what: it is about to do.
            fresh: it opens an address itself, so none has to be restored.
            secret: must not be in the error.
        """
        await load_playwright()
        from playwright.async_api import Error

        async with self._turns.turn(ctx):
            self._acting = ctx
            try:
                try:
                    yield await self._open(ctx, fresh=fresh)
                except Error as error:
                    raise self._told(error, what, secret) from None
            except NodeError as error:
                # Perhaps at the very end of its time.
                async with ctx.cleanup():  # noqa: ASYNC120  shielded, with a deadline
                    await self._picture(ctx, error.code)  # noqa: ASYNC120  shielded, with a deadline
                raise
            except trio.Cancelled:
                if ctx.cancel_cause == "timeout":
                    async with ctx.cleanup():  # noqa: ASYNC102  shielded, with a deadline
                        await self._picture(ctx, "timeout")  # noqa: ASYNC102  shielded, with a deadline
                raise

    async def _open(self, ctx: NodeContext[Any], *, fresh: bool) -> _Tab:
        """The run's page; another one where the last was left, if it is lost."""
        tab = self._tab
        if tab is not None and not tab.lost:
            return tab  # noqa: ASYNC910  the bridge awaits
        known = self._state or self._notes.get(DRIVER_NOTE)
        why = "the server was started again" if tab is None else tab.lost
        if tab is not None:
            self._tab = None
            await self._close(tab)
        context = await self._browsers.open_context(None if known is None else known["storage"])
        try:
            page = await self._browsers.call(context.new_page)
            tab = _Tab(context, page)
            self._listen(tab)
            if known is not None and not fresh:
                await self._restore(ctx, tab, known, why)
        except BaseException:
            await self._close(_Tab(context, None))  # type: ignore[arg-type]  # noqa: ASYNC102  shielded, with a deadline
            raise
        self._tab = tab
        if known is not None:
            self._state = {"url": known["url"], "storage": known["storage"]}
        return tab

    async def _restore(self, ctx: NodeContext[Any], tab: _Tab, known: Mapping[str, Json], why: str) -> None:  # noqa: ASYNC910  the bridge awaits
        from playwright.async_api import Error

        url, hidden = known["url"], known.get("hidden", {"url": False, "entries": 0})
        if hidden["url"]:
            raise NodeError(
                f"the page of this run is lost ({why}), and {url} can not be opened again: its address holds a secret, "
                "which is not kept",
                code="browser_lost",
            )
        try:
            if url != _BLANK:
                await self._wait(tab.page.goto, _address(url))
        except Error as error:
            raise NodeError(
                f"the page of this run is lost ({why}), and {url} can not be opened again: {error.message}",
                code="browser_lost",
            ) from None
        ctx.log(
            "warn",
            f"the page of this run was lost ({why}); it goes on in a new one at {url}, with the cookies of the old"
            + (f", but for {hidden['entries']} entries that held a secret" if hidden["entries"] else ""),
        )

    def _listen(self, tab: _Tab) -> None:
        """What the page does by itself. The handlers run in the loop's thread, and only hand on."""
        tell = self._browsers.tell

        async def dialog(asked: "Dialog") -> None:
            # As Playwright does where nobody listens: a page that is left is left, nothing else is agreed to.
            if asked.type == "beforeunload":
                await asked.accept()
            else:
                await asked.dismiss()
                tell(self._say, tab, "warn", f"the page showed a dialog, which was dismissed: {asked.message!r}")

        def lost(why: str) -> Callable[[object], None]:
            return lambda _: tell(self._lose, tab, why)

        def another(page: "Page") -> None:
            if page is not tab.page:
                tell(self._say, tab, "warn", "the page opened another window, in which nothing is done")

        def moved(frame: "Frame") -> None:
            if frame.parent_frame is None:
                tell(self._moved, tab, frame.url)

        tab.page.on("dialog", dialog)
        tab.page.on("crash", lost("it crashed"))
        tab.page.on("close", lost("it was closed"))
        tab.page.on("framenavigated", moved)
        tab.context.on("page", another)

    def _lose(self, tab: _Tab, why: str) -> None:
        tab.lost = tab.lost or why

    def _say(self, tab: _Tab, level: Any, text: str) -> None:
        if tab is self._tab and self._acting is not None:
            self._acting.log(level, text)

    def _moved(self, tab: _Tab, url: str) -> None:
        if tab is self._tab and self._acting is not None and self._state is not None:
            self._keep(self._acting, {**self._state, "url": url})

    async def _remember(self, ctx: NodeContext[Any], tab: _Tab) -> None:
        """Note where the page is. A page that does not answer leaves the storage as it was noted."""
        storage: Any = None if self._state is None else self._state["storage"]
        with trio.move_on_after(NOTE_S):
            storage = await self._browsers.call(tab.context.storage_state)
            if len(orjson.dumps(storage)) > MAX_STORAGE:
                storage = {**storage, "origins": []}
        self._keep(ctx, {"url": tab.page.url, "storage": storage})

    def _keep(self, ctx: NodeContext[Any], state: dict[str, Json]) -> None:
        if state != self._state:
            self._state = state
            self._note(ctx, DRIVER_NOTE, self._without_secrets(state))

    def _without_secrets(self, state: dict[str, Any]) -> Json:
        """A blotted cookie would be a wrong one: it is left out, and counted; that the address is blotted is said."""
        if self._blot(state) == state:
            return state
        count = 0

        def clean(entries: Iterable[Json]) -> list[Json]:
            nonlocal count
            entries = list(entries)
            kept = [entry for entry in entries if self._blot(entry) == entry]
            count += len(entries) - len(kept)
            return kept

        storage = state["storage"]
        if storage is not None:
            found: list[dict[str, Any]] = storage["origins"]
            origins = [{**origin, "localStorage": clean(origin["localStorage"])} for origin in found]
            storage = {"cookies": clean(storage["cookies"]), "origins": clean(origins)}
        url = self._blot(state["url"])
        return {"url": url, "storage": storage, "hidden": {"url": url != state["url"], "entries": count}}

    async def _remember_if_there(self, ctx: NodeContext[Any], tab: _Tab) -> None:  # noqa: ASYNC910  the bridge awaits
        """As `_remember`, after an act: that is done, even if the browser died of it."""
        from playwright.async_api import Error

        with contextlib.suppress(Error):
            await self._remember(ctx, tab)

    async def _close(self, tab: _Tab) -> None:  # noqa: ASYNC910  the bridge awaits
        with trio.move_on_after(CLOSE_S) as scope:  # noqa: ASYNC912  the bridge awaits
            scope.shield = True
            try:
                await self._browsers.call(tab.context.close)
            except Exception as error:  # noqa: BLE001  the browser may be dead
                _logger.debug("closing a page: %s", error)
        if scope.cancelled_caught:
            _logger.warning("a page does not close within %g s, and is left to the browser's end", CLOSE_S)

    # Acts

    async def _wait(self, fn: Callable[..., Awaitable[T]], /, *args: Any, until: float | None = None, **how: Any) -> T:
        """Something of Playwright's that waits, until it is time to give up."""
        left = (_deadline() if until is None else until) - trio.current_time()
        return await self._browsers.call(fn, *args, timeout=max(1, round(left * 1000)), **how)

    async def _expect(self, what: str, fn: Callable[..., Awaitable[None]], until: float) -> None:
        """An expectation of Playwright's, waited for.

        Raises:
            NodeError: code `timeout`: it was not met.
        """
        try:
            await self._browsers.call(fn, timeout=max(1, round((until - trio.current_time()) * 1000)))
        except AssertionError as error:
            # What follows the log is what the element holds, which may be a password.
            why = str(error).partition("\nAria snapshot:")[0].strip()
            raise NodeError(f"could not {what}: {why}", code=_code(why, default="timeout")) from None

    async def _look(self, fn: Callable[..., Awaitable[T]], /, *args: Any) -> T:
        """Something of Playwright's that waits for nothing, and takes no timeout.

        Raises:
            NodeError: code `timeout`: the page hangs.
        """
        with trio.move_on_after(LOOK_S):
            return await self._browsers.call(fn, *args)
        raise NodeError(f"the page has not answered for {LOOK_S:g} s", code="timeout")

    async def _parsed(self, tab: _Tab) -> None:  # noqa: ASYNC910  the bridge awaits
        """A click may have led to a page that is only half there: it is looked at when it is, or does not come."""
        from playwright.async_api import TimeoutError as PlaywrightTimeout

        with contextlib.suppress(PlaywrightTimeout):
            await self._browsers.call(tab.page.wait_for_load_state, "domcontentloaded", timeout=LOOK_S * 1000)

    async def _press(self, ctx: NodeContext[Any], element: "Locator", how: Mapping[str, Any]) -> None:  # noqa: ASYNC910  the bridge awaits
        """Click, once.

        Raises:
            _NotYetError: it was not clicked, because it could not be.
        """
        from playwright.async_api import TimeoutError as PlaywrightTimeout

        try:
            await self._browsers.call(element.click, timeout=ACT_S * 1000, **how)
        except PlaywrightTimeout as error:
            if _SENT.search(error.message) is None:
                raise _NotYetError from error
            if "click action done" not in error.message:
                ctx.log(
                    "warn", f"the page has not answered the click for {ACT_S:g} s; it was sent, and is not repeated"
                )

    # Failure

    def _told(self, error: "Error", what: str, secret: str) -> NodeError:
        """An error of Playwright's in words, with its call log."""
        from playwright.async_api import TimeoutError as PlaywrightTimeout

        message = error.message
        if secret:
            message = message.replace(secret, "…").replace(orjson.dumps(secret).decode()[1:-1], "…")
        lost = self._tab.lost if self._tab is not None else ""
        if isinstance(error, PlaywrightTimeout):
            return NodeError(f"could not {what}: {message}", code="timeout")
        if lost or "has been closed" in message or "crashed" in message:
            if not self._browsers.alive:
                lost = "the browser ended"
            lost = lost or "it was closed"
            if self._tab is not None:
                self._tab.lost = lost
            why = f"the page is lost ({lost}); a retry would get a new one"
            return NodeError(f"could not {what}: {why}", code=CRASHED)
        if (code := _code(message, default="browser_failed")) == "ambiguous_selector":
            message += "\nSay which with `nth` (0 is the first), or select better."
        return NodeError(f"could not {what}: {message}", code=code)

    async def _picture(self, ctx: NodeContext[Any], code: str) -> None:  # noqa: ASYNC910  the bridge awaits
        """Keep a picture of the page as it is; where that can not be done, the failure alone is told."""
        tab = self._tab
        if tab is None or tab.lost or code == CRASHED:
            return  # noqa: ASYNC910  the bridge awaits
        try:
            png = await self._browsers.call(tab.page.screenshot, timeout=NOTE_S * 1000)
            name = await ctx.artifacts.save(f"failed_{re.sub(r'[^A-Za-z0-9-]', '_', ctx.node_id)[:80]}.png", png)
        except Exception as error:  # noqa: BLE001  what failed before is what counts
            ctx.log("warn", f"no picture of the page could be kept: {str(error).splitlines()[0]}")
        else:
            ctx.log("info", f"the page as it was: {ctx.artifacts.url(name)}", artifact=name)


def _code(message: str, *, default: str) -> str:
    """What sort of error Playwright's text tells of."""
    signs = {
        "strict mode violation": "ambiguous_selector",
        "while parsing": "bad_selector",
        "net::ERR": "page_failed",
    }
    return next((code for sign, code in signs.items() if sign in message), default)


def _find(page: "Page", selector: str, nth: int | None) -> "Locator":
    """The element, through the iframes that the selector names."""
    *frames, last = (part.strip() for part in selector.split(FRAME))
    place: Any = page
    for frame in frames:
        place = place.frame_locator(frame)
    element: Locator = place.locator(last)
    return element if nth is None else element.nth(nth)


def _address(url: str) -> str:
    """With a scheme, as people leave it out.

    Raises:
        NodeError: code `not_allowed`: it is no page of the network; a `file:` is the server's own.
    """
    if (scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]*):(?!\d)", url)) is None:
        return f"http://{url}"
    if scheme[1].lower() in ("http", "https") or url == _BLANK:
        return url
    raise NodeError(f"url: {url} can not be opened: only http, https and {_BLANK} are allowed", code="not_allowed")


def _deadline() -> float:
    """When to give up, in trio's time."""
    now = trio.current_time()
    return min(now + PATIENCE_S, trio.current_effective_deadline() - MARGIN_S)


def _compare(text: str | None, operator: str, value: Json) -> bool:
    """What a condition says about a text; an element that is not there equals nothing."""
    wanted = value if isinstance(value, str) else orjson.dumps(value).decode()
    match operator:
        case "equals" | "not_equals":
            holds = text == wanted
        case "contains" | "not_contains":
            holds = text is not None and wanted in text
        case "matches":
            try:
                holds = text is not None and expressions.matches(text, wanted)
            except ValueError as error:
                raise NodeError(f"value: {wanted!r} is no regular expression: {error}", code="bad_config") from error
        case _:
            raise NodeError(f"operator: {operator!r} can not look at an element", code="bad_config")
    return holds is not operator.startswith("not_")
