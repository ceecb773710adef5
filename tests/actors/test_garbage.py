"""`actors.garbage`: when what is looked through."""

import gc
import weakref

import trio

from actors.garbage import LOOK_SECONDS, PATIENCE, collect_garbage, short_passes


class Knot:
    """What only the collector frees."""

    def __init__(self):
        self.itself = self


async def test_old_garbage_is_collected_when_nobody_is_busy(autojump_clock):
    """At the first look."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect_garbage, lambda: False)
        await trio.sleep(LOOK_SECONDS / 2)
        knot = Knot()
        late = weakref.ref(knot)
        del knot
        assert late() is not None
        await trio.sleep(LOOK_SECONDS)
        assert late() is None
        nursery.cancel_scope.cancel()


async def test_who_is_busy_is_spared_but_not_for_ever(autojump_clock):
    """After some looks it is done all the same, or the process would only grow."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect_garbage, lambda: True)
        await trio.sleep(LOOK_SECONDS / 2)
        knot = Knot()
        late = weakref.ref(knot)
        del knot
        await trio.sleep(LOOK_SECONDS * (PATIENCE - 1))
        assert late() is not None
        await trio.sleep(LOOK_SECONDS)
        assert late() is None
        nursery.cancel_scope.cancel()


def test_the_collector_is_as_before_afterwards():
    """Whoever runs a server within a larger program gets it back as it was, what was frozen included."""
    before = gc.get_threshold(), gc.get_freeze_count()
    with short_passes():
        assert gc.get_threshold() != before[0]
        assert gc.get_freeze_count() > before[1]
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before[0], 0)


def test_what_is_young_is_still_collected_by_itself():
    """A program that makes knots does not grow until the next look."""
    with short_passes():
        alive = [weakref.ref(Knot()) for _ in range(50_000)]
    assert sum(each() is not None for each in alive) < 20_000
