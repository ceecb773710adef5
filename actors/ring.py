"""The newest events of a run, each with the text that it is on the wire, made once per dialect.

Theory of operation: a topic appends committed events, in order and without a gap, and reads by seq. Nothing is encoded
when it is appended; the first who needs an event in a dialect has it encoded, and everybody else gets the same text.
The ring forgets its oldest events when it holds too many of them or too many bytes, but only those that its topic has
delivered (`trim` is told how far): what is older is in the journal. So a ring is bounded by its own limits plus what
its topic has not delivered yet, which the topic bounds.

A ring owns no task and never awaits.
"""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

import attrs

from actors.fitting import fitted
from actors.journal import Note
from protocol.dialects import Dialect
from protocol.messages import Event, NodeProgress, Progress

__all__ = ["RING_BYTES", "RING_EVENTS", "Ring", "Spelled"]

RING_EVENTS: Final = 4096
"""A subscriber that lags by more reads the journal."""

RING_BYTES: Final = 4 * 2**20
"""Of encoded text."""

MessageT = TypeVar("MessageT", bound=Event | Progress | NodeProgress)


@attrs.define(eq=False)
class Weight:
    """A number of bytes that a ring and what is in it know of, so that neither needs to know the other."""

    bytes: int = 0


@attrs.define(eq=False)
class Spelled(Generic[MessageT]):
    """One message with its texts, each made when it is first asked for."""

    message: MessageT
    notes: Sequence[Note] = ()
    """Private facts that were committed with it."""
    total: Weight | None = None
    """Where its bytes are counted; None: nowhere."""
    weight: int = attrs.field(default=0, init=False)
    """Bytes of all texts made so far."""
    _texts: dict[str, bytes] = attrs.field(factory=dict, init=False)
    """Dialect → the message as JSON text."""

    def spell(self, dialect: Dialect) -> bytes:
        """The message as JSON text."""
        text = self._texts.get(dialect.name)
        if text is None:
            text = self._texts[dialect.name] = fitted(dialect, self.message)
            self.weight += len(text)
            if self.total is not None:
                self.total.bytes += len(text)
        return text


class Ring:
    """The newest events of one run, by seq.

    Args:
        first: the seq of the first event that will be appended.
    """

    def __init__(self, first: int) -> None:
        self._events: dict[int, Spelled[Event]] = {}
        self.first = first
        """The oldest seq that is here; `end` if none is."""
        self.end = first
        """The seq after the newest."""
        self._weight = Weight()

    def __len__(self) -> int:
        return len(self._events)

    def __getitem__(self, seq: int) -> Spelled[Event]:
        return self._events[seq]

    @property
    def weight(self) -> int:
        """Bytes of all texts of what is here."""
        return self._weight.bytes

    def append(self, event: Event, notes: Sequence[Note] = ()) -> None:
        """Take the next event."""
        self._events[self.end] = Spelled(event, notes, self._weight)
        self.end += 1

    def trim(self, delivered: int) -> None:
        """Forget the oldest events beyond the limits, up to seq `delivered` at most."""
        while self.first <= delivered and (len(self._events) > RING_EVENTS or self._weight.bytes > RING_BYTES):
            oldest = self._events.pop(self.first)
            oldest.total = None
            self._weight.bytes -= oldest.weight
            self.first += 1
