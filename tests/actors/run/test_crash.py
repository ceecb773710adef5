"""A bug costs one run: it ends, is told to have failed, and nobody who asks it is left without an answer."""

from collections.abc import Callable, Generator
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors import Registry, Settings, open_runtime
from actors.errors import JournalError
from actors.journals import MemoryJournal
from actors.registry import node
from actors.run import RunActor
from actors.schedule import Schedule
from protocol.messages import Control, NodeInput, RunEnded
from protocol.states import RunStatus

GRAPH: Any = {
    "nodes": [{"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}}, {"id": "a", "type": "do"}],
    "edges": [{"source": "s", "target": "a"}],
}


def doing(deed: Any) -> Registry:
    """A registry with a kind `do`."""
    registry = Registry.builtin()
    registry.register(node("do", config=dict, effects=False)(deed))
    return registry


@pytest.fixture
def bug(monkeypatch):
    """Plants a bug into a method: it raises when what it is called with is about the node `bad`."""

    def plant(owner: type, name: str, about: Callable[[Any], str]) -> None:
        method = getattr(owner, name)

        def broken(self: Any, first: Any, *args: Any, **kwargs: Any) -> Any:
            if about(first) == "bad":
                raise RuntimeError("a planted bug")
            return method(self, first, *args, **kwargs)

        monkeypatch.setattr(owner, name, broken)

    return plant


async def soon(ctx):
    """The node whose outcome meets the bug."""
    await trio.sleep(1)


async def test_sections_have_their_grace_and_no_more(autojump_clock, world, bug, caplog):
    """A node in an atomic section, or in a `once` that waits for the run's answer, keeps no crashed run alive."""
    bug(RunActor, "_outcome", lambda report: report.task.node_id)

    async def section(ctx):
        async with ctx.atomic():
            await trio.sleep_forever()

    async def effect(ctx):
        async def act():
            await trio.sleep(2)

        await ctx.once("effect", act)

    world.deeds.update(bad=soon, a=section, b=effect)
    run = await world.start("s >> bad; s >> a; s >> b", bad="do", a="do", b="do")
    replies: list[Any] = []
    await trio.sleep(2)
    world.runtime.control(Control(workflow_id="w", action="pause"), replies.append)
    with trio.fail_after(60):
        summary = await run.wait()
    assert (summary.status, summary.code) == ("failed", "internal_error")
    assert world.now() == pytest.approx(1 + 5, abs=0.1)
    await trio.testing.wait_all_tasks_blocked()
    assert [world.answered(reply) for reply in replies] == [(False, "failed", "failed")]
    await world.story(run)
    assert "a planted bug" in caplog.text


async def test_what_was_half_done_when_it_happened_has_an_end(autojump_clock, world, bug, caplog):
    """In the middle of taking an outcome: the node has begun, is in flight no more, and gets its end status."""
    bug(Schedule, "succeeded", lambda step: step.node.id)
    world.deeds["bad"] = soon
    run = await world.start("s >> l; l:body >> bad; s >> w", bad="do", l="loop", w=("wait", {"duration": 9000}))
    summary = await run.wait()
    assert (summary.status, summary.code) == ("failed", "internal_error")
    told = world.told(await world.story(run))
    assert set(told[-4:-1]) == {"bad#0 skipped (cancelled)", "w skipped (cancelled)", "l skipped (cancelled)"}
    assert "a planted bug" in caplog.text


async def test_a_bug_while_stopping_is_still_a_stop(autojump_clock, world, bug, caplog):
    """The first cause of an ending wins; the error is in the summary."""
    bug(RunActor, "_outcome", lambda report: report.task.node_id)
    world.deeds["bad"] = soon
    run = await world.start("s >> bad", bad="do")
    await trio.sleep(0.5)
    await run.stop()
    summary = await run.wait()
    assert (summary.status, summary.cancelled_by, summary.code) == ("stopped", "stop", "internal_error")
    await world.story(run)
    assert "a planted bug" in caplog.text


@pytest.mark.parametrize("depth", [1, 2])
async def test_ctrl_c_comes_out_of_the_nurseries_of_a_node(autojump_clock, depth):
    """However deep in groups, and though a sibling in there is cancelled by it: it is not that node's failure."""

    async def interrupted(ctx: Any, depth: int = depth) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            if depth:
                await interrupted(ctx, depth - 1)
            raise KeyboardInterrupt

    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_runtime(registry=doing(interrupted)) as runtime:
            await runtime.start(GRAPH)
            await trio.sleep(5)
    assert caught.value.subgroup(KeyboardInterrupt) is not None


async def test_a_run_that_was_cut_off_promises_nothing(autojump_clock):
    """After the hard end of its runtime a command is refused: it has no ending, and it does not go on."""

    async def shielded(ctx: Any) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(100)

    replies: list[Any] = []
    async with open_runtime(settings=Settings(shutdown_grace=5), registry=doing(shielded)) as runtime:
        run = await runtime.start(GRAPH, workflow_id="w")
        await trio.sleep(1)
    for action in ("pause", "resume", "stop"):
        runtime.control(Control(workflow_id="w", action=action), replies.append)
    runtime.input(NodeInput(workflow_id="w", node_id="a", value=1), replies.append)
    replies.append(await run.stop())
    assert [(reply.ok, reply.code) for reply in replies] == [(False, "actor_gone")] * 5


@attrs.define(eq=False)
class _Broken:
    """The ticket of an append that can not become durable any more."""

    done = False

    def __await__(self) -> Generator[None]:
        return _refused().__await__()


async def _refused() -> None:
    raise JournalError("the disk is full")


@attrs.define(eq=False)
class _FullDisk(MemoryJournal):
    """A journal that takes an ending, and can not make it durable."""

    endings: int = attrs.field(default=0, init=False)

    def append_nowait(self, claim, events, notes=(), *, close=None):
        if close is None:
            return super().append_nowait(claim, events, notes)
        self.endings += sum(isinstance(event, RunEnded) for event in events)
        return _Broken()


async def test_an_ending_that_does_not_become_durable_is_not_claimed_and_not_written_twice(autojump_clock, caplog):
    """Nobody is told that the run has ended; whoever waits for it is told that it is gone."""
    journal = _FullDisk()
    async with open_runtime(journal=journal) as runtime:
        run = await runtime.start({"nodes": GRAPH["nodes"][:1], "edges": []})
        await trio.testing.wait_all_tasks_blocked()
        assert (journal.endings, run.status, run.view.summary) == (1, RunStatus.RUNNING, None)
        assert (await run.stop()).code == "actor_gone"
    assert "the disk is full" in caplog.text
