"""A run inside a run: it goes where its parent goes, and nothing of it outlives its parent."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from actors import NodeContext, Run, Runtime, Settings, open_runtime
from actors.journal import Keep, Trimmed
from actors.testing.flows import flow
from protocol.errors import InvalidWorkflow
from protocol.messages import Control, Event, NodeChanged, RunEnded
from protocol.states import ENDED, NodeStatus, RunStatus
from tests.actors.run.test_recovery import Tape, Town, folded, killed, opened, results


def inside(edges: str = "a >> b", **nodes: Any) -> Mapping[str, Any]:
    """A graph to be run inside another one; a node without a kind waits for 2 s."""
    names = dict.fromkeys(part.strip().partition(":")[0] for link in edges.split(";") for part in link.split(">>"))
    return flow(edges, **{name: nodes.get(name, ("wait", {"duration": 2000})) for name in names})


async def begun(world: Any, **config: Any) -> tuple[Run, Run]:
    """A run and the one inside it, which waits in its first node."""
    run = await world.start("s >> f >> e", f=("subflow", {"workflow": inside(), **config}), e="log")
    return run, await child_of(run, world.runtime)


async def child_of(run: Run, runtime: Runtime, number: int = 1) -> Run:
    """The run inside it, as soon as its first node runs."""
    while (child := runtime.run(f"{run.id}.{number}")) is None or not child.view.nodes:
        assert run.status not in ENDED
        await trio.sleep(0.001)
    return child


async def test_it_is_a_run_of_its_own_and_its_results_are_the_nodes(autojump_clock, world):
    """It has an id, a history and a place in the list; inputs, variables and the seed come from its parent."""
    graph = inside("a >> b", a=("set", {"got": "{{ inputs['in'] }}", "was": "{{ vars.v }}"}), b="log")
    graph["nodes"][1]["data"]["config"]["message"] = "{{ nodes.a.result.got }} {{ vars.got }}"
    run = await world.start(
        "s >> x >> f >> e",
        x=("set", {"v": 7}),
        f=("subflow", {"workflow": graph, "inputs": {"in": "{{ nodes.x.result.v }}"}}),
        e=("log", {"message": "{{ nodes.f.result.b.got }} {{ vars.v }} {{ has(vars.got) }}"}),
        config={"maxConcurrency": 3, "defaultWaitTime": 0, "timeout": 60_000},
    )
    events = await world.story(run)

    assert run.view.nodes["f"].result == {"b": {"got": 7, "was": 7}}
    assert world.logs(events, "info")[-3:] == [
        "started run " + f"{run.id}.1 inside this one",
        "7 7 false",
        "completed",
    ]
    inner = list((await world.runtime.journal.load(f"{run.id}.1")).events)
    assert world.told(inner) == ["a running", "a success", "b running", "b success", "completed"]
    assert world.logs(inner, "info")[1] == "7 7"
    rows = {row.run_id: row.status for row in (await world.runtime.list_runs()).runs}
    assert rows == {run.id: "completed", f"{run.id}.1": "completed"}


async def test_without_inputs_it_gets_those_of_its_node(autojump_clock, world):
    """What flows into the node flows into the graph."""
    graph = inside("a", a="log")
    run = await world.start("s >> x >> f", x=("set", {"v": 7}), f=("subflow", {"workflow": graph}))
    await world.story(run)
    assert run.view.nodes["f"].result == {"a": {"v": 7}}


@pytest.mark.parametrize("mode", ["now", "drain"])
async def test_a_pause_goes_down_and_waits_for_it(autojump_clock, world, mode):
    """`paused` comes when the one inside is paused; what works there ends first, and nothing new begins."""
    stamps: list[tuple[str, float]] = []

    async def work(ctx: NodeContext[Any]) -> None:
        await trio.sleep(3)
        stamps.append((ctx.node_id, world.now()))

    world.deeds.update(a=work, b=work)
    graph = inside("a >> b", a="act", b="act")
    run = await world.start("s >> f >> e", f=("subflow", {"workflow": graph}), e="log")
    child = await child_of(run, world.runtime)
    await trio.sleep(1)
    assert (await run.pause(mode)).ok
    assert child.status in {RunStatus.RUNNING, RunStatus.PAUSING}
    await trio.sleep(1)
    assert (run.status, child.status) == (RunStatus.PAUSING, RunStatus.PAUSING)
    await world.until(run, RunStatus.PAUSED)
    assert (child.status, stamps) == (RunStatus.PAUSED, [("a", 3)])
    await trio.sleep(100)
    assert len(stamps) == 1
    refused = await child.resume()
    assert (refused.ok, refused.error) == (False, "the run is part of another one, which was paused: resume that")
    await run.resume()
    await world.story(run)
    assert (run.status, child.status) == (RunStatus.COMPLETED, RunStatus.COMPLETED)
    assert [name for name, _ in stamps] == ["a", "b"]
    assert stamps[1][1] == pytest.approx(106, abs=0.1)


async def test_a_pause_that_is_withdrawn_is_withdrawn_below(autojump_clock, world):
    """A resume while it is pausing: the one inside goes on as well, and ends when it would have."""

    async def work(ctx: NodeContext[Any]) -> None:
        await trio.sleep(3)

    world.deeds["a"] = work
    graph = inside("a >> b", a="act")
    run = await world.start("s >> f", f=("subflow", {"workflow": graph}))
    await child_of(run, world.runtime)
    for mode in ("now", "drain"):
        await run.pause(mode)
        await trio.sleep(0.5)
        await run.resume()
    await world.story(run)
    assert run.status is RunStatus.COMPLETED
    assert world.now() == pytest.approx(5, abs=0.1)


async def test_what_is_paused_by_hand_is_resumed_by_hand(autojump_clock, world):
    """A pause and a resume of the parent leave alone what somebody has paused; its node goes on waiting."""
    run, child = await begun(world)
    await child.pause()
    await world.until(child, RunStatus.PAUSED)
    await trio.sleep(100)
    assert (run.status, run.view.nodes["f"].status) == (RunStatus.RUNNING, NodeStatus.RUNNING)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    await run.resume()
    await trio.sleep(100)
    assert child.status is RunStatus.PAUSED
    assert (await child.resume()).ok
    await world.story(run)
    assert run.status is RunStatus.COMPLETED


async def test_it_may_be_told_all_before_it_has_begun(autojump_clock, world):
    """A pause and a stop of the parent, in the instant in which its node has started the child: both count."""
    run = world.runtime.submit(inside(), needs_start=False)
    actor = world.runtime._actors[run.id]
    actor.order(Control(action="pause"))
    actor.halt("parent_stopped")
    with trio.fail_after(60):
        summary = await run.wait()
    assert (summary.status, summary.cancelled_by, summary.not_begun) == ("stopped", "parent_stopped", 2)


@pytest.mark.parametrize("paused", [False, True])
async def test_a_stop_goes_down_and_waits_for_it(autojump_clock, world, paused):
    """Stopped means that nothing inside runs either; also when its node does not run at that moment."""
    left: list[float] = []

    async def work(ctx: NodeContext[Any]) -> None:
        try:
            await trio.sleep_forever()
        finally:
            async with ctx.cleanup():
                await trio.sleep(3)
            left.append(world.now())

    world.deeds["a"] = work
    run = await world.start("s >> f", f=("subflow", {"workflow": inside("a >> b", a="do")}))
    child = await child_of(run, world.runtime)
    await trio.sleep(1)
    if paused:
        await run.pause()
        await world.until(run, RunStatus.PAUSED)
    at = world.now()
    assert (await run.stop()).ok
    await world.story(run)
    assert (run.status, child.status) == (RunStatus.STOPPED, RunStatus.STOPPED)
    summary = await child.wait()
    assert summary.cancelled_by == "parent_stopped"
    assert left == [pytest.approx(4, abs=0.01)]
    assert world.now() - at == pytest.approx(0 if paused else 3, abs=0.1)


async def test_a_forced_stop_goes_down(autojump_clock, world):
    """The grace of sections inside is dropped."""

    async def work(ctx: NodeContext[Any]) -> None:
        async with ctx.atomic():
            await trio.sleep(1000)

    world.deeds["a"] = work
    run = await world.start("s >> f", f=("subflow", {"workflow": inside("a >> b", a="do")}))
    await child_of(run, world.runtime)
    await run.stop()
    await trio.sleep(1)
    assert run.status is RunStatus.STOPPING
    await run.stop(force=True)
    await world.story(run)
    assert world.now() == pytest.approx(1, abs=0.1)


async def test_a_failure_goes_up_with_its_code_and_its_node(autojump_clock, world):
    """The node of the parent has the error; an edge from its port `error` handles it."""
    graph = inside("a >> b", b=("fail", {"message": "no luck"}))
    run = await world.start("s >> f; f:error >> e", f=("subflow", {"workflow": graph}), e="log")
    await world.story(run)
    failed = run.view.nodes["f"]
    assert (run.status, failed.code) == (RunStatus.COMPLETED, "failed_by_node")
    assert failed.error == f"run {run.id}.1, inside this one, failed at 'b': no luck"


async def test_a_retry_begins_it_anew(autojump_clock, world):
    """Another run; the one before has ended."""

    async def work(ctx: NodeContext[Any]) -> str:
        await trio.sleep(1)
        if ctx.run_id.endswith(".1"):
            raise ValueError("not yet")
        return ctx.run_id

    world.deeds["a"] = work
    graph = inside("a", a="do")
    run = await world.start("s >> f", f=("subflow", {"workflow": graph, "retry": {"maxAttempts": 2, "delay": 1000}}))
    await world.story(run)
    assert run.view.nodes["f"].result == {"a": f"{run.id}.2"}
    assert {row.run_id: row.status for row in (await world.runtime.list_runs()).runs} == {
        run.id: "completed",
        f"{run.id}.1": "failed",
        f"{run.id}.2": "completed",
    }


async def test_what_completed_is_not_done_again_by_a_retry(autojump_clock, world):
    """A kind that fails after its child has completed finds the results of that one."""
    runs: list[str] = []

    async def work(ctx: NodeContext[Any]) -> str:
        runs.append(ctx.run_id)
        await trio.sleep(1)
        return "done"

    async def around(ctx: NodeContext[Any]) -> object:
        child = await ctx.start_child(inside("a", a="do"))
        found = await child.results()
        if ctx.attempt == 1:
            raise ValueError("not yet")
        return found

    world.deeds.update(a=work, f=around)
    run = await world.start("s >> f", f=("do", {"retry": {"maxAttempts": 2}}))
    await world.story(run)
    assert (run.view.nodes["f"].result, runs) == ({"a": "done"}, [f"{run.id}.1"])


async def test_a_timeout_of_the_node_stops_it(autojump_clock, world):
    """The next attempt begins when the one before has ended."""
    run, child = await begun(world, timeout=1000, retry={"maxAttempts": 2})
    second = await child_of(run, world.runtime, 2)
    assert child.status is RunStatus.STOPPED
    await world.story(run)
    assert (run.status, run.view.nodes["f"].code) == (RunStatus.FAILED, "timeout")
    assert (await second.wait()).cancelled_by == "parent_stopped"


async def test_stopped_by_hand_it_is_the_nodes_error(autojump_clock, world):
    """Somebody has stopped the one inside: its parent is told so, and may handle it."""
    run, child = await begun(world, onError="continue")
    await child.stop()
    await world.story(run)
    assert (run.status, run.view.nodes["f"].code) == (RunStatus.COMPLETED, "child_stopped")
    assert (await child.wait()).cancelled_by == "stop"


async def test_a_failure_beside_it_stops_it(autojump_clock, world):
    """The parent fails when the one inside has ended."""
    graph = inside()
    run = await world.start(
        "s >> f; s >> w >> x", f=("subflow", {"workflow": graph}), w=("wait", {"duration": 1000}), x="fail"
    )
    child = await child_of(run, world.runtime)
    await world.story(run)
    assert (run.status, child.status) == (RunStatus.FAILED, RunStatus.STOPPED)


async def test_a_broken_turn_stops_what_is_paused_inside(autojump_clock, world):
    """A turn is broken off in the step in which the run goes on: its subflow does not run, and its child ends."""
    run = await world.start(
        "s >> l; l:body >> w >> k; l:body >> f; l:done >> e",
        l=("loop", {"count": 2}),
        w=("wait", {"duration": 1000}),
        k="break",
        f=("subflow", {"workflow": inside("a", a=("wait", {"duration": 9000}))}),
        e="log",
        config={"maxConcurrency": 2},
    )
    child = await child_of(run, world.runtime)
    await trio.sleep(0.999)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    await run.resume()
    await world.story(run)
    assert (run.status, child.status) == (RunStatus.COMPLETED, RunStatus.STOPPED)


async def test_each_turn_of_a_loop_has_its_own(autojump_clock, world):
    """Its item goes in by the inputs."""
    graph = inside("a", a=("set", {"got": "{{ inputs['in'] }}"}))
    run = await world.start(
        "s >> l; l:body >> f; l:done >> e",
        l=("loop", {"type": "forEach", "items": ["x", "y"]}),
        f=("subflow", {"workflow": graph, "inputs": {"in": "{{ item }}"}}),
        e="log",
    )
    await world.story(run)
    assert run.view.nodes["l"].result == [{"f": {"a": {"got": "x"}}}, {"f": {"a": {"got": "y"}}}]


async def test_a_child_ends_with_its_node_whatever_that_does(autojump_clock, world):
    """A kind that returns without waiting leaves nothing behind; the run has ended when its child has."""

    async def forgetful(ctx: NodeContext[Any]) -> str:
        await ctx.start_child(inside(), name="one")
        await ctx.start_child(inside(), name="other")
        return "left"

    world.deeds["f"] = forgetful
    run = await world.start("s >> f", f="do")
    await world.story(run)
    rows = {row.run_id: row.status for row in (await world.runtime.list_runs()).runs}
    assert rows == {run.id: "completed", f"{run.id}.1": "stopped", f"{run.id}.2": "stopped"}


async def test_runs_inside_each_other_end_somewhere(autojump_clock, world):
    """A kind that starts itself is told where it is; all of them fail, one after the other."""

    async def around(ctx: NodeContext[Any]) -> object:
        return await (await ctx.start_child(inside("f", f="do"))).results()

    world.deeds["f"] = around
    run = await world.start("s >> f", f="do")
    await world.story(run)
    assert (run.status, run.view.nodes["f"].code) == (RunStatus.FAILED, "too_deep")
    assert len((await world.runtime.list_runs()).runs) == 8


async def test_a_graph_in_a_graph_in_a_graph(autojump_clock, world):
    """Pause and stop reach the innermost."""
    graph = inside("g", g=("subflow", {"workflow": inside()}))
    run = await world.start("s >> f", f=("subflow", {"workflow": graph}))
    inner = await child_of(await child_of(run, world.runtime), world.runtime)
    assert inner.id == f"{run.id}.1.1"
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    states = [inner.status]
    await run.resume()
    await world.until(inner, RunStatus.RUNNING)
    await run.stop()
    await world.story(run)
    assert [*states, inner.status] == [RunStatus.PAUSED, RunStatus.STOPPED]


async def test_its_graph_is_checked_with_its_parents(autojump_clock, world):
    """Every problem inside is told at the start, with its path; its expressions are its own."""
    graph = world.flow("a >> b", a=("click", {"nth": "x"}), b="no such kind")
    graph["nodes"].append({"id": "c", "type": "log", "data": {"config": {"message": "{{ 1 + }}"}}})
    deep: Mapping[str, Any] = inside("a", a="log")
    for _ in range(8):
        deep = inside("f", f=("subflow", {"workflow": deep}))
    with pytest.raises(InvalidWorkflow) as caught:
        await world.start(
            "s >> f; s >> g; s >> h", f=("subflow", {"workflow": graph}), g="subflow", h=("subflow", {"workflow": deep})
        )
    told = {(problem.code, problem.path, problem.node_id) for problem in caught.value.problems}
    way = "nodes[1].data.config.workflow"
    assert ("bad_config", f"{way}.nodes[0].data.config.nth", "f") in told
    assert ("unknown_kind", f"{way}.nodes[1].type", "f") in told
    assert ("bad_expression", f"{way}.nodes[2].data.config.message", "f") in told
    assert ("bad_config", "nodes[2].data.config.workflow", "g") in told
    assert [path.count("workflow") for code, path, node_id in told if code == "too_large"] == [8]


async def test_a_dry_run_passes_through_it(autojump_clock, world):
    """As every node it is simulated; its graph is checked, as far as a dry run checks one."""
    graph = inside("a >> b", a="no such kind", b="none")
    run = await world.start("s >> f >> e", f=("subflow", {"workflow": graph}), e="none", config={"dryRun": True})
    await world.story(run)
    assert run.status is RunStatus.COMPLETED
    circle = inside("a >> b >> a")
    with pytest.raises(InvalidWorkflow, match="cycle"):
        await world.start("s >> f", f=("subflow", {"workflow": circle}), config={"dryRun": True})


async def test_as_many_runs_as_there_may_be(autojump_clock, world):
    """One inside counts: where there is no room its node fails as `busy`, and may be tried again."""
    settings = Settings(max_runs=1)
    async with open_runtime(settings=settings) as runtime:
        run = await runtime.start(world.flow("s >> f", f=("subflow", {"workflow": inside()})))
        await run.wait()
    assert run.view.nodes["f"].code == "busy"


async def test_what_found_no_room_is_tried_again(autojump_clock, world):
    """The attempt that was refused has left its child's id behind, and no child: the next one starts another."""
    async with open_runtime(settings=Settings(max_runs=2)) as runtime:
        other = await runtime.start(world.flow("s >> w", w=("wait", {"duration": 1000})))
        retry = {"maxAttempts": 2, "delay": 5000, "jitter": False}
        run = await runtime.start(world.flow("s >> f", f=("subflow", {"workflow": inside(), "retry": retry})))
        await other.wait()
        summary = await run.wait()
        assert [row.run_id for row in (await runtime.list_runs()).runs if row.run_id.startswith(run.id)] == [
            f"{run.id}.2",
            run.id,
        ]
    assert (summary.status, run.view.nodes["f"].attempt) == (RunStatus.COMPLETED, 2)


async def test_the_end_of_the_runtime_stops_both(autojump_clock, world):
    """A journal in memory has no tomorrow."""
    async with open_runtime() as runtime:
        run = await runtime.start(world.flow("s >> f", f=("subflow", {"workflow": inside()})))
        child = await child_of(run, runtime)
    assert ((await run.wait()).cancelled_by, (await child.wait()).cancelled_by) == ("shutdown", "shutdown")


async def test_a_bug_in_the_parent_ends_what_is_inside(autojump_clock, world, caplog):
    """The parent fails with `internal_error`, and its child has ended by then."""
    run, child = await begun(world)

    world.runtime._actors[run.id].mailbox.report(object())
    await run.wait()
    assert (run.status, child.status) == (RunStatus.FAILED, RunStatus.STOPPED)


# After a restart


def nested() -> Mapping[str, Any]:
    """Work before, in and after a run inside."""
    graph = flow("a >> m >> b", a="work", m="mail", b="work")
    return flow("s >> x >> f >> y", x="work", f=("subflow", {"workflow": graph}), y="work")


async def test_killed_after_any_commit_both_end_as_they_would_have(autojump_clock, world):
    """One child, one ending of each, the same results; what was recorded inside does not happen again."""
    town, tape = Town(), Tape()
    config = {"seed": 1, "defaultWaitTime": 0}
    async with opened(tape, town) as runtime:
        run = await runtime.start(nested(), run_id="r", workflow_id="w", config=config)
        await run.wait()
        whole = [event async for event in run.events()]
    assert run.status is RunStatus.COMPLETED
    assert len(tape.calls) > 15
    for commits in range(1, len(tape.calls)):
        again = Town()
        cut = await tape.cut(commits)
        before = done((await cut.load("r", 0, 10_000)).events)
        async with opened(cut, again) as runtime:
            for run in runtime.unfinished():
                with trio.fail_after(1000):
                    await run.wait()
            events = list((await cut.load("r", 0, 10_000)).events)
            world.check(events, await folded(runtime, events))
            assert results(events) == results(whole), commits
            rows = {row.run_id: row.status for row in (await runtime.list_runs()).runs}
            assert rows == {"r": "completed", "r.1": "completed"}, commits
            inner = list((await cut.load("r.1", 0, 10_000)).events)
            assert [type(event) for event in inner].count(RunEnded) == 1
            assert {key: value for key, value in cut.notes("r").items() if key != "children"} == {}
        assert not before & {key.partition("/")[2] for key in again.done if key.startswith("r/")}


def done(events: Sequence[Event]) -> set[str]:
    """The nodes that have succeeded."""
    return {e.node_id for e in events if isinstance(e, NodeChanged) and e.status is NodeStatus.SUCCESS}


@pytest.mark.parametrize("deed", ["pause", "drain", "stop", "force", "pause, resume", "pause, stop"])
async def test_killed_at_any_commit_while_it_is_steered(autojump_clock, world, deed):
    """Wherever the crash comes: a paused parent has a paused child, a running one goes on, an ended one has none."""
    town, tape = Town(), Tape()
    async with opened(tape, town) as runtime:
        run = await runtime.start(nested(), run_id="r", workflow_id="w", config={"seed": 1})
        deeds: Mapping[str, Any] = {
            "pause": run.pause,
            "drain": partial(run.pause, "drain"),
            "resume": run.resume,
            "stop": run.stop,
            "force": partial(run.stop, force=True),
        }
        await trio.sleep(2.5)
        for name in deed.split(", "):
            await deeds[name]()
            await trio.sleep(1)
        calls = len(tape.calls)
        if run.status not in ENDED:
            await run.stop()
    for commits in range(8, calls + 1):
        async with opened(await tape.cut(commits), town) as runtime:
            parent = runtime.run("r")
            await trio.sleep(100)
            child = runtime.run("r.1")
            if parent is not None and parent.status is RunStatus.PAUSED:
                assert child is None or child.status is RunStatus.PAUSED, commits
                await parent.resume()
                await parent.wait()
            assert runtime.unfinished() == [], commits
            rows = {row.run_id: row.status for row in (await runtime.list_runs()).runs}
            assert set(rows.values()) <= ENDED
            assert rows["r"] == rows.get("r.1", rows["r"]), (commits, rows)


async def test_after_a_shutdown_both_go_on(autojump_clock, world):
    """A durable journal: neither says that it ended, neither is the victim of a crash, and there is one child."""
    tape, town = Tape(), Town()
    async with opened(tape, town) as runtime:
        run = await runtime.start(nested(), run_id="r")
        await (await child_of(run, runtime)).begun()
        await trio.sleep(1.2)
    for run_id in ("r", "r.1"):
        assert (await tape.load(run_id)).closed is None
    tape = await killed(tape)
    async with opened(tape, town) as runtime:
        again = runtime.run("r")
        assert again is not None
        assert "interrupted/f" in again.view.notes
        await again.wait()
        assert {row.run_id: row.status for row in (await runtime.list_runs()).runs} == {
            "r": "completed",
            "r.1": "completed",
        }
    assert town.effects == ["r.1/m/first", "r.1/m/second"]


async def test_what_is_paused_by_hand_stays_so_over_a_crash(autojump_clock, world):
    """The parent waits for it in the next process as well."""
    tape, town = Tape(), Town()
    async with opened(tape, town) as runtime:
        run = await runtime.start(nested(), run_id="r")
        child = await child_of(run, runtime)
        await child.pause()
        await world.until(child, RunStatus.PAUSED)
        tape = await killed(tape)
    async with opened(tape, town) as runtime:
        await trio.sleep(100)
        (run, child) = runtime.unfinished()
        assert (run.status, child.status) == (RunStatus.RUNNING, RunStatus.PAUSED)
        assert (await child.resume()).ok
        await run.wait()
        assert run.status is RunStatus.COMPLETED


async def test_a_childs_history_is_kept_as_long_as_its_node_may_ask_for_it(autojump_clock, world):
    """A crash between the child's end and the parent's record, and no history kept: nothing inside is done again."""
    town, tape = Town(), Tape()
    async with opened(tape, town) as runtime:
        run = await runtime.start(nested(), run_id="r")
        await run.wait()
    closed = [call for call, (what, args, said) in enumerate(tape.calls) if what == "append" and said["close"]]
    assert [tape.calls[call][1][0] for call in closed] == ["r.1", "r"]
    again = Town()
    settings = Settings(history_runs=0)
    cut = await tape.cut(closed[0] + 1)
    async with open_runtime(
        settings=settings, journal=cut, registry=again.registry(), wall=trio.current_time
    ) as runtime:
        parent = runtime.run("r")
        assert parent is not None
        await parent.wait()
        assert parent.status is RunStatus.COMPLETED
        await trio.testing.wait_all_tasks_blocked()
        assert (await runtime.list_runs()).runs == []
    assert (again.effects, again.done) == ([], ["r/y"])


async def test_who_gives_up_while_it_opens_waits_for_no_run(autojump_clock, monkeypatch):
    """A runtime that is cancelled amid its recovery leaves its runs to the next one, and ends at once."""
    town, tape = Town(), Tape()
    async with opened(tape, town) as runtime:
        await runtime.start(nested(), run_id="r")
        await trio.sleep(2.5)
        tape = await killed(tape)

    async def trim(self: Tape, keep: Keep) -> Trimmed:
        await trio.sleep(3)
        return Trimmed([])

    monkeypatch.setattr(Tape, "trim", trim)
    began = trio.current_time()
    with trio.move_on_after(1) as scope:
        async with opened(tape, town):
            pytest.fail("it was opened")
    assert scope.cancelled_caught
    assert trio.current_time() - began == pytest.approx(1, abs=0.1)


async def test_a_crash_leaves_no_child_of_a_node_that_has_its_end(autojump_clock):
    """The node's end was written, the stop of its child was not: the next process stops it."""
    graph = flow(
        "s >> f >> w",
        f=("subflow", {"workflow": inside("a", a=("wait", {"duration": 50_000})), "timeout": 1000, "onError": "continue"}),
        w=("wait", {"duration": 5000}),
    )  # fmt: skip
    town, tape = Town(), Tape()
    async with opened(tape, town) as runtime:
        await (await runtime.start(graph, run_id="r")).wait()
    ends = [
        number
        for number, (what, args, _) in enumerate(tape.calls)
        if what == "append"
        and args[0] == "r"
        and any(isinstance(event, NodeChanged) and (event.node_id, event.status) == ("f", "error") for event in args[1])
    ]
    cut = await tape.cut(ends[0] + 1)
    began = trio.current_time()
    async with open_runtime(journal=cut, registry=Town().registry(), wall=trio.current_time) as runtime:
        run = runtime.run("r")
        assert run is not None
        assert (await run.wait()).status == "completed"
        assert (await cut.summary("r.1")).status == "stopped"
    assert trio.current_time() - began < 10


async def test_nothing_inside_a_paused_run_goes_on_by_hand(autojump_clock, world):
    """One that was paused by hand before is resumed by hand after."""
    run, child = await begun(world)
    await child.pause()
    await world.until(child, RunStatus.PAUSED)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    assert world.answered(await child.resume())[0] is False
    await trio.sleep(10)
    assert (run.status, child.status) == ("paused", "paused")
    await run.resume()
    await trio.sleep(10)
    assert (run.status, child.status) == ("running", "paused")
    assert world.answered(await child.resume())[0] is True
    assert (await run.wait()).status == "completed"
