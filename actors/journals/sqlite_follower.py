"""Following a run of a SQLite journal: read what is there, page by page, then wait at its doorbell for more.

Theory of operation: a follower comes to the doorbell first and looks then, so an event that is committed in between has
rung. It looks again every second all the same: a ring that was lost costs a second, never an event. It holds no event
that it has not read, so a slow one costs nothing but its page; what it follows is not deleted while it is there.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Self

import attrs
import trio

from actors.errors import JournalError
from actors.journals.sqlite_reader import Readers, RunKey, tail
from protocol.messages import Event

__all__ = ["Doorbell", "Doorbells", "Follower"]

PAGE_EVENTS: Final = 256
"""What a follower takes at a time: enough to be cheap, little enough that a slow one holds no second copy of a run."""

LOOK_SECONDS: Final = 1.0


@attrs.define(eq=False)
class Doorbell:
    """Where those wait who follow one run."""

    followers: int = 0
    rings: int = 0
    waiting: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    def ring(self) -> None:
        """There is something to read."""
        self.rings += 1
        self.waiting.unpark_all()


@attrs.define(eq=False)
class Doorbells:
    """The doorbells of the runs that are followed."""

    _bells: dict[str, Doorbell] = attrs.field(factory=dict, init=False)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._bells

    @property
    def waiting(self) -> int:
        """How many followers wait."""
        return sum(len(bell.waiting) for bell in self._bells.values())

    def come(self, run_id: str) -> Doorbell:
        """Somebody follows this run, and says `leave` later."""
        bell = self._bells.setdefault(run_id, Doorbell())
        bell.followers += 1
        return bell

    def leave(self, run_id: str) -> None:
        """Not any more."""
        bell = self._bells[run_id]
        bell.followers -= 1
        if not bell.followers:
            del self._bells[run_id]

    def ring(self, run_id: str) -> None:
        """Something of this run was committed."""
        if (bell := self._bells.get(run_id)) is not None:
            bell.ring()

    def ring_all(self) -> None:
        """There will be nothing more."""
        for bell in self._bells.values():
            bell.ring()


@attrs.define(eq=False)
class Follower:
    """A position in one run's events, moved by whoever iterates."""

    _readers: Readers
    _key: RunKey
    _after: int
    _bell: Doorbell
    _closed: Callable[[], bool]
    """Whether the journal takes nothing more."""
    _page: deque[Event] = attrs.field(factory=deque, init=False)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        # A page is handed out without giving way: one event a pass of the loop would be left behind by any wide run.
        if self._page:
            await trio.lowlevel.checkpoint_if_cancelled()
            return self._page.popleft()  # noqa: ASYNC910  see above
        while True:
            rings, closed = self._bell.rings, self._closed()
            events, ended = await self._readers.ask(lambda db: tail(db, self._key, self._after, PAGE_EVENTS))
            if events:
                self._page.extend(events)
                self._after = events[-1].seq
                return self._page.popleft()
            if ended:
                raise StopAsyncIteration
            if closed:
                raise JournalError(f"run {self._key.run_id}: the journal was closed before the run ended")
            if self._bell.rings == rings:
                with trio.move_on_after(LOOK_SECONDS):
                    await self._bell.waiting.park()
