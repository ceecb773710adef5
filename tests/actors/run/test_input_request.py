"""The kind `input_request`: who asks, who answers, what is refused, and how long it waits."""

from contextlib import aclosing

import pytest
import trio

from actors.runtime import open_runtime
from actors.settings import Settings
from actors.testing.flows import flow
from protocol.messages import NodeChanged
from protocol.states import NodeStatus, RunStatus

AGE = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


async def asked(run, node_id="a"):
    """Wait until the question is there; gives it."""
    async with aclosing(run.events()) as events:
        async for event in events:
            if isinstance(event, NodeChanged) and event.node_id == node_id and event.waiting is not None:
                return event.waiting
    raise AssertionError(f"{node_id} never asked")


async def asked_again(run):
    """The question after a restart: the node has gone back to pending before."""
    recovered = False
    async with aclosing(run.events()) as events:
        async for event in events:
            recovered = recovered or (isinstance(event, NodeChanged) and event.reason == "recovered")
            if recovered and isinstance(event, NodeChanged) and event.waiting is not None:
                return event.waiting
    raise AssertionError("it never asked again")


async def test_an_answer_is_its_result(autojump_clock, world):
    """The question says what is wanted; the answer is the node's result."""
    run = await world.start("s >> a", a=("input_request", {"prompt": "How old?", "schema": AGE}))
    waiting = await asked(run)
    assert (waiting.prompt, waiting.schema, waiting.until) == ("How old?", AGE, None)
    assert (await run.send_input("a", {"age": 3})).ok
    assert (await run.wait()).status == "completed"
    assert run.view.nodes["a"].result == {"age": 3}
    await world.story(run)


async def test_an_answer_that_does_not_fit_is_refused_to_its_sender(autojump_clock, world):
    """With what is wrong and where; the node hears nothing of it, and goes on waiting."""
    run = await world.start("s >> a", a=("input_request", {"schema": AGE}))
    await asked(run)
    for wrong in ({"age": "3"}, {}, "3"):
        reply = await run.send_input("a", wrong)
        assert (reply.ok, reply.code, reply.status) == (False, "bad_answer", RunStatus.RUNNING)
        assert "age" in reply.error or "object" in reply.error
    assert run.view.nodes["a"].waiting is not None
    assert (await run.send_input("a", {"age": 3})).ok
    assert (await run.wait()).status == "completed"
    await world.story(run)


async def test_an_answer_in_a_pause_is_held_to_the_question_that_was_cut(autojump_clock, world):
    """While the run is paused the question is not there, but what it wanted is known; what fits is kept for it."""
    run = await world.start("s >> a", a=("input_request", {"schema": AGE}))
    await asked(run)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    assert (await run.send_input("a", 1)).code == "bad_answer"
    assert (await run.send_input("a", {"age": 4})).ok
    await run.resume()
    assert (await run.wait()).status == "completed"
    assert run.view.nodes["a"].result == {"age": 4}
    await world.story(run)


async def test_an_answer_before_its_question_is_looked_at_when_that_comes(autojump_clock, world):
    """It was accepted, for nobody knew; if it does not fit it is left out, with a word, and the next one is taken."""
    run = await world.start(
        "s >> w >> a",
        w=("wait", {"duration": 1000}),
        a=("input_request", {"schema": "{{ vars.wanted }}"}),
        config={"variables": {"wanted": AGE}},
    )
    for early in ("x", {"age": 5}):
        assert (await run.send_input("a", early)).ok
    assert (await run.wait()).status == "completed"
    assert run.view.nodes["a"].result == {"age": 5}
    (warning,) = world.logs(await world.story(run), "warn")
    assert "does not fit, and is left out" in warning


async def test_nobody_answers_in_time(autojump_clock, world):
    """`no_answer` after `timeout`, which is the kind's own; the question said until when."""
    run = await world.start("s >> a", a=("input_request", {"prompt": "well?", "timeout": 5000}))
    assert (await asked(run)).until == pytest.approx(world.runtime.wall() + 5, abs=0.1)
    began = trio.current_time()
    assert (await run.wait()).status == "failed"
    assert trio.current_time() - began == pytest.approx(5, abs=0.1)
    assert (run.view.nodes["a"].code, "well?" in run.view.nodes["a"].error) == ("no_answer", True)


async def test_a_pause_gives_no_more_time(autojump_clock, world):
    """The time for an answer is wall time from the first question; a retry begins a new one."""
    run = await world.start(
        "s >> a", a=("input_request", {"timeout": 60_000, "retry": {"maxAttempts": 2, "delay": 0, "jitter": False}})
    )
    first = await asked(run)
    await run.pause()
    await world.until(run, RunStatus.PAUSED)
    await run.resume()
    events = await world.story(run)
    untils = [event.waiting.until for event in events if isinstance(event, NodeChanged) and event.waiting]
    assert untils[:2] == [first.until, first.until]
    assert len(untils) == 3
    assert untils[2] > first.until
    assert [e.attempt for e in events if isinstance(e, NodeChanged) and e.status is NodeStatus.ERROR] == [2]


async def test_a_bad_schema_is_told(autojump_clock, world):
    """At submit where it is written, else when the node would ask."""
    found = await world.runtime.validate(world.flow("s >> a", a=("input_request", {"schema": {"type": "nothing"}})))
    assert [(problem.code, problem.path) for problem in found.errors] == [("bad_config", "nodes[1].data.config.schema")]

    async def ask(ctx):
        await ctx.ask("well?", schema={"$ref": "#"})

    world.deeds["a"] = ask
    run = await world.start("s >> a", a="do")
    await run.wait()
    assert run.view.nodes["a"].code == "bad_schema"


async def test_a_question_survives_a_restart(tmp_path):
    """It is asked again with the same end, takes what fits, and still refuses what does not."""
    settings = Settings(journal=f"sqlite:{tmp_path / 'runs.db'}")
    config = {"schema": AGE, "timeout": 600_000}
    with trio.fail_after(20):
        async with open_runtime(settings=settings) as runtime:
            run = await runtime.start(flow("s >> a", a=("input_request", config)), config={"defaultWaitTime": 0})
            first = await asked(run)
        async with open_runtime(settings=settings) as runtime:
            again = runtime.run(run.id)
            assert again is not None
            assert await asked_again(again) == first
            assert (await again.send_input("a", {})).code == "bad_answer"
            assert (await again.send_input("a", {"age": 6})).ok
            assert (await again.wait()).status == "completed"
            assert again.view.nodes["a"].result == {"age": 6}
