"""The whole matrix, cell by cell: every command in every state gets exactly one answer, and the table's answer."""

from typing import Any

import pytest
import trio
import trio.testing

from actors.errors import RunActive
from protocol.messages import Control, ControlReply, InputReply, NodeInput
from protocol.states import CONTROLS, ENDED, Action, RunStatus, Verdict

AFTER = {
    (Action.PAUSE, RunStatus.PENDING): RunStatus.PAUSED,
    (Action.PAUSE, RunStatus.RUNNING): RunStatus.PAUSING,
    (Action.RESUME, RunStatus.PENDING): RunStatus.RUNNING,
    (Action.BREAKPOINTS, RunStatus.PENDING): RunStatus.RUNNING,
    (Action.RESUME, RunStatus.PAUSING): RunStatus.RUNNING,
    (Action.RESUME, RunStatus.PAUSED): RunStatus.RUNNING,
    (Action.STOP, RunStatus.PENDING): RunStatus.STOPPING,
    (Action.STOP, RunStatus.RUNNING): RunStatus.STOPPING,
    (Action.STOP, RunStatus.PAUSING): RunStatus.STOPPING,
    (Action.STOP, RunStatus.PAUSED): RunStatus.STOPPING,
}
"""Where a command changes the state: to which. Everywhere else it stays what it was."""


async def bring(world, status):
    """A run that is truly in the state: `a` asks, and sits in a section that a pause and a stop wait for."""
    graph = world.flow("s >> a", a="do")

    async def deed(ctx):
        if status is RunStatus.FAILED:
            raise ValueError("no")
        if status is RunStatus.FAILING and ctx.node_id == "b":
            await trio.sleep(1)
            raise ValueError("no")
        if status is RunStatus.COMPLETED:
            return None
        async with ctx.atomic():
            await trio.sleep(3)
        return await ctx.ask("well?")

    world.deeds.update(a=deed, b=deed)
    if status is RunStatus.FAILING:
        graph = world.flow("s >> a; s >> b", a="do", b="do")
    if status is RunStatus.PENDING:
        return world.runtime.submit(graph, workflow_id="w", config={"seed": 1})
    run = await world.runtime.start(graph, workflow_id="w", config={"seed": 1})
    await trio.sleep(1)
    match status:
        case RunStatus.PAUSING | RunStatus.PAUSED:
            await run.pause()
        case RunStatus.STOPPING | RunStatus.STOPPED:
            await run.stop()
        case _:
            pass
    await world.until(run, status)
    return run


@pytest.mark.parametrize("status", list(RunStatus))
@pytest.mark.parametrize("action", [Action.PAUSE, Action.RESUME, Action.STOP, Action.BREAKPOINTS])
async def test_a_control_is_answered_as_the_table_says(autojump_clock, world, action, status):
    """Exactly one reply, with the state found and the state after; the run's story stays legal to its one ending."""
    run = await bring(world, status)
    replies: list[Any] = []
    node_ids = ("a",) if action is Action.BREAKPOINTS else None
    world.runtime.control(Control(workflow_id="w", id="c1", action=action, node_ids=node_ids), replies.append)
    await trio.testing.wait_all_tasks_blocked()
    (reply,) = replies
    verdict = CONTROLS[action][status]
    assert isinstance(reply, ControlReply)
    assert (reply.ok, reply.was, reply.status, reply.reply_to, reply.run_id) == (
        verdict is not Verdict.REFUSE,
        status,
        AFTER.get((action, status), status),
        "c1",
        run.id,
    )
    assert (reply.error is None) == reply.ok
    assert (reply.summary is not None) == (status in ENDED)
    assert reply.breakpoints == (None if status in ENDED else node_ids)
    if run.status not in ENDED:
        await run.stop(force=True)
    summary = await run.wait()
    assert len(replies) == 1
    story = await world.story(run)
    if status is RunStatus.PENDING and action is Action.STOP:
        assert summary.not_begun == 2
    if status is RunStatus.PENDING and action is Action.PAUSE:
        assert world.told(story)[:2] == ["pausing", "paused"]


@pytest.mark.parametrize("status", list(RunStatus))
async def test_a_start_of_the_same_workflow_is_refused_until_its_run_has_ended(autojump_clock, world, status):
    """One unfinished run per workflow id; a refusal names it; after the ending a new run begins."""
    run = await bring(world, status)
    again = world.flow("s")
    if CONTROLS[Action.START][status] is Verdict.NEW:
        second = await world.runtime.start(again, workflow_id="w")
        assert second.id != run.id
        assert (await second.wait()).status == "completed"
        return
    with pytest.raises(RunActive) as refused:
        world.runtime.submit(again, workflow_id="w")
    assert refused.value.run_id == run.id
    await run.stop(force=True)
    await run.wait()


@pytest.mark.parametrize("status", list(RunStatus))
async def test_an_input_is_delivered_kept_or_refused(autojump_clock, world, status):
    """While the run can still go on an answer reaches its node, however early it came; else it is refused."""
    run = await bring(world, status)
    replies: list[Any] = []
    world.runtime.input(NodeInput(workflow_id="w", id="i1", node_id="a", value=42), replies.append)
    await trio.testing.wait_all_tasks_blocked()
    (reply,) = replies
    taken = CONTROLS[Action.INPUT][status] is not Verdict.REFUSE
    assert isinstance(reply, InputReply)
    assert (reply.ok, reply.was, reply.node_id, reply.reply_to) == (taken, status, "a", "i1")
    if taken:
        if run.status in {RunStatus.PAUSING, RunStatus.PAUSED}:
            await run.resume()
        assert (await run.wait()).status == "completed"
        assert run.view.nodes["a"].result == 42
    else:
        await run.wait()
    await world.story(run)


async def test_an_answer_survives_a_pause(autojump_clock, world):
    """A node that has its answer and is cut by a pause does not ask again."""
    asked = []

    async def deed(ctx):
        value = await ctx.ask("well?")
        asked.append(value)
        await ctx.sleep(10)
        return value

    world.deeds["a"] = deed
    run = await world.start("s >> a", a="do")
    await trio.sleep(1)
    assert (await run.send_input("a", "yes")).ok
    await trio.sleep(1)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    await run.resume()
    await run.wait()
    assert asked == ["yes", "yes"]
    story = await world.story(run)
    assert sum(1 for event in story if getattr(event, "waiting", None)) == 1


async def test_an_input_for_a_node_that_is_not_there_is_refused(autojump_clock, world):
    """The answer names the node."""
    run = await bring(world, RunStatus.RUNNING)
    reply = await run.send_input("nobody", 1)
    assert (reply.ok, reply.code) == (False, "unknown_node")
    assert "nobody" in reply.error
    await run.stop(force=True)


async def test_a_full_mailbox_is_answered_busy_at_once(autojump_clock, world):
    """64 commands wait; the 65th is told so, and every one has exactly one reply in the end."""
    run = await bring(world, RunStatus.RUNNING)
    replies: list[Any] = []
    for number in range(70):
        world.runtime.control(Control(workflow_id="w", id=str(number), action="pause"), replies.append)
    assert [(reply.reply_to, reply.code) for reply in replies] == [(str(number), "busy") for number in range(64, 70)]
    await trio.testing.wait_all_tasks_blocked()
    assert len(replies) == 70
    assert [reply.was for reply in replies[6:8]] == ["running", "pausing"]
    await run.stop(force=True)


async def test_whoever_asks_a_dying_run_is_answered(autojump_clock, world):
    """Commands that were waiting when the run ended are answered from its record."""

    async def last(ctx):
        await trio.sleep(1)

    world.deeds["a"] = last
    run = await world.start("s >> a", a="do")
    replies: list[Any] = []

    async def ask():
        await trio.sleep(1)
        for _ in range(10):
            replies.append(await run.stop())
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
    assert len(replies) == 50
    assert all(reply.ok for reply in replies)
    await world.story(run)


@pytest.mark.parametrize("mode", ["now", "drain"])
async def test_a_pause_right_behind_a_resume_pauses(autojump_clock, world, mode):
    """Both in one step of the run, when no nursery is open yet: it is paused again, and can be resumed."""
    run = await world.start("s >> w", w=("wait", {"duration": 2000}))
    await trio.sleep(1)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    replies: list[Any] = []
    world.runtime.control(Control(workflow_id="w", action="resume"), replies.append)
    world.runtime.control(Control(workflow_id="w", action="pause", mode=mode), replies.append)
    await trio.testing.wait_all_tasks_blocked()
    assert [world.answered(reply) for reply in replies] == [(True, "paused", "running"), (True, "running", "pausing")]
    assert run.status is RunStatus.PAUSED
    await run.resume()
    assert (await run.wait()).status == "completed"
    assert world.now() == pytest.approx(2, abs=0.1)
    await world.story(run)


async def test_a_stop_right_behind_a_resume_stops(autojump_clock, world):
    """In one step as well: nothing starts in between."""
    run = await world.start("s >> w", w=("wait", {"duration": 2000}))
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    for action in ("resume", "stop"):
        world.runtime.control(Control(workflow_id="w", action=action), lambda _reply: None)
    with trio.fail_after(10):
        assert (await run.wait()).status == "stopped"
    await world.story(run)
