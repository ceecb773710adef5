"""The kinds of nodes in the sweep: each does one of the things that a cancel may not tear in two."""

from functools import partial
from typing import Any

import trio

from actors import NodeContext, Registry
from actors.registry import node
from actors.settings import Settings
from actors.testing.cables import ROOM_BYTES
from actors.testing.chaos.world import House, open_world
from protocol.states import NodeStatus

__all__ = ["house", "kinds", "mortal"]


def kinds(house: House) -> Registry:
    """The built-in ones, and these."""
    registry = Registry.builtin()

    @registry.register
    @node("work", config=dict, effects=False)
    async def work(ctx: NodeContext[Any]) -> object:
        """Work a second, and fail until `worksAt`. What it did is done: it says so in its last step."""
        await trio.sleep(ctx.config.get("seconds", 1))
        if ctx.attempt < ctx.config.get("worksAt", 1):
            raise ValueError("not yet")
        house.effect(ctx.idempotency_key)
        return f"{ctx.node_id}({','.join(map(str, ctx.inputs.values()))})"

    @registry.register
    @node("mail", config=dict)
    async def mail(ctx: NodeContext[Any]) -> object:
        """Send two letters, each once, with a rest between them."""

        async def send(name: str) -> str:
            house.expect(
                house.knows(ctx.node_id, NodeStatus.RUNNING), f"{ctx.node_id} acts before its start is durable"
            )
            await trio.sleep(0.5)
            house.effect(f"{ctx.idempotency_key}/{name}")
            return name

        first = await ctx.once("first", partial(send, "first"))
        await ctx.sleep(2)
        return [first, await ctx.once("second", partial(send, "second"))]

    @registry.register
    @node("act", config=dict)
    async def act(ctx: NodeContext[Any]) -> object:
        """Work in a section that a pause waits for, and tidy up."""
        try:
            async with ctx.atomic():
                await trio.sleep(1)
            await trio.sleep(1)
        finally:
            async with ctx.cleanup():
                await trio.sleep(0.5)
        return "acted"

    return registry


def house(*, room: int = ROOM_BYTES, **settings: Any) -> Any:
    """A world with these kinds."""
    return partial(open_world, registry=kinds, settings=Settings(**settings), room=room)


def mortal(**settings: Any) -> Any:
    """The same, and the scenario opens its lives."""
    return partial(open_world, registry=kinds, settings=Settings(**settings), mortal=True)
