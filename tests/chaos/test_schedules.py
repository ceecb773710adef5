"""Schedules: who steps next, out of a short text."""

import pytest
import trio

from actors.testing.chaos import ChaosError, pct, walk
from actors.testing.chaos.private import arrange, scheduled
from actors.testing.chaos.schedules import STAMINA, scheduler


def steps(text, *, tasks=3, each=4, length=20, until=None):
    """Who stepped, in order. The last task spins until `until` holds, if that is given."""
    taken = []
    decides = scheduler(text, steps=length)

    async def work(name):
        for _ in range(each):
            taken.append(name)
            await trio.lowlevel.checkpoint()

    async def spin():
        while not until(taken):
            taken.append("spin")
            await trio.lowlevel.checkpoint()

    async def main():
        async with trio.open_nursery() as nursery:
            for name in range(tasks):
                nursery.start_soon(work, name)
            if until is not None:
                nursery.start_soon(spin)

    def order(batch):
        if batch:
            arrange(batch, decides.pick(list(batch)))

    with scheduled(order):
        trio.run(main)
    return taken


def test_fifo_is_the_oldest_first():
    """Batch after batch, everyone once."""
    assert steps("fifo", tasks=3, each=2) == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("text", [*walk(3, seed=5), *pct(3, depth=3, seed=5)])
def test_a_text_is_one_schedule(text):
    """The same again each time, and everyone gets there."""
    taken = steps(text)
    assert taken == steps(text)
    assert sorted(taken) == sorted([0, 1, 2] * 4)


def test_texts_are_different_schedules():
    """Of twenty, hardly any two are alike."""
    assert len({tuple(steps(text)) for text in walk(20)}) > 15
    assert len({tuple(steps(text)) for text in pct(20, depth=3)}) > 10


def test_depth_is_how_often_priorities_change():
    """With depth 1 everyone runs to his end; with more, somebody is overtaken."""
    for text in pct(10, depth=1):
        taken = steps(text)
        assert [name for i, name in enumerate(taken) if i == 0 or taken[i - 1] != name] == list(dict.fromkeys(taken))
    assert any(steps(text) != sorted(steps(text), key=steps(text).index) for text in pct(10, depth=3))


def test_nobody_is_starved_by_who_spins():
    """Whoever steps on and on falls below the others, or they would never do what he waits for."""
    for text in pct(10, depth=1):
        taken = steps(text, until=lambda taken: taken.count(0) == 4)
        assert taken.count("spin") <= STAMINA + 2


def test_seeds_follow_each_other():
    """So that a schedule is told by its text alone."""
    assert pct(2, depth=4, seed=7) == ["pct:4:7", "pct:4:8"]
    assert walk(2, seed=3) == ["walk:3", "walk:4"]


@pytest.mark.parametrize("text", ["", "lifo", "walk", "walk:x", "pct:3", "pct:0:1", "pct:-1:1", "fifo:1"])
def test_no_other_text_is_one(text):
    """And is told so."""
    with pytest.raises(ChaosError):
        scheduler(text, steps=1)
