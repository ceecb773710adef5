"""Turns: one act at a time on a page, in the order in which the nodes were started.

trio wakes tasks that became ready together in any order. So whoever asks waits for one step, in which the others of
that moment ask too, and then the first in the run's own order is chosen. A cancel while it waits takes the asker out.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import trio

__all__ = ["Turns"]


class Turns:
    """Who may act.

    Args:
        order: all that could ask, first started first.
    """

    def __init__(self, order: Callable[[], Iterable[object]]) -> None:
        self._order = order
        self._waiting: dict[object, trio.Event] = {}
        self._taken = False

    @asynccontextmanager
    async def turn(self, who: object) -> AsyncIterator[None]:
        """Wait for one's turn; it lasts as long as the block."""
        mine = self._waiting[who] = trio.Event()
        try:
            await trio.lowlevel.checkpoint()
            self._choose()
            await mine.wait()
            yield
        finally:
            self._waiting.pop(who, None)
            if mine.is_set():
                self._taken = False
                self._choose()

    def _choose(self) -> None:
        if self._taken or not self._waiting:
            return
        first = next((who for who in self._order() if who in self._waiting), None)
        if first is None:
            first = next(iter(self._waiting))
        self._taken = True
        self._waiting.pop(first).set()
