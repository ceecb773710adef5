"""Breakpoints that are set while a run runs: what they stop, what they do not, who is told, and what a crash leaves."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
import trio
import trio.testing

from actors import NodeContext, Registry, Run, open_runtime
from actors.registry import node
from protocol.messages import Control, Event, Iteration, Logged, NodeChanged, RunChanged, RunStarted
from protocol.states import ENDED, NODE_ENDED, NodeStatus, RunStatus
from tests.actors.run.test_recovery import Tape, Town, graph, killed, left, opened, results

PAUSED = RunStatus.PAUSED


def told_breakpoints(events: Sequence[Event]) -> list[list[str]]:
    """What everybody was told that holds, time after time."""
    return [
        event.context["breakpoints"]
        for event in events
        if isinstance(event, Logged) and event.node_id is None and "breakpoints" in (event.context or {})
    ]


def check_stops(events: Sequence[Event], held: Iterable[str]) -> None:
    """No instance begins past a breakpoint that held, unless the run stood before it or a step passed it.

    Args:
        events: a whole story.
        held: the breakpoints of the start.
    """
    breakpoints = set(held)
    stood: set[tuple[str, Iteration]] = set()
    begun: set[tuple[str, Iteration]] = set()
    stepping = False
    for event in events:
        match event:
            case Logged(node_id=None, context={"breakpoints": told}):
                breakpoints = set(told)
            case RunChanged(status=RunStatus.RUNNING):
                stepping = event.reason == "step"
            case NodeChanged():
                key = (event.node_id, event.iteration)
                if event.reason == "breakpoint":
                    assert event.node_id in breakpoints, event
                    assert key not in stood, event
                    stood.add(key)
                elif event.status is NodeStatus.RUNNING and event.waiting is None:
                    assert key in begun or key in stood or stepping or event.node_id not in breakpoints, event
                    begun.add(key)
                elif event.status in NODE_ENDED:
                    stood.discard(key)
                    begun.discard(key)
            case _:
                pass


async def story_of(world: Any, run: Run) -> list[Event]:
    """The whole story, which has stopped wherever it should."""
    events: list[Event] = await world.story(run)
    check_stops(events, run.config.breakpoints)
    return events


async def test_a_run_stops_where_it_is_told_while_it_runs(autojump_clock, world):
    """It says so in its log, at info, of no node; snapshots show it; then it stops there, as if said at the start."""
    run = await world.start("s >> a >> b >> c", a=("wait", {"duration": 5000}), b="log", c="log")
    await trio.sleep(3)
    reply = await run.set_breakpoints(["c", "b", "c"])
    assert (reply.ok, reply.action, reply.was, reply.status) == (True, "breakpoints", "running", "running")
    assert reply.breakpoints == ("b", "c")
    assert (await world.runtime.snapshot(run.id)).breakpoints == ("b", "c")
    await world.until(run, PAUSED)
    shown = await world.runtime.snapshot(run.id)
    assert (shown.reason, shown.node_id, shown.breakpoints) == ("breakpoint", "b", ("b", "c"))
    await run.resume()
    await world.until(run, PAUSED)
    assert run.view.snapshot().node_id == "c"
    await run.resume()
    await run.wait()
    story = await story_of(world, run)
    (line,) = [event for event in story if isinstance(event, Logged) and event.context == {"breakpoints": ["b", "c"]}]
    assert (line.level, line.node_id, line.message) == ("info", None, "breakpoints: b, c")
    assert world.told(story) == [
        "s running", "s success", "a running", "a success",
        "b pending (breakpoint)", "pausing", "paused", "running", "b running", "b success",
        "c pending (breakpoint)", "pausing", "paused", "running", "c running", "c success", "completed",
    ]  # fmt: skip
    ended = await world.runtime.snapshot(run.id)
    assert (ended.reason, ended.node_id, ended.breakpoints) == (None, None, ("b", "c"))


async def test_what_is_in_flight_is_not_stopped(autojump_clock, world):
    """Neither its attempt nor its next one; in a loop the next turn is."""
    attempts = []

    async def twice(ctx):
        attempts.append(ctx.iteration)
        await trio.sleep(1)
        if ctx.attempt == 1 and ctx.iteration == (0,):
            raise ValueError("not yet")

    world.deeds["a"] = twice
    retry = {"maxAttempts": 2, "delay": 1000}
    run = await world.start("s >> l; l:body >> a", l=("loop", {"count": 2}), a=("do", {"retry": retry}))
    await trio.sleep(0.5)
    assert attempts == [(0,)]
    await run.set_breakpoints(["l", "a"])
    await world.until(run, PAUSED)
    assert attempts == [(0,), (0,)]
    assert run.view.nodes["a"].iteration == (1,)
    await run.resume()
    assert (await run.wait()).status == "completed"
    assert world.told(await story_of(world, run)).count("paused") == 1


async def test_a_run_stays_paused_when_the_breakpoint_where_it_stands_is_cleared(autojump_clock, world):
    """To take a breakpoint away is not to go on, also while it drains; what clears it says so, and no state changes."""

    async def deed(ctx):
        await trio.sleep(10)

    world.deeds["a"] = deed
    run = await world.start("s >> a; s >> b; b >> c", a="do", b="log", c="log", config={"breakpoints": ["b", "c"]})
    await world.until(run, RunStatus.PAUSING)
    reply = await run.set_breakpoints(["c"])
    assert (reply.was, reply.status, reply.breakpoints) == ("pausing", "pausing", ("c",))
    await world.until(run, PAUSED)
    assert (await run.set_breakpoints([])).breakpoints == ()
    await trio.sleep(3600)
    assert (run.status, run.view.snapshot().reason, run.view.snapshot().node_id) == (PAUSED, "breakpoint", "b")
    await run.resume()
    assert (await run.wait()).status == "completed"
    story = await story_of(world, run)
    assert world.told(story).count("paused") == 1
    assert told_breakpoints(story) == [["c"], []]
    assert "no breakpoints" in world.logs(story, "info")


async def test_a_breakpoint_set_again_where_the_run_stands_does_not_hold_it_twice(autojump_clock, world):
    """The run stands before that node: to go on is to run it."""
    run = await world.start("s >> a", a="log", config={"breakpoints": ["a"]})
    await world.until(run, PAUSED)
    await run.set_breakpoints([])
    await run.set_breakpoints(["a"])
    await run.resume()
    assert (await run.wait()).status == "completed"
    assert world.told(await story_of(world, run)).count("a pending (breakpoint)") == 1


async def test_set_while_it_is_paused_it_stops_what_was_ready(autojump_clock, world):
    """The resume goes as far as the nodes that wait for it; one that had begun before the pause runs again."""

    async def deed(ctx):
        await trio.sleep(10)

    world.deeds["a"] = deed
    run = await world.start(
        "s >> a; s >> b; s >> c", a="do", b="log", c="log", config={"maxConcurrency": 1, "breakpoints": ["c"]}
    )
    await trio.sleep(5)
    await run.pause()
    await world.until(run, PAUSED)
    assert run.view.snapshot().reason is None
    await run.set_breakpoints(["a", "b"])
    await run.resume()
    await trio.sleep(5)
    assert run.view.nodes["a"].status == "running"
    await world.until(run, PAUSED)
    assert (run.view.snapshot().reason, run.view.snapshot().node_id) == ("breakpoint", "b")
    await run.resume()
    assert (await run.wait()).status == "completed"
    assert world.told(await story_of(world, run)).count("paused") == 2


async def test_what_waits_for_a_slot_is_stopped(autojump_clock, world):
    """It is ready and has not begun."""
    run = await world.start("s >> a; s >> b", a=("wait", {"duration": 5000}), b="log", config={"maxConcurrency": 1})
    await trio.sleep(4)
    assert run.view.nodes["b"].reason == "concurrency"
    await run.set_breakpoints(["b"])
    await world.until(run, PAUSED)
    assert run.view.nodes["b"].reason == "breakpoint"
    await run.resume()
    await run.wait()
    await story_of(world, run)


async def test_nodes_that_are_not_there_are_named_and_nothing_changes(autojump_clock, world):
    """All of them, as many as a line takes; the reply says what holds on."""
    run = await world.start("s >> a", a=("wait", {"duration": 5000}), config={"breakpoints": ["nobody", "a"]})
    await world.until(run, PAUSED)
    before = run.view.last_seq
    reply = await run.set_breakpoints(["s", "x", "nobody"])
    assert (reply.ok, reply.code, reply.breakpoints) == (False, "unknown_node", ("a",))
    assert reply.error == "the workflow has no node 'nobody', 'x'"
    many = await run.set_breakpoints([f"n{number:02}" for number in range(12)])
    assert many.error is not None
    assert many.error.endswith("'n09' and 2 more")
    assert (run.view.last_seq, run.view.breakpoints) == (before, {"a"})
    await run.resume()
    await run.wait()
    await story_of(world, run)


async def test_what_holds_already_is_not_told_again(autojump_clock, world):
    """The answer is ok, and nobody hears of it."""
    run = await world.start("s >> a", a=("wait", {"duration": 5000}), config={"breakpoints": ["a"]})
    await world.until(run, PAUSED)
    before = run.view.last_seq
    assert (await run.set_breakpoints(["a"])).ok
    assert run.view.last_seq == before
    await run.stop()
    assert told_breakpoints(await story_of(world, run)) == []


async def test_a_long_set_is_told_whole_and_said_in_a_line(autojump_clock, world):
    """The line names ten; the context has all."""
    names = [f"n{number:02}" for number in range(12)]
    run = await world.start(" >> ".join(["s", *names]), **dict.fromkeys(names, "log"), s=("start", {"waitTime": 5000}))
    assert (await run.set_breakpoints(names)).ok
    (told,) = told_breakpoints((await world.runtime.journal.load(run.id, 0, 100)).events)
    assert told == names
    await run.stop()
    assert f"breakpoints: {', '.join(names[:10])} and 2 more" in world.logs(await story_of(world, run), "info")


async def test_a_run_that_ends_takes_them_and_ends(autojump_clock, world):
    """Whoever sets them is not to care how far it is; nothing stops there any more, and no grace is dropped."""

    async def deed(ctx):
        async with ctx.atomic():
            await trio.sleep(3)

    world.deeds["a"] = deed
    run = await world.start("s >> a >> b", a="do", b="log")
    await trio.sleep(2.5)
    await run.stop()
    replies: list[Any] = []
    command = Control(workflow_id="w", action="breakpoints", node_ids=("b",), force=True)
    world.runtime.control(command, replies.append)
    await trio.testing.wait_all_tasks_blocked()
    assert [(reply.ok, reply.was, reply.status) for reply in replies] == [(True, "stopping", "stopping")]
    assert (await run.wait()).status == "stopped"
    story = await story_of(world, run)
    assert told_breakpoints(story) == [["b"]]
    assert "a success" in world.told(story)
    late = await run.set_breakpoints([])
    assert (late.ok, late.code, late.error, late.breakpoints) == (False, "refused", "the run is stopped", None)


async def test_they_are_those_of_one_run(autojump_clock, world):
    """Not of the runs inside it, which have their own."""
    inner = world.flow("s >> x", x="log", s=("start", {"waitTime": 5000}))
    run = await world.start("s >> f >> x", f=("subflow", {"workflow": inner}), x="log")
    await trio.sleep(4)
    assert (await run.set_breakpoints(["x"])).ok
    child = world.runtime.run(f"{run.id}.1")
    assert child.view.breakpoints == frozenset()
    assert (await child.set_breakpoints(["x"])).breakpoints == ("x",)
    await world.until(child, PAUSED)
    assert run.status is RunStatus.RUNNING
    await child.resume()
    await world.until(run, PAUSED)
    assert (child.status, run.view.snapshot().node_id) == (RunStatus.COMPLETED, "x")
    await run.resume()
    await run.wait()
    await story_of(world, run)


@pytest.mark.parametrize("seed", range(60))
async def test_whenever_they_change_it_stops_where_they_hold_and_gives_the_same(autojump_clock, world, seed):
    """Random graphs; breakpoints, pauses, resumes and steps at random moments."""
    dice = random.Random(seed)
    names = [f"n{number}" for number in range(dice.randrange(2, 8))]
    edges = [f"s >> {names[0]}"]
    for place, name in enumerate(names[1:], 1):
        edges += [f"{dice.choice(['s', *names[:place]])} >> {name}" for _ in range(dice.randrange(1, 3))]

    async def deed(ctx):
        await trio.sleep(random.Random(f"{seed}{ctx.node_id}").choice([0, 1, 5]))
        if ctx.attempt == 1 and ctx.node_id == "n1":
            raise ValueError("not yet")
        return ctx.node_id

    world.deeds.update(dict.fromkeys(names, deed))
    config = {"maxConcurrency": dice.choice([1, 2, 100]), "breakpoints": dice.sample(names, dice.choice([0, 1]))}
    do = ("do", {"retry": {"maxAttempts": 2, "delay": 1000}})
    run = await world.start("; ".join(edges), **dict.fromkeys(names, do), config=config)
    for _ in range(dice.randrange(3, 15)):
        match dice.choice(["set", "set", "set", "pause", "resume", "step"]):
            case "set":
                wanted = dice.sample(names, dice.randrange(len(names) + 1))
                reply = await run.set_breakpoints(wanted)
                assert reply.ok == (reply.was not in ENDED)
                assert not reply.ok or run.view.breakpoints == set(wanted)
            case "pause":
                await run.pause(dice.choice(["now", "drain"]))
            case action:
                await run.resume(step=action == "step")
        await trio.sleep(dice.choice([0, 0.5, 3]))
    while run.status not in ENDED:
        await run.resume()
        await trio.sleep(10)
    assert run.status == "completed"
    await story_of(world, run)
    assert {name: run.view.nodes[name].result for name in names} == {name: name for name in names}


# What a crash leaves


async def hop(run: Run) -> None:
    """At every stop: breakpoints everywhere but here, and on."""
    nodes = run.workflow.nodes
    while run.status not in ENDED:
        await trio.sleep(10)
        if run.status is PAUSED:
            here = run.view.snapshot().node_id
            await run.set_breakpoints([name for name in nodes if name != here])
            await run.resume()


@pytest.mark.parametrize("name", ["diamond", "wait times", "retry", "nested", "mail"])
async def test_killed_after_any_commit_what_was_told_last_holds(autojump_clock, world, name):
    """After every restart the breakpoints are those of the last line about them, and the run stops at them."""
    drawn, tape = graph(world, name), Tape()
    config = {"seed": 1, "defaultWaitTime": 0, "breakpoints": ["s"]}
    async with opened(tape, Town()) as runtime:
        run = await runtime.start(drawn, run_id="r", workflow_id="w", config=config)
        await hop(run)
        whole = [event async for event in run.events()]
        check_stops(whole, ["s"])
    assert len(told_breakpoints(whole)) > 2
    for commits in range(2, len(tape.calls)):
        cut = await tape.cut(commits)
        before = list((await cut.load("r", 0, 10_000)).events)
        paused = [event for event in before if isinstance(event, RunChanged | RunStarted)][-1]
        async with opened(cut, Town()) as runtime:
            for run in runtime.unfinished():
                shown = await runtime.snapshot("r")
                assert shown.breakpoints == tuple([["s"], *told_breakpoints(before)][-1])
                assert (run.view.reason, run.view.paused_at) == (shown.reason, shown.node_id)
                if isinstance(paused, RunChanged) and paused.status in {PAUSED, RunStatus.PAUSING}:
                    assert (shown.reason, shown.node_id) == (paused.reason, paused.node_id)
                await hop(run)
            events = list((await cut.load("r", 0, 10_000)).events)
            check_stops(events, ["s"])
            assert results(events) == results(whole), commits


async def test_a_pause_that_a_crash_has_cut_ends_for_the_reason_it_began(autojump_clock, world):
    """Killed while it drains to a breakpoint: `paused` has the reason and the node all the same."""
    tape = Tape()
    drawn = world.flow("s >> a; s >> b", a="work", b="log")
    async with opened(tape, Town()) as runtime:
        run = await runtime.start(drawn, run_id="r", config={"breakpoints": ["b"], "defaultWaitTime": 0})
        await world.until(run, RunStatus.PAUSING)
        tape = await killed(tape)
        assert run.status is RunStatus.PAUSING
    async with opened(tape, Town()) as runtime:
        run = left(runtime)
        await world.until(run, PAUSED)
        changes = [event for event in (await tape.load("r", 0, 100)).events if isinstance(event, RunChanged)]
        assert [(event.status, event.reason, event.node_id) for event in changes] == [
            ("pausing", "breakpoint", "b"),
            ("paused", "breakpoint", "b"),
        ]


async def test_a_run_that_is_left_to_the_next_process_takes_none(autojump_clock, world):
    """While the server shuts down the answer says so; nothing changes, and nothing is remembered of the request."""
    tape, kinds = Tape(), Registry.builtin()
    replies: list[Any] = []

    @kinds.register
    @node("act", config=dict)
    async def act(ctx: NodeContext[Any]) -> object:
        """A section that the shutdown waits for."""
        async with ctx.atomic():
            await trio.sleep(3)
        return None

    def ask(runtime):
        command = Control(run_id="r", action="breakpoints", node_ids=("b",), request_id="q")
        runtime.control(command, replies.append)

    async def late(runtime):
        await trio.sleep(2)
        ask(runtime)

    async with trio.open_nursery() as nursery, open_runtime(journal=tape, registry=kinds) as runtime:
        await runtime.start(world.flow("s >> a >> b", a="act", b="log"), run_id="r")
        nursery.start_soon(late, runtime)
        await trio.sleep(1)
    async with open_runtime(journal=await killed(tape), registry=kinds) as runtime:
        assert left(runtime).view.breakpoints == frozenset()
        ask(runtime)
        await world.until(left(runtime), PAUSED)
    assert [(reply.ok, reply.code, reply.breakpoints) for reply in replies] == [
        (False, "shutting_down", ()),
        (True, None, ("b",)),
    ]


async def test_a_run_of_an_earlier_version_keeps_those_of_its_start(autojump_clock, world):
    """Its journal has no note of them; from the restart on it does, and they can be changed as any."""
    tape = Tape()
    async with opened(tape, Town()) as runtime:
        config = {"breakpoints": ["b", "a"], "defaultWaitTime": 0}
        await runtime.start(world.flow("s >> a >> b", a="log", b="log"), run_id="r", config=config)
        await world.until(left(runtime), PAUSED)
        for what, args, _ in tape.calls:
            if what == "append":
                args[2][:] = [(key, value) for key, value in args[2] if key != "breakpoints"]
        tape = await killed(tape)
    assert "breakpoints" not in tape.notes("r")
    async with opened(tape, Town()) as runtime:
        assert (await runtime.snapshot("r")).breakpoints == ("a", "b")
        await left(runtime).resume()
        await trio.sleep(1)
        assert left(runtime).view.snapshot().node_id == "b"
        assert (await left(runtime).set_breakpoints([])).ok
        tape = await killed(tape)
    async with opened(tape, Town()) as runtime:
        assert (await runtime.snapshot("r")).breakpoints == ()


async def test_the_same_request_is_done_once(autojump_clock, world):
    """Also after a crash, and when others were set meanwhile: the answer is the same, and says what holds now."""
    tape, town = Tape(), Town()
    replies: list[Any] = []

    def ask(runtime, number, node_ids, request_id):
        command = Control(id=number, run_id="r", action="breakpoints", node_ids=node_ids, request_id=request_id)
        runtime.control(command, replies.append)

    async with opened(tape, town) as runtime:
        await runtime.start(world.flow("s >> a >> b", a="work", b="work"), run_id="r", config={"breakpoints": ["s"]})
        await world.until(left(runtime), PAUSED)
        ask(runtime, "1", ("a",), "q")
        ask(runtime, "2", ("b",), "other")
        ask(runtime, "3", ("a",), "q")
        await trio.testing.wait_all_tasks_blocked()
        tape = await killed(tape)
    async with opened(tape, town) as runtime:
        await trio.testing.wait_all_tasks_blocked()
        ask(runtime, "4", ("a",), "q")
        runtime.control(Control(id="5", run_id="r", action="pause", request_id="q"), replies.append)
        await trio.testing.wait_all_tasks_blocked()
        assert left(runtime).view.breakpoints == {"b"}
    assert [(reply.reply_to, reply.ok, reply.breakpoints) for reply in replies] == [
        ("1", True, ("a",)),
        ("2", True, ("b",)),
        ("3", True, ("b",)),
        ("4", True, ("b",)),
        ("5", False, None),
    ]
    assert replies[-1].code == "bad_field"
    assert told_breakpoints((await tape.load("r", 0, 100)).events) == [["a"], ["b"]]
