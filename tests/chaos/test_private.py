"""Private names: that they mean what the kit thinks, and what is left when they do not."""

import subprocess
import sys

import pytest
import trio

from actors.testing.chaos import Call, Cancel, Crash, Delay, Skip, explore, pct, private, replay
from tests.chaos.toy import INVARIANTS, toy, watched_run


def test_they_are_there():
    """With the trio that is installed. This is the test that fails when trio changes."""
    assert private.reason == ""
    assert private.available


def test_a_crash_comes_out_of_a_wait():
    """Behind a shield as well; and not at all while nothing is waited for."""
    raised = []

    async def wait(*, task_status):
        with trio.CancelScope(shield=True):
            task_status.started(trio.lowlevel.current_task())
            try:
                await trio.sleep_forever()
            except ZeroDivisionError as error:
                raised.append(error)

    async def main():
        error = ZeroDivisionError()
        async with trio.open_nursery() as nursery:
            task = await nursery.start(wait)
            assert private.crash(task, error)
            assert not private.crash(task, error)
        assert raised == [error]

    trio.run(main)


def test_a_task_that_swallows_its_cancel_can_be_broken_off():
    """It never waits, so nothing can be raised out of a wait: it gets the error instead of its next step."""

    async def spin():
        while True:
            try:
                await trio.sleep(1)
            except trio.Cancelled:
                pass

    async def main():
        with pytest.RaisesGroup(ZeroDivisionError):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(spin)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
                for _ in range(5):
                    await trio.lowlevel.cancel_shielded_checkpoint()
                (task,) = nursery.child_tasks
                assert not private.crash(task, ZeroDivisionError())
                assert private.break_off(task, ZeroDivisionError())

    trio.run(main)


def test_the_scopes_of_a_task_that_has_ended_are_its_nursery_s():
    """So that the moment after its last step is still a point of them."""
    outer, inner = trio.CancelScope(), trio.CancelScope()
    tasks = []

    async def child():
        with inner:
            tasks.append(trio.lowlevel.current_task())
            await trio.lowlevel.checkpoint()
            assert next(private.scopes_around(tasks[0])) is inner

    async def main():
        with outer:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child)
                await trio.testing.wait_all_tasks_blocked()
                scopes = list(private.scopes_around(tasks[0]))
                assert inner not in scopes
                assert scopes[:2] == [nursery.cancel_scope, outer]

    trio.run(main)


def test_what_the_order_raises_ends_the_run():
    """Whatever its tasks do about it; and trio's own order is back."""
    kept = trio._core._run._r

    def order(batch):
        for task in batch:
            private.keep(task)
        raise ZeroDivisionError

    with pytest.raises(trio.TrioInternalError), private.scheduled(order):
        trio.run(trio.sleep, 0)
    assert trio._core._run._r is kept


def test_it_can_be_imported_inside_of_a_run():
    """The trial run has a thread of its own."""
    code = """
import trio
async def main():
    from actors.testing.chaos import private
    print(private.available, repr(private.reason))
trio.run(main)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True ''\n"


def test_a_trio_without_them_is_told_so():
    """The kit can be imported, and knows why it can do less."""
    code = """
import trio._core._run as run
del run.Task._attempt_abort
from actors.testing.chaos import private
print(private.available, private.reason)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False it has no Task._attempt_abort\n"


def test_the_public_faults_work_without(monkeypatch):
    """In fifo; the rest is named as left out, and nobody says that all was tried."""
    monkeypatch.setattr(private, "available", False)
    monkeypatch.setattr(private, "reason", "gone")
    faults = [Cancel("run:*", "node:*", "conn:*"), Call("stop"), Skip(20.0), Crash("*"), Delay("*")]
    report = explore(watched_run, world=toy(), faults=faults, invariants=INVARIANTS, schedules=["fifo", *pct(1)])
    report.check()
    assert {made.fault for made in report.injections} == {"cancel", "call", "skip"}
    assert {made.schedule for made in report.injections} == {"fifo"}
    assert [text.partition("(")[0] for text in report.left_out] == ["Crash", "Delay", "pct:3:0 "]
    assert not report.complete


def test_a_bug_is_found_without(monkeypatch):
    """Whose points they are is then told by nurseries."""
    with_all = explore(watched_run, world=toy("lost event"), faults=[Cancel("run:*")], invariants=INVARIANTS)
    monkeypatch.setattr(private, "available", False)
    report = explore(watched_run, world=toy("lost event"), faults=[Cancel("run:*")], invariants=INVARIANTS)
    assert {made.id for made in report.injections} >= {made.id for made in with_all.injections}
    (broken,) = [one for one in report.broken if one.invariant == "a subscriber hears all there is"]
    again = replay(watched_run, broken.smallest.id, world=toy("lost event"), invariants=INVARIANTS)
    assert broken.invariant in [one.invariant for one in again.broken]
