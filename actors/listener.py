"""One outlet's side of the hub: what it wants, where it is in each run, and how it is brought on.

Theory of operation: the hub makes a listener for an outlet that it has not seen, and forgets it when the connection is
gone. A listener has at most one subscription per run, which the run's topic moves. Once an outlet has refused a push,
or has begun behind the head, `bring_on` serves its runs in turn until the outbox is full or nothing lags: from the ring
where that reaches, else from the journal, page by page. There is one pass at a time; the next waits for it, which is
never long, because a pass ends when the outbox is full and never waits for it to drain. A pass that is cancelled while
it reads has not moved what it was reading for.

A subscription that is replaced or left while a pass reads for it lags no more, and the pass leaves it alone.

What an outlet took is not what its peer got. `mark` notes how far each subscription is; once the peer has shown that it
got everything before that moment, `arrived` makes it the position from which the session is resumed one day. So a run
that is over is kept in `ended` until its ending has arrived, and what the listener is still to be subscribed to is in
`owed`: `standing` says all of it, whenever the connection goes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs
import trio

from actors.errors import JournalError, UnknownRun
from actors.fitting import parts
from actors.interests import Interests
from actors.journal import Journal
from actors.ring import Spelled
from actors.standing import Standing
from actors.subscription import Outlet, Subscription
from actors.topic import Pace, Topic
from protocol.messages import Subscribe, Subscribed

__all__ = ["REFILL_EVENTS", "Listener", "Mark", "Owed"]

REFILL_EVENTS: Final = 500
"""A page of the journal."""

MAX_ENDED: Final = 1_000
"""Runs whose ending may be on its way to one peer. (One that answers no ping has so many for ever.)"""


@attrs.frozen
class Mark:
    """How far a listener was at one moment."""

    positions: Sequence[tuple[Subscription, int]]
    ended: Sequence[Subscription]
    """Those whose ending had been handed to the outlet."""


@attrs.frozen
class Owed:
    """What a listener is to be subscribed to, as soon as the journal was read."""

    cursor: int
    """From behind this seq on."""
    brief: bool = False
    """Of what is there already, only the newest status of each node."""
    resumed: bool = False
    """The peer came back, and did not ask for it."""


@attrs.define(eq=False)
class Listener:
    """An outlet, what it wants, and where it is."""

    outlet: Outlet
    _journal: Journal
    _topics: Mapping[str, Topic]
    """The hub's, by run id."""
    interests: Interests = attrs.field(factory=Interests, init=False)
    subscriptions: dict[str, Subscription] = attrs.field(factory=dict, init=False)
    """By run id. Those that lag are served in this order."""
    gone: bool = attrs.field(default=False, init=False)
    """The connection is."""
    owed: dict[str, Owed] = attrs.field(factory=dict, init=False)
    """By run id."""
    ended: dict[str, Subscription] = attrs.field(factory=dict, init=False)
    """By run id: subscriptions that are over, of which the ending may not have arrived."""
    since: float | None = attrs.field(default=None, init=False)
    """Runs that began since then may be unknown here though they are wanted; None: there are none. Epoch seconds."""
    _conflated: int = attrs.field(default=0, init=False)
    """Of subscriptions that are over."""
    _pass: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    @property
    def conflated(self) -> int:
        """Events that the outlet was spared so far."""
        return self._conflated + sum(subscription.conflated for subscription in self.subscriptions.values())

    def place(
        self, topic: Topic, *, cursor: int, arrived: int | None = None, brief: int = 0, resumed: bool = False
    ) -> None:
        """Be subscribed to a run from behind `cursor` on, whatever was before; not at all if it is not wanted.

        Args:
            topic: of the run.
            cursor: the newest seq that is not to be sent.
            arrived: the seq up to which the peer has got everything; None: up to the cursor.
            brief: up to this seq only the newest status of each node is to be sent.
            resumed: the peer came back, and did not ask for it.
        """
        run = topic.run
        self.owed.pop(run.run_id, None)
        self.ended.pop(run.run_id, None)
        interest = self.interests.of(run_id=run.run_id, workflow_id=run.workflow_id)
        old = self.subscriptions.pop(run.run_id, None)
        if old is not None:
            topic.leave(old)
            self._conflated += old.conflated
        if interest is not None:
            subscription = Subscription(
                self.outlet,
                run.run_id,
                interest.types,
                cursor,
                arrived=cursor if arrived is None else arrived,
                resumed=resumed,
                exact=topic.head,
                lossless=interest.lossless,
                brief=brief,
            )
            self.subscriptions[run.run_id] = subscription
            topic.join(subscription)

    def finish(self, run_id: str) -> None:
        """The run is over, and the outlet has got its ending; its peer may not."""
        subscription = self.subscriptions.pop(run_id)
        self._conflated += subscription.conflated
        self.ended[run_id] = subscription
        if len(self.ended) > MAX_ENDED:
            self.forget(next(iter(self.ended)))

    def forget(self, run_id: str) -> None:
        """Know nothing of a run that it is not subscribed to; nor is anything wanted for this run alone."""
        self.owed.pop(run_id, None)
        self.ended.pop(run_id, None)
        self.interests.remove_run(run_id)

    def withdraw(self, run_id: str) -> None:
        """Want nothing of a run for its own sake; what else is wanted may keep a subscription to it."""
        self.interests.remove_run(run_id)
        self.ended.pop(run_id, None)

    def leave(self, run_id: str) -> None:
        """Give up a subscription."""
        subscription = self.subscriptions.pop(run_id)
        self._topics[run_id].leave(subscription)
        self._conflated += subscription.conflated
        self.forget(run_id)

    def position(self, run_id: str) -> int | None:
        """The newest seq of a run that the outlet has got or is not to get; None: it does not hear the run."""
        subscription = self.subscriptions.get(run_id)
        if subscription is not None:
            return self._topics[run_id].position(subscription)
        return self.owed[run_id].cursor if run_id in self.owed else None

    def mark(self) -> Mark:
        """How far each subscription is. What was left out since its last message does not count: it is to be said."""
        heard = self.subscriptions.values()
        return Mark(
            [(each, self._topics[each.run_id].position(each) - each.spared) for each in heard],
            list(self.ended.values()),
        )

    def arrived(self, mark: Mark) -> bool:
        """The peer has got everything up to a mark. Returns whether that is news."""
        news = False
        for subscription, seq in mark.positions:
            if subscription.arrived < seq:
                subscription.arrived, news = seq, True
        for subscription in mark.ended:
            if self.ended.get(subscription.run_id) is subscription:
                self.forget(subscription.run_id)
                news = True
        return news

    def standing(self, now: float) -> Standing:
        """What another connection of the session needs to go on from here. `now`: seconds since the epoch."""
        positions = {run_id: owed.cursor for run_id, owed in self.owed.items()}
        positions |= {each.run_id: each.arrived for each in (*self.subscriptions.values(), *self.ended.values())}
        at = now if self.since is None else self.since
        return Standing(interests=self.interests.copy(), positions=positions, at=at)

    def review(self) -> Iterator[Topic]:
        """What is wanted has changed: so do the subscriptions. Iterates over the topics that were left."""
        for run_id, subscription in list(self.subscriptions.items()):
            topic = self._topics[run_id]
            interest = self.interests.of(run_id=run_id, workflow_id=topic.run.workflow_id)
            if interest is None:
                self.leave(run_id)
                yield topic
            elif (interest.types, interest.lossless) != (subscription.types, subscription.lossless):
                topic.retype(subscription, interest.types, lossless=interest.lossless)

    def confirm(
        self,
        command: Subscribe,
        *,
        topic: Topic | None = None,
        last_seq: int | None = None,
        from_seq: int | None = None,
        reset: bool = False,
    ) -> None:
        """Reply to a subscribe."""
        self.outlet.reply(
            Subscribed(
                workflow_id=command.workflow_id or (topic.run.workflow_id if topic else ""),
                reply_to=command.id or None,
                run_id=topic.run.run_id if topic else None,
                last_seq=last_seq,
                from_seq=from_seq,
                reset=reset,
                subscriptions=self.interests.asked,
            )
        )

    def show(self, topic: Topic) -> None:
        """Send the state of a run."""
        for part in parts(self.outlet.dialect, topic.snapshot()):
            self.outlet.reply(part)

    async def bring_on(self) -> bool:
        """One pass over what lags; whether something still does.

        Raises:
            JournalError: the journal can not be read.
        """
        if self._next() is None:
            await trio.lowlevel.checkpoint()
            return False
        async with self._pass:
            while (subscription := self._next()) is not None:
                if not await self._catch_up(subscription):
                    # Another run goes first the next time.
                    if self.subscriptions.pop(subscription.run_id, None) is not None:
                        self.subscriptions[subscription.run_id] = subscription
                    return True
        return False

    def _next(self) -> Subscription | None:
        return next((subscription for subscription in self.subscriptions.values() if subscription.lags()), None)

    async def _catch_up(self, subscription: Subscription) -> bool:
        """Bring one subscription to the head; False: the outbox is full."""
        run_id = subscription.run_id
        topic = self._topics[run_id]
        while True:
            await trio.lowlevel.checkpoint()
            if not subscription.lags():
                return True
            pace = topic.advance(subscription)
            if pace is Pace.FULL:
                return False
            if pace is Pace.DONE:
                return True
            cursor = subscription.cursor
            try:
                page = await self._journal.load(run_id, cursor, REFILL_EVENTS)
            except UnknownRun:
                if subscription.lags():
                    self._reset(topic, subscription)
                continue
            if not subscription.lags():
                return True
            if not topic.offer(subscription, map(Spelled, page.events)):
                return False
            if subscription.cursor == cursor:
                raise JournalError(f"run {run_id}: nothing follows seq {cursor}, though {topic.head} was published")

    def _reset(self, topic: Topic, subscription: Subscription) -> None:
        """The history is gone from the journal: the state takes its place, in a form that the peer understands."""
        if subscription.resumed:
            subscription.cursor, subscription.spared, subscription.brief = 0, 0, topic.head
            return
        subscription.cursor, subscription.spared, subscription.brief = topic.head, 0, 0
        command = Subscribe(workflow_id=topic.run.workflow_id)
        self.confirm(command, topic=topic, last_seq=topic.head, from_seq=topic.head + 1, reset=True)
        self.show(topic)
