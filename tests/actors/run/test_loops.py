"""Loops: each turn a fresh instance of the body; break, continue, nesting; pause and stop in the middle of a turn."""

import pytest
import trio

from protocol.messages import NodeChanged
from protocol.states import NodeStatus, RunStatus


def turns(events, node_id, status=NodeStatus.SUCCESS):
    """The iterations in which a node got a status."""
    return [e.iteration for e in events if isinstance(e, NodeChanged) and (e.node_id, e.status) == (node_id, status)]


async def test_a_back_edge_gives_the_value_of_a_turn(autojump_clock, world):
    """`done` fires once, with the list of the values; the loop node runs once over all its turns."""
    each = ("set", {"twice": "{{ item * 2 }}", "number": "{{ index }}"})
    run = await world.start(
        "s >> l; l:body >> x >> l; l:done >> z", l=("loop", {"type": "forEach", "items": [5, 6]}), x=each, z="log"
    )
    await run.wait()
    assert run.view.nodes["z"].result == [{"twice": 10, "number": 0}, {"twice": 12, "number": 1}]
    story = await world.story(run)
    assert turns(story, "x") == [(0,), (1,)]
    assert turns(story, "l", NodeStatus.RUNNING) == [()]


async def test_a_branch_that_just_ends_gives_its_leaves(autojump_clock, world):
    """Without a back edge a turn's value is `{leaf: result}`."""
    run = await world.start("s >> l; l:body >> x; l >> z", l=("loop", {"count": 2}), x=("set", {"a": 1}), z="log")
    await run.wait()
    assert run.view.nodes["z"].result == [{"x": {"a": 1}}, {"x": {"a": 1}}]


async def test_nested_loops_count_from_the_outside(autojump_clock, world):
    """An iteration lists the turns, outermost first; `nodes.X` means the instance of the same turns."""
    run = await world.start(
        "s >> o; o:body >> m >> i; i:body >> x >> i; i:done >> o; o:done >> z",
        o=("loop", {"count": 2}),
        m=("set", {"outer": "{{ index }}"}),
        i=("loop", {"count": 3}),
        x=("set", {"place": "{{ [nodes.m.result.outer, index] }}"}),
        z="log",
    )
    await run.wait()
    assert turns(await world.story(run), "x") == [(a, b) for a in range(2) for b in range(3)]
    assert run.view.nodes["z"].result == [[{"place": [a, b]} for b in range(3)] for a in range(2)]


async def test_a_while_asks_before_each_turn(autojump_clock, world):
    """The condition is an expression; variables that the body sets are seen by it."""
    run = await world.start(
        "s >> l; l:body >> x >> l; l:done >> z",
        l=("loop", {"type": "while", "condition": "{{ vars.n < 3 }}"}),
        x=("set", {"n": "{{ vars.n + 1 }}"}),
        z="log",
        config={"variables": {"n": 0}},
    )
    await run.wait()
    assert run.view.variables["n"] == 3
    assert len(run.view.nodes["z"].result) == 3
    await world.story(run)


async def test_no_turn_at_all_skips_the_body(autojump_clock, world):
    """With the reason no_iteration, inner bodies included; `done` fires an empty list."""
    run = await world.start(
        "s >> l; l:body >> x >> k; k:body >> y; l:done >> z",
        l=("loop", {"count": 0}),
        x="log",
        k="loop",
        y="log",
        z="log",
    )
    await run.wait()
    told = world.told(await world.story(run))
    assert {f"{name} skipped (no_iteration)" for name in "xky"} <= set(told)
    assert run.view.nodes["z"].result == []


async def test_break_ends_the_loop_and_cuts_what_runs_in_its_turn(autojump_clock, world):
    """A sibling in flight is cut and skipped (break); the turn gives no value; the loop goes on to done."""
    cut = []

    async def slow(ctx):
        try:
            await trio.sleep(60)
        finally:
            cut.append(ctx.cancel_cause)

    world.deeds["y"] = slow
    run = await world.start(
        "s >> l; l:body >> x; x >> c; c:true >> b; l:body >> y; l:done >> z",
        l=("loop", {"count": 5}),
        x=("wait", {"duration": 1000}),
        c=("condition", {"expression": "index == 0"}),
        b="break",
        y="do",
        z="log",
    )
    await run.wait()
    assert world.now() == pytest.approx(1, abs=0.1)
    assert cut == ["break"]
    assert run.view.nodes["z"].result == []
    assert "y#0 skipped (break)" in world.told(await world.story(run))


async def test_continue_goes_on_with_the_next_turn(autojump_clock, world):
    """What is left of the turn is skipped, nested turns included."""
    run = await world.start(
        "s >> l; l:body >> c; c:true >> n; l:body >> k; k:body >> w >> k; k:done >> y; l:done >> z",
        l=("loop", {"count": 2}),
        c=("condition", {"expression": "index == 0"}),
        n="continue",
        k=("loop", {"count": 3}),
        w=("wait", {"duration": 1000}),
        y="log",
        z="log",
    )
    assert (await run.wait()).status == "completed"
    told = world.told(await world.story(run))
    assert {"w#0#0 skipped (break)", "k#0 skipped (break)", "y#0 skipped (break)", "y#1 success"} <= set(told)
    assert world.now() == pytest.approx(3, abs=0.1)


async def test_too_many_turns_are_an_error(autojump_clock, world):
    """`maxIterations` bounds a loop that never ends."""
    loop = ("loop", {"type": "while", "condition": "{{ true }}", "maxIterations": 7})
    run = await world.start("s >> l; l:body >> x", l=loop, x="log")
    summary = await run.wait()
    assert (summary.status, summary.code, summary.node_id) == ("failed", "max_iterations", "l")
    assert len(turns(await world.story(run), "x")) == 7


async def test_a_loop_keeps_its_timeout_and_its_retries(autojump_clock, world):
    """The timeout cuts the turn; the next attempt begins from the first one."""
    loop = ("loop", {"count": 3, "timeout": 1500, "retry": {"maxAttempts": 2, "delay": 0, "jitter": False}})
    run = await world.start("s >> l; l:body >> w", l=loop, w=("wait", {"duration": 1000}))
    summary = await run.wait()
    assert (summary.code, summary.node_id) == ("timeout", "l")
    assert world.now() == pytest.approx(3, abs=0.1)
    assert turns(await world.story(run), "w") == [(0,), (0,)]


@pytest.mark.parametrize("end", ["resume", "stop"])
async def test_pause_and_stop_in_the_middle_of_a_turn(autojump_clock, world, end):
    """The loop node holds no task: it is not in flight; the turn goes on where it was, or all of it ends."""
    run = await world.start("s >> l; l:body >> w >> l; l:done >> z", l=("loop", {"count": 3}), w=("wait", {}), z="log")
    await trio.sleep(1.5)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    assert run.view.nodes["l"].status is NodeStatus.RUNNING
    await trio.sleep(100)
    if end == "resume":
        await run.resume()
        await run.wait()
        assert world.now() == pytest.approx(103, abs=0.1)
        assert turns(await world.story(run), "w") == [(0,), (1,), (2,)]
    else:
        await run.stop()
        await run.wait()
        told = world.told(await world.story(run))
        assert told[-3:] == ["w#1 skipped (cancelled)", "l skipped (cancelled)", "stopped"]


async def test_a_thousand_turns_leave_nothing_behind(autojump_clock, world):
    """Finished turns are collapsed: no region, no note of them is kept."""
    run = await world.start("s >> l; l:body >> w >> l", l=("loop", {"count": 1000}), w=("wait", {"duration": 1}))
    await run.wait()
    assert not run.view.notes
    assert len(run.view._regions) == 1
