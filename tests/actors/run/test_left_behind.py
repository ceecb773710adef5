"""What nodes leave behind in their run, and errors that are hard to tell."""

from typing import Any

import pytest
import trio

from actors.context import NodeContext
from protocol.states import RunStatus


def start_elsewhere(fn: Any) -> None:
    """Start a task where nobody should: in the nursery that the node was started in."""
    nursery = trio.lowlevel.current_task().parent_nursery
    assert nursery is not None
    nursery.start_soon(fn)


@pytest.mark.parametrize("end", ["completed", "paused", "stopped"])
async def test_a_stray_task_is_cancelled_when_the_nodes_have_ended(autojump_clock, world, end):
    """It keeps no run from its end, and is named where it was on its own; a pause or a stop cancels it like a node."""
    left: list[float] = []

    async def stray() -> None:
        try:
            await trio.sleep_forever()
        finally:
            left.append(world.now())

    async def leak(ctx: NodeContext[Any]) -> None:
        start_elsewhere(stray)

    world.deeds["a"] = leak
    run = await world.start("s >> a >> w", a="do", w=("wait", {"duration": 3000}))
    await trio.sleep(1)
    if end == "paused":
        await run.pause()
        await world.until(run, RunStatus.PAUSED)
        await run.resume()
    elif end == "stopped":
        await run.stop()
    events = await world.story(run)
    assert run.status == (RunStatus.STOPPED if end == "stopped" else RunStatus.COMPLETED)
    assert left == [pytest.approx(3 if end == "completed" else 1, abs=0.1)]
    warned = [line for line in world.logs(events, "warn") if "left behind by a node, and cancelled" in line]
    assert [f"{__name__.rpartition('.')[2]}.py:" in line for line in warned] == [True] * (end == "completed")


async def test_a_stray_task_that_fails_fails_its_run(autojump_clock, world, caplog):
    """What works beside it is cut; it is no bug of callboard, and not logged as one."""

    async def stray() -> None:
        await trio.sleep(1)
        raise ValueError("nobody\nasked me")

    async def leak(ctx: NodeContext[Any]) -> None:
        start_elsewhere(stray)

    world.deeds["a"] = leak
    run = await world.start("s >> a; s >> w", a="do", w=("wait", {"duration": 3000}))
    other = await world.runtime.start(world.flow("s >> w", w=("wait", {"duration": 3000})))
    await world.story(run)
    summary = await run.wait()
    assert (run.status, summary.code) == (RunStatus.FAILED, "left_behind")
    assert summary.error == "a node left something behind: ValueError: nobody"
    assert world.now() == pytest.approx(1, abs=0.1)
    await other.wait()
    assert other.status is RunStatus.COMPLETED
    assert not caplog.records


class Mute(Exception):
    """Can not say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Coded(Exception):
    """Has a code, which means something else."""

    code = 404


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Mute(), "Mute, which can not be shown"),
        (Coded("gone"), "Coded: gone"),
        (ValueError("x" * 1_000_000), f"ValueError: {'x' * 10_000}… (990000 characters more)"),
    ],
    ids=["mute", "coded", "long"],
)
async def test_an_error_is_told_whatever_it_is(autojump_clock, world, error, told):
    """It is the node's, its text is not too long, its code is one of ours."""

    async def fail(ctx: NodeContext[Any]) -> None:
        raise error

    world.deeds["a"] = fail
    run = await world.start("s >> a", a="do")
    await world.story(run)
    summary = await run.wait()
    assert (summary.error, summary.code, summary.node_id) == (told, "node_failed", "a")
