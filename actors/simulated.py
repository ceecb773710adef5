"""The simulated driver: acts on nothing, and says so.

It has no state and takes no time: how long a node seems to take is its `waitTime`. A condition holds seven times in
ten, by the node's own random source, so that the same seed gives the same run; or as its config says under `simulate`.
"""

import functools
import struct
import zlib
from typing import Any, Final

import trio

from actors.context import NodeContext, Picture
from actors.errors import NodeError
from protocol.messages import Json

__all__ = ["SimulatedDriver"]

ODDS: Final = 0.7
"""How often a condition holds."""

WIDTH: Final = 320
HEIGHT: Final = 180
"""Of a picture, in pixels."""

_TILE: Final = 20
_LIGHT: Final = bytes((236, 239, 244))
_DARK: Final = bytes((216, 222, 233))


class SimulatedDriver:
    """A `Driver` for workflows whose page does not exist (yet)."""

    name = "simulated"

    async def open(self, ctx: NodeContext[Any], url: str | None, app: str | None) -> None:
        """Say what would be opened."""
        await self._act(ctx, "open", f"would open {url or app or 'nothing'}")

    async def click(self, ctx: NodeContext[Any], selector: str, *, button: str, count: int, nth: int | None) -> None:
        """Say what would be clicked."""
        times = "" if count == 1 else f", {count} times"
        which = "" if nth is None else f" (number {nth})"
        await self._act(ctx, "click", f"would click {selector!r}{which} with the {button} button{times}")

    async def fill(self, ctx: NodeContext[Any], selector: str, text: str, *, clear: bool) -> None:
        """Say where would be typed; the text may be a password."""
        first = "clear it and " if clear else ""
        await self._act(ctx, "fill", f"would {first}type {len(text)} characters into {selector!r}")

    async def check(self, ctx: NodeContext[Any], selector: str, operator: str, value: Json) -> bool:
        """The scripted answer, else a random one.

        Raises:
            NodeError: code `bad_config`: what is scripted is no boolean.
        """
        script = getattr(ctx.config, "simulate", None)
        if isinstance(script, list):
            # One answer for each turn of the innermost loop; the last one goes on.
            turn = ctx.iteration[-1] if ctx.iteration else 0
            script = script[min(turn, len(script) - 1)] if script else None
        if script is None:
            answer: bool = ctx.random.random() < ODDS
        elif isinstance(script, bool):
            answer = script
        else:
            raise NodeError(f"simulate: expected true or false, not {script!r}", code="bad_config")
        how = "by chance" if script is None else "as scripted"
        ctx.log("info", f"Simulated: {selector!r} {operator}: {str(answer).lower()}, {how}")
        return answer  # noqa: ASYNC910  nothing to wait for

    async def wait_for(self, ctx: NodeContext[Any], selector: str, *, state: str, nth: int | None = None) -> None:
        """Say what would be waited for; it is so at once."""
        await trio.lowlevel.checkpoint()
        which = "" if nth is None else f" (number {nth})"
        ctx.log("info", f"Simulated: {selector!r}{which} is {state}")

    async def screenshot(self, ctx: NodeContext[Any], *, full: bool) -> Picture:
        """A picture of a chequered nothing."""
        ctx.log("info", f"Simulated: a picture of {'the whole page' if full else 'what is in view'}")
        return Picture(_png(), WIDTH, HEIGHT)  # noqa: ASYNC910  nothing to wait for

    async def close(self) -> None:  # noqa: ASYNC910  ditto
        """There is nothing to close."""

    async def _act(self, ctx: NodeContext[Any], name: str, remark: str) -> None:
        async def act() -> None:  # noqa: ASYNC910  nothing to wait for
            ctx.log("info", f"Simulated: {remark}")

        await ctx.once(ctx.act(name), act)


@functools.cache
def _png() -> bytes:
    """A PNG (ISO/IEC 15948): RGB, 8 bits a sample, no filter."""
    rows = []
    for y in range(HEIGHT):
        tiles = ((_LIGHT, _DARK)[(x // _TILE + y // _TILE) % 2] for x in range(WIDTH))
        rows.append(b"\0" + b"".join(tiles))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks))


def _chunk(part: tuple[bytes, bytes]) -> bytes:
    kind, data = part
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
