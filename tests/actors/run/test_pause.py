"""Pause and resume: quiet means quiet, clocks stand still, and nothing is done twice."""

import pytest
import trio

from protocol.messages import NodeChanged, RunChanged
from protocol.states import NodeStatus, RunStatus


async def test_a_wait_goes_on_with_what_remained(autojump_clock, world):
    """Paused at 0.5 s of 2 s, resumed 5 s later: it ends after 1.5 s more."""
    run = await world.start("s >> w", w=("wait", {"duration": 2000}))
    await trio.sleep(0.5)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    await trio.sleep(5.5 - world.now())
    await run.resume()
    summary = await run.wait()
    assert world.now() == pytest.approx(7.0, abs=0.01)
    assert summary.duration == pytest.approx(2.0, abs=0.01)
    assert world.told(await world.story(run))[2:] == [
        "w running",
        "pausing",
        "w pending (paused)",
        "paused",
        "running",
        "w running",
        "w success",
        "completed",
    ]


async def test_paused_comes_when_nothing_is_in_flight(autojump_clock, world):
    """A node with effects is waited for, one without is cut; `pausing` names both."""

    async def act(ctx):
        await trio.sleep(3)
        return "done"

    async def wait(ctx):
        await trio.sleep_forever()

    world.deeds.update(a=act, b=wait)
    run = await world.start("s >> a; s >> b", a="act", b="do")
    await trio.sleep(1)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    assert world.now() == pytest.approx(3, abs=0.1)
    assert run.view.nodes["a"].status is NodeStatus.SUCCESS
    assert run.view.nodes["b"].status is NodeStatus.PENDING
    await run.stop()
    events = await world.story(run)
    (pausing,) = [event for event in events if isinstance(event, RunChanged) and event.status is RunStatus.PAUSING]
    assert set(pausing.in_flight or ()) == {"a", "b"}


async def test_what_becomes_due_in_the_instant_of_the_pause_waits_for_the_resume(autojump_clock, world):
    """A node's wait time is over when the other one ends, for which the pause has waited: or half a microsecond later."""

    async def act(ctx):
        await trio.sleep(3)

    async def nothing(ctx):
        await trio.lowlevel.checkpoint()

    world.deeds.update(a=nothing, b=act, c=nothing)
    run = await world.start("s >> a >> c; s >> b", a=("do", {"waitTime": 3000.0005}), b="act", c="do")
    await trio.sleep(1)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    await trio.sleep(10)
    await run.resume()
    # Before the pause or behind it, as the tasks happen to step; `story` sees that it is not meanwhile.
    assert "a success" in world.told(await world.story(run))


@pytest.mark.parametrize("mode", ["now", "drain"])
async def test_a_resume_while_pausing_withdraws_the_pause(autojump_clock, world, mode):
    """The node that is waited for runs once; the one that was told to leave is started again, never twice at a time."""
    at_once = most = 0
    leave = trio.Event()

    async def stubborn(ctx):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            async with ctx.atomic():
                await leave.wait()
            await trio.sleep(1)
            return ctx.attempt
        finally:
            at_once -= 1

    world.deeds["a"] = stubborn
    run = await world.start("s >> a", a="do")
    await trio.sleep(1)
    await run.pause(mode)
    await trio.sleep(1)
    assert run.status is RunStatus.PAUSING
    assert world.answered(await run.resume()) == (True, "pausing", "running")
    await trio.sleep(1)
    leave.set()
    summary = await run.wait()
    assert (summary.succeeded, most) == (2, 1)
    runs = [event for event in await world.story(run) if isinstance(event, NodeChanged) and event.node_id == "a"]
    assert [event.status for event in runs].count(NodeStatus.RUNNING) == (2 if mode == "now" else 1)


async def test_a_drain_waits_for_what_works_and_cuts_what_rests(autojump_clock, world):
    """`drain`: a sleeper that may be cut does not hold the pause up, a worker does and starts nothing new."""

    async def work(ctx):
        await trio.sleep(4)

    world.deeds["a"] = work
    run = await world.start("s >> a >> after; s >> w", a="do", after="log", w=("wait", {"duration": 60_000}))
    await trio.sleep(1)
    await run.pause("drain")
    await world.until(run, RunStatus.PAUSED)
    assert world.now() == pytest.approx(4, abs=0.1)
    assert "after" not in run.view.nodes
    assert run.view.nodes["w"].status is NodeStatus.PENDING
    await run.resume()
    await run.wait()
    assert world.now() == pytest.approx(60, abs=0.1)
    await world.story(run)


async def test_retries_and_wait_times_stand_still(autojump_clock, world):
    """A delay of 10 s and a waitTime of 10 s, paused for 100 s after 4 s: both end 6 s after the resume."""

    async def fail_once(ctx):
        if ctx.attempt == 1:
            raise ValueError("no")
        return world.now()

    world.deeds["a"] = fail_once
    retry = {"maxAttempts": 2, "delay": 10_000, "jitter": False}
    run = await world.start("s >> a; s >> b >> c", a=("do", {"retry": retry}), b=("set", {"waitTime": 10_000}), c="log")
    await trio.sleep(4)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    assert run.view.nodes["b"].status is NodeStatus.RUNNING
    await trio.sleep(100)
    await run.resume()
    await run.wait()
    assert run.view.nodes["a"].result == pytest.approx(110, abs=0.1)
    assert world.now() == pytest.approx(110, abs=0.1)
    told = world.told(await world.story(run))
    assert told.count("b running") == 1


async def test_the_runs_timeout_stands_still(autojump_clock, world):
    """A run of at most 10 s that is paused for an hour has the rest of its 10 s afterwards."""
    run = await world.start("s >> w", w=("wait", {"duration": 20_000}), config={"timeout": 10_000})
    await trio.sleep(4)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    await trio.sleep(3600)
    await run.resume()
    summary = await run.wait()
    assert (summary.status, summary.code, summary.cancelled_by) == ("failed", "timeout", "timeout")
    assert world.now() == pytest.approx(3610, abs=0.1)
    await world.story(run)


async def test_once_is_not_repeated_by_a_pause(autojump_clock, world):
    """What `once` returned is remembered: the node runs again, the effect does not."""
    effects = []

    async def mail(ctx):
        async def send():
            effects.append(ctx.idempotency_key)
            await trio.sleep(1)
            return len(effects)

        number = await ctx.once("mail", send)
        await trio.sleep(5)
        return number

    world.deeds["a"] = mail
    run = await world.start("s >> a", a="do")
    await trio.sleep(0.5)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    assert world.now() == pytest.approx(1, abs=0.1)
    await run.resume()
    await run.wait()
    assert effects == [f"{run.id}/a/mail"]
    assert run.view.nodes["a"].result == 1
    assert world.now() == pytest.approx(6, abs=0.1)
    await world.story(run)


async def test_a_pause_that_waits_for_an_atomic_section_says_so(autojump_clock, world):
    """After `atomic_limit` seconds, and again, a warning names the node."""

    async def long(ctx):
        async with ctx.atomic():
            await trio.sleep(25)
        await trio.sleep(1)

    world.deeds["a"] = long
    run = await world.start("s >> a", a="do")
    await trio.sleep(1)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    await run.stop()
    warnings = world.logs(await world.story(run), "warn")
    assert len(warnings) == 2
    assert all("'a'" in warning and "atomic" in warning for warning in warnings)
