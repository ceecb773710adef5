"""Stop: nothing of the run runs when `stopped` is said, every node that began has an end, and there is one ending."""

import threading

import pytest
import trio

from actors.errors import NodeError
from protocol.states import NodeStatus, RunStatus


async def test_what_runs_is_cut_and_what_never_began_is_counted(autojump_clock, world):
    """The cut node is skipped (cancelled), the next has no event, the summary counts it."""
    run = await world.start("s >> w >> after", w=("wait", {"duration": 60_000}), after="log")
    await trio.sleep(1)
    assert world.answered(await run.stop()) == (True, "running", "stopping")
    summary = await run.wait()
    assert (summary.status, summary.cancelled_by) == ("stopped", "stop")
    assert (summary.succeeded, summary.skipped, summary.not_begun) == (1, 1, 1)
    assert world.told(await world.story(run))[2:] == ["w running", "stopping", "w skipped (cancelled)", "stopped"]


async def test_an_atomic_section_has_its_grace_and_is_then_cut(autojump_clock, world):
    """It ends if it can within `stop_grace`; if not it raises instead of falling through."""
    seen = []

    async def section(ctx):
        async with ctx.atomic():
            await trio.sleep(3 if ctx.node_id == "a" else 60)
            seen.append(ctx.node_id)
        seen.append(f"behind {ctx.node_id}")
        await trio.lowlevel.checkpoint()
        seen.append(f"far behind {ctx.node_id}")

    world.deeds.update(a=section, b=section)
    run = await world.start("s >> a; s >> b", a="do", b="do")
    await trio.sleep(1)
    await run.stop()
    await run.wait()
    assert seen == ["a", "behind a"]
    assert world.now() == pytest.approx(6, abs=0.1)
    await world.story(run)


async def test_a_forced_stop_drops_the_grace(autojump_clock, world):
    """`force` on a stop, also on the second one, cuts what still had time."""

    async def section(ctx):
        async with ctx.atomic():
            await trio.sleep(60)

    world.deeds["a"] = section
    run = await world.start("s >> a", a="do")
    await trio.sleep(1)
    await run.stop()
    await trio.sleep(1)
    assert world.answered(await run.stop(force=True)) == (True, "stopping", "stopping")
    await run.wait()
    assert world.now() == pytest.approx(2, abs=0.1)
    await world.story(run)


async def test_cleanup_has_until_the_grace_after_the_cancel(autojump_clock, world):
    """A section opened after the cancel still has what is left of the grace, and no more."""
    seen = []

    async def tidy(ctx):
        try:
            await trio.sleep_forever()
        finally:
            async with ctx.cleanup():
                await trio.sleep(2)
                seen.append("tidied")
            async with ctx.cleanup():
                await trio.sleep(60)
                seen.append("never")

    world.deeds["a"] = tidy
    run = await world.start("s >> a", a="do")
    await trio.sleep(1)
    await run.stop()
    await run.wait()
    assert seen == ["tidied"]
    assert world.now() == pytest.approx(6, abs=0.1)
    await world.story(run)


async def test_a_foreign_shield_is_named_and_stopped_is_not_claimed(autojump_clock, world):
    """While a shield holds the run stays `stopping`; a warning every 5 s names the node."""

    async def shielded(ctx):
        with trio.CancelScope(shield=True):
            await trio.sleep(30)

    world.deeds["a"] = shielded
    run = await world.start("s >> a", a="do")
    await trio.sleep(1)
    await run.stop()
    await trio.sleep(28)
    assert run.status is RunStatus.STOPPING
    await run.wait()
    warnings = world.logs(await world.story(run), "warn")
    assert len(warnings) == 5
    assert all("'a'" in warning for warning in warnings)


async def test_stop_while_paused_runs_no_node_again(autojump_clock, world):
    """Paused, then stopped: the ending comes, nothing starts."""
    run = await world.start("s >> w", w=("wait", {"duration": 2000}))
    await trio.sleep(1)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    assert world.answered(await run.stop()) == (True, "paused", "stopping")
    await run.wait()
    told = world.told(await world.story(run))
    assert told[-3:] == ["stopping", "w skipped (cancelled)", "stopped"]
    assert told.count("w running") == 1


async def test_a_stop_in_the_wait_time_keeps_the_success_and_fires_nothing(autojump_clock, world):
    """The work is done: the node succeeds; its ports stay unfired and nothing follows."""
    run = await world.start("s >> a >> b", a=("set", {"x": 1, "waitTime": 60_000}), b="log")
    await trio.sleep(1)
    await run.stop()
    await run.wait()
    event = run.view.nodes["a"]
    assert (event.status, event.result, event.fired) == (NodeStatus.SUCCESS, {"x": 1}, ())
    assert "b" not in run.view.nodes
    await world.story(run)


async def test_a_stop_that_loses_against_completion_is_told_so(autojump_clock, world):
    """After the ending a stop is answered ok with the recorded summary."""
    run = await world.start("s")
    summary = await run.wait()
    reply = await run.stop()
    assert world.answered(reply) == (True, "completed", "completed")
    assert reply.summary == summary


async def test_a_completion_that_loses_against_a_stop_is_dropped(autojump_clock, world):
    """The stop came first: the last node's value is taken at its word, the run is stopped."""

    async def late(ctx):
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            return "done all the same"

    world.deeds["a"] = late
    run = await world.start("s >> a", a="do")
    await trio.sleep(1)
    await run.stop()
    assert (await run.wait()).status == "stopped"
    assert run.view.nodes["a"].result == "done all the same"
    await world.story(run)


async def test_a_failure_cancels_the_siblings_and_says_why(autojump_clock, world):
    """node.error, failing, the skipped, the log, the ending – in this order; the node sees the cause."""
    causes = []

    async def wait(ctx):
        try:
            await trio.sleep_forever()
        finally:
            causes.append(ctx.cancel_cause)

    async def fail(ctx):
        await trio.sleep(1)
        raise NodeError("out of paper", code="no_paper")

    world.deeds.update(a=fail, b=wait)
    run = await world.start("s >> a; s >> b", a="do", b="do")
    summary = await run.wait()
    assert (summary.status, summary.error, summary.code, summary.node_id) == (
        "failed",
        "out of paper",
        "no_paper",
        "a",
    )
    assert causes == ["sibling_failed:a"] == [summary.cancelled_by]
    assert world.told(await world.story(run))[4:] == ["a error", "failing", "b skipped (cancelled)", "failed"]


async def test_a_thread_that_can_not_be_ended_is_named(autojump_clock, world):
    """`run_sync` is abandoned after the grace, and the summary says so."""
    release = threading.Event()
    started = trio.Event()

    def block():
        trio.from_thread.run_sync(started.set)
        release.wait()

    world.deeds["a"] = lambda ctx: ctx.run_sync(block)
    try:
        run = await world.start("s >> a", a="act")
        await started.wait()
        await run.stop(force=True)
        summary = await run.wait()
    finally:
        release.set()
    assert summary.status == "stopped"
    (name,) = summary.abandoned
    assert name.startswith("a: ")
    await world.story(run)


async def test_what_a_node_leaves_behind_speaks_to_nobody_after_the_end(autojump_clock, world):
    """A thread that was abandoned, a task that leaked: it holds the context of a run that is over, and hurts no one."""
    left = []

    async def leave(ctx):
        left.append(ctx)
        await trio.lowlevel.checkpoint()

    world.deeds["a"] = leave
    run = await world.start("s >> a", a="do")
    assert (await run.wait()).status == "completed"
    (ctx,) = left
    ctx.progress(50, "still there")
    ctx.log("info", "still there")
    ctx.set_var("still", "there")
    assert "still" not in run.view.variables
    assert not [line for line in await world.story(run) if "still" in str(line)]
