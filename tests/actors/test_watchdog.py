"""actors.watchdog: a step that does not yield is named, and broken where it can be. These tests spin in real time."""

import math
import signal
import threading
import time
from typing import Any

import pytest
import trio

from actors.errors import NodeStuck
from actors.watchdog import Stuck, Watchdog, open_watchdog

WARN, LIMIT, LONG = 0.2, 0.7, 3.0
on_main_posix = pytest.mark.skipif(not hasattr(signal, "SIGURG"), reason="breaking a step needs POSIX signals")


def spin(seconds):
    """Hold the loop."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


async def run_task(fn, name):
    """Run a function as a task; returns what was reported, what it raised, and how long it took."""
    reports: list[Stuck] = []
    raised: list[BaseException] = []
    began = time.monotonic()

    async def task():
        await trio.lowlevel.checkpoint()
        try:
            fn()
        except NodeStuck as exc:
            raised.append(exc)

    async with open_watchdog(warn=WARN, limit=LIMIT, on_warn=reports.append) as watchdog:
        assert watchdog.can_break
        async with trio.open_nursery() as nursery:
            nursery.start_soon(task, name=name)
        took = time.monotonic() - began
        while not reports and took > LIMIT:
            await trio.lowlevel.checkpoint()
    return reports, raised, took


@on_main_posix
async def test_a_spinning_node_is_named_and_broken():
    """The report has task, file and line; NodeStuck is raised inside the step, long before it would have ended."""
    reports, raised, took = await run_task(lambda: spin(LONG), "node:n1")
    assert took < LONG - 0.5
    (report,) = reports
    assert report.task == "node:n1"
    assert report.file == __file__
    assert report.function == "spin"
    assert report.seconds >= WARN
    (error,) = raised
    assert error.code == "node_stuck"


@on_main_posix
async def test_a_blocking_sleep_is_broken():
    """A system call that signals interrupt counts as Python code."""
    _, raised, took = await run_task(lambda: time.sleep(LONG), "node:n1")
    assert raised
    assert took < LONG - 0.5


@on_main_posix
async def test_other_tasks_are_only_named():
    """A step that belongs to no node is reported but never broken."""
    reports, raised, took = await run_task(lambda: spin(LIMIT * 2), "conn:s1")
    assert not raised
    assert took >= LIMIT * 2
    assert [report.task for report in reports] == ["conn:s1"]


@on_main_posix
async def test_protected_code_is_only_named():
    """What trio protects from KeyboardInterrupt is not broken; what comes after it in the same step is."""
    protected = trio.lowlevel.enable_ki_protection(lambda: spin(LIMIT * 2))
    left: list[float] = []

    def work():
        protected()
        left.append(time.monotonic())
        spin(LONG)

    _, raised, took = await run_task(work, "node:n1")
    assert left
    assert raised
    assert took < LIMIT * 2 + LONG - 0.5


@on_main_posix
async def test_own_code_that_a_node_calls_is_not_broken():
    """An exception never lands inside callboard's own code, whose state it could leave half changed."""
    own: dict[str, Any] = {"__name__": "actors.node", "spin": spin}
    exec("def log():\n    spin(0.0)\n    deep()\ndef deep():\n    spin(1.4)\n", own)
    left: list[bool] = []

    def work():
        own["log"]()
        left.append(True)
        spin(LONG)

    _, raised, _ = await run_task(work, "node:n1")
    assert left
    assert raised


@on_main_posix
async def test_a_node_that_swallows_it_meets_another():
    """Catching NodeStuck and going on without yielding does not make a node unbreakable."""
    caught: list[NodeStuck] = []

    def work():
        try:
            spin(LONG)
        except NodeStuck as exc:
            caught.append(exc)
        spin(LONG)

    _, raised, took = await run_task(work, "node:n1")
    assert caught
    assert raised
    assert took < LONG


async def test_many_short_steps_are_not_one_long_one():
    """A loop that is busy for long, but yields, is left alone."""
    reports: list[Stuck] = []
    async with open_watchdog(warn=WARN, limit=LIMIT, on_warn=reports.append):
        until = time.monotonic() + LIMIT * 2
        while time.monotonic() < until:
            spin(0.005)
            await trio.lowlevel.checkpoint()
    assert not reports


async def test_an_idle_loop_is_not_stuck():
    """Waiting for I/O is no step, however long."""
    reports: list[Stuck] = []
    async with open_watchdog(warn=0.05, limit=LIMIT, on_warn=reports.append):
        await trio.sleep(0.8)
    assert not reports


async def test_nothing_is_left():
    """After closing there is no thread, no handler and no instrument."""
    before = signal.getsignal(signal.SIGURG)
    threads = set(threading.enumerate())
    async with open_watchdog(warn=WARN, limit=LIMIT, on_warn=print) as watchdog:
        assert set(threading.enumerate()) - threads
    assert set(threading.enumerate()) == threads
    assert signal.getsignal(signal.SIGURG) is before
    with pytest.raises(KeyError):
        trio.lowlevel.remove_instrument(watchdog)


async def test_without_anything_to_do_there_is_no_thread():
    """Who wants to hear of no step and breaks none is not watched: a test on a virtual clock has no use for it."""
    threads = set(threading.enumerate())
    async with open_watchdog(warn=math.inf, limit=0, on_warn=print) as watchdog:
        assert set(threading.enumerate()) == threads
        assert not watchdog.can_break


async def test_a_foreign_handler_is_left_alone():
    """Someone else's SIGURG handler stays; the watchdog then only names."""

    def foreign(signum, frame):
        raise AssertionError("not ours to call")

    before = signal.signal(signal.SIGURG, foreign)
    try:
        async with open_watchdog(warn=WARN, limit=LIMIT, on_warn=print) as watchdog:
            assert not watchdog.can_break
            assert signal.getsignal(signal.SIGURG) is foreign
        assert signal.getsignal(signal.SIGURG) is foreign
    finally:
        signal.signal(signal.SIGURG, before)


def test_another_thread_is_only_named():
    """A loop outside the main thread can not be sent an exception; its steps are named."""
    reports: list[Stuck] = []
    found: list[Watchdog] = []

    async def main():
        async with open_watchdog(warn=WARN, limit=LIMIT, on_warn=reports.append) as watchdog:
            found.append(watchdog)
            spin(LIMIT * 2)
            while not reports:
                await trio.lowlevel.checkpoint()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    thread.join()
    assert not found[0].can_break
    assert reports[0].function == "spin"
