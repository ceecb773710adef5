"""Kinds that direct the run or its clock: `wait`, `loop`, `break`, `continue`, `subflow`, `end`, `fail`."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Final, Literal

import attrs

from actors.config import option
from actors.context import Fired, NodeContext
from actors.errors import NodeError
from actors.registry import node
from protocol.messages import Json

__all__ = [
    "FailConfig",
    "LoopConfig",
    "SubflowConfig",
    "WaitConfig",
    "break_loop",
    "continue_loop",
    "end",
    "fail",
    "loop",
    "subflow",
    "wait",
]

PROGRESS_FROM_S: Final = 2.0
"""A shorter wait says nothing while it lasts."""

PROGRESS_EVERY_S: Final = 0.5
"""At most twice a second."""

PROGRESS_STEPS: Final = 100
"""At most once for each per cent: the remainder of every step is kept by the run."""


def _epoch(until: str | float) -> float:
    """Seconds since the epoch."""
    if isinstance(until, int | float):
        return until / 1000
    try:
        when = dt.datetime.fromisoformat(until)
    except ValueError as exc:
        raise ValueError(f"{until!r} is no time as in ISO 8601") from exc
    if when.tzinfo is None:
        raise ValueError(f"{until!r} needs a time zone, such as Z or +02:00")
    return when.timestamp()


@attrs.frozen(kw_only=True)
class WaitConfig:
    """Settings of `wait`: of `until`, `selector` and `duration` the first that is there counts."""

    duration: float = option(1000.0, minimum=0)
    """Milliseconds."""
    until: str | float | None = option(None, check=_epoch)
    """Wait until this time instead: ISO 8601 with a time zone, or milliseconds since the epoch."""
    selector: str = ""
    """Wait for this element of the page instead."""
    state: Literal["attached", "visible", "hidden", "detached"] = "visible"
    """What it is to be; hidden: there and not seen, or not there."""
    nth: int | None = option(None, minimum=0)
    """Which one of several elements, from 0; absent: any of them, for hidden and detached all of them."""


@node("wait", config=WaitConfig, effects=False)
async def wait(ctx: NodeContext[WaitConfig]) -> Json:
    """Waits: for a time, until a time, or for an element of the page.

    A pause stops the clock of a duration, and what was waited is not waited again. It does not move `until`, which is
    wall time: one that has passed is no wait. A wait for an element ends with it, or with the node's `timeout`.
    """
    config = ctx.config
    if config.until is not None:
        await ctx.sleep_until(_epoch(config.until))
        return ctx.inputs.get("in")
    if config.selector:
        await ctx.driver.wait_for(ctx, config.selector, state=config.state, nth=config.nth)
        return ctx.inputs.get("in")
    duration = ctx.config.duration / 1000
    steps = 1
    if duration >= PROGRESS_FROM_S:
        steps = min(PROGRESS_STEPS, math.ceil(duration / PROGRESS_EVERY_S))
    for step in range(1, steps + 1):
        # A step that was waited in full before a pause takes no time when the node runs again.
        await ctx.sleep(duration / steps)
        if step < steps:
            ctx.progress(100 * step / steps, f"{duration * (1 - step / steps):.1f} s left")
    return ctx.inputs.get("in")  # noqa: ASYNC910  there is one step at least


@attrs.frozen(kw_only=True)
class LoopConfig:
    """Settings of `loop`."""

    type: Literal["count", "forEach", "while"] = "count"
    """How the turns are counted."""
    count: int = option(1, minimum=0)
    """count: how many turns."""
    items: tuple[Json, ...] = ()
    """forEach: one turn for each; `item` in expressions."""
    condition: bool | None = option(None, expression=True)
    """while: an expression, evaluated before each turn; absent: the run's random source decides."""
    max_iterations: int = option(10_000, minimum=1)
    """More turns than these are an error."""


@node("loop", config=LoopConfig, ports=("body", "done"), effects=False, wait_time=1.0, control=True)
async def loop(ctx: NodeContext[LoopConfig]) -> Json:
    """Runs its body several times, then goes on with the list of the results."""
    # The run turns the loop itself: a turn is state, and no task waits while the body runs.
    raise NotImplementedError("a loop has no work of its own")


@node("break", effects=False, control=True)
async def break_loop(ctx: NodeContext[object]) -> Json:
    """Ends the loop it is in; this turn gives no value."""
    # The run does it when this node has ended.
    return None  # noqa: ASYNC910  nothing to wait for


@node("continue", effects=False, control=True)
async def continue_loop(ctx: NodeContext[object]) -> Json:
    """Ends this turn of the loop it is in; its input is the turn's value."""
    return ctx.inputs.get("in")  # noqa: ASYNC910  nothing to wait for


@attrs.frozen(kw_only=True)
class SubflowConfig:
    """Settings of `subflow`."""

    workflow: Mapping[str, Json] = option(verbatim=True)
    """The graph to run: `nodes` and `edges`; expressions in it are its own. Without a `start` it begins where no edge
    leads to."""
    inputs: Mapping[str, Json] | None = None
    """Input port → value of the nodes where it begins; absent: what this node gets."""


@node("subflow", config=SubflowConfig, interruptible=True)
async def subflow(ctx: NodeContext[SubflowConfig]) -> Json:
    """Runs a workflow as a run of its own inside this one; gives its results by node id."""
    inputs = ctx.inputs if ctx.config.inputs is None else ctx.config.inputs
    child = await ctx.start_child(ctx.config.workflow, inputs)
    return await child.results()


@node("end", ports=(), effects=False, control=True)
async def end(ctx: NodeContext[object]) -> Fired:
    """Ends its branch; its input is its result."""
    return Fired({}, result=ctx.inputs.get("in"))  # noqa: ASYNC910  nothing to wait for


@attrs.frozen(kw_only=True)
class FailConfig:
    """Settings of `fail`."""

    message: str = "The workflow failed on purpose."
    """What the error says."""


@node("fail", config=FailConfig, effects=False)
async def fail(ctx: NodeContext[FailConfig]) -> Json:
    """Fails with a message of your own."""
    raise NodeError(ctx.config.message, code="failed_by_node")
