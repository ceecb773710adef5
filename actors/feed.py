"""The events of one run on their way to a client's user: in order of seq, each once, as many as there is room for.

Theory of operation: a feed belongs to one `RemoteRun` and is changed in synchronous steps only. What a server sends may
repeat (whoever subscribes again moves the position of the whole connection) and may jump (until a subscription is
confirmed); what goes in is always the next seq. Where events must be asked for again is `last`: the newest that went
in. Full means that what comes is dropped, to be asked for again when there is room; so a feed never makes its
connection wait, and a user who is slow with one run has all of the others in time.
"""

from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import Final

import attrs
import trio

from actors.errors import ActorsError
from protocol.messages import Event, RunEnded

__all__ = ["ROOM", "Feed", "Place", "let_take"]

ROOM: Final = 1024
"""Events that may wait for the user."""

STEPS: Final = 10
"""Of the event loop, in which a user must take something to count as quick."""


class Place(Enum):
    """How a feed stands with the server."""

    IDLE = "idle"
    """Nothing was asked for."""
    STARTING = "starting"
    """The start that makes the run was sent; its first event says that it was accepted."""
    ASKED = "asked"
    """It was asked for what follows `last`. Until that is confirmed, what comes may jump."""
    FOLLOWING = "following"
    """Confirmed: whatever comes is the next seq, or was here before."""
    FULL = "full"
    """There was no room: what comes is dropped."""
    ENDED = "ended"
    """The ending is in; nothing follows."""


@attrs.define(eq=False)
class Feed:
    """What waits for the user of one run, and what comes next."""

    last: int
    """The newest seq that went in."""
    place: Place = Place.IDLE
    dropped: int = attrs.field(default=0, init=False)
    """Events that came when there was no room."""
    _head: int = attrs.field(default=0, init=False)
    """The newest seq that there was when the server confirmed."""
    _items: deque[Event | ActorsError] = attrs.field(factory=deque, init=False)

    @property
    def behind(self) -> bool:
        """Whether the server still has to send what happened before it confirmed."""
        return self.place is Place.ASKED or (self.place is Place.FOLLOWING and self.last < self._head)

    @property
    def crowded(self) -> bool:
        """Whether more than half of the room is taken."""
        return len(self._items) > ROOM // 2

    @property
    def stalled(self) -> bool:
        """Whether nothing more comes unless it is asked for."""
        return self.place is Place.IDLE or (self.place is Place.FULL and not self.crowded)

    def __len__(self) -> int:
        return len(self._items)

    def take(self, event: Event) -> bool:
        """Let an event in if it is the next one.

        Returns:
            False: something before it is missing, though the server was to leave nothing out.
        """
        if event.seq <= self.last or self.place is Place.ENDED:
            return True
        if event.seq > self.last + 1 and self.place is not Place.FULL:
            return self.place is not Place.FOLLOWING
        if len(self._items) >= ROOM:
            self.place = Place.FULL
        if self.place is Place.FULL:
            self.dropped += 1
            return True
        self._items.append(event)
        self.last = event.seq
        if isinstance(event, RunEnded):
            self.place = Place.ENDED
        return True

    def confirm(self, head: int) -> None:
        """The server follows up on what it was asked for.

        Args:
            head: the newest seq that there is.
        """
        if self.place is Place.ASKED:
            self.place, self._head = Place.FOLLOWING, head

    def interrupt(self, error: ActorsError) -> None:
        """Let the user have an error, behind the events that came before it; nothing is asked for any more."""
        self._items.append(error)
        self.place = Place.IDLE

    def jump(self, last: int, *, ended: bool) -> None:
        """Go on behind another seq: what is before it cannot be had."""
        self.last = self._head = last
        self.place = Place.ENDED if ended else Place.FOLLOWING

    def pop(self) -> Event | ActorsError | None:
        """What the user gets next; None: nothing waits."""
        return self._items.popleft() if self._items else None


async def let_take(feeds: Sequence[Feed]) -> None:  # noqa: ASYNC910  where there is room nobody waits
    """Let quick users make room in their feeds; returns at once if they are slow."""
    left, steps = sum(map(len, feeds)), 0
    while steps < STEPS and any(feed.crowded for feed in feeds):
        await trio.lowlevel.checkpoint()
        now = sum(map(len, feeds))
        steps = 0 if now < left else steps + 1
        left = now
