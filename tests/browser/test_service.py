"""The browser of a runtime, without runs: how calls are made, how it starts and how it closes."""

import pytest
import trio

from actors.browser.search import Wanted
from actors.browser.service import FIRST_DELAY_S, open_browsers
from actors.errors import NodeError


async def test_only_an_error_of_an_earlier_message_is_called_again():
    """Not one whose text has the same words from the page: what was sent may have acted."""
    calls = []
    async with open_browsers(Wanted()) as browsers:
        context = await browsers.open_context(None)
        page = await browsers.call(context.new_page)
        from playwright.async_api import Error

        async def click():
            calls.append(1)
            await page.locator("button").click(timeout=1000)

        await browsers.call(page.set_content, "<button>Cannot find command to respond: 7</button>" * 2)
        with pytest.raises(Error, match="Cannot find command"):
            await browsers.call(click)
        assert len(calls) == 1
        await browsers.call(page.set_content, "<button onclick='document.title += 1'>go</button>")
        page._impl_obj._connection._error = Error("Cannot find command to respond: 7")
        await browsers.call(click)
        assert len(calls) == 3
        assert await browsers.call(page.title) == "1"


async def took(fn):
    """The seconds until a browser is refused, and the code."""
    began = trio.current_time()
    with pytest.raises(NodeError) as failure:
        await fn()
    return trio.current_time() - began, failure.value.code


async def test_a_browser_that_does_not_start_is_tried_again_with_a_delay():
    """The first two times at once, then after a while that doubles."""
    async with open_browsers(Wanted(path="/bin/false")) as browsers:
        for number in range(4):
            seconds, code = await took(browsers.found)
            assert code == "no_browser"
            assert seconds >= (0, 0, FIRST_DELAY_S, 2 * FIRST_DELAY_S)[number]


async def test_closing_calls_off_a_start_that_waits_for_its_time():
    """And nothing is started after that."""
    refused = []

    async def wait_for_it():
        refused.append(await took(browsers.found))

    async with trio.open_nursery() as nursery:
        async with open_browsers(Wanted()) as browsers:
            browsers._failures = 10
            nursery.start_soon(wait_for_it)
            while browsers._start is None:  # noqa: ASYNC110  no event tells
                await trio.sleep(0.01)
            began = trio.current_time()
        assert trio.current_time() - began < 5
    assert refused[0][1] == "browser_crashed"
    assert browsers._playwright is None
    with trio.fail_after(5):
        assert (await took(browsers.found))[1] == "browser_crashed"
