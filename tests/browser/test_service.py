"""The browser of a runtime, without runs: how calls are made, how it starts and how it closes."""

import pytest

from actors.browser.search import Wanted
from actors.browser.service import open_browsers


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
