"""A Ctrl-C in the middle of an exploration gets out, whatever it interrupts."""

import gc
import os
import signal
import threading
import time
import weakref
from contextlib import asynccontextmanager

import pytest
import trio

from actors.testing.chaos import Cancel, Invariant, explore, replay

CTRL_C = signal.SIGINT


class Thing:
    """Can be watched."""


def ring():
    """As the terminal does."""
    signal.raise_signal(CTRL_C)


@asynccontextmanager
async def place(trial):
    """A world with one scope to strike."""
    scope = trio.CancelScope()
    trial.scope("node:a", scope)
    try:
        with scope:
            yield trial
    finally:
        trial.unscope("node:a")


async def in_the_scenario(world):
    """The plain case."""
    ring()
    await trio.sleep(1)


async def under_a_catch_all(world):
    """As a node is run: what it raises is its result."""
    try:
        ring()
        await trio.sleep(1)
    except BaseException:  # noqa: ASYNC103, BLE001
        await trio.lowlevel.checkpoint()


async def in_a_dying_thing(world):
    """Python prints what is raised here, and goes on."""
    thing = Thing()
    weakref.finalize(thing, ring)
    del thing
    gc.collect()
    await trio.sleep(1)


async def behind_a_shield(world):
    """It never ends by itself."""
    ring()
    with trio.CancelScope(shield=True):
        await trio.sleep_forever()


async def in_a_command(world):
    """Whose errors are violations."""
    world.action("run:r/pause", ring)
    world.call("run:r/pause")
    await trio.sleep(1)


async def while_all_wait_for_a_thread(world):
    """Trio is in the kernel then."""
    await trio.to_thread.run_sync(ring_the_main_thread)


def ring_the_main_thread():
    """A signal that finds the main thread with nothing to do."""
    os.kill(os.getpid(), CTRL_C)
    time.sleep(0.05)


@pytest.fixture(autouse=True)
def handler():
    """It is put back."""
    assert signal.getsignal(CTRL_C) is signal.default_int_handler
    yield
    assert signal.getsignal(CTRL_C) is signal.default_int_handler


@pytest.mark.parametrize(
    "scenario",
    [
        in_the_scenario,
        under_a_catch_all,
        in_a_dying_thing,
        behind_a_shield,
        in_a_command,
        while_all_wait_for_a_thread,
    ],
    ids=lambda scenario: scenario.__name__,
)
def test_it_gets_out(scenario, capsys):
    """As itself, out of the first run, and nothing is printed."""
    starts = []

    async def counted(world):
        starts.append(world)
        await scenario(world)

    with pytest.raises(KeyboardInterrupt):
        explore(counted, world=place, faults=[Cancel("node:*")], invariants=[])
    assert len(starts) == 1
    assert capsys.readouterr() == ("", "")


def test_it_gets_out_of_an_invariant():
    """Which is asked when trio's loop is over."""

    def check(world):
        ring()
        return []

    async def scenario(world):
        await trio.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        explore(scenario, world=place, faults=[Cancel("node:*")], invariants=[Invariant("rings", check)])


def test_it_gets_out_of_a_replay():
    """The clean run is before it."""
    with pytest.raises(KeyboardInterrupt):
        replay(in_the_scenario, "cancel:node:a@1/own/fifo", world=place, invariants=[])


def test_whoever_insists_gets_out_of_a_node_that_blocks():
    """The second one is raised where it arrives."""
    after = []

    async def blocks(world):
        ring()
        after.append("the first")
        ring()
        after.append("the second")

    with pytest.raises(KeyboardInterrupt):
        explore(blocks, world=place, faults=[Cancel("node:*")], invariants=[])
    assert after == ["the first"]


def test_a_handler_of_somebody_else_stays():
    """Whoever has one knows what a Ctrl-C is to do."""
    heard = []
    before = signal.signal(CTRL_C, lambda *_: heard.append("it"))
    try:
        report = explore(in_the_scenario, world=place, faults=[Cancel("node:*")], invariants=[])
    finally:
        signal.signal(CTRL_C, before)
    assert not report.broken
    assert len(heard) == report.runs


def test_another_thread_is_no_place_for_it():
    """It explores there as ever."""
    reports = []

    async def scenario(world):
        await trio.sleep(1)

    def run():
        reports.append(explore(scenario, world=place, faults=[Cancel("node:*")], invariants=[]))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert [report.complete for report in reports] == [True]
