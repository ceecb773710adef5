"""Who hears a run: one outlet's place in it, and the groups that are sent the same bytes.

Theory of operation: an `Outlet` is a connection as the hub sees it; the connection owns it, and tells the hub when it
is gone. A `Subscription` belongs to one topic, which alone moves it. A `Group` lives as long as it has members, and
collects the window that the topic flushes next; between two flushes it holds nothing but its members.

Nothing in here awaits or owns a task.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, Final, Protocol

import attrs

from actors.ring import Spelled
from protocol.dialects import Dialect
from protocol.frames import batch_frame, text_frames
from protocol.messages import Event, NodeProgress, Progress, Reply

__all__ = ["WINDOW_BYTES", "Group", "Outlet", "Place", "Subscription", "collect", "joined"]

WINDOW_BYTES: Final = 64 * 2**10
"""What is joined into one push at most, unless a single message is larger."""


class Outlet(Protocol):
    """A connection as the hub sees it. Its methods are synchronous, never raise, and do not call back into the hub."""

    @property
    def session_id(self) -> str:
        """Whose it is."""
        ...

    @property
    def dialect(self) -> Dialect:
        """What it is spoken to in; it does not change."""
        ...

    @property
    def batch(self) -> bool:
        """Whether one frame may hold several messages."""
        ...

    def push(self, data: bytes, *, events: bool = True) -> bool:
        """Take whole frames; False: the outbox is full and nothing was taken.

        An empty outbox takes whatever it is given. After a False, `Hub.refill` is to be called once it has drained.

        Args:
            data: the frames.
            events: whether an event is in one of them, and not only how far something is.
        """
        ...

    def reply(self, reply: Reply) -> None:
        """Queue a reply, in order with what is pushed."""
        ...


class Place(Enum):
    """Where in its run a subscription is."""

    HEAD = "head"
    """It has got everything; each window is pushed to it with its group."""
    OWING = "owing"
    """It has got everything, but its next message must say how much was left out before; it is made for it alone."""
    LAGS = "lags"
    """Its outlet refused a push, or it began at an earlier seq: it has a cursor, and waits to be brought on."""
    GONE = "gone"
    """Its topic does not know it any more."""


@attrs.define(eq=False)
class Subscription:
    """One outlet's place in one run."""

    outlet: Outlet
    run_id: str
    types: frozenset[str] | None
    """None: all of them."""
    cursor: int
    """The newest seq that it has got, or was not to get. Kept up only while it is not at the head."""
    arrived: int = 0
    """The newest seq up to which everything is known to have reached the peer, or was not to reach it."""
    resumed: bool = False
    """Its peer did not ask for it: it came back, and may know nothing of seq."""
    exact: int = 0
    """Nothing up to this seq is left out: it was there when the subscription began, and was asked for."""
    lossless: bool = False
    """Nothing at all is left out."""
    brief: int = 0
    """Of what is up to this seq it gets only the newest status of each node; 0: everything."""
    spared: int = 0
    """Seqs left out since its last message."""
    conflated: int = 0
    """Seqs left out in all, as its messages have said."""
    place: Place = Place.LAGS

    def lags(self) -> bool:
        """Whether it waits to be brought on."""
        return self.place is Place.LAGS

    def wants(self, message: Event | Progress | NodeProgress) -> bool:
        """Whether messages of this type were asked for."""
        return self.types is None or self.outlet.dialect.matches(self.types, message)


@attrs.define(eq=False)
class Group:
    """Subscriptions at the head of one run that are sent the same bytes."""

    dialect: Dialect
    types: frozenset[str] | None
    batch: bool
    members: dict[Subscription, None] = attrs.field(factory=dict, init=False)
    parts: list[bytes] = attrs.field(factory=list, init=False)
    """What was collected for the next push."""
    size: int = attrs.field(default=0, init=False)
    events: bool = attrs.field(default=False, init=False)
    """Whether an event is among it."""

    def take(self) -> bytes:
        """The window that was collected, as whole frames; b"" if nothing in it is for this group."""
        if not self.parts:
            return b""
        data = joined(self.parts, batch=self.batch)
        self.parts, self.size, self.events = [], 0, False
        return data


def collect(groups: Iterable[Group], items: Sequence[Spelled[Any]]) -> bool:
    """Add messages, all or none, to the window of each group that wants them.

    Returns:
        False: they are too much for one of the groups; none was added.
    """
    wanted: list[tuple[Group, bytes]] = []
    for group in groups:
        room = WINDOW_BYTES - group.size
        for item in items:
            if group.types is None or group.dialect.matches(group.types, item.message):
                data = item.spell(group.dialect)
                room -= len(data)
                if room < 0 and group.parts:
                    return False
                wanted.append((group, data))
    events = isinstance(items[-1].message, Event)
    for group, data in wanted:
        group.parts.append(data)
        group.size += len(data)
        group.events |= events
    return True


def joined(parts: Sequence[bytes], *, batch: bool) -> bytes:
    """Texts as whole frames, one for each; those of a batch become one frame."""
    return batch_frame(parts) if batch and len(parts) > 1 else text_frames(parts)
