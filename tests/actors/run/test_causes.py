"""Why a node ended: the first cause counts, and what happened before a command is not blamed on it."""

import threading

import pytest
import trio

from protocol.messages import Control, NodeChanged
from protocol.states import NodeStatus, RunStatus


def command(world, action):
    """Tell the run something without waiting for it, as a connection does."""
    world.runtime.control(Control(workflow_id="w", action=action), lambda _reply: None)


async def test_a_pause_after_the_timeout_does_not_make_up_for_it(autojump_clock, world):
    """The node is tidying up after its timeout when the pause comes: it has failed, and does not run again."""
    causes = []

    async def slow(ctx):
        try:
            await trio.sleep_forever()
        finally:
            async with ctx.cleanup():
                await trio.sleep(3)
            causes.append(ctx.cancel_cause)

    world.deeds["a"] = slow
    run = await world.start("s >> a", a=("do", {"timeout": 2000}))
    await trio.sleep(3)
    await run.pause()
    summary = await run.wait()
    assert (summary.status, summary.code, causes) == ("failed", "timeout", ["timeout"])
    assert world.told(await world.story(run)).count("a running") == 1


@pytest.mark.parametrize(
    ("action", "attempts", "ends"),
    [
        ("pause", 1, (RunStatus.FAILED, NodeStatus.ERROR, 1)),
        ("pause", 2, (RunStatus.FAILED, NodeStatus.ERROR, 2)),
        ("stop", 1, (RunStatus.STOPPED, NodeStatus.ERROR, 1)),
        ("stop", 2, (RunStatus.STOPPED, NodeStatus.SKIPPED, 1)),
    ],
)
async def test_a_failure_before_a_command_is_a_failure(autojump_clock, world, action, attempts, ends):
    """The node failed by itself and its report was on the way when the command came: it counts as an attempt."""

    async def fail(ctx):
        await trio.sleep(1)
        if ctx.attempt == 1:
            command(world, action)
        raise ValueError("by itself")

    world.deeds["a"] = fail
    run = await world.start("s >> a", a=("do", {"retry": {"maxAttempts": attempts, "delay": 1000, "jitter": False}}))
    await trio.sleep(2)
    await run.resume()
    await run.wait()
    story = await world.story(run)
    tries = [e for e in story if isinstance(e, NodeChanged) and (e.node_id, e.status) == ("a", "running")]
    assert (run.status, run.view.nodes["a"].status, len(tries)) == ends
    assert not [line for line in world.logs(story, "warn") if "was cancelled" in line]


async def test_a_forced_stop_drops_the_grace_of_what_is_opened_after_it(autojump_clock, world):
    """A clean-up that begins only because of the stop is cut at its first checkpoint."""

    async def tidy(ctx):
        try:
            await trio.sleep_forever()
        finally:
            async with ctx.cleanup():
                await trio.sleep(3)

    world.deeds["a"] = tidy
    run = await world.start("s >> a", a="do")
    await trio.sleep(1)
    await run.stop(force=True)
    await run.wait()
    assert world.now() == pytest.approx(1, abs=0.01)
    await world.story(run)


async def test_no_timeout_of_a_loop_counts_while_the_run_stops(autojump_clock, world):
    """It would break a turn off that is cancelled already, and say of nodes that never began that they were."""

    async def section(ctx):
        async with ctx.atomic():
            await trio.sleep(4)

    world.deeds["a"] = section
    loop = ("loop", {"count": 2, "timeout": 2000})
    run = await world.start("s >> l; l:body >> a >> b >> l", l=loop, a="do", b="log")
    await trio.sleep(1)
    await run.stop()
    summary = await run.wait()
    assert (summary.status, summary.not_begun) == ("stopped", 1)
    assert world.told(await world.story(run))[-4:] == ["stopping", "a#0 success", "l skipped (cancelled)", "stopped"]


async def test_a_node_that_swallows_its_cancel_is_taken_at_its_word(autojump_clock, world):
    """Told to leave by a pause it returns a value all the same: it has succeeded, and what follows runs on resume."""

    async def swallow(ctx):
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            return "kept going"

    world.deeds["a"] = swallow
    run = await world.start("s >> a >> b", a="do", b="log")
    await trio.sleep(1)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    assert run.view.nodes["a"].status is NodeStatus.SUCCESS
    assert "b" not in run.view.nodes
    await run.resume()
    assert (await run.wait()).succeeded == 3
    await world.story(run)


async def test_the_tasks_that_a_node_starts_end_with_it(autojump_clock, world):
    """They live in its own nursery: a pause and a stop reach them, and an error of the group is the node's."""
    alive = []

    async def child():
        alive.append(1)
        try:
            await trio.sleep_forever()
        finally:
            alive.pop()

    async def parent(ctx):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            nursery.start_soon(child)
            await trio.sleep(ctx.attempt * 10)
            raise ValueError("of the group")

    world.deeds["a"] = parent
    run = await world.start("s >> a", a=("do", {"retry": {"maxAttempts": 2, "delay": 0}}))
    await trio.sleep(5)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    assert not alive
    await run.resume()
    await trio.sleep(15)
    assert len(alive) == 2
    await run.stop()
    await run.wait()
    assert not alive
    (warning,) = world.logs(await world.story(run), "warn")
    assert "ValueError: of the group" in warning


async def test_a_failed_effect_is_run_again_and_one_that_worked_is_not(autojump_clock, world):
    """`once` remembers what was returned over retries; what raised is tried again under the same key."""
    keys: dict[str, list[str]] = {"first": [], "second": []}

    async def mail(ctx):
        async def first():
            keys["first"].append(ctx.idempotency_key)
            return "sent"

        async def second():
            keys["second"].append(ctx.idempotency_key)
            if len(keys["second"]) < 3:
                raise ValueError("the line is dead")
            return "sent, too"

        return [await ctx.once("first", first), await ctx.once("second", second)]

    world.deeds["a"] = mail
    run = await world.start("s >> a", a=("act", {"retry": {"maxAttempts": 3, "delay": 0}}))
    await run.wait()
    assert run.view.nodes["a"].result == ["sent", "sent, too"]
    assert keys == {"first": [f"{run.id}/a/first"], "second": [f"{run.id}/a/second"] * 3}
    assert not run.view.notes
    await world.story(run)


async def test_a_pause_waits_for_a_thread(autojump_clock, world):
    """`run_sync` is not cut by a pause, and what it returns is the node's value."""
    release, calls = threading.Event(), []

    def block():
        calls.append("in the thread")
        release.wait()
        return "done"

    world.deeds["a"] = lambda ctx: ctx.run_sync(block)
    run = await world.start("s >> a >> b", a="do", b="log")
    try:
        await trio.sleep(1)
        await run.pause()
        await trio.sleep(60)
        assert run.status is RunStatus.PAUSING
    finally:
        release.set()
    await world.until(run, RunStatus.PAUSED)
    await run.resume()
    await run.wait()
    assert (run.view.nodes["a"].result, calls) == ("done", ["in the thread"])
    await world.story(run)
