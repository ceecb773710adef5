"""Turns: one act at a time on a page, in the order in which the nodes were started.

trio wakes tasks that became ready together in any order. So whoever asks waits for one step, in which the others of
that moment ask too, and then the first in the run's own order is chosen; of several acts of one node, the one that it
began first. A cancel while it waits takes the asker out.
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
        self._waiting: list[tuple[object, trio.Event]] = []
        self._taken = False

    @asynccontextmanager
    async def turn(self, who: object) -> AsyncIterator[None]:
        """Wait for one's turn; it lasts as long as the block."""
        mine = trio.Event()
        self._waiting.append((who, mine))
        try:
            await trio.lowlevel.checkpoint()
            self._choose()
            await mine.wait()
            yield
        finally:
            if mine.is_set():
                self._taken = False
                self._choose()
            else:
                self._waiting.remove((who, mine))

    def _choose(self) -> None:
        if self._taken or not self._waiting:
            return
        asking = [who for who, _ in self._waiting]
        first = next((who for who in self._order() if who in asking), asking[0])
        self._taken = True
        _, turn = self._waiting.pop(asking.index(first))
        turn.set()
