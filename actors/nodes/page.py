"""Kinds that act on a page, through the run's driver: `start`, `click`, `input`, `screenshot`.

A pause may cut each of them, because their acts are in `once`: a node that runs again waits again, but acts only if it
has not.
"""

import time
from typing import Final

import attrs

from actors.config import option
from actors.context import NodeContext, Picture
from actors.nodes.programs import start_app
from actors.registry import node
from protocol.messages import Json

__all__ = ["ClickConfig", "InputConfig", "ScreenshotConfig", "StartConfig", "click", "screenshot", "start", "type_text"]

CLICKS: Final = {"left": ("left", 1), "right": ("right", 1), "double": ("left", 2), "middle": ("middle", 1)}
"""Click type → mouse button, how often."""


@attrs.frozen(kw_only=True)
class StartConfig:
    """Settings of `start`."""

    app_name: str | None = None
    """The program to start where there is no page to open, by name or absolute path, if the server's `commands_allow`
    lists it."""
    url: str | None = None
    """The page to open."""


@node("start", config=StartConfig, interruptible=True, wait_time=2.0)
async def start(ctx: NodeContext[StartConfig]) -> Json:
    """Begins the run; opens a page or, where there is none to open, starts a program.

    The program goes on by itself and outlives the run. The simulated driver starts none, and only says so.
    """
    config = ctx.config
    if config.app_name and not config.url and ctx.driver.name != "simulated":
        await start_app(ctx, config.app_name)
    else:
        await ctx.driver.open(ctx, config.url, config.app_name)
    return {"appName": config.app_name, "url": config.url}


@attrs.frozen(kw_only=True)
class ClickConfig:
    """Settings of `click`."""

    selector: str = option("", needed=True)
    """The element."""
    click_type: str = option("left", choices=tuple(CLICKS))
    """Which button, and how often."""
    nth: int | None = None
    """Which one of several elements, from 0; absent: there must be only one."""


@node("click", config=ClickConfig, interruptible=True, wait_time=1.0)
async def click(ctx: NodeContext[ClickConfig]) -> Json:
    """Waits until an element can be clicked, and clicks it once."""
    config = ctx.config
    # The simulated driver takes any type of click.
    button, count = CLICKS.get(config.click_type, (config.click_type, 1))
    await ctx.driver.click(ctx, config.selector, button=button, count=count, nth=config.nth)
    return {"selector": config.selector, "clickType": config.click_type}


@attrs.frozen(kw_only=True)
class InputConfig:
    """Settings of `input`."""

    selector: str = option("", needed=True)
    """The element."""
    text: str = ""
    """What to type."""
    clear_first: bool = False
    """Remove what is in the element before."""


@node("input", config=InputConfig, interruptible=True, wait_time=1.0)
async def type_text(ctx: NodeContext[InputConfig]) -> Json:
    """Types text into an element."""
    config = ctx.config
    await ctx.driver.fill(ctx, config.selector, config.text, clear=config.clear_first)
    # The text itself may be a password; it stays out of the run's events.
    return {"selector": config.selector, "length": len(config.text)}


@attrs.frozen(kw_only=True)
class ScreenshotConfig:
    """Settings of `screenshot`."""

    filename: str = ""
    """Of the PNG among the run's artifacts; empty: screenshot_<unix time>.png."""
    full_screen: bool = True
    """The whole page, not only what is in view."""


@node("screenshot", config=ScreenshotConfig, interruptible=True, wait_time=1.0)
async def screenshot(ctx: NodeContext[ScreenshotConfig]) -> Json:
    """Saves a picture of the page among the run's artifacts."""
    # The page may take its time, or hang: only the saving is not to be cut. What is saved needs no page any more.
    taken: Picture | None = None
    if not ctx.done("screenshot"):
        taken = await ctx.driver.screenshot(ctx, full=ctx.config.full_screen)

    async def save() -> Json:
        picture = taken
        assert picture is not None  # noqa: S101  it is called only if nothing is saved
        filename = ctx.config.filename or f"screenshot_{time.time():.0f}.png"
        name = await ctx.artifacts.save(filename, picture.png)
        return {
            "filename": name,
            "url": ctx.artifacts.url(name),
            "width": picture.width,
            "height": picture.height,
            "bytes": len(picture.png),
        }

    return await ctx.once("screenshot", save)
