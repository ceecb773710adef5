"""A run goes on from whatever the journal holds: killed after any commit, it ends as it would have."""

import random
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors import NodeContext, Registry, Run, Runtime, Settings, open_runtime
from actors.errors import ActorGone
from actors.journal import Claim, Created, Note, Ticket
from actors.journals import MemoryJournal
from actors.registry import node
from protocol.messages import Control, Event, Json, Logged, NodeChanged, RunChanged, RunEnded
from protocol.states import ENDED, NodeStatus, RunStatus
from protocol.view import View, instance_key


@attrs.define(eq=False)
class Tape(MemoryJournal):
    """A journal with a tomorrow: what it was told can be told to another one, up to any commit."""

    durable = True
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = attrs.field(factory=list, init=False)

    async def create(self, run_id: str, workflow_id: str, spec: bytes, **said: Any) -> Created:
        """Record the call, and do it."""
        self.calls.append(("create", (run_id, workflow_id, spec), said))
        return await super().create(run_id, workflow_id, spec, **said)

    def append_nowait(
        self, claim: Claim, events: Sequence[Event], notes: Sequence[Note] = (), *, close: RunStatus | None = None
    ) -> Ticket:
        """Record the call, and do it."""
        self.calls.append(("append", (claim.run_id, list(events), list(notes)), {"close": close}))
        return super().append_nowait(claim, events, notes, close=close)

    def notes(self, run_id: str) -> Mapping[str, Json]:
        """The notes of a run."""
        return self._record(run_id).notes

    async def cut(self, commits: int) -> "Tape":
        """A journal that holds the first commits only, its runs claimed by nobody."""
        again = Tape()
        claims: dict[str, Claim] = {}
        for what, args, said in self.calls[:commits]:
            if what == "create":
                created = await again.create(*args, **{**said, "lease": 0})
                assert created.claim is not None
                claims[created.run_id] = created.claim
            else:
                run_id, *rest = args
                again.append_nowait(claims[run_id], *rest, **said)
        return again


def of(events: Sequence[Event], node_id: str) -> list[NodeStatus]:
    """What became of a node."""
    return [event.status for event in events if isinstance(event, NodeChanged) and event.node_id == node_id]


@attrs.define(eq=False)
class Town:
    """What nodes do and have done, over all processes."""

    done: list[str] = attrs.field(factory=list)
    """Instances whose work was done to its end."""
    effects: list[str] = attrs.field(factory=list)
    """Idempotency keys of effects, each time one happened."""

    def registry(self) -> Registry:
        """Kinds whose results depend on the graph alone."""
        registry = Registry.builtin()

        @registry.register
        @node("work", config=dict, effects=False)
        async def work(ctx: NodeContext[Any]) -> object:
            """Work a second, and pass on a text that names the way here."""
            await trio.sleep(1)
            if ctx.attempt < ctx.config.get("worksAt", 1):
                raise ValueError("not yet")
            self.done.append(ctx.idempotency_key)
            return f"{ctx.node_id}({','.join(map(str, ctx.inputs.values()))})"

        @registry.register
        @node("mail", config=dict)
        async def mail(ctx: NodeContext[Any]) -> object:
            """Send two letters, each once."""

            async def send() -> str:
                self.effects.append(ctx.idempotency_key)
                await trio.sleep(0.5)
                return f"letter {len(self.effects)}"

            first = await ctx.once("first", send)
            await ctx.sleep(2)
            second = await ctx.once("second", send)
            self.done.append(ctx.idempotency_key)
            return [first, second]

        return registry


GRAPHS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "chain": ("s >> a >> b >> c", {}),
    "diamond": ("s >> a; a >> b; a >> c; b >> d; c >> d", {}),
    "one after another": ("s >> a; s >> b; s >> c; a >> d; b >> d", {}),
    "wait times": ("s >> a >> b", {"a": ("work", {"waitTime": 3000})}),
    "retry": ("s >> a >> b", {"a": ("work", {"worksAt": 3, "retry": {"maxAttempts": 3, "delay": 2000}})}),
    "error edge": ("s >> a; a:error >> b; a >> c", {"a": ("work", {"worksAt": 9})}),
    "condition": ("s >> i; i:true >> a; i:false >> b; a >> c; b >> c", {"i": ("condition", {"expression": "true"})}),
    "mail": ("s >> a >> b", {"a": "mail"}),
    "count": ("s >> l; l:body >> a >> b; l:done >> c", {"l": ("loop", {"type": "count", "count": 3})}),
    "back edge": (
        "s >> l; l:body >> a >> b >> l; l:done >> c",
        {"l": ("loop", {"type": "forEach", "items": ["x", "y"]})},
    ),
    "nested": (
        "s >> l; l:body >> m; m:body >> a; m:done >> b; l:done >> c",
        {"l": ("loop", {"count": 2}), "m": ("loop", {"type": "forEach", "items": [7, 8]})},
    ),
    "break": (
        "s >> l; l:body >> i; i:true >> k; i:false >> a; l:done >> c",
        {"l": ("loop", {"count": 5}), "i": ("condition", {"expression": "index >= 2"}), "k": "break"},
    ),
}


def graph(world: Any, name: str) -> Any:
    """One of the graphs, without waits that it does not ask for."""
    edges, special = GRAPHS[name]
    names = {part.strip().partition(":")[0] for link in edges.split(";") for part in link.split(">>")} - {"s"}
    return world.flow(edges, **{each: special.get(each, "work") for each in names})


def opened(journal: Tape, town: Town) -> AbstractAsyncContextManager[Runtime]:
    """A process: a runtime on a journal. Its time of day is the virtual clock's."""
    return open_runtime(journal=journal, registry=town.registry(), wall=trio.current_time)


def notes(journal: Tape) -> Mapping[str, Json]:
    """The notes of the run `r`, variables left out."""
    return {key: value for key, value in journal.notes("r").items() if not key.startswith("var/")}


def left(runtime: Runtime) -> Run:
    """The run `r`, unfinished."""
    run = runtime.run("r")
    assert run is not None
    return run


async def killed(tape: Tape) -> Tape:
    """What a process leaves behind that was killed now."""
    return await tape.cut(len(tape.calls))


@pytest.mark.parametrize("name", GRAPHS)
async def test_killed_after_any_commit_it_ends_as_it_would_have(autojump_clock, world, name):
    """Same ending, same results; what had completed is not run again, what was recorded does not happen again."""
    town, tape = Town(), Tape()
    async with opened(tape, town) as runtime:
        slots = 1 if name == "one after another" else 100
        config = {"seed": 1, "defaultWaitTime": 0, "maxConcurrency": slots}
        run = await runtime.start(graph(world, name), run_id="r", workflow_id="w", config=config)
        await run.wait()
        whole = [event async for event in run.events()]
        world.check(whole, run.view)
    final = run.status
    assert len(tape.calls) > 5
    for commits in range(1, len(tape.calls)):
        again = Town()
        cut = await tape.cut(commits)
        before = list((await cut.load("r", 0, 10_000)).events)
        completed = {
            instance_key(event.node_id, event.iteration)
            for event in before
            if isinstance(event, NodeChanged) and event.status is NodeStatus.SUCCESS
        }
        async with opened(cut, again) as runtime:
            for run in runtime.unfinished():
                await run.wait()
            events = list((await cut.load("r", 0, 10_000)).events)
            view = await folded(runtime, events)
            world.check(events, view)
            assert events[: len(before)] == before
            assert (view.status, results(events)) == (final, results(whole)), commits
            assert {key.removeprefix("r/") for key in again.done} & completed == set()
            recorded = {
                f"r/{note[len('once/') :]}" for note, value in cut.notes("r").items() if "result" in (value or {})
            }
            assert set(again.effects) & recorded == set()


def results(events: Sequence[Event]) -> Any:
    """What a run gave, letters not numbered."""
    ending = events[-1]
    assert isinstance(ending, RunEnded)
    return re.sub(r"letter \d", "letter", repr(ending.results)), ending.error


@pytest.mark.parametrize("seed", range(40))
async def test_killed_again_and_again_while_it_is_steered_it_tells_one_legal_story(autojump_clock, world, seed):
    """Random graphs, random commands, kills at random moments: one ending, and no effect that was recorded twice."""
    dice = random.Random(seed)
    names = [f"n{number}" for number in range(dice.randrange(2, 9))]
    edges = [f"s >> {names[0]}"]
    for place, name in enumerate(names[1:], 1):
        edges += [f"{dice.choice(['s', *names[:place]])} >> {name}" for _ in range(dice.randrange(1, 3))]
    kinds: dict[str, Any] = {}
    for name in names:
        retry = {"maxAttempts": dice.randrange(1, 4), "delay": 500}
        worked = {"worksAt": dice.choice([1, 1, 2]), "retry": retry, "waitTime": dice.choice([0, 0, 700])}
        config = {**worked, "join": dice.choice(["all", "any"]), "onError": dice.choice(["continue", "fail"])}
        kinds[name] = (dice.choice(["work", "work", "mail"]), config)
    drawn = world.flow("; ".join(edges), **kinds)
    town, tape = Town(), Tape()
    begun: list[Event] = []
    for life in range(20):
        async with opened(tape, town) as runtime:
            if life == 0:
                config = {"seed": 1, "maxConcurrency": dice.choice([1, 2, 9]), "breakpoints": dice.sample(names, 1)}
                await runtime.start(drawn, run_id="r", config=config)
            run = left(runtime)
            deeds: list[Any] = [run.pause, partial(run.pause, "drain"), run.resume, run.resume]
            deeds += [partial(run.resume, step=True)] * 2
            for _ in range(dice.randrange(4)):
                await trio.sleep(dice.random())
                await dice.choice(deeds)()
            if life > 15:
                # By now it may end.
                await run.resume()
                if dice.random() < 0.3:
                    await run.stop()
                await trio.sleep(100)
                await run.resume()
                await trio.sleep(100)
            tape = await (killed(tape) if dice.random() < 0.7 else tape.cut(dice.randrange(1, len(tape.calls) + 1)))
        if (await tape.load("r")).closed:
            break
    async with opened(tape, town) as runtime:
        for run in runtime.unfinished():
            while run.status not in ENDED:
                await run.resume()
                await trio.sleep(1)
            await run.wait()
        begun = list((await tape.load("r", 0, 10_000)).events)
        world.check(begun, await folded(runtime, begun))


@pytest.mark.parametrize("name", ["diamond", "wait times", "retry", "nested", "mail"])
async def test_killed_after_any_commit_a_run_that_is_stepped_takes_one_node_a_step(autojump_clock, world, name):
    """Paused at a breakpoint it stays so; a step that was made but had no node yet is not forgotten; none counts twice."""

    async def step_through(run: Run) -> None:
        while run.status not in ENDED:
            await trio.sleep(10)
            if run.status is RunStatus.PAUSED:
                await run.resume(step=True)

    drawn = graph(world, name)
    tape = Tape()
    async with opened(tape, Town()) as runtime:
        # In the retry a step waits for the delay to pass; behind it no breakpoint is to hold what a step should.
        config = {"seed": 1, "defaultWaitTime": 0, "breakpoints": ["s"] if name == "retry" else ["s", "b"]}
        run = await runtime.start(drawn, run_id="r", workflow_id="w", config=config)
        await step_through(run)
        whole = [event async for event in run.events()]
        check_steps(whole)
    for commits in range(2, len(tape.calls)):
        cut = await tape.cut(commits)
        async with opened(cut, Town()) as runtime:
            for run in runtime.unfinished():
                if run.status is RunStatus.PAUSED:
                    before = run.view.last_seq
                    await trio.sleep(3600)
                    events = (await cut.load("r", before, 10_000)).events
                    assert not [event for event in events if not isinstance(event, Logged)]
                await step_through(run)
            events = list((await cut.load("r", 0, 10_000)).events)
            world.check(events, await folded(runtime, events))
            assert results(events) == results(whole), commits
            check_steps(events)


def check_steps(events: Sequence[Event]) -> None:
    """From the first stop on nothing begins but by a step, and by each step one instance; a stop names each one once."""
    stops = [
        instance_key(event.node_id, event.iteration)
        for event in events
        if isinstance(event, NodeChanged) and event.reason == "breakpoint"
    ]
    assert stops[0] == "s"
    assert len(stops) == len(set(stops))
    began: set[str] = set()
    steps = 0
    for event in events:
        if isinstance(event, RunChanged) and event.status is RunStatus.RUNNING:
            assert event.reason == "step"
            began, steps = set(), steps + 1
        elif isinstance(event, NodeChanged) and event.status is NodeStatus.RUNNING:
            began.add(instance_key(event.node_id, event.iteration))
            assert len(began) == 1, began
    assert steps > 2


async def folded(runtime: Runtime, events: Sequence[Event]) -> View:
    """The state that the events give."""
    workflow_id, workflow = await runtime.plan("r")
    view = View(workflow, run_id="r", workflow_id=workflow_id)
    for event in events:
        view.apply(event)
    return view


async def test_a_paused_run_stays_paused_and_its_clocks_stood_still(autojump_clock, world):
    """A kill while it is paused: still paused an hour later; a waitTime then takes what was left of it."""
    tape = Tape()
    async with opened(tape, Town()) as runtime:
        run = await runtime.start(world.flow("s >> a >> b", a=("work", {"waitTime": 10_000}), b="work"), run_id="r")
        await trio.sleep(5)
        await run.pause()
        await world.until(run, RunStatus.PAUSED)
        tape = await killed(tape)
    await trio.sleep(3600)
    async with opened(tape, Town()) as runtime:
        run = left(runtime)
        await trio.sleep(3600)
        assert run.status is RunStatus.PAUSED
        assert (await run.pause()).ok
        began = trio.current_time()
        await run.resume()
        summary = await run.wait()
    assert trio.current_time() - began == pytest.approx(1 + 10 - 5 + 1, abs=0.1)
    assert summary.duration == pytest.approx(12, abs=0.1)


async def test_a_pause_under_way_is_paused_and_what_it_waited_for_runs_after_the_resume(autojump_clock, world):
    """From pausing to paused: the node that the pause waited for goes back, and runs again when the run goes on."""
    tape, town = Tape(), Town()
    async with opened(tape, town) as runtime:
        run = await runtime.start(world.flow("s >> a", a="mail"), run_id="r")
        await trio.sleep(0.2)
        await run.pause()
        assert run.status is RunStatus.PAUSING
        tape = await killed(tape)
    async with opened(tape, town) as runtime:
        run = left(runtime)
        await world.until(run, RunStatus.PAUSED)
        assert world.told(list((await tape.load("r")).events))[-3:] == ["pausing", "a pending (recovered)", "paused"]
        await run.resume()
        await run.wait()
        assert run.status is RunStatus.COMPLETED


async def test_an_effect_in_doubt_is_repeated_under_its_key_and_a_recorded_one_is_not(autojump_clock, world):
    """An intent without a result: the effect happens once more, with the same idempotency key."""
    tape, town = Tape(), Town()
    async with opened(tape, town) as runtime:
        await runtime.start(world.flow("s >> a", a="mail"), run_id="r")
        await trio.sleep(2.7)
        tape = await killed(tape)
    assert town.effects == ["r/a/first", "r/a/second"]
    async with opened(tape, town) as runtime:
        run = left(runtime)
        await run.wait()
        assert run.view.nodes["a"].result == ["letter 1", "letter 3"]
        assert run.view.nodes["a"].attempt == 1
    assert town.effects == ["r/a/first", "r/a/second", "r/a/second"]
    assert notes(tape) == {}


async def test_a_sleep_goes_on_with_what_was_left(autojump_clock, world):
    """A kill in the middle of a sleep; the time between the processes does not count, the time before it does."""
    tape = Tape()
    async with opened(tape, Town()) as runtime:
        graph = world.flow("s >> a; s >> b", a=("wait", {"duration": 100_000}), b="work")
        graph["nodes"].append({"id": "c", "type": "work", "data": {"config": {"waitTime": 0}}})
        graph["edges"].append({"source": "b", "target": "c"})
        run = await runtime.start(graph, run_id="r")
        await trio.sleep(50)
        await run.pause()
        await world.until(run, RunStatus.PAUSED)
        await run.resume()
        await trio.sleep(10)
        await run.pause("drain")
        tape = await killed(tape)
    await trio.sleep(1000)
    async with opened(tape, Town()) as runtime:
        run, began = left(runtime), trio.current_time()
        await run.resume()
        await run.wait()
        assert trio.current_time() - began == pytest.approx(40, abs=2)


async def test_a_node_that_takes_the_server_down_with_it_is_not_tried_for_ever(autojump_clock, world):
    """Twice it runs again, the third crash makes it an error; a graceful end in between does not count."""
    tape, town = Tape(), Town()
    drawn = world.flow("s >> a; s >> w", a="work", w=("wait", {"duration": 60_000}))
    for life in range(3):
        async with opened(tape, town) as runtime:
            if life == 0:
                await runtime.start(drawn, run_id="r")
            await trio.sleep(0.5)
            dead = await killed(tape)
        tape = await killed(tape) if life == 1 else dead
    assert notes(tape)["crash/a"] == 1
    async with opened(tape, town) as runtime:
        await trio.sleep(0.5)
        tape = await killed(tape)
    async with opened(tape, town) as runtime:
        run = left(runtime)
        await run.wait()
        events = [event async for event in run.events()]
        world.check(events, run.view)
        summary = await run.wait()
    assert (run.status, summary.code, summary.node_id) == (RunStatus.FAILED, "crashed", "a")
    assert run.view.nodes["a"].error == "the server crashed 3 times while it ran"
    assert not town.done


@pytest.mark.parametrize("graceful", [True, False])
async def test_at_most_once_is_rather_not_done_than_done_twice(autojump_clock, world, graceful):
    """Running when the crash came: `in_doubt`, and no retry; cut by a shutdown in good order: it runs again."""
    runs = []

    def registry() -> Registry:
        kinds = Registry.builtin()

        @kinds.register
        @node("pay", config=dict, at_most_once=True)
        async def pay(ctx: NodeContext[Any]) -> object:
            """Pay."""
            runs.append(ctx.attempt)
            await trio.sleep(10)
            return "paid"

        return kinds

    tape = Tape()
    async with open_runtime(journal=tape, registry=registry()) as runtime:
        await runtime.start(world.flow("s >> a", a=("pay", {"retry": {"maxAttempts": 5}})), run_id="r")
        await trio.sleep(1)
        dead = await killed(tape)
    async with open_runtime(journal=await killed(tape) if graceful else dead, registry=registry()) as runtime:
        run = left(runtime)
        await run.wait()
        assert (run.status, run.view.nodes["a"].code) == (
            (RunStatus.COMPLETED, None) if graceful else (RunStatus.FAILED, "in_doubt")
        )
    assert runs == ([1, 1] if graceful else [1])


@pytest.mark.parametrize("force", [False, True])
async def test_a_stop_that_was_accepted_is_kept(autojump_clock, world, force):
    """From stopping to stopped: nothing runs again, every node that began has its end."""
    tape, town = Tape(), Town()
    async with opened(tape, town) as runtime:
        run = await runtime.start(world.flow("s >> a; s >> b >> c", a="mail", b="work", c="work"), run_id="r")
        await trio.sleep(0.2)
        await run.stop(force=force)
        tape = await killed(tape)
    done = list(town.effects)
    async with opened(tape, town) as runtime:
        run = left(runtime)
        summary = await run.wait()
        events = [event async for event in run.events()]
        world.check(events, run.view)
    assert (run.status, summary.cancelled_by, summary.skipped, summary.not_begun) == (RunStatus.STOPPED, "stop", 2, 1)
    assert (town.effects, town.done) == (done, [])


async def test_a_failure_that_was_told_is_how_it_ends(autojump_clock, world):
    """From failing to failed, with the first cause."""
    tape, town = Tape(), Town()
    drawn = world.flow("s >> a; s >> w >> b", a=("work", {"worksAt": 9}), w=("wait", {"duration": 800}), b="mail")
    async with opened(tape, town) as runtime:
        run = await runtime.start(drawn, run_id="r")
        await world.until(run, RunStatus.FAILING)
        tape = await killed(tape)
    async with opened(tape, town) as runtime:
        run = left(runtime)
        summary = await run.wait()
    assert (summary.node_id, summary.error, summary.cancelled_by) == ("a", "ValueError: not yet", "sibling_failed:a")


async def test_a_shutdown_leaves_the_state_and_the_next_start_goes_on(autojump_clock, world):
    """No ending and no state is written; sections end first, and a cut node is no victim of a crash."""
    tape, town = Tape(), Town()
    async with opened(tape, town) as runtime:
        run = await runtime.start(world.flow("s >> a; s >> b >> c", a="mail", b="work", c="work"), run_id="r")
        await trio.sleep(0.2)
    assert (await tape.load("r")).closed is None
    assert town.effects == ["r/a/first"]
    assert notes(tape).keys() == {"once/a/first", "sleep/a/1", "interrupted/a", "interrupted/b"}
    with pytest.raises(ActorGone):
        await run.wait()
    async with opened(tape := await killed(tape), town) as runtime:
        run = left(runtime)
        assert run.status is RunStatus.RUNNING
        await run.wait()
        events = [event async for event in run.events()]
        world.check(events, run.view)
        assert (await runtime.journal.load("r")).closed is RunStatus.COMPLETED
    assert town.effects == ["r/a/first", "r/a/second"]
    assert notes(tape) == {}


async def test_a_kind_that_is_gone_fails_its_node_when_its_turn_comes(autojump_clock, world):
    """A server that comes back without a package: the run goes on, up to the node that it can not run."""
    tape = Tape()
    async with opened(tape, Town()) as runtime:
        await runtime.start(world.flow("s >> w >> a", w=("wait", {"duration": 3000}), a="work"), run_id="r")
        await trio.sleep(1)
        tape = await killed(tape)
    async with open_runtime(journal=tape, registry=Registry.builtin()) as runtime:
        run = left(runtime)
        await run.wait()
    assert (run.status, run.view.nodes["a"].code) == (RunStatus.FAILED, "unknown_kind")
    assert run.view.nodes["a"].error == "no kind 'work' is registered here any more"


@pytest.mark.parametrize("commits", [True, False])
async def test_the_same_request_after_a_crash_is_answered_the_same_and_done_once(autojump_clock, world, commits):
    """A reply that was durable is given again, even of a run that has ended since; one that was not is done now."""
    tape, town = Tape(), Town()
    replies: list[Any] = []
    async with opened(tape, town) as runtime:
        await runtime.start(world.flow("s >> a >> b", a="work", b="work"), run_id="r")
        await trio.sleep(0.5)
        before = await killed(tape)
        runtime.control(Control(id="1", run_id="r", action="pause", request_id="q"), replies.append)
        await trio.testing.wait_all_tasks_blocked()
        tape = await killed(tape) if commits else before
    async with opened(tape, town) as runtime:
        run = left(runtime)
        await trio.testing.wait_all_tasks_blocked()
        runtime.control(Control(id="2", run_id="r", action="pause", request_id="q"), replies.append)
        await world.until(run, RunStatus.PAUSED)
        runtime.control(Control(id="3", run_id="r", action="resume", request_id="q"), replies.append)
        await trio.testing.wait_all_tasks_blocked()
        await run.resume()
        await run.wait()
    async with opened(await killed(tape), town) as runtime:
        assert await runtime.look_up("", "r") == "r"
        runtime.control(Control(id="4", run_id="r", action="pause", request_id="q"), replies.append)
        runtime.control(Control(id="5", run_id="r", action="stop", request_id="other"), replies.append)
    assert [reply.reply_to for reply in replies] == ["1", "2", "3", "4", "5"]
    first, second, other, last, stop = replies
    same = (True, RunStatus.RUNNING, RunStatus.PAUSING)
    assert [(reply.ok, reply.was, reply.status) for reply in (first, second, last)] == [same] * 3
    assert (other.ok, other.code) == (False, "bad_field")
    assert (stop.ok, stop.status) == (True, RunStatus.COMPLETED)
    events = list((await tape.load("r")).events)
    assert world.told(events).count("pausing") == 1


async def test_an_answer_that_came_before_its_question_is_kept_over_a_crash(autojump_clock, world):
    """An answer kept for a node that had not asked yet is there when it asks, in the next process."""

    def registry() -> Registry:
        kinds = Registry.builtin()

        @kinds.register
        @node("ask", config=dict, effects=False)
        async def ask(ctx: NodeContext[Any]) -> object:
            """Ask twice."""
            await ctx.sleep(5)
            return [await ctx.ask("first?"), await ctx.ask("second?")]

        return kinds

    tape = Tape()
    async with open_runtime(journal=tape, registry=registry()) as runtime:
        run = await runtime.start(world.flow("s >> a", a="ask"), run_id="r")
        await trio.sleep(1)
        assert (await run.send_input("a", 1)).ok
        tape = await killed(tape)
    async with open_runtime(journal=tape, registry=registry()) as runtime:
        run = left(runtime)
        await trio.sleep(10)
        tape = await killed(tape)
    async with open_runtime(journal=tape, registry=registry()) as runtime:
        run = left(runtime)
        await trio.sleep(1)
        assert (await run.send_input("a", 2)).ok
        await run.wait()
    assert run.view.nodes["a"].result == [1, 2]
    assert notes(tape) == {}


async def test_history_that_is_too_old_is_forgotten_at_the_start(autojump_clock, world):
    """Retention holds for what was there before, artifacts included; an unfinished run is never trimmed."""
    tape, town = Tape(), Town()
    async with opened(tape, town) as runtime:
        for number in range(3):
            run = await runtime.start(world.flow("s"), run_id=f"old{number}", workflow_id=f"w{number}")
            await run.wait()
        await runtime.start(world.flow("s >> a", a="work"), run_id="r")
        await trio.sleep(0.5)
        tape = await killed(tape)
    settings = Settings(history_runs=1)
    async with open_runtime(settings=settings, journal=tape, registry=town.registry()) as runtime:
        assert [row.run_id for row in (await runtime.list_runs()).runs] == ["r", "old2"]
        assert await runtime.look_up("w1") is None
        assert await runtime.look_up("w2") == "old2"
        await left(runtime).wait()
