"""actors.simulated: a driver that does nothing, repeatably, and says so."""

import struct
import zlib
from random import Random
from typing import Any

import attrs
import pytest

from actors.errors import NodeError
from actors.nodes.data import ConditionConfig
from actors.registry import Registry, node
from actors.runtime import open_runtime
from actors.simulated import SimulatedDriver
from protocol.messages import Logged

DRIVER: Any = SimulatedDriver()
"""It sees as much of a context as this test gives it."""


@attrs.define(eq=False)
class Context:
    config: object = attrs.field(factory=ConditionConfig)
    random: Random = attrs.field(factory=lambda: Random(1))
    iteration: tuple = ()
    lines: list = attrs.field(factory=list)
    acts: list = attrs.field(factory=list)

    def log(self, level, message, /, **context):
        self.lines.append(message)

    def act(self, name):
        return name

    async def once(self, name, fn):
        self.acts.append(name)
        return await fn()


async def answers(count, *, seed=1, **config):
    """What the driver answers to one condition in each turn of a loop."""
    random = Random(seed)
    return [
        await DRIVER.check(Context(ConditionConfig(**config), random, (turn,)), "#a", "exists", "")
        for turn in range(count)
    ]


async def test_a_condition_holds_seven_times_in_ten():
    """By chance, but the same chance for the same seed."""
    found = await answers(2000)
    assert 0.66 < sum(found) / len(found) < 0.74
    assert found == await answers(2000)
    assert found != await answers(2000, seed=2)


async def test_a_condition_may_be_scripted():
    """A value answers always; a list answers turn by turn, and its last one goes on."""
    assert await answers(3, simulate=True) == [True] * 3
    assert await answers(3, simulate=False) == [False] * 3
    assert await answers(4, simulate=[True, False]) == [True, False, False, False]
    assert await DRIVER.check(Context(ConditionConfig(simulate=[False, True])), "#a", "exists", "") is False
    assert await answers(50, simulate=[]) == await answers(50)


async def test_a_script_of_anything_else_fails():
    """Neither true nor false is no answer."""
    with pytest.raises(NodeError, match="simulate"):
        await answers(1, simulate="maybe")


async def test_everything_is_said_once():
    """Each act and answer is one line that names the element, but not what would be typed."""
    ctx = Context()
    await DRIVER.open(ctx, "https://example.org", None)
    await DRIVER.click(ctx, "#a", button="left", count=2, nth=1)
    await DRIVER.fill(ctx, "#b", "hunter2", clear=True)
    await DRIVER.check(ctx, "#c", "visible", "")
    await DRIVER.screenshot(ctx, full=True)
    assert ctx.acts == ["open", "click", "fill"]
    assert len(ctx.lines) == 5
    for word, line in zip(("example.org", "#a", "#b", "#c", "page"), ctx.lines, strict=True):
        assert word in line
        assert "hunter2" not in line


async def test_a_picture_is_a_whole_png():
    """Its chunks, checksums, size and pixels are those of a PNG that any viewer opens."""
    picture = await DRIVER.screenshot(Context(), full=True)
    png = picture.png
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks = {}
    at = 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length) == (zlib.crc32(kind + data),)
        chunks[kind] = data
        at += length + 12
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (picture.width, picture.height, 8, 2, 0, 0, 0)
    pixels = zlib.decompress(chunks[b"IDAT"])
    assert len(pixels) == picture.height * (1 + 3 * picture.width)
    assert not any(pixels[:: 1 + 3 * picture.width])


@node("twice")
async def twice(ctx):
    """Acts twice in the same way."""
    for _ in range(2):
        await ctx.driver.click(ctx, "#a", button="left", count=1, nth=None)


async def test_a_node_may_act_twice():
    """The second act is another one, not the first again."""
    registry = Registry.builtin()
    registry.register(twice)
    plan = {
        "nodes": [{"id": "s", "type": "start"}, {"id": "a", "type": "twice"}],
        "edges": [{"source": "s", "target": "a"}],
    }
    async with open_runtime(registry=registry) as runtime:
        run = await runtime.start(plan)
        lines = [event.message async for event in run.events() if isinstance(event, Logged) and event.node_id == "a"]
    assert sum("would click" in line for line in lines) == 2
