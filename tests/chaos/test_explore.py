"""Exploring: which injections, in which order, how many; what is refused; what the report says."""

import itertools
import json
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from actors.testing.chaos import (
    Budget,
    Call,
    Cancel,
    ChaosError,
    ChaosFailure,
    Crash,
    Delay,
    Invariant,
    NotDeterministic,
    Skip,
    Trial,
    explore,
    pct,
    replay,
    walk,
)


@attrs.define(eq=False)
class Stage:
    """A world in which nothing is."""

    trial: Trial
    done: list[str] = attrs.field(factory=list)


@asynccontextmanager
async def stage(trial):
    """Opens it."""
    yield Stage(trial)


async def act(world, name, *naps):
    """An actor that sleeps."""
    scope = trio.CancelScope()
    world.trial.scope(name, scope)
    try:
        with scope:
            for nap in naps:
                await trio.sleep(nap)
            world.done.append(name)
    finally:
        world.trial.unscope(name)


async def two(world):
    """Two nodes side by side."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(act, world, "node:a", 1, 1)
        nursery.start_soon(act, world, "node:b", 3)


def unless_hit(world):
    """What the nodes promise."""
    for name in "node:a", "node:b":
        if name not in world.done and not world.trial.hit(name):
            yield f"{name} is not done"


UNLESS_HIT = Invariant("done unless hit", unless_hit)
ALL_DONE: Invariant[Stage] = Invariant("all done", lambda world: [] if len(world.done) == 2 else [f"only {world.done}"])


def test_every_own_point_of_every_target():
    """And no other: after each of its steps but the last, which leaves the scope."""
    report = explore(two, world=stage, faults=[Cancel("node:*")], invariants=[UNLESS_HIT])
    assert report.points == {"node:a": 2, "node:b": 1}
    assert len(report.injections) == 3
    assert all(made.struck and made.line.startswith("tests/chaos/test_explore.py:") for made in report.injections)
    assert report.complete
    report.check()


def test_global_points_are_those_of_everyone():
    """While the target is there: after each step of any task, and before each batch."""
    report = explore(two, world=stage, faults=[Cancel("node:a")], points="global")
    kinds = [made.id.rpartition("@")[2].split("/")[1] for made in report.injections]
    assert kinds.count("global") > 2
    assert kinds.count("batch") > 1
    assert report.points == {"node:a": len(report.injections)}


def test_one_of_each_stratum_comes_first():
    """So that a small budget has been everywhere: each fault, kind of target and line."""

    def strata(made):
        return [(one.fault, one.target.partition(":")[0], one.line) for one in made]

    faults = [Cancel("*"), Crash("*"), Skip(1.0)]
    report = explore(two, world=stage, faults=faults, schedules=["fifo", *walk(3)])
    everything = strata(report.injections)
    first = len(set(everything))
    assert len(set(everything[:first])) == first
    small = explore(two, world=stage, faults=faults, schedules=["fifo", *walk(3)], budget=Budget(runs=first))
    assert small.injections == report.injections[:first]
    assert not small.complete
    assert "not all" in str(small)


def test_each_injection_is_made_once():
    """However often it is asked for."""
    report = explore(two, world=stage, faults=[Cancel("node:*"), Cancel("*")], schedules=["fifo", "fifo"])
    ids = [made.id for made in report.injections]
    assert len(ids) == len(set(ids)) == 3


def test_a_budget_of_seconds_ends_it():
    """Looked at before each injection."""
    report = explore(two, world=stage, faults=[Cancel("*")], budget=Budget(seconds=0))
    assert (report.injections, report.complete) == ((), False)


def test_what_breaks_is_reported_with_its_smallest_injection():
    """One group per invariant: how often, where, how to make it again, and the tasks."""
    report = explore(two, world=stage, faults=[Cancel("node:*")], invariants=[ALL_DONE])
    with pytest.raises(ChaosFailure) as failure:
        report.check()
    (broken,) = report.broken
    assert (broken.invariant, broken.count) == ("all done", 3)
    assert broken.smallest.step == min(made.step for made in report.injections)
    text = str(failure.value)
    assert "3 of 3 injections under fifo" in text
    assert f"replay: {broken.smallest.id}" in text
    assert broken.smallest.line in text
    assert "only ['node:b']" in text
    assert "[node:a]" in text


def test_the_report_is_json():
    """Each injection with its id, line and what it broke."""
    report = explore(two, world=stage, faults=[Cancel("node:*")], invariants=[ALL_DONE])
    plain = json.loads(json.dumps(report.to_json()))
    assert plain["points"] == {"node:a": 2, "node:b": 1}
    assert [one["id"] for one in plain["injections"]] == [made.id for made in report.injections]
    assert plain["injections"][0]["violations"][0]["invariant"] == "all done"
    assert plain["broken"][0]["smallest"]["line"] == report.broken[0].smallest.line


def test_a_scenario_that_is_broken_without_a_fault_is_not_explored():
    """It says so, and the clean run has a replay id, too."""

    async def one(world):
        await act(world, "node:a", 1)

    report = explore(one, world=stage, faults=[Cancel("*")], invariants=[ALL_DONE], schedules=["fifo"])
    assert [made.id for made in report.injections] == ["none@0/own/fifo"]
    assert [broken.smallest.id for broken in report.broken] == ["none@0/own/fifo"]
    assert report.left_out == ("every injection in fifo (it is broken without one)",)
    again = replay(one, "none@0/own/fifo", world=stage, invariants=[ALL_DONE])
    assert [broken.invariant for broken in again.broken] == ["all done"]


def test_what_is_not_the_same_twice_is_refused():
    """The first step that differs is named."""
    counter = itertools.count()

    async def drifting(world):
        await act(world, "node:a", *[1] * (1 + next(counter)))

    with pytest.raises(NotDeterministic) as refused:
        explore(drifting, world=stage, faults=[Cancel("*")])
    assert "step " in str(refused.value)
    assert "test_explore.py" in str(refused.value)


def test_what_drifts_later_is_refused_as_well():
    """Each run is held against the clean one when it gets to its injection."""
    counter = itertools.count()

    async def drifting(world):
        await act(world, "node:a" if next(counter) < 3 else "node:b", 1, 1)

    with pytest.raises(NotDeterministic):
        explore(drifting, world=stage, faults=[Cancel("*")])


def test_what_nothing_is_called_is_said():
    """A pattern with a slip in it would find nothing, and look like success."""
    report = explore(two, world=stage, faults=[Cancel("nod:*")])
    assert not report.complete
    assert len(report.left_out) == 1
    assert "nod:*" in report.left_out[0]


def test_commands_are_given_at_the_points_of_their_actor():
    """From the moment on at which they were told. What they raise is a violation."""

    async def told(world):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(act, world, "node:a", 1, 1, 1)
            await trio.sleep(1.5)
            world.trial.action("node:a/poke", lambda: 1 // 0)

    report = explore(told, world=stage, faults=[Call("poke")])
    assert [made.step for made in report.injections] == sorted(made.step for made in report.injections)
    assert len(report.injections) == 1
    assert [broken.invariant for broken in report.broken] == ["no unexpected exception"]


def test_the_clock_is_skipped_at_every_step():
    """It has no target."""
    report = explore(two, world=stage, faults=[Skip(10.0)], invariants=[UNLESS_HIT])
    report.check()
    assert [made.target for made in report.injections] == [""] * len(report.injections)
    assert len(report.injections) > 5
    assert str(report).startswith(f"two: nothing found (own; all there are: {len(report.injections)} injections ")


def test_a_crash_that_comes_out_is_expected():
    """It was put in; that the other node was cancelled for it is the nursery's way, and seen."""
    report = explore(two, world=stage, faults=[Crash("node:a")], invariants=[UNLESS_HIT])
    assert {broken.invariant for broken in report.broken} == {"done unless hit"}
    assert all(made.struck for made in report.injections)


def test_a_crash_waits_for_a_wait():
    """What can not be broken off goes on; a task that waits for nothing else any more is spared."""

    async def careful(world):
        scope = trio.CancelScope()
        world.trial.scope("node:a", scope)
        try:
            with scope:
                await trio.lowlevel.cancel_shielded_checkpoint()
                world.done.append("first")
                await trio.sleep(1)
                world.done.append("second")
                await trio.lowlevel.cancel_shielded_checkpoint()
                world.done.append("third")
        finally:
            world.trial.unscope("node:a")

    seen = []

    def note(world):
        seen.append(world.done)
        return []

    each = Invariant("seen", note)
    report = explore(careful, world=stage, faults=[Crash("node:a")], invariants=[each])
    assert [made.struck for made in report.injections] == [True, True, False]
    assert seen[2:] == [["first"], ["first"], ["first", "second", "third"]]


def test_a_delayed_task_is_overtaken():
    """It steps later than who was behind it."""

    async def race(world):
        async def go(name):
            scope = trio.CancelScope()
            world.trial.scope(name, scope)
            with scope:
                for _ in range(3):
                    await trio.lowlevel.checkpoint()
                world.done.append(name)
            world.trial.unscope(name)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(go, "node:a")
            nursery.start_soon(go, "node:b")

    first: Invariant[Stage] = Invariant(
        "a comes first", lambda world: [] if world.done[0] == "node:a" else [str(world.done)]
    )
    assert explore(race, world=stage, faults=[Delay("node:a", ticks=2)], invariants=[first]).broken
    explore(race, world=stage, faults=[Delay("node:b", ticks=2)], invariants=[first]).check()


def test_nodes_without_scopes():
    """The observer says that it is not active, and the replay id that it was not."""

    async def one(world):
        await act(world, "node:a" if world.trial.active else "run:r", 1)

    report = explore(one, world=stage, faults=[Cancel("*")], scoped=False)
    assert [made.id.partition("@")[0] for made in report.injections] == ["cancel:run:r"]
    assert all(made.id.endswith("/own/fifo/unscoped") for made in report.injections)
    replay(one, report.injections[0].id, world=stage).check()


@pytest.mark.parametrize(
    "text", ["cancel:node:c@4/own/fifo", "cancel:node:a@1/own/fifo", "call:node:a/poke@4/own/fifo", "cancel@1/own/fifo"]
)
def test_a_point_that_is_not_there_is_no_replay(text):
    """An id of another scenario, or of another version of this one."""
    with pytest.raises(ChaosError):
        replay(two, text, world=stage)


def test_a_schedule_that_is_none_is_refused_at_once():
    """Before anything is run."""
    with pytest.raises(ChaosError):
        explore(two, world=stage, faults=[], schedules=["fifo", "lifo"])


async def test_inside_of_a_run_it_is_refused():
    """It owns `trio.run`, which does not nest; a scenario would look broken."""
    with pytest.raises(ChaosError):
        explore(two, world=stage, faults=[Cancel("*")])
    await trio.lowlevel.checkpoint()


def test_schedules_are_made_for_the_length_of_the_scenario():
    """Found under one of them, it is found again by its replay id alone."""
    late: Invariant[Stage] = Invariant(
        "b is not first", lambda world: ["b is first"] if world.done[:1] == ["node:b"] else []
    )

    async def close(world):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(act, world, "node:a", 0, 0, 0)
            nursery.start_soon(act, world, "node:b", 0, 0, 0, 0)

    report = explore(close, world=stage, faults=[Cancel("hub")], invariants=[late], schedules=pct(20))
    found = [made.id for made in report.injections]
    assert found
    for text in found:
        assert replay(close, text, world=stage, invariants=[late]).broken
