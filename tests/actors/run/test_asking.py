"""Questions to a person: an answer reaches the node that waits for it, whenever it comes and whatever the run does."""

import pytest
import trio
import trio.testing

from actors.questions import MAX_KEPT
from protocol.messages import NodeChanged
from protocol.states import RunStatus


async def ask(ctx):
    """A node that returns the answer."""
    return await ctx.ask("well?")


def questions(events):
    """How often a question was shown."""
    return sum(1 for event in events if isinstance(event, NodeChanged) and event.waiting is not None)


async def test_an_answer_kept_in_a_pause_is_handed_over_on_resume(autojump_clock, world):
    """A kind that no pause cuts still waits when its answer comes: it has it as soon as the run goes on."""
    world.deeds["a"] = ask
    run = await world.start("s >> a", a="act")
    await trio.sleep(1)
    await run.pause()
    assert (await run.send_input("a", 5)).ok
    await trio.sleep(10)
    assert run.status is RunStatus.PAUSING
    await run.resume()
    assert (await run.wait()).status == "completed"
    assert (run.view.nodes["a"].result, world.now()) == (5, 11)
    assert questions(await world.story(run)) == 1
    assert not run.view.notes


async def test_a_question_inside_a_section_is_asked_although_a_pause_waits_for_it(autojump_clock, world):
    """Told to leave in an atomic section, the node still gets its answer, once; then it leaves and runs again."""
    answers = []

    async def decide(ctx):
        async with ctx.atomic():
            await trio.sleep(2)
            answers.append(await ctx.ask("well?"))
        await trio.lowlevel.checkpoint()
        return answers[-1]

    world.deeds["a"] = decide
    run = await world.start("s >> a", a="do")
    await trio.sleep(1)
    await run.pause()
    await trio.sleep(2)
    assert run.view.nodes["a"].waiting is not None
    await run.resume()
    await run.send_input("a", "yes")
    assert (await run.wait()).status == "completed"
    assert answers == ["yes", "yes"]
    assert questions(await world.story(run)) == 1


async def test_a_node_may_ask_twice_at_once(autojump_clock, world):
    """Each answer goes to the question that waits longest; one that is answered takes no other with it."""

    async def both(ctx):
        answers = {}

        async def one(prompt):
            answers[prompt] = await ctx.ask(prompt)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, "first")
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(one, "second")
        return answers

    world.deeds["a"] = both
    run = await world.start("s >> a", a="do")
    await trio.sleep(1)
    await run.send_input("a", 1)
    await trio.sleep(1)
    await run.send_input("a", 2)
    await run.wait()
    assert run.view.nodes["a"].result == {"first": 1, "second": 2}
    await world.story(run)


async def test_nobody_answers_in_time(autojump_clock, world):
    """`until` is wall time; the node fails with `no_answer`, and an answer that comes later is kept."""

    async def impatient(ctx):
        await ctx.ask("well?", until=0.0)

    world.deeds["a"] = impatient
    run = await world.start("s >> a; s >> w", a=("do", {"onError": "continue"}), w=("wait", {"duration": 5000}))
    await trio.sleep(1)
    assert (run.view.nodes["a"].status, run.view.nodes["a"].code) == ("error", "no_answer")
    assert (await run.send_input("a", 1)).ok
    await run.wait()
    await world.story(run)


async def test_answers_that_wait_are_bounded(autojump_clock, world):
    """So many per node; the next is told so, and the first one in is the first one out."""
    world.deeds["a"] = ask
    run = await world.start("s >> w >> a", w=("wait", {"duration": 1000}), a="do")
    for number in range(MAX_KEPT):
        assert (await run.send_input("a", number)).ok
    refused = await run.send_input("a", "one more")
    assert (refused.ok, refused.code) == (False, "busy")
    await run.wait()
    assert run.view.nodes["a"].result == 0
    await world.story(run)


@pytest.mark.parametrize("answer", [None, False, 0, "", []])
async def test_every_json_value_is_an_answer(autojump_clock, world, answer):
    """Also one that is empty; across a pause as well."""

    async def deed(ctx):
        value = await ctx.ask("well?")
        await ctx.sleep(5)
        return [value]

    world.deeds["a"] = deed
    run = await world.start("s >> a", a="do")
    await trio.sleep(1)
    await run.send_input("a", answer)
    await trio.sleep(1)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    await run.resume()
    with trio.fail_after(20):
        await run.wait()
    assert run.view.nodes["a"].result == [answer]
    assert questions(await world.story(run)) == 1
