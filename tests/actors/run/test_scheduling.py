"""What runs when: joins, branches, settings of nodes, and graphs that are long or wide."""

import random
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from protocol.messages import NodeChanged, RunStarted
from protocol.states import ENDED, NodeStatus, RunStatus


def took(events, node_id, status):
    """The events of a node with a status."""
    return [e for e in events if isinstance(e, NodeChanged) and (e.node_id, e.status) == (node_id, status)]


async def test_a_join_runs_once_when_all_its_edges_are_resolved(autojump_clock, world):
    """Diamond: the join waits for both branches and gets a value from each."""

    async def slow(ctx):
        await trio.sleep(5)
        return {"from": ctx.node_id}

    async def join(ctx):
        return [world.now(), dict(ctx.inputs)]

    world.deeds.update(a=slow, j=join)
    run = await world.start("s >> a >> j; s >> b >> j", a="do", b=("set", {"x": 1}), j="do")
    await run.wait()
    story = await world.story(run)
    assert len(took(story, "j", NodeStatus.RUNNING)) == 1
    at, inputs = run.view.nodes["j"].result
    assert at == pytest.approx(5, abs=0.1)
    assert inputs == {"in": {"from": "a"}}


async def test_a_branch_not_taken_is_skipped_and_the_join_after_it_still_runs(autojump_clock, world):
    """Skipped propagates along dead edges and stops where one edge is taken."""
    graph = "s >> c; c:true >> t >> j; c:false >> f >> g >> j"
    run = await world.start(graph, c=("condition", {"expression": "true"}), t="log", f="log", g="log", j="log")
    await run.wait()
    told = world.told(await world.story(run))
    assert {"f skipped (branch)", "g skipped (branch)", "t success", "j success"} <= set(told)


async def test_join_any_runs_at_the_first_taken_edge(autojump_clock, world):
    """The rest is ignored: it does not run a second time."""

    async def slow(ctx):
        await trio.sleep(5)

    async def join(ctx):
        return world.now()

    world.deeds.update(a=slow, j=join)
    run = await world.start("s >> a >> j; s >> b >> j", a="do", b="log", j=("do", {"join": "any"}))
    await run.wait()
    assert run.view.nodes["j"].result == pytest.approx(0, abs=0.1)
    assert world.now() == pytest.approx(5, abs=0.1)
    assert len(took(await world.story(run), "j", NodeStatus.RUNNING)) == 1


async def test_one_at_a_time_is_depth_first(autojump_clock, world):
    """With maxConcurrency 1 a branch is followed to its end, waitTimes included, before the next begins."""
    run = await world.start(
        "s >> a >> b; s >> c >> d",
        a=("set", {"waitTime": 1000}), b="log", c="log", d="log",
        config={"maxConcurrency": 1},
    )  # fmt: skip
    await run.wait()
    story = await world.story(run)
    order = [e.node_id for e in story if isinstance(e, NodeChanged) and e.status is NodeStatus.RUNNING]
    assert order == ["s", "a", "b", "c", "d"]


async def test_a_node_that_waits_for_a_slot_says_so_once(autojump_clock, world):
    """`node.pending` with the reason concurrency, and at most that many nodes at a time."""
    at_once = most = 0

    async def work(ctx):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await trio.sleep(1)
        at_once -= 1

    names = [f"n{number}" for number in range(7)]
    world.deeds.update(dict.fromkeys(names, work))
    run = await world.start(
        "; ".join(f"s >> {name}" for name in names), **dict.fromkeys(names, "do"), config={"maxConcurrency": 3}
    )
    await run.wait()
    assert most == 3
    told = world.told(await world.story(run))
    assert [line for line in told if "pending" in line] == [
        f"n{number} pending (concurrency)" for number in range(3, 7)
    ]


async def test_a_disabled_node_passes_its_input_on(autojump_clock, world):
    """It is skipped, and what follows gets what it would have got."""
    run = await world.start("s >> a >> b >> c", a=("set", {"x": 1}), b=("do", {"disabled": True}), c="log")
    await run.wait()
    assert "b skipped (disabled)" in world.told(await world.story(run))
    assert run.view.nodes["c"].result == {"x": 1}


async def test_a_timeout_cancels_for_real(autojump_clock, world):
    """The attempt is cut when its time is over, and fails with `timeout`."""
    cut = []

    async def slow(ctx):
        try:
            await trio.sleep_forever()
        finally:
            cut.append((world.now(), ctx.cancel_cause))

    world.deeds["a"] = slow
    run = await world.start("s >> a", a=("do", {"timeout": 2500}))
    summary = await run.wait()
    assert (summary.status, summary.code, summary.node_id) == ("failed", "timeout", "a")
    assert cut == [(pytest.approx(2.5, abs=0.1), "timeout")]
    await world.story(run)


async def test_a_timeout_gives_an_atomic_section_its_grace(autojump_clock, world):
    """As a stop does, counted from the timeout."""
    seen = []

    async def section(ctx):
        async with ctx.atomic():
            await trio.sleep(4 if ctx.attempt == 1 else 60)
            seen.append(world.now())
        await trio.sleep(1)

    world.deeds["a"] = section
    retry = {"maxAttempts": 2, "delay": 0}
    run = await world.start("s >> a", a=("do", {"timeout": 1000, "retry": retry}))
    assert (await run.wait()).code == "timeout"
    assert seen == [pytest.approx(4, abs=0.1)]
    assert world.now() == pytest.approx(4 + 1 + 5, abs=0.1)
    await world.story(run)


async def test_retries_back_off_and_the_error_comes_once(autojump_clock, world):
    """Delays 1, 2, 3 s (capped); each failed attempt but the last is a warning and a new `running`."""
    times = []

    async def fail(ctx):
        times.append(round(world.now()))
        raise ValueError(f"attempt {ctx.attempt}")

    world.deeds["a"] = fail
    retry = {"maxAttempts": 4, "delay": 1000, "backoff": 2, "maxDelay": 3000, "jitter": False}
    run = await world.start("s >> a", a=("do", {"retry": retry}))
    summary = await run.wait()
    assert times == [0, 1, 3, 6]
    assert summary.error == "ValueError: attempt 4"
    story = await world.story(run)
    assert [event.attempt for event in took(story, "a", NodeStatus.RUNNING)] == [1, 2, 3, 4]
    assert len(took(story, "a", NodeStatus.ERROR)) == 1
    assert len(world.logs(story, "warn")) == 3


async def test_an_error_edge_handles_the_failure(autojump_clock, world):
    """`error` fires with message, type and attempts; the plain edges are dead; the run completes."""

    async def fail(ctx):
        raise ValueError("no paper")

    world.deeds["a"] = fail
    run = await world.start("s >> a >> b; a:error >> c", a="do", b="log", c="log")
    summary = await run.wait()
    assert (summary.status, summary.failed) == ("completed", 1)
    assert run.view.nodes["c"].result == {"message": "ValueError: no paper", "type": "ValueError", "attempts": 1}
    assert "b skipped (branch)" in world.told(await world.story(run))


async def test_on_error_continue_goes_on(autojump_clock, world):
    """Plain edges are taken with `{"error": …}`; a control kind fires nothing."""

    async def fail(ctx):
        raise ValueError("no paper")

    world.deeds["a"] = fail
    wrong = ("condition", {"expression": "vars.missing", "onError": "continue"})
    run = await world.start(
        "s >> a >> b; s >> c; c:true >> d", a=("do", {"onError": "continue"}), b="log", c=wrong, d="log"
    )
    assert (await run.wait()).status == "completed"
    assert run.view.nodes["b"].result["error"]["message"] == "ValueError: no paper"
    assert "d skipped (branch)" in world.told(await world.story(run))


async def test_what_can_not_be_reached_is_skipped_at_the_beginning(autojump_clock, world):
    """With the reason `unreachable`, before anything runs; it does not count."""
    run = await world.start("s >> a; x >> y", a="log", x="log", y="log")
    summary = await run.wait()
    story = await world.story(run)
    assert world.told(story)[:2] == ["x skipped (unreachable)", "y skipped (unreachable)"]
    assert summary.total_nodes == 2
    assert isinstance(story[0], RunStarted)
    assert {warning.code for warning in story[0].warnings} >= {"unreachable"}


@pytest.mark.parametrize(
    ("value", "code"),
    [(object(), "bad_result"), ({1, 2}, "bad_result"), (2**70, "bad_result"), ("x" * 9_000_000, "result_too_large")],
)
async def test_a_result_that_is_not_json_is_that_nodes_error(autojump_clock, world, value, code):
    """Or one that is too large; the error says which."""

    async def give(ctx):
        return value

    world.deeds["a"] = give
    run = await world.start("s >> a", a="do")
    summary = await run.wait()
    assert (summary.node_id, summary.code) == ("a", code)
    await world.story(run)


async def test_a_base_exception_is_that_nodes_error(autojump_clock, world):
    """Whatever a node raises is data, SystemExit included."""

    async def leave(ctx):
        raise SystemExit("bye")

    world.deeds["a"] = leave
    run = await world.start("s >> a", a="do")
    assert (await run.wait()).error == "SystemExit: bye"
    await world.story(run)


async def test_a_flood_of_log_lines_is_counted(autojump_clock, world):
    """1,000 a second per node; the rest is said in one line."""

    async def chatter(ctx):
        for number in range(100_000):
            ctx.log("debug", f"line {number}")

    world.deeds["a"] = chatter
    run = await world.start("s >> a", a="do")
    await run.wait()
    story = await world.story(run)
    assert len(world.logs(story, "debug")) == 1000
    assert world.logs(story, "warn") == ["99000 log lines of 'a' left out"]


async def test_another_exception_after_a_cancel_is_an_interruption(autojump_clock, world):
    """A pause cut it and it raised something else: it runs again, and a warning says what it raised."""

    async def clumsy(ctx):
        try:
            await trio.sleep(5)
        except trio.Cancelled:
            raise KeyError("half done") from None
        return "whole"

    world.deeds["a"] = clumsy
    run = await world.start("s >> a", a="do")
    await trio.sleep(1)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    await run.resume()
    assert (await run.wait()).status == "completed"
    (warning,) = world.logs(await world.story(run), "warn")
    assert "KeyError" in warning


@pytest.mark.no_cover
@pytest.mark.parametrize("shape", ["chain", "wide"])
async def test_ten_thousand_nodes_run_and_are_seen_while_they_do(autojump_clock, world, shape):
    """No recursion, and a follower has events long before the ending."""
    names = [f"n{number}" for number in range(10_000)]
    edges = f"s >> {' >> '.join(names)}" if shape == "chain" else "; ".join(f"s >> {name}" for name in names)
    run = await world.start(edges, **dict.fromkeys(names, "log"))
    early = 0
    async for event in run.events():
        early += run.status is RunStatus.RUNNING
        if event.seq % 1000 == 0:
            await trio.lowlevel.checkpoint()
    summary = await run.wait()
    assert (summary.status, summary.succeeded) == ("completed", 10_001)
    assert early > 5_000


async def test_a_loop_that_waited_for_a_slot_takes_its_turns(autojump_clock, world):
    """That it was pending before it ran is no reason to have no turns."""
    run = await world.start(
        "s >> w; s >> l; l:body >> a; l:done >> z",
        w=("wait", {"duration": 1000}), l=("loop", {"count": 2}), a="log", z="log", config={"maxConcurrency": 1},
    )  # fmt: skip
    with trio.fail_after(60):
        await run.wait()
    story = await world.story(run)
    assert "l pending (concurrency)" in world.told(story)
    assert [event.iteration for event in took(story, "a", "success")] == [(0,), (1,)]


async def test_a_hundred_runs_at_once(autojump_clock, world):
    """In one runtime, each with its own story."""
    graph = world.flow("s >> w >> a", w=("wait", {"duration": 1000}), a="log")
    runs = [world.runtime.submit(graph, workflow_id=f"w{number}") for number in range(100)]
    for run in runs:
        assert (await run.wait()).status == "completed"
        await world.story(run)
    assert world.now() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("seed", range(40))
async def test_random_graphs_under_random_commands_keep_every_promise(autojump_clock, world, seed):
    """Whatever is drawn and whenever it is paused, resumed or stopped: one legal story, and its fold is the state."""
    dice = random.Random(seed)

    async def effect():
        await trio.sleep(dice.random())

    async def deed(ctx):
        match dice.randrange(6):
            case 0:
                await ctx.sleep(dice.random() * 3)
            case 1:
                async with ctx.atomic():
                    await trio.sleep(dice.random() * 3)
            case 2 if ctx.attempt < 3:
                raise ValueError("by chance")
            case 3:
                await ctx.once("effect", effect)
            case 4:
                async with ctx.cleanup():
                    await trio.sleep(dice.random() * 2)
            case _:
                await trio.lowlevel.checkpoint()
        return dice.random()

    names = [f"n{number}" for number in range(dice.randrange(3, 14))]
    world.deeds.update(dict.fromkeys(names, deed))
    edges = [f"s >> {names[0]}"]
    for place, name in enumerate(names[1:], 1):
        edges += [f"{dice.choice(['s', *names[:place]])} >> {name}" for _ in range(dice.randrange(1, 3))]
    kinds = {}
    for name in names:
        config: dict[str, Any] = {
            "retry": {"maxAttempts": dice.randrange(1, 4), "delay": 500},
            "join": dice.choice(["all", "any"]),
        }
        config |= {"waitTime": dice.choice([0, 0, 700]), "onError": dice.choice(["continue", "continue", "fail"])}
        kinds[name] = (dice.choice(["do", "act"]), config)
    breakpoints = dice.sample(names, dice.choice([0, 0, 1, 2]))
    config = {"maxConcurrency": dice.choice([1, 2, 100]), "breakpoints": breakpoints}
    run = await world.start("; ".join(edges), **kinds, config=config)
    step = partial(run.resume, step=True)
    for _ in range(dice.randrange(12)):
        await trio.sleep(dice.random())
        await dice.choice([run.pause, lambda: run.pause("drain"), run.resume, run.resume, step, step])()
    await run.resume()
    if dice.random() < 0.4:
        await run.stop(force=dice.random() < 0.5)
    while run.status not in ENDED:
        await trio.sleep(1)
        await run.resume()
    summary = await run.wait()
    assert summary.succeeded + summary.failed + summary.skipped + summary.not_begun == summary.total_nodes
    story = await world.story(run)
    for name in names:
        stops = world.told(story).count(f"{name} pending (breakpoint)")
        assert stops <= (name in breakpoints), f"{stops} stops at {name}"
