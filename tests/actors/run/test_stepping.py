"""Breakpoints and steps: where a run stops, what a step starts, and what a crash makes of both."""

from contextlib import aclosing
from typing import Any

import pytest
import trio
import trio.testing

from actors.testing.flows import flow
from protocol.messages import Control, NodeChanged, RunChanged, RunEnded
from protocol.states import ENDED, RunStatus

PAUSED = RunStatus.PAUSED


async def stop_at(world, run) -> tuple[str | None, str | None]:
    """Wait until the run is paused; why, and at which node."""
    await world.until(run, PAUSED)
    events = (await world.runtime.journal.load(run.id, 0, 10_000)).events
    changes = [event for event in events if isinstance(event, RunChanged)]
    assert [change.status for change in changes[-2:]] == ["pausing", "paused"]
    assert (changes[-1].reason, changes[-1].node_id) == (changes[-2].reason, changes[-2].node_id)
    return changes[-1].reason, changes[-1].node_id


def began(events) -> list[str]:
    """The instances that ran, in order of their begin."""
    return [
        event.node_id + "".join(f"#{turn}" for turn in event.iteration)
        for event in events
        if isinstance(event, NodeChanged) and event.status == "running" and event.waiting is None
    ]


async def step(world, run) -> list[str]:
    """Make a step and wait until it is over; what began in it."""
    before = run.view.last_seq
    assert world.answered(await run.resume(step=True)) == (True, "paused", "running")
    async with aclosing(run.events(after=before)) as story:
        async for event in story:
            if isinstance(event, RunEnded) or (isinstance(event, RunChanged) and event.status is PAUSED):
                break
    events = (await world.runtime.journal.load(run.id, before, 10_000)).events
    return began(events)


# Breakpoints


async def test_a_breakpoint_stops_before_its_node_and_not_again(autojump_clock, world):
    """The node waits, `pending (breakpoint)`; the run is paused until it is resumed, and then goes to its end."""
    run = await world.start("s >> a >> b", a="log", b="log", config={"breakpoints": ["a"]})
    assert await stop_at(world, run) == ("breakpoint", "a")
    assert run.view.snapshot().nodes["a"].reason == "breakpoint"
    await trio.sleep(3600)
    assert run.status is PAUSED
    await run.resume()
    assert (await run.wait()).status == "completed"
    assert world.told(await world.story(run)) == [
        "s running", "s success", "a pending (breakpoint)", "pausing", "paused", "running",
        "a running", "a success", "b running", "b success", "completed",
    ]  # fmt: skip


async def test_a_run_that_is_over_pauses_for_no_reason_any_more(autojump_clock, world):
    """The step with its last node ends it while it is `pausing (step)`: the snapshot names neither reason nor node."""
    run = await world.start("s >> a", a="log", config={"breakpoints": ["a"]})
    await stop_at(world, run)
    assert await step(world, run) == ["a"]
    snapshot = run.view.snapshot()
    assert (snapshot.status, snapshot.reason, snapshot.node_id) == ("completed", None, None)


async def test_it_stops_before_the_very_first_node(autojump_clock, world):
    """A breakpoint at the start."""
    run = await world.start("s", config={"breakpoints": ["s"]})
    assert await stop_at(world, run) == ("breakpoint", "s")
    await run.resume()
    await run.wait()
    assert began(await world.story(run)) == ["s"]


async def test_what_runs_beside_it_is_drained(autojump_clock, world):
    """A node that works is waited for, one that sleeps is cut and goes on later; nothing new starts meanwhile."""

    async def work(ctx):
        await trio.sleep(5)

    world.deeds.update(a=work)
    run = await world.start(
        "s >> a >> z; s >> w; s >> b",
        a="do", w=("wait", {"duration": 20_000}), b="log", z="log", config={"breakpoints": ["b"]},
    )  # fmt: skip
    assert await stop_at(world, run) == ("breakpoint", "b")
    assert world.now() == pytest.approx(5, abs=0.1)
    (pausing,) = [
        event
        for event in (await world.runtime.journal.load(run.id)).events
        if isinstance(event, RunChanged) and event.status == "pausing"
    ]
    assert pausing.in_flight == ("a", "w")
    await run.resume()
    await run.wait()
    assert world.now() == pytest.approx(20, abs=0.1)
    assert began(await world.story(run)) == ["s", "a", "w", "w", "b", "z"]


@pytest.mark.parametrize("slots", [1, 100])
async def test_several_at_a_time_stop_one_after_the_other(autojump_clock, world, slots):
    """Each stop names one node; those before it in line have begun, those behind it have not."""
    run = await world.start(
        "s >> a; s >> b; s >> c; s >> d", a="log", b="log", c="log", d="log",
        config={"breakpoints": ["b", "d"], "maxConcurrency": slots},
    )  # fmt: skip
    stops = []
    while run.status is not RunStatus.COMPLETED:
        stops.append(await stop_at(world, run))
        await run.resume()
        await trio.testing.wait_all_tasks_blocked()
    assert stops == [("breakpoint", "b"), ("breakpoint", "d")]
    assert began(await world.story(run)) == ["s", "a", "b", "c", "d"]


async def test_one_slot_is_free_before_it_stops(autojump_clock, world):
    """With one node at a time the run stops when it would be the node's turn, not while another has it."""

    async def work(ctx):
        await trio.sleep(5)

    world.deeds.update(a=work)
    run = await world.start(
        "s >> a >> c; s >> b", a="do", b="log", c="log", config={"breakpoints": ["b"], "maxConcurrency": 1}
    )
    assert await stop_at(world, run) == ("breakpoint", "b")
    # Depth first: what follows `a` comes before `b`.
    assert began((await world.runtime.journal.load(run.id)).events) == ["s", "a", "c"]
    await run.resume()
    await run.wait()
    await world.story(run)


async def test_in_a_loop_it_stops_in_every_turn(autojump_clock, world):
    """Each turn is a new instance; one at the loop node itself stops once."""
    run = await world.start(
        "s >> l; l:body >> a; l:done >> z", l=("loop", {"count": 3}), a="log", z="log",
        config={"breakpoints": ["l", "a"]},
    )  # fmt: skip
    stops = []
    while run.status is not RunStatus.COMPLETED:
        stops.append((*await stop_at(world, run), run.view.nodes.get("a") and run.view.nodes["a"].iteration))
        await run.resume()
        await trio.testing.wait_all_tasks_blocked()
    assert stops == [("breakpoint", "l", None), *(("breakpoint", "a", (turn,)) for turn in range(3))]
    await world.story(run)


async def test_the_next_attempt_is_not_stopped_at(autojump_clock, world):
    """A retry, and an attempt that a pause has cut, go on without a stop."""

    async def deed(ctx):
        await trio.sleep(1)
        if ctx.attempt < 3:
            raise ValueError("not yet")

    world.deeds["a"] = deed
    retry = {"maxAttempts": 3, "delay": 1000}
    run = await world.start("s >> a", a=("do", {"retry": retry}), config={"breakpoints": ["a"]})
    await stop_at(world, run)
    await run.resume()
    await trio.sleep(0.5)
    await run.pause()
    await world.until(run, PAUSED)
    await run.resume()
    assert (await run.wait()).status == "completed"
    story = world.told(await world.story(run))
    assert story.count("a pending (breakpoint)") == 1
    assert story.count("a running") == 4


async def test_nobody_stops_at_what_does_not_run(autojump_clock, world):
    """A branch that is not taken, a disabled node, one that cannot be reached: no stop, and the last two run nothing."""
    run = await world.start(
        "s >> i; i:true >> a; i:false >> b; a >> c; x >> y",
        i=("condition", {"expression": "true"}), a="log", b="log", c=("log", {"disabled": True}), x="log", y="log",
        config={"breakpoints": ["b", "c", "x"]},
    )  # fmt: skip
    assert (await run.wait()).status == "completed"
    assert "pausing" not in world.told(await world.story(run))


async def test_a_pause_joins_it_and_a_resume_withdraws_it(autojump_clock, world):
    """While it drains: a pause changes nothing, a resume goes on past the breakpoint, a stop ends the run."""

    async def work(ctx):
        await trio.sleep(5)

    for command, after in [("pause", "pausing"), ("resume", "running"), ("stop", "stopping")]:
        world.deeds.update(a=work)
        run = await world.start("s >> a; s >> b", a="do", b="log", config={"breakpoints": ["b"]})
        await world.until(run, RunStatus.PAUSING)
        assert world.answered(await getattr(run, command)()) == (True, "pausing", after)
        if command == "pause":
            assert await stop_at(world, run) == ("breakpoint", "b")
            await run.resume()
        summary = await run.wait()
        assert summary.status == ("stopped" if command == "stop" else "completed")
        assert world.told(await world.story(run)).count("b pending (breakpoint)") == 1


# Steps


async def test_a_step_starts_one_node_in_graph_order(autojump_clock, world):
    """Whatever became ready first: the order is that of the nodes in the graph. Between two steps nothing happens."""
    run = await world.start(
        "s >> c; s >> b; s >> a; a >> d", a="log", b="log", c="log", d="log", config={"breakpoints": ["s"]}
    )
    await stop_at(world, run)
    for expected in "sabc":
        assert await step(world, run) == [expected]
        assert await stop_at(world, run) == ("step", expected)
        await trio.sleep(60)
    assert await step(world, run) == ["d"]
    assert run.status is RunStatus.COMPLETED
    await world.story(run)


async def test_a_step_waits_for_its_node_to_the_end(autojump_clock, world):
    """Its work, its sleep and its waitTime belong to it: the next step finds what follows ready."""
    run = await world.start(
        "s >> a >> w >> z", a=("log", {"waitTime": 4000}), w=("wait", {"duration": 9000}), z="log",
        config={"breakpoints": ["s"]},
    )  # fmt: skip
    await stop_at(world, run)
    at = world.now()
    for node, seconds in [("s", 0), ("a", 4), ("w", 9)]:
        assert await step(world, run) == [node]
        assert run.view.nodes[node].status == "success"
        assert world.now() - at == pytest.approx(seconds, abs=0.1)
        at = world.now()
    assert await step(world, run) == ["z"]
    await world.story(run)


async def test_a_step_onto_a_node_that_asks_leaves_it_asking(autojump_clock, world):
    """It is cut, the run is paused; the answer comes meanwhile, and the next step takes it."""

    async def ask(ctx):
        return await ctx.ask("well?")

    world.deeds["a"] = ask
    run = await world.start("s >> a >> b", a="do", b="log", config={"breakpoints": ["a"]})
    await stop_at(world, run)
    assert await step(world, run) == ["a"]
    assert run.view.nodes["a"].status == "pending"
    assert (await run.send_input("a", 42)).ok
    assert await step(world, run) == ["a"]
    assert run.view.nodes["a"].result == 42
    assert await step(world, run) == ["b"]
    await world.story(run)


async def test_a_step_waits_until_something_is_ready(autojump_clock, world):
    """A retry's delay and a waitTime are all there is: the clock goes on, and the node that comes of it is the step."""

    async def deed(ctx):
        if ctx.attempt < 2:
            raise ValueError("not yet")

    world.deeds["a"] = deed
    retry = {"maxAttempts": 2, "delay": 7000, "jitter": False}
    run = await world.start("s >> a >> b", a=("do", {"retry": retry}), b="log")
    await trio.sleep(1)
    await run.pause()
    await stop_at(world, run)
    assert await step(world, run) == ["a"]
    assert world.now() == pytest.approx(7, abs=0.1)
    assert await step(world, run) == ["b"]
    await world.story(run)


@pytest.mark.parametrize("command", ["pause", "resume", "stop"])
async def test_a_step_that_waits_can_be_taken_back(autojump_clock, world, command):
    """A pause pauses, a plain resume goes on to the end, a stop stops; another step is refused meanwhile."""
    run = await world.start("s >> a >> b >> c", a=("log", {"waitTime": 5000}), b="log", c="log")
    await trio.sleep(1)
    await run.pause()
    await world.until(run, PAUSED)
    assert (await run.resume(step=True)).ok
    reply = await run.resume(step=True)
    assert (reply.ok, reply.code, reply.was) == (False, "refused", "running")
    await getattr(run, command)()
    if command == "pause":
        await world.until(run, PAUSED)
        assert await step(world, run) == ["b"]
        await run.resume()
    assert (await run.wait()).status == ("stopped" if command == "stop" else "completed")
    assert "step" not in run.view.notes or command == "stop"
    assert world.told(await world.story(run)).count("pausing") == {"pause": 3, "resume": 1, "stop": 1}[command]


async def test_a_step_while_the_last_one_drains_starts_one_more(autojump_clock, world):
    """Two clicks are two nodes; both are waited for."""

    async def work(ctx):
        await trio.sleep(5)

    world.deeds.update(a=work, b=work)
    run = await world.start("s >> a; s >> b; s >> c", a="do", b="do", c="log", config={"breakpoints": ["a"]})
    await stop_at(world, run)
    await run.resume(step=True)
    await trio.sleep(1)
    assert world.answered(await run.resume(step=True)) == (True, "pausing", "running")
    await trio.sleep(0.5)
    assert run.view.nodes["b"].status == "running"
    assert await stop_at(world, run) == ("step", "b")
    assert world.now() == pytest.approx(6, abs=0.1)
    assert "c" not in run.view.nodes
    await run.resume()
    await run.wait()
    await world.story(run)


async def test_a_step_goes_through_a_loop_turn_by_turn(autojump_clock, world):
    """The loop node is a step, and each node of each turn; a disabled one and a branch not taken are none."""
    run = await world.start(
        "s >> l; l:body >> i; i:true >> a; i:false >> b; l:done >> d >> z",
        l=("loop", {"count": 2}), i=("condition", {"expression": "index == 0"}), a="log", b="log",
        d=("log", {"disabled": True}), z="log", config={"breakpoints": ["s"]},
    )  # fmt: skip
    await stop_at(world, run)
    steps = []
    while run.status is PAUSED:
        steps += await step(world, run)
    assert steps == ["s", "l", "i#0", "a#0", "i#1", "b#1", "z"]
    await world.story(run)


async def test_a_step_needs_a_slot(autojump_clock, world):
    """With one node at a time a step waits for the waitTime of the node that has the slot."""
    run = await world.start("s >> a; s >> b", a=("log", {"waitTime": 5000}), b="log", config={"maxConcurrency": 1})
    await trio.sleep(1)
    await run.pause()
    await world.until(run, PAUSED)
    assert await step(world, run) == ["b"]
    assert world.now() == pytest.approx(5, abs=0.1)
    await run.wait()
    await world.story(run)


async def test_a_step_into_a_failure_fails_the_run(autojump_clock, world):
    """The run ends while it is stepped: failed, with its one ending."""

    async def fail(ctx):
        raise ValueError("no")

    world.deeds["a"] = fail
    run = await world.start("s >> a >> b", a="do", b="log", config={"breakpoints": ["a"]})
    await stop_at(world, run)
    assert await step(world, run) == ["a"]
    assert (await run.wait()).status == "failed"
    await world.story(run)


@pytest.mark.parametrize("status", [status for status in RunStatus if status not in {"pausing", "paused"}])
async def test_only_a_paused_run_can_be_stepped(autojump_clock, world, status):
    """Everywhere else the one answer is a refusal that names the state, and nothing changes."""

    async def hold(ctx):
        async with ctx.cleanup():
            await trio.sleep(3)

    async def fail(ctx):
        await trio.sleep(1)
        if status in {"failed", "failing"}:
            raise ValueError("no")

    world.deeds.update(a=hold, b=fail)
    graph = world.flow("s >> a; s >> b", a="do", b="do")
    if status == "pending":
        run = world.runtime.submit(graph, workflow_id="w")
    else:
        run = await world.runtime.start(graph, workflow_id="w")
        if status in {"stopping", "stopped"}:
            await trio.sleep(1)
            await run.stop()
        if status in ENDED:
            await run.wait()
        else:
            await world.until(run, status)
    replies: list[Any] = []
    world.runtime.control(Control(workflow_id="w", action="resume", step=True), replies.append)
    await trio.testing.wait_all_tasks_blocked()
    (reply,) = replies
    assert (reply.ok, reply.code, reply.was) == (False, "refused", status)
    assert status in reply.error
    if run.status == "pending":
        await run.begun()
    await run.stop(force=True)
    await run.wait()
    await world.story(run)


async def test_a_step_over_a_subflow_runs_what_is_inside(autojump_clock, world):
    """The run inside it is part of the step, also if it was paused with its parent before; others stay paused."""
    inner = flow("a >> b", a=("wait", {"duration": 2000}), b="log")
    run = await world.start(
        "s >> f; s >> g; f >> e", f=("subflow", {"workflow": inner}), g=("subflow", {"workflow": inner}), e="log"
    )
    await trio.sleep(1)
    await run.pause()
    await world.until(run, PAUSED)
    first, second = (world.runtime.run(run.view.notes[f"child/{node}/child"]["run_id"]) for node in "fg")
    assert (first.status, second.status) == (PAUSED, PAUSED)
    assert await step(world, run) == ["f"]
    assert (run.status, first.status, second.status) == (PAUSED, "completed", PAUSED)
    assert run.view.nodes["f"].status == "success"
    await run.resume()
    assert (await run.wait()).status == "completed"
    await world.story(run)


async def test_a_step_that_starts_a_subflow_runs_it_to_its_end(autojump_clock, world):
    """The parent says `paused` when it has ended."""
    inner = flow("a >> b", a=("wait", {"duration": 2000}), b="log")
    run = await world.start("s >> f >> e", f=("subflow", {"workflow": inner}), e="log", config={"breakpoints": ["f"]})
    assert await stop_at(world, run) == ("breakpoint", "f")
    assert await step(world, run) == ["f"]
    assert run.view.nodes["f"].status == "success"
    await run.resume()
    assert (await run.wait()).status == "completed"
    await world.story(run)
