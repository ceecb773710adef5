"""Python's garbage collector in a process that serves: no pass of it is long while somebody waits for the loop.

Theory of operation: what a run leaves behind is freed by its reference counts; the collector is only for cycles, yet
each of its passes over old objects looks at all that live, and stops the loop meanwhile: 100 ms when a thousand runs
are under way. So what is there from the start is left out for good, passes over young objects stay automatic and take a
millisecond, and all is looked through only by `collect_garbage`: at most once a minute while no run is under way, and
after ten minutes even if some are.

This is a setting of a whole process. It is for `callboard serve`; whoever embeds the runtime has a process of his own.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import trio

__all__ = ["collect_garbage", "short_passes"]

YOUNG_OBJECTS: Final = 10_000
"""So many more containers were made than freed: the next automatic pass, over no more than these."""

NEVER: Final = 1_000_000
"""Passes over young objects before an automatic one over older ones."""

LOOK_SECONDS: Final = 60.0
PATIENCE: Final = 10
"""Looks that may find a run under way before all is looked through nevertheless."""


@contextmanager
def short_passes() -> Iterator[None]:
    """Automatic passes are short ones, and leave alone what is there now. Afterwards all is as it was."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, NEVER, NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def collect_garbage(busy: Callable[[], bool]) -> None:
    """Be the process's garbage collector, until cancelled.

    Args:
        busy: whether somebody would notice that the loop stands still for a moment.
    """
    looks = 0
    with short_passes():
        while True:
            await trio.sleep(LOOK_SECONDS)
            looks += 1
            if looks == PATIENCE or not busy():
                gc.collect()
                looks = 0
