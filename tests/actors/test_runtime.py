"""The runtime: what its end leaves, what a bug costs, and what it keeps of runs that are over."""

from contextlib import aclosing
from itertools import pairwise
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors import ActorGone, Busy, Registry, Settings, ShuttingDown, UnknownRun, open_runtime
from actors.registry import node
from actors.run import RunActor
from protocol import BadField, InvalidWorkflow, NodeChanged, RunEnded
from protocol.messages import Control

LONG: Any = {
    "nodes": [
        {"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}},
        {"id": "w", "type": "wait", "data": {"config": {"duration": 3_600_000}}},
    ],
    "edges": [{"source": "s", "target": "w"}],
}
SHORT: Any = {"nodes": LONG["nodes"][:1], "edges": []}


def doing(deed: Any) -> tuple[Registry, Any]:
    """A registry with a kind `do`, and a graph with one node of it."""
    registry = Registry.builtin()
    registry.register(node("do", config=dict, effects=False)(deed))
    nodes = [*SHORT["nodes"], {"id": "a", "type": "do"}]
    return registry, {"nodes": nodes, "edges": [{"source": "s", "target": "a"}]}


async def test_leaving_the_block_stops_the_runs(autojump_clock):
    """Each has its ending, cause shutdown, and no task is left."""
    before = len(trio.lowlevel.current_root_task().child_nurseries)  # type: ignore[union-attr]
    async with open_runtime() as runtime:
        run = await runtime.start(LONG)
    summary = await run.wait()
    assert (summary.status, summary.cancelled_by) == ("stopped", "shutdown")
    assert len(trio.lowlevel.current_root_task().child_nurseries) == before  # type: ignore[union-attr]


async def test_a_cancel_from_outside_is_the_same_end(autojump_clock):
    """The user's block is cut at once, the runs end in good order all the same."""
    with trio.move_on_after(5) as scope:
        async with open_runtime() as runtime:
            run = await runtime.start(LONG)
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert (await run.wait()).cancelled_by == "shutdown"


async def test_an_error_of_the_block_comes_out_as_it_is(autojump_clock):
    """Not in the groups of nurseries that are ours."""
    with pytest.raises(ZeroDivisionError):
        async with open_runtime() as runtime:
            await runtime.start(LONG)
            raise ZeroDivisionError


async def test_a_run_that_does_not_end_is_cut_off_and_claims_no_ending(autojump_clock):
    """After the grace of the shutdown; whoever waits for it is told so."""
    release = trio.Event()

    async def shielded(ctx: Any) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 100):
            await release.wait()

    registry, graph = doing(shielded)
    began = trio.current_time()
    async with open_runtime(settings=Settings(shutdown_grace=20), registry=registry) as runtime:
        run = await runtime.start(graph)
        await trio.sleep(1)
    assert trio.current_time() - began == pytest.approx(100, abs=2)
    with pytest.raises(ActorGone):
        await run.wait()


async def test_a_bug_of_the_runtime_costs_one_run(autojump_clock, monkeypatch, caplog):
    """It fails with internal_error and a traceback in the log; the others go on."""

    async def quick(ctx: Any) -> str:
        await trio.sleep(1)
        return "done"

    registry, graph = doing(quick)
    outcome = RunActor._outcome

    def broken(self: RunActor, report: Any) -> None:
        if self.plan.workflow_id == "broken" and report.task.node_id == "a":
            raise RuntimeError("a planted bug")
        outcome(self, report)

    monkeypatch.setattr(RunActor, "_outcome", broken)
    async with open_runtime(registry=registry) as runtime:
        bad = await runtime.start(graph, workflow_id="broken")
        good = await runtime.start(graph, workflow_id="good")
        summary = await bad.wait()
        assert (summary.status, summary.code) == ("failed", "internal_error")
        assert (await good.wait()).status == "completed"
        events = [event async for event in bad.events()]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[-1], RunEnded)
    assert "a planted bug" in caplog.text


async def test_ctrl_c_in_a_node_reaches_whoever_runs_the_program(autojump_clock):
    """It is not that node's failure."""

    async def interrupted(ctx: Any) -> None:
        raise KeyboardInterrupt

    registry, graph = doing(interrupted)
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_runtime(registry=registry) as runtime:
            await runtime.start(graph)
            await trio.sleep(5)
    assert caught.value.subgroup(KeyboardInterrupt) is not None


async def test_what_can_not_be_started_is_refused_and_leaves_nothing(autojump_clock, monkeypatch):
    """Each refusal has its error; no run is recorded."""
    # As if the extra `browser` was not installed.
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    async with open_runtime(settings=Settings(max_runs=1)) as runtime:
        with pytest.raises(InvalidWorkflow):
            runtime.submit({"nodes": [], "edges": []})
        with pytest.raises(BadField):
            runtime.submit(SHORT, config={"timeout": "soon", "maxConcurrency": 0})
        with pytest.raises(BadField, match=r"pip install 'callboard\[browser\]'"):
            runtime.submit(SHORT, config={"driver": "browser"})
        assert not (await runtime.list_runs()).runs
        await runtime.start(LONG)
        with pytest.raises(Busy):
            runtime.submit(SHORT)
        with pytest.raises(UnknownRun):
            runtime.control(Control(workflow_id="nobody", action="stop"), lambda _reply: None)
    with pytest.raises(ShuttingDown):
        runtime.submit(SHORT)


def large(nodes: int) -> Any:
    """A chain of so many nodes."""
    names = [f"n{number}" for number in range(nodes)]
    edges = [{"source": a, "target": b} for a, b in pairwise(["s", *names])]
    return {"nodes": [*SHORT["nodes"], *({"id": name, "type": "set"} for name in names)], "edges": edges}


async def test_everybody_has_their_turns_while_a_large_graph_is_checked(autojump_clock, monkeypatch):
    """As many as the check has steps."""
    monkeypatch.setattr("actors.checking.STEP", 0.0)  # on this clock work takes no time
    async with open_runtime() as runtime, trio.open_nursery() as nursery:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        nursery.start_soon(others)
        found = await runtime.validate(large(5_000))
        nursery.cancel_scope.cancel()
    assert found.workflow is not None
    assert len(found.workflow.nodes) == 5_001
    assert turns > 900


async def test_a_small_graph_does_not_wait_for_a_large_one(autojump_clock, monkeypatch):
    """Whoever came first: each has its steps."""
    ended: list[str] = []

    async with open_runtime() as runtime, trio.open_nursery() as nursery:

        async def check(name: str, graph: Any) -> None:
            assert (await runtime.validate(graph)).workflow is not None
            ended.append(name)

        monkeypatch.setattr("actors.checking.STEP", 0.0)
        for name, graph in (("large", large(2_000)), ("middling", large(200)), ("small", SHORT)):
            nursery.start_soon(check, name, graph)
            await trio.lowlevel.checkpoint()
    assert ended == ["small", "middling", "large"]


async def test_a_child_whose_graph_is_checked_when_the_runtime_ends_is_started_by_the_next(tmp_path, monkeypatch):
    """Its parent has no ending: it goes on, and the child is started then."""
    monkeypatch.setattr("actors.checking.STEP", 0.0)
    journal = Settings(journal=f"sqlite:{tmp_path / 'j.db'}")
    node = {"id": "f", "type": "subflow", "data": {"config": {"workflow": large(3_000), "waitTime": 0}}}
    graph = {"nodes": [*SHORT["nodes"], node], "edges": [{"source": "s", "target": "f"}]}

    async def take_leave() -> None:
        for _ in range(20):
            await trio.lowlevel.checkpoint()

    with trio.fail_after(60):
        async with open_runtime(settings=journal) as runtime:
            runtime.at_end(take_leave)
            run = await runtime.start(graph, run_id="parent")
            while run.view.nodes.get("f") is None:
                await trio.lowlevel.checkpoint()
        assert run.view.summary is None
        monkeypatch.undo()
        async with open_runtime(settings=journal) as runtime:
            again = runtime.run("parent")
            assert again is not None
            assert (await again.wait()).status == "completed"


async def test_only_so_many_ended_runs_are_kept(autojump_clock):
    """The oldest are forgotten, with all that was known of them; an unfinished one never."""
    async with open_runtime(settings=Settings(history_runs=3)) as runtime:
        old = await runtime.start(LONG, workflow_id="long")
        ids = []
        for number in range(6):
            run = await runtime.start(SHORT, workflow_id=f"w{number}")
            await run.wait()
            ids.append(run.id)
        await trio.testing.wait_all_tasks_blocked()
        listed = (await runtime.list_runs()).runs
        assert [row.run_id for row in listed] == [*reversed(ids[3:]), old.id]
        assert [runtime.find(f"w{number}") for number in range(6)] == [None] * 3 + ids[3:]
        with pytest.raises(UnknownRun):
            await runtime.snapshot(ids[0])


async def test_what_is_not_there_is_said_at_the_start(autojump_clock):
    """Warnings of the start, so that nobody waits in vain."""
    async with open_runtime() as runtime:
        config = {"breakpoints": ["s", "nobody"], "onDisconnect": "stop", "colour": "red"}
        run = await runtime.start(SHORT, config=config)
        async with aclosing(run.events()) as events:
            first = await anext(events)
    paths = {warning.path for warning in first.warnings}  # type: ignore[attr-defined]
    assert paths == {"config.breakpoints[1]", "config.colour"}


@attrs.define
class Recorder:
    """An observer that writes down what it is told."""

    active: bool = True
    open: dict[str, trio.CancelScope] = attrs.Factory(dict)
    seen: set[str] = attrs.Factory(set)

    def scope(self, label: str, scope: trio.CancelScope) -> None:
        """A scope was entered."""
        self.open[label] = scope
        self.seen.add(label.partition(":")[0] if label.startswith("run") else label)

    def unscope(self, label: str) -> None:
        """It was left."""
        del self.open[label]

    def action(self, label: str, fn: Any) -> None:
        """A command that may be given."""


async def test_an_observer_is_told_every_scope_and_its_end(autojump_clock):
    """The hub, the run, and each node, which then has a scope of its own; all of them are told to be over."""
    recorder = Recorder()
    async with open_runtime(observer=recorder) as runtime:
        run = await runtime.start(LONG)
        await trio.sleep(1)
        recorder.open["node:w"].cancel()
        assert {"hub", "run", "node:s", "node:w"} <= recorder.seen
        await trio.sleep(1)
        assert run.view.nodes["w"].status == "running"
        await run.stop()
        await run.wait()
        told = [event.reason async for event in run.events() if isinstance(event, NodeChanged) and event.reason]
    assert told == ["interrupted", "cancelled"]
    assert not recorder.open
