"""Kinds that do what no node should; `test_misbehaving.py` plants them into a server of its own."""

import time
from collections.abc import AsyncIterator

import trio

from actors import NodeContext, NodeError
from actors.registry import node

MIB = 2**20


class Custom(BaseException):
    """No Exception."""


class Mute(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


RAISES = {
    "system_exit": SystemExit(3),
    "generator_exit": GeneratorExit(),
    "base_exception": Custom("no Exception"),
    "mute": Mute(),
    "long_winded": ValueError("x" * 20 * MIB),
    "half_a_character": ValueError("the file '\udcff' is not there"),
}


@node("raises", config=dict)
async def raises(ctx: NodeContext[dict]) -> object:
    """Raises what it is told to."""
    await trio.lowlevel.checkpoint()
    raise RAISES[ctx.config["what"]]


ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)
RETURNS = {
    "an_object": object(),
    "a_set": {1},
    "50_MB": "x" * 50 * MIB,
    "half_a_character": "\udcff",
    "a_big_number": 10**400,
    "nothing_that_ends": ENDLESS,
}


@node("returns", config=dict)
async def returns(ctx: NodeContext[dict]) -> object:
    """Returns what it is told to."""
    await trio.lowlevel.checkpoint()
    return RETURNS[ctx.config["what"]]


@node("sets", config=dict)
async def sets(ctx: NodeContext[dict]) -> object:
    """Sets a variable to that."""
    await trio.lowlevel.checkpoint()
    ctx.set_var("v", RETURNS[ctx.config["what"]])
    return "not reached"


@node("once", config=dict)
async def once(ctx: NodeContext[dict]) -> object:
    """Has an effect that gives that."""

    async def act() -> object:
        await trio.lowlevel.checkpoint()
        return RETURNS[ctx.config["what"]]

    return await ctx.once("act", act)


@node("talks", config=dict)
async def talks(ctx: NodeContext[dict]) -> object:
    """Logs 100,000 lines, some of them strange."""
    ctx.log("info", "\udcff")
    ctx.log("info", "x" * 20 * MIB)
    for number in range(100_000):
        ctx.log("info", f"line {number}")
        if number % 100 == 0:
            await trio.lowlevel.checkpoint()
    return "said"


@node("hurries", config=dict)
async def hurries(ctx: NodeContext[dict]) -> object:
    """Says 100,000 times how far it is."""
    ctx.progress(0, "\udcff")
    for number in range(100_000):
        ctx.progress(number / 1000, "x" * 1000)
        if number % 100 == 0:
            await trio.lowlevel.checkpoint()
    return "there"


@node("deaf", config=dict, effects=False)
async def deaf(ctx: NodeContext[dict]) -> object:
    """Swallows its cancel and works on for a while."""
    for _ in range(3):
        try:
            await trio.sleep(30)
        except trio.Cancelled:
            pass
    return "all the same"


@node("untidy", config=dict, effects=False)
async def untidy(ctx: NodeContext[dict]) -> object:
    """Raises in its clean-up."""
    try:
        await trio.sleep(30)
    finally:
        raise NodeError("the clean-up failed")


@node("stubborn", config=dict, effects=False)
async def stubborn(ctx: NodeContext[dict]) -> object:
    """Does not end its clean-up."""
    try:
        await trio.sleep(30)
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()
    return "never"


@node("leaks", config=dict)
async def leaks(ctx: NodeContext[dict]) -> object:
    """Starts a task where it is not to."""
    nursery = trio.lowlevel.current_task().parent_nursery
    assert nursery is not None
    nursery.start_soon(left_behind)
    await trio.lowlevel.checkpoint()
    return "gone"


async def left_behind() -> None:
    """Has nobody who waits for it."""
    await trio.sleep_forever()


@node("leaks_bug", config=dict)
async def leaks_bug(ctx: NodeContext[dict]) -> object:
    """The same, and what it starts fails."""
    nursery = trio.lowlevel.current_task().parent_nursery
    assert nursery is not None
    nursery.start_soon(fails)
    await trio.sleep(0.5)
    return "gone"


async def fails() -> None:
    """Fails."""
    await trio.lowlevel.checkpoint()
    raise ValueError("left behind, and failed")


async def numbers() -> AsyncIterator[int]:
    """Yields within a nursery, which is not to be done."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        yield 1


kept: list[object] = []


@node("half", config=dict, effects=lambda config: not config.get("plain"))
async def half(ctx: NodeContext[dict]) -> object:
    """Leaves such a generator open; with `keep` it is never finalised."""
    generator = numbers()
    if ctx.config.get("keep"):
        kept.append(generator)
    return await anext(generator)


@node("spins", config=dict)
async def spins(ctx: NodeContext[dict]) -> object:
    """Never yields."""
    await trio.lowlevel.checkpoint()
    until = time.monotonic() + 60
    while time.monotonic() < until:
        pass  # here
    return "dizzy"
