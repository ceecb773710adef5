"""The kind that asks a person: `input_request`."""

import attrs
import trio

from actors.config import option
from actors.context import NodeContext
from actors.registry import node
from actors.schemas import check_schema
from protocol.messages import Json

__all__ = ["InputRequestConfig", "input_request"]


@attrs.frozen(kw_only=True)
class InputRequestConfig:
    """Settings of `input_request`."""

    prompt: str = ""
    """What the person is asked."""
    schema: Json = option(None, check=check_schema)  # noqa: RUF009  makes a field
    """JSON Schema (2020-12, without references) that the answer has to fit; absent: any answer will do."""
    timeout: float | None = option(None, minimum=1)
    """Milliseconds for the answer; absent: for as long as it takes."""


@node("input_request", config=InputRequestConfig, effects=False, own_timeout=True)
async def input_request(ctx: NodeContext[InputRequestConfig]) -> Json:
    """Asks a person, and waits for the answer, which is its result.

    An answer that does not fit the schema is refused to whoever sent it, with what is wrong and where, and the node
    goes on waiting. The time for it is wall time from the first question of an attempt: neither a pause nor a restart
    of the server gives more.

    Raises:
        NodeError: code `no_answer`: nobody answered in time.
    """
    config = ctx.config
    until = None
    if config.timeout is not None:
        seconds = config.timeout / 1000

        async def due() -> float:
            await trio.lowlevel.checkpoint()
            return ctx.wall_time() + seconds

        until = await ctx.once(f"until {ctx.attempt}", due)
    return await ctx.ask(config.prompt, schema=config.schema, until=until)
