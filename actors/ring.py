"""The newest events of a run, each with the bytes that it is on the wire, made once per dialect.

Theory of operation: a topic appends committed events, in order and without a gap, and reads by seq. Nothing is encoded
when it is appended; the first who needs an event in a dialect has it encoded and framed, and everybody else gets the
same bytes. The ring forgets its oldest events when it holds too many of them or too many bytes, but only those that its
topic has delivered (`trim` is told how far): what is older is in the journal. So a ring is bounded by its own limits
plus what its topic has not delivered yet, which the topic bounds.

A ring owns no task and never awaits.
"""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

import attrs

from actors.fitting import fitted
from actors.journal import Note
from protocol.dialects import Dialect
from protocol.frames import text_frame
from protocol.messages import Event, NodeProgress, Progress

__all__ = ["RING_BYTES", "RING_EVENTS", "Ring", "Spelled"]

RING_EVENTS: Final = 4096
"""A subscriber that lags by more reads the journal."""

RING_BYTES: Final = 4 * 2**20
"""Of encoded text and frames."""

MessageT = TypeVar("MessageT", bound=Event | Progress | NodeProgress)


@attrs.define(eq=False)
class Spelled(Generic[MessageT]):
    """One message with its spellings, each made when it is first asked for."""

    message: MessageT
    notes: Sequence[Note] = ()
    """Private facts that were committed with it."""
    holder: "Ring | None" = None
    """The ring that counts its bytes; None: nobody does."""
    weight: int = attrs.field(default=0, init=False)
    """Bytes of all spellings made so far."""
    _texts: dict[str, bytes] = attrs.field(factory=dict, init=False)
    """Dialect → the message as JSON text."""
    _frames: dict[str, bytes] = attrs.field(factory=dict, init=False)
    """Dialect → the message as one frame."""

    def spell(self, dialect: Dialect, *, batch: bool = False) -> bytes:
        """The message as one frame; as bare text for a batch, which is framed as a whole."""
        data = (self._texts if batch else self._frames).get(dialect.name)
        return self._make(dialect, batch=batch) if data is None else data

    def _make(self, dialect: Dialect, *, batch: bool) -> bytes:
        made = 0
        data = self._texts.get(dialect.name)
        if data is None:
            data = self._texts[dialect.name] = fitted(dialect, self.message)
            made += len(data)
        if not batch:
            data = self._frames[dialect.name] = text_frame(data)
            made += len(data)
        self.weight += made
        if self.holder is not None:
            self.holder.weight += made
        return data


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
        self.weight = 0
        """Bytes of all spellings of what is here."""

    def __len__(self) -> int:
        return len(self._events)

    def __getitem__(self, seq: int) -> Spelled[Event]:
        return self._events[seq]

    def append(self, event: Event, notes: Sequence[Note] = ()) -> None:
        """Take the next event."""
        self._events[self.end] = Spelled(event, notes, self)
        self.end += 1

    def trim(self, delivered: int) -> None:
        """Forget the oldest events beyond the limits, up to seq `delivered` at most."""
        while self.first <= delivered and (len(self._events) > RING_EVENTS or self.weight > RING_BYTES):
            oldest = self._events.pop(self.first)
            oldest.holder = None
            self.weight -= oldest.weight
            self.first += 1
