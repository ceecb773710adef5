"""A real Chromium, a shop to go to, and a runtime whose runs go there. Without a browser all of it is skipped."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from actors.browser.driver import BrowserDriver
from actors.browser.search import Wanted
from actors.browser.service import Browsers, open_browsers
from actors.errors import NodeError
from actors.handle import Run
from actors.runtime import Runtime, open_runtime
from actors.settings import Settings
from protocol.messages import Event, Logged, NodeChanged, RunChanged
from tests.browser.shop import Shop, open_shop

HOW_TO_GET_ONE = "no browser is here; Debian: apt-get install -y chromium; else: python -m playwright install chromium"


@pytest.fixture(scope="session", autouse=True)
def _browser_is_here() -> None:
    async def look() -> None:
        async with open_browsers(Wanted()) as browsers:
            await browsers.found()

    try:
        trio.run(look)
    except* NodeError:
        pytest.skip(HOW_TO_GET_ONE)


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop that is open as long as the test."""
    with open_shop() as opened:
        yield opened


def graph(*nodes: dict[str, Any]) -> dict[str, Any]:
    """One node after the other; each a dict of its kind and its config, the id is the kind's, or `id`."""
    made: list[dict[str, Any]] = []
    for given in nodes:
        config = dict(given)
        kind = config.pop("kind")
        made.append({"id": config.pop("id", kind), "type": kind, "data": {"config": {"waitTime": 0, **config}}})
    edges = [{"source": a["id"], "target": b["id"]} for a, b in itertools.pairwise(made)]
    return {"nodes": made, "edges": edges}


@attrs.define(eq=False)
class Told:
    """What a run said."""

    events: list[Event] = attrs.field(factory=list)

    def status(self, node_id: str) -> str:
        """The last that was said of a node."""
        return str(self._last(node_id).status)

    def error(self, node_id: str) -> tuple[str | None, str]:
        """The code and the text of its failure."""
        event = self._last(node_id)
        return event.code, event.error or ""

    def result(self, node_id: str) -> Any:
        """Its result."""
        return self._last(node_id).result

    def logs(self, node_id: str | None = None) -> list[str]:
        """What was logged."""
        return [
            event.message for event in self.events if isinstance(event, Logged) and node_id in (event.node_id, None)
        ]

    def _last(self, node_id: str) -> NodeChanged:
        return [event for event in self.events if isinstance(event, NodeChanged) and event.node_id == node_id][-1]


@attrs.define(eq=False)
class Stage:
    """A runtime, and ways to look behind it."""

    runtime: Runtime

    async def start(self, *nodes: dict[str, Any], **config: Any) -> Run:
        """Start a chain of nodes in the browser."""
        return await self.runtime.start(graph(*nodes), config={"driver": "browser", **config})

    async def run(self, *nodes: dict[str, Any], **config: Any) -> Told:
        """Run a chain of nodes to its ending."""
        return await self.told(await self.start(*nodes, **config))

    async def told(self, run: Run) -> Told:
        """What a run says until its ending."""
        told = Told()
        with trio.fail_after(60):
            async for event in run.events():
                told.events.append(event)
        return told

    def driver(self, run: Run) -> BrowserDriver:
        """The driver of a run that is there."""
        driver = self.runtime._actors[run.id]._driver
        assert isinstance(driver, BrowserDriver)
        return driver

    async def reached(self, run: Run, node_id: str, status: str = "running") -> None:
        """Wait until a node has a status."""
        with trio.fail_after(60):
            async with aclosing(run.events()) as events:
                async for event in events:
                    assert getattr(event, "status", "") != "failing", event
                    if isinstance(event, NodeChanged) and (event.node_id, event.status) == (node_id, status):
                        return
        raise AssertionError(f"{node_id} was never {status}")

    async def waits(self, run: Run, node_id: str) -> None:
        """Wait until a node is at work on the page."""
        await self.reached(run, node_id)
        driver = self.driver(run)
        with trio.fail_after(60):
            while driver._tab is None or driver._acting is None or driver._acting.node_id != node_id:  # noqa: ASYNC110  no event tells
                await trio.sleep(0.01)

    async def came_to(self, run: Run, status: str) -> None:
        """Wait until a run has a status."""
        with trio.fail_after(60):
            async with aclosing(run.events()) as events:
                async for event in events:
                    if isinstance(event, RunChanged) and event.status == status:
                        return

    async def evaluate(self, run: Run, expression: str) -> Any:
        """What an expression is worth in the page of a run."""
        tab = self.driver(run)._tab
        assert tab is not None
        return await self.browsers.call(tab.page.evaluate, expression)

    @property
    def browsers(self) -> Browsers:
        """The browser."""
        return self.runtime.browsers


OpenStage = Callable[..., AbstractAsyncContextManager[Stage]]


@asynccontextmanager
async def _open_stage(**settings: Any) -> AsyncIterator[Stage]:
    async with open_runtime(settings=Settings(**settings)) as runtime:
        yield Stage(runtime)


@pytest.fixture
def open_stage() -> OpenStage:
    """Makes a stage with other settings."""
    return _open_stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A stage with the default settings."""
    async with _open_stage() as opened:
        yield opened
