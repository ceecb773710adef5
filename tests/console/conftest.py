"""A real Chromium that looks at the console of a real server. Without a browser those tests are skipped.

Whatever a test does, the console has said nothing to the browser's log, and asked nobody but its server.
"""

import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect, sync_playwright

from actors.browser.search import Wanted, _is_root, _places
from tests.browser.conftest import HOW_TO_GET_ONE
from tests.e2e.test_durability import Server

ARTIFACTS = Path(__file__).resolve().parents[2] / ".ci" / "artifacts"

DEADLINE_MS = 20_000
"""Only ever reached by a test that fails."""

ABSENCE = re.compile(r"WebSocket connection to .* failed|net::ERR_|Failed to load resource")
"""What a browser itself logs of a server that is not there, or refuses; no page can keep it from that."""


# A step of a test takes milliseconds; on a machine with much else to do perhaps seconds.
expect.set_options(timeout=DEADLINE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The first browser that starts, looked for where the product looks."""
    with sync_playwright() as playwright:
        for _, options in _places(Wanted()):
            try:
                found = playwright.chromium.launch(**options, chromium_sandbox=not _is_root())
            except Error:
                continue
            yield found
            found.close()
            return
    pytest.skip(HOW_TO_GET_ONE)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of this test, with a journal on disk. It does not run yet, and does not outlive the test."""
    found = Server(tmp_path, XDG_STATE_HOME=str(tmp_path / "state"))
    yield found
    if found.process is not None and found.process.poll() is None:
        found.process.kill()
        found.process.communicate()


@attrs.define(eq=False, slots=False)
class Console:
    """One page, and what it did that it should not."""

    page: Page
    server: Server
    faults: list[str] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)
    """Addresses of all its requests."""
    alone_now: bool = False

    def go(self, view: str) -> None:
        """Open a view of the console, as `/runs`."""
        self.page.goto(f"{self.server.address}/#{view}")

    def find(self, name: str) -> Any:
        """What has this test id."""
        return self.page.get_by_test_id(name)

    def drawn(self) -> tuple[dict[str, str], dict[str, str]]:
        """Node → status and edge → state, as the canvas has them; without those of which nothing was told."""
        told: Any = self.page.evaluate(
            """() => {
                const all = (key, name) => Object.fromEntries(
                    [...document.querySelectorAll(`[data-testid^="${key}-"][data-${name}]`)]
                        .map((one) => [one.dataset.testid.slice(key.length + 1), one.getAttribute(`data-${name}`)]));
                return [all("node", "status"), all("edge", "edge-state")];
            }"""
        )
        nodes, edges = told
        return (
            {node: status for node, status in nodes.items() if status != "none"},
            {edge: state for edge, state in edges.items() if state in {"taken", "dead"}},
        )

    def agrees(self, run_id: str) -> None:
        """Wait until the canvas shows what the server's snapshot says, of each node and each edge."""
        until = time.monotonic() + DEADLINE_MS / 1000
        while True:
            before = told(self.server, run_id)
            drawn = self.drawn()
            # What the server says must not have changed meanwhile.
            if drawn == before == told(self.server, run_id):
                return
            assert time.monotonic() < until, f"drawn {drawn}, but {before}"
            self.page.wait_for_timeout(20)

    def watch(self) -> None:
        """From now on remember every status that a node is shown with."""
        self.page.evaluate(
            """() => {
                const told = (window.told = {});
                const see = (one) => {
                    const id = one.dataset?.testid;
                    if (!id?.startsWith("node-")) return;
                    const story = (told[id.slice(5)] ??= []);
                    const now = one.dataset.status + (one.dataset.iteration ? ` ${one.dataset.iteration}` : "");
                    if (story.at(-1) !== now) story.push(now);
                };
                document.querySelectorAll("[data-testid]").forEach(see);
                const seeIn = (added) => added.querySelectorAll?.("[data-testid]").forEach(see);
                new MutationObserver((changes) => changes.forEach((change) => {
                    see(change.target);
                    change.addedNodes.forEach(seeIn);
                })).observe(document.body, {
                    subtree: true, childList: true, attributes: true, attributeFilter: ["data-status", "data-iteration"]});
            }"""
        )

    def story(self, node: str) -> list[str]:
        """The statuses that a node was shown with, in that order."""
        return list(self.page.evaluate("(node) => window.told[node]", node))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Meanwhile the server may be gone, or refuse."""
        self.alone_now = True
        yield
        # What the browser had to say of it has to be in before it counts again.
        self.page.evaluate("() => new Promise((done) => setTimeout(done, 100))")
        self.alone_now = False

    def shot(self, name: str) -> None:
        """Keep a picture of what is shown."""
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"console-{name}.png")

    def hear(self, message: ConsoleMessage) -> None:
        """The page, or the browser about it, has logged something."""
        if message.type in {"error", "warning"} and not (self.alone_now and ABSENCE.search(message.text)):
            self.faults.append(f"{message.type}: {message.text} at {message.location['url'][:80]}")

    def see(self, address: str) -> None:
        """It asks for something."""
        self.asked.append(address)
        ours = (
            self.server.address,
            self.server.address.replace("http", "ws", 1),
            "data:",
            f"blob:{self.server.address}",
        )
        if not address.startswith(ours):
            self.faults.append(f"asked {address}")


OpenConsole = Callable[..., Console]


@pytest.fixture
def open_console(browser: Browser, server: Server) -> Iterator[OpenConsole]:
    """Opens pages of the server, each in a window of its own; starts the server if need be."""
    opened: list[Console] = []

    def call(view: str = "/runs", *, refused: bool = False, **context: Any) -> Console:
        # refused: by a server that wants a token, which the browser logs.
        if server.process is None:
            server.start()
        window = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, "locale": "en-GB", **context})
        window.set_default_timeout(DEADLINE_MS)
        page = window.new_page()
        console = Console(page, server, alone_now=refused)
        opened.append(console)
        page.on("console", console.hear)
        page.on("pageerror", lambda error: console.faults.append(f"raised: {error}"))
        page.on("request", lambda request: console.see(request.url))
        page.on("websocket", lambda socket: console.see(socket.url))
        console.go(view)
        return console

    yield call
    for console in opened:
        console.page.context.close()
    assert [fault for console in opened for fault in console.faults] == []


def told(server: Server, run_id: str) -> tuple[dict[str, str], dict[str, str]]:
    """Node → status and edge → state, as the server's snapshot has them."""
    status, snapshot = server.ask("GET", f"/api/runs/{run_id}")
    assert status == 200
    return {node: said["status"] for node, said in snapshot["nodes"].items()}, snapshot["edges"]


def kill(server: Server) -> str:
    """End a server as a power cut does; gives its port, for the next one."""
    server.end(signal.SIGKILL)
    return server.address.rpartition(":")[2]
