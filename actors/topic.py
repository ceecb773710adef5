"""One run's fan-out: its view, its recent frames, and everybody who hears it.

Theory of operation: the journal's committed batches go into the ring (`publish`, within the run actor's step, so it
only appends and wakes). `flush` takes what is there, up to a window: it folds each event into the view, joins the
window once per group of subscribers that are sent the same bytes, and pushes these to all of them. `head` is how far
that is: view, progress, snapshots and positions all speak of `head`, so none of them shows what a subscriber there has
not been sent, and whoever is placed at `head` in one synchronous step misses and repeats nothing.

A subscriber whose outlet refuses a push keeps only its cursor, and so does one that begins at an earlier seq.
`advance` brings it on in one pass from there to the head, in order of seq, leaving out superseded node statuses and
saying so on the next message; what was there when it subscribed is not left out, for a replay is exact. A last count
that no message could carry is owed: that subscriber's next message is made for it alone. Progress is for who is at the
head; who gets there is told the newest, and the last one is part of every delivery of the ending.

A topic is *loading* until its view has reached the ring: whoever needs it first reads the journal, page by page; if
that one is cancelled, the next goes on from where the view is. Meanwhile the ring may drop its oldest events, because
the journal has them. Once it is *live*, what waits for the flusher is bounded: beyond that, `publish` flushes itself.

Lifetime: the hub makes a topic when somebody wants the run, has it flushed by one task in the hub's nursery unless the
run is over, and drops both when nobody is left. A cancelled flusher leaves nothing: all state is here, and a flush is
one synchronous step. After the ending the flusher returns, and each subscription is finished once it has got the
ending. A bug in here ends this topic alone: its subscribers are told `internal_error`.

It does not know who may subscribe to what, nor what else an outlet hears.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, Final

import attrs
import trio

from actors.fitting import fitted
from actors.journal import Journal, Note, Page
from actors.progress import ProgressTeller
from actors.ring import RING_EVENTS, Ring, Spelled
from actors.subscription import WINDOW_BYTES, Group, Place, Subscription, collect, joined
from protocol.graph import Workflow
from protocol.messages import ErrorReply, Event, Json, NodeChanged, NodeProgress, RunEnded, Snapshot
from protocol.states import NODE_ENDED
from protocol.view import View

__all__ = ["KnownRun", "Pace", "Tally", "Topic"]

WINDOW_SECONDS: Final = 0.001
"""Between two flushes: what comes meanwhile is joined. (A flush per event makes a chain of nodes 0.43× as fast.)"""

REST: Final = 2.0
"""Between two flushes, times what the flusher was late, if that is longer: how busy the loop is."""

LONGEST_SECONDS: Final = 0.02
"""Between two flushes, however busy the loop is."""

WINDOW_EVENTS: Final = 1024
"""What is folded in one flush at most."""

LOAD_EVENTS: Final = 1000
"""A page of the journal."""

_logger: Final = logging.getLogger(__name__)


class Pace(Enum):
    """How far `Topic.advance` came."""

    DONE = "done"
    """To the head."""
    FULL = "full"
    """The outbox is full."""
    AWAY = "away"
    """What comes next is in the journal only."""


@attrs.define(eq=False)
class KnownRun:
    """What the hub knows of a run, whether somebody hears it or not."""

    run_id: str
    workflow_id: str
    workflow: Workflow
    last_seq: int | None = 0
    """The newest that was published; None: unknown, because the run had ended before anybody asked."""
    told: int = 0
    """Number of the newest progress message."""


@attrs.define(eq=False)
class Tally:
    """What all topics of a hub did so far."""

    published: int = 0
    flushes: int = 0
    pushes: int = 0
    refused: int = 0
    conflated: int = 0


class Topic:
    """The fan-out of one run; see the theory of operation above.

    Args:
        run: what is known of it.
        tally: where to count.
        finished: called once for each subscription that ends by itself.
    """

    def __init__(self, run: KnownRun, *, tally: Tally, finished: Callable[[Subscription], None]) -> None:
        self.run = run
        self.head = 0
        self.live = run.last_seq == 0
        self.ended = False
        self.holders = 0
        """Tasks that need it though nobody may be subscribed."""
        self.scope = trio.CancelScope()
        """The flusher's."""
        self.flushed = False
        """Whether it has got its flusher."""
        self._view = View(run.workflow, run_id=run.run_id, workflow_id=run.workflow_id)
        self._progress = ProgressTeller(self._view, run.told)
        self._ring = Ring((run.last_seq or 0) + 1)
        self._at = 0.0
        """The time of the event at the head."""
        self._ending: RunEnded | None = None
        self._notes: dict[str, Json] = {}
        """What was noted while it was loading."""
        self._loading = trio.Lock()
        self._tally = tally
        self._finished = finished
        self._subscriptions: dict[Subscription, None] = {}
        self._groups: dict[tuple[str, frozenset[str] | None, bool], Group] = {}
        self._owing: dict[Subscription, None] = {}
        self._bell = trio.lowlevel.ParkingLot()
        """The flusher, while there is nothing to do."""
        self._rung = 0.0
        """When it was woken, or is to be, on trio's clock."""

    @property
    def idle(self) -> bool:
        """Whether nobody needs it."""
        return not self._subscriptions and not self.holders

    @property
    def size(self) -> int:
        """Subscriptions."""
        return len(self._subscriptions)

    @property
    def lagging(self) -> int:
        """Subscriptions that lag."""
        return sum(subscription.place is Place.LAGS for subscription in self._subscriptions)

    @property
    def held(self) -> tuple[int, int]:
        """Events and bytes in the ring."""
        return len(self._ring), self._ring.weight

    def publish(self, events: Sequence[Event], notes: Sequence[Note]) -> None:
        """Take a committed batch."""
        ring = self._ring
        for event in events:
            # A view that was loaded may know more than was published.
            if event.seq >= ring.end:
                ring.append(event)
        if not self.live:
            self._notes.update(notes)
            ring.trim(ring.end)
            return
        if notes:
            self._attach(notes)
        self._ring_bell()
        while ring.end - self.head > RING_EVENTS and not self.ended:
            self.flush()

    def progress(self, message: NodeProgress) -> None:
        """Take how far a node is; only the newest of each waits."""
        if self.live and not self.ended:
            self._progress.add(message)
            self._ring_bell()

    async def load(self, journal: Journal) -> None:
        """Wait until it is live, reading the journal if nobody does.

        Raises:
            UnknownRun: the run is not in the journal.
        """
        async with self._loading:
            while not self.live:
                self._absorb(await journal.load(self.run.run_id, self._view.last_seq, LOAD_EVENTS))

    async def flush_always(self) -> None:  # noqa: ASYNC910  with the ending at hand there is nothing to wait for
        """Flush when there is something to: at once after idleness, else once per window; returns after the ending.

        In a loop that is busy the window is longer: then there is more to join, and more time for what is to be told.
        """
        due = 0.0
        with self.scope:
            while not self.ended:
                meant = due
                if self.head + 1 >= self._ring.end:
                    # What is only owed to who lags does not wake anybody.
                    self._rung = self._progress.due if self._groups else float("inf")
                    with trio.move_on_at(self._rung):
                        await self._bell.park()
                    meant = self._rung
                if trio.current_time() < due:
                    meant = due
                    await trio.sleep_until(due)
                late = trio.current_time() - meant
                self.flush()
                due = trio.current_time() + min(max(WINDOW_SECONDS, REST * late), LONGEST_SECONDS)

    def flush(self) -> None:
        """Deliver one window: each subscriber at the head is pushed at most once."""
        if not self.live or self.ended:
            return
        try:
            self._flush()
        except Exception:
            _logger.exception("run %s: its topic failed; its subscribers are told", self.run.run_id)
            self._fail()

    def flush_all(self) -> None:
        """Deliver everything that was published."""
        while self.live and not self.ended and self.head + 1 < self._ring.end:
            self.flush()

    def snapshot(self) -> Snapshot:
        """The state at `head`."""
        return self._view.snapshot()

    def position(self, subscription: Subscription) -> int:
        """The newest seq that was handed to a subscription's outlet, or was not for it."""
        return self.head if subscription.place is Place.HEAD else subscription.cursor

    def join(self, subscription: Subscription) -> None:
        """Take a new subscription, at its cursor: at the head, or lagging if that is earlier or the run is over."""
        self._subscriptions[subscription] = None
        if subscription.cursor == self.head and not subscription.brief and not self.ended:
            self._place(subscription, Place.HEAD)

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscription. Idempotent."""
        if subscription in self._subscriptions:
            del self._subscriptions[subscription]
            self._place(subscription, Place.GONE)

    def retype(self, subscription: Subscription, types: frozenset[str] | None, *, lossless: bool) -> None:
        """Change what a subscription is sent from now on."""
        place = subscription.place
        if place is Place.HEAD:
            self._place(subscription, Place.LAGS)
        subscription.types, subscription.lossless = types, lossless
        if place is Place.HEAD:
            self._place(subscription, Place.HEAD)

    def advance(self, subscription: Subscription) -> Pace:
        """Bring a subscription that is not at the head on, as far as ring and outbox allow."""
        ring = self._ring
        if subscription.brief and not self._brief(subscription):
            return Pace.FULL
        if subscription.cursor < self.head:
            if subscription.cursor + 1 < ring.first:
                return Pace.AWAY
            rest = [ring[seq] for seq in range(subscription.cursor + 1, self.head + 1)]
            delivered = self.offer(subscription, rest)
            ring.trim(self.head)
            if not delivered:
                self._place(subscription, Place.LAGS)
                return Pace.FULL
        if self.ended:
            self._finish(subscription)
        else:
            self._tell_newest(subscription)
            self._place(subscription, Place.OWING if subscription.spared else Place.HEAD)
        return Pace.DONE

    def offer(self, subscription: Subscription, items: Iterable[Spelled[Any]]) -> bool:
        """Push events to one subscription, in pieces, as far as they go; False: its outbox is full.

        Args:
            subscription: one that is not at the head.
            items: what comes next, in order of seq; what is beyond `head` is left for later.
        """
        outlet = subscription.outlet
        dialect, batch = outlet.dialect, outlet.batch
        parts: list[bytes] = []
        size, left_out = 0, 0
        cursor, spared, sent = subscription.cursor, subscription.spared, subscription.cursor

        def push() -> bool:
            self._tally.pushes += 1
            if not outlet.push(joined(parts, batch=batch)):
                self._tally.refused += 1
                return False
            self._tally.conflated += left_out
            subscription.conflated += left_out
            subscription.cursor, subscription.spared = sent, 0
            return True

        for item in items:
            event = item.message
            if event.seq > self.head:
                break
            if subscription.types is None:
                # With a filter a gap means nothing.
                spared += event.seq - cursor - 1
            cursor = event.seq
            if not subscription.wants(event):
                continue
            if self._superseded(event, subscription):
                spared += 1
                continue
            piece = [fitted(dialect, event, conflated=spared) if spared else item.spell(dialect)]
            final = self._progress.final
            if isinstance(event, RunEnded) and final is not None and subscription.wants(final.message):
                piece.insert(0, final.spell(dialect))
            more = sum(map(len, piece))
            if parts and size + more > WINDOW_BYTES:
                if not push():
                    return False
                parts, size, left_out = [], 0, 0
            parts += piece
            size += more
            left_out += spared
            spared, sent = 0, cursor
        if parts and not push():
            return False
        subscription.cursor, subscription.spared = cursor, spared
        return True

    def _ring_bell(self) -> None:
        """Wake the flusher, if it sleeps; mostly it is in its window."""
        if self._bell:
            self._rung = trio.current_time()
            self._bell.unpark_all()

    def _attach(self, notes: Sequence[Note]) -> None:
        """Notes are folded with the newest event that waits, or at once."""
        newest = self._ring.end - 1
        if newest > self.head:
            item = self._ring[newest]
            item.notes = (*item.notes, *notes)
        else:
            self._note(notes)

    def _note(self, notes: Iterable[Note]) -> None:
        for key, value in notes:
            self._view.note(key, value)

    def _absorb(self, page: Page) -> None:
        """Fold a page of the journal; go live once the ring, or the end of the journal, is reached."""
        ring, view = self._ring, self._view
        # What was noted since is newer; a note is folded after the events before it.
        self._notes = {**page.notes, **self._notes}
        for event in page.events:
            if len(ring) and event.seq >= ring.first:
                break
            self._fold(event)
        if view.last_seq + 1 >= ring.first if len(ring) else view.last_seq >= page.last_seq:
            if view.last_seq + 1 > ring.end or not len(ring):
                self._ring = Ring(view.last_seq + 1)
            self._note(self._notes.items())
            self._notes = {}
            self.live = True

    def _fold(self, event: Event) -> None:
        """Move the head on by one event."""
        match event:
            case RunEnded():
                self._progress.conclude(at=event.at)
                self._ending = event
                self.ended = True
            case NodeChanged():
                self._progress.forget(event)
        self._view.apply(event)
        self.head, self._at = event.seq, event.at

    def _flush(self) -> None:
        ring, before = self._ring, self.head
        groups = list(self._groups.values())
        self._tally.flushes += 1
        for seq in range(before + 1, min(ring.end, before + 1 + WINDOW_EVENTS)):
            item = ring[seq]
            window: list[Spelled[Any]] = [item]
            if isinstance(item.message, RunEnded):
                window.insert(0, self._progress.conclude(at=item.message.at))
            if not collect(groups, window):
                break
            self._fold(item.message)
            if item.notes:
                self._note(item.notes)
        now = trio.current_time()
        if groups and not self.ended and now >= self._progress.due:
            for news in self._progress.take(now=now, at=self._at):
                if not collect(groups, [news]) and isinstance(news.message, NodeProgress):
                    self._progress.add(news.message)
        self.run.told = self._progress.number
        for group in groups:
            self._push(group, before)
        for subscription in list(self._owing):
            self.advance(subscription)
        if self.ended:
            for group in groups:
                for subscription in list(group.members):
                    self._finish(subscription)
        ring.trim(self.head)

    def _push(self, group: Group, before: int) -> None:
        """One window to all of a group; whoever refuses it lags from before it."""
        events, data = group.events, group.take()
        if not data:
            return
        self._tally.pushes += len(group.members)
        for subscription in list(group.members):
            if not subscription.outlet.push(data, events=events):
                self._tally.refused += 1
                subscription.cursor = before
                self._place(subscription, Place.LAGS)

    def _brief(self, subscription: Subscription) -> bool:
        """Send the newest status of each node, and the ending, instead of the history; False: the outbox is full."""
        ring = self._ring
        newest: list[Event] = sorted(
            (event for event in self._view.nodes.values() if subscription.cursor < event.seq <= subscription.brief),
            key=lambda event: event.seq,
        )
        if self._ending is not None and subscription.cursor < self._ending.seq <= subscription.brief:
            newest.append(self._ending)
        items = (ring[event.seq] if ring.first <= event.seq < ring.end else Spelled(event) for event in newest)
        if not self.offer(subscription, items):
            return False
        if subscription.types is None:
            subscription.spared += subscription.brief - subscription.cursor
        subscription.cursor, subscription.brief = subscription.brief, 0
        return True

    def _tell_newest(self, subscription: Subscription) -> None:
        """Who has caught up need not wait for a change to know how far the run is – if there is room for that."""
        newest, outlet = self._progress.newest, subscription.outlet
        if subscription.place is Place.LAGS and newest is not None and subscription.wants(newest.message):
            self._tally.pushes += 1
            outlet.push(joined([newest.spell(outlet.dialect)], batch=outlet.batch), events=False)

    def _superseded(self, event: Event, subscription: Subscription) -> bool:
        """Whether a newer status of the same node instance follows, up to the head, and will be sent.

        A status that ends an instance is its last; an instance that has not ended is the only one of its node.
        """
        if subscription.lossless or event.seq <= subscription.exact:
            return False
        if not isinstance(event, NodeChanged) or event.status in NODE_ENDED:
            return False
        newest = self._view.nodes.get(event.node_id)
        return newest is not None and newest.seq > event.seq and subscription.wants(newest)

    def _place(self, subscription: Subscription, place: Place) -> None:
        """Move a subscription from where it is."""
        outlet = subscription.outlet
        key = (outlet.dialect.name, subscription.types, outlet.batch)
        match subscription.place:
            case Place.HEAD:
                members = self._groups[key].members
                del members[subscription]
                if not members:
                    del self._groups[key]
            case Place.OWING:
                del self._owing[subscription]
        subscription.place = place
        match place:
            case Place.HEAD:
                group = self._groups.get(key)
                if group is None:
                    group = self._groups[key] = Group(outlet.dialect, subscription.types, outlet.batch)
                group.members[subscription] = None
                # The flusher has somebody to tell progress to.
                self._ring_bell()
            case Place.OWING:
                self._owing[subscription] = None

    def _finish(self, subscription: Subscription) -> None:
        self.leave(subscription)
        self._finished(subscription)

    def _fail(self) -> None:
        """The end of this topic, not of its run."""
        self.ended = True
        error = ErrorReply(
            workflow_id=self.run.workflow_id,
            code="internal_error",
            message=f"The events of run {self.run.run_id} can not be shown because of a bug in the server",
        )
        for subscription in list(self._subscriptions):
            subscription.outlet.reply(error)
            self._finish(subscription)
