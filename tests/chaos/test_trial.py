"""One run: what it takes for wrong by itself, and how a run ends that would not."""

import threading
import time
from contextlib import asynccontextmanager

import pytest
import trio

from actors.testing.chaos import Cancel, Crash, Invariant, Trial, explore, replay


@asynccontextmanager
async def bare(trial):
    """A world that is nothing but the observer."""
    yield trial


def broken(scenario):
    """The invariants of the kit that a clean run breaks, with the texts."""
    report = replay(scenario, "none@0/own/fifo", world=bare)
    return {violation.invariant: violation.text for made in report.injections for violation in made.violations}


def test_a_deadlock_is_told_with_the_tree():
    """Nobody can step, and nothing is to come: on a clock that jumps this would spin for ever."""

    async def scenario(trial):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.Event().wait, name="who waits")
            await trio.sleep(1)

    found = broken(scenario)
    assert list(found) == ["no deadlock"]
    assert "who waits" in found["no deadlock"]


def test_a_wait_for_a_deadline_is_no_deadlock():
    """Nor is a wait for all others to be blocked, or for a thread."""

    async def scenario(trial):
        await trio.sleep(80_000)
        await trio.testing.wait_all_tasks_blocked()
        await trio.to_thread.run_sync(time.sleep, 0.02)

    assert broken(scenario) == {}


def test_an_endless_shield_is_broken():
    """It is a deadlock once what is outside is cancelled, and gives way to what is no cancel."""

    async def scenario(trial):
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()

    assert list(broken(scenario)) == ["no deadlock"]


def test_a_livelock_is_told():
    """Many times the steps of the clean run, and no end."""

    async def scenario(trial):
        scope = trio.CancelScope()
        trial.scope("node:a", scope)
        with scope:
            await trio.sleep(1)
        trial.unscope("node:a")
        while scope.cancelled_caught:
            await trio.lowlevel.checkpoint()

    report = explore(scenario, world=bare, faults=[Cancel("node:a")])
    assert [one.invariant for one in report.broken] == ["no livelock"]
    assert "not over after 2000 steps" in report.broken[0].smallest.violations[0].text


def test_a_task_that_swallows_everything_does_not_hang_the_kit():
    """Trio's loop itself is left then, and what the task's remains complain of is not heard."""

    async def stubborn():
        while True:
            try:
                await trio.sleep(1)
            except BaseException:  # noqa: BLE001  that is the point
                pass

    async def scenario(trial):
        scope = trio.CancelScope()
        trial.scope("node:a", scope)
        with scope:
            await trio.sleep(1)
        trial.unscope("node:a")
        if scope.cancelled_caught:
            await stubborn()

    report = explore(scenario, world=bare, faults=[Cancel("node:a")])
    assert [one.invariant for one in report.broken] == ["no livelock"]


def test_what_is_raised_is_told():
    """Each exception of a group."""

    async def scenario(trial):
        await trio.lowlevel.checkpoint()
        raise ExceptionGroup("both", [ValueError("one"), ExceptionGroup("", [KeyError("two")])])

    report = replay(scenario, "none@0/own/fifo", world=bare)
    texts = [violation.text for violation in report.injections[0].violations]
    assert [text.partition(",")[0] for text in texts] == ["ValueError: one", "KeyError: 'two'"]


def test_a_keyboard_interrupt_is_not_kept():
    """Whoever presses ctrl-c wants to get out."""

    async def scenario(trial):
        await trio.lowlevel.checkpoint()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(scenario, "none@0/own/fifo", world=bare)


def test_what_is_left_behind_is_told():
    """A scope, a task, a thread."""
    release = threading.Event()

    async def scenario(trial):
        trial.scope("node:a", trio.CancelScope())
        trio.lowlevel.spawn_system_task(trio.sleep_forever, name="stray")
        threading.Thread(target=release.wait, name="helper").start()
        await trio.lowlevel.checkpoint()

    found = broken(scenario)
    release.set()
    assert found["no scope left"] == "still told: node:a"
    assert "stray" in found["no task left"]
    assert found["no thread left"] == "still running: helper"


def test_a_scope_that_was_never_told_can_not_be_left():
    """The observer is for others to believe."""

    async def scenario(trial):
        await trio.lowlevel.checkpoint()
        trial.unscope("node:a")

    assert list(broken(scenario)) == ["the observer is told the truth"]


def test_two_scopes_of_one_name_are_two_targets():
    """Side by side, as in a takeover: each has its own points, and leaves as the one it is."""

    async def actor(trial, nap):
        scope = trio.CancelScope()
        trial.scope("conn:s", scope)
        with scope:
            await trio.sleep(nap)
        trial.unscope("conn:s")
        assert scope.cancelled_caught == (trial.hit("conn:s") and trial.injection.aim.subject == f"conn:s{names[nap]}")

    names = {2: "", 1: "~2"}

    async def scenario(trial):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(actor, trial, 2)
            nursery.start_soon(actor, trial, 1)

    report = explore(scenario, world=bare, faults=[Cancel("conn:s")])
    report.check()
    assert report.points == {"conn:s": 1, "conn:s~2": 1}


def test_a_scope_that_another_task_tells_is_known_by_who_stands_in_it():
    """As a hub's: its own task has the points, and the moment when its opener tells it is one."""

    async def hub(*, task_status):
        with trio.CancelScope(shield=True) as scope:
            task_status.started(scope)
            await trio.sleep(2)
            await trio.sleep(1)

    async def scenario(trial):
        async with trio.open_nursery() as nursery:
            trial.scope("hub", await nursery.start(hub))
            await trio.sleep(1)
            await trio.sleep(1)
            await trio.sleep(2)
            trial.unscope("hub")

    report = explore(scenario, world=bare, faults=[Cancel("hub")])
    report.check()
    assert report.points == {"hub": 2}
    assert explore(scenario, world=bare, faults=[Crash("hub")]).points == {"hub": 1}


def test_an_invariant_that_fails_itself_is_told():
    """As a violation, not as the end of the exploration."""

    async def scenario(trial):
        await trio.lowlevel.checkpoint()

    sick: Invariant[Trial] = Invariant("sick", lambda world: [str(1 // 0)])
    report = replay(scenario, "none@0/own/fifo", world=bare, invariants=[sick])
    assert [one.invariant for one in report.broken] == ["sick"]


def test_the_world_may_complain():
    """At any time."""

    async def scenario(trial):
        await trio.lowlevel.checkpoint()
        trial.fail("mine", "it is so")

    assert broken(scenario) == {"mine": "it is so"}
