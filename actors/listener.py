"""One outlet's side of the hub: what it wants, where it is in each run, and how it is brought on.

Theory of operation: the hub makes a listener for an outlet that it has not seen, and forgets it when the connection is
gone. A listener has at most one subscription per run, which the run's topic moves. Once an outlet has refused a push,
or has begun behind the head, `bring_on` serves its runs in turn until the outbox is full or nothing lags: from the ring
where that reaches, else from the journal, page by page. There is one pass at a time; the next waits for it, which is
never long, because a pass ends when the outbox is full and never waits for it to drain. A pass that is cancelled while
it reads has not moved what it was reading for.

A subscription that is replaced or left while a pass reads for it lags no more, and the pass leaves it alone.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import attrs
import trio

from actors.errors import JournalError, UnknownRun
from actors.fitting import parts
from actors.interests import Interests
from actors.journal import Journal
from actors.ring import Spelled
from actors.subscription import Outlet, Subscription
from actors.topic import Pace, Topic
from protocol.messages import Subscribe, Subscribed

__all__ = ["Listener"]

REFILL_EVENTS: Final = 500
"""A page of the journal."""


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
    _conflated: int = attrs.field(default=0, init=False)
    """Of subscriptions that are over."""
    _pass: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    @property
    def conflated(self) -> int:
        """Events that the outlet was spared so far."""
        return self._conflated + sum(subscription.conflated for subscription in self.subscriptions.values())

    def place(self, topic: Topic, *, cursor: int, brief: int = 0) -> None:
        """Be subscribed to a run from behind `cursor` on, whatever was before; not at all if it is not wanted."""
        run = topic.run
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
                exact=topic.head,
                lossless=interest.lossless,
                brief=brief,
            )
            self.subscriptions[run.run_id] = subscription
            topic.join(subscription)

    def forget(self, run_id: str) -> None:
        """Hear no more of a run: the subscription is over, and so is what was wanted for this run alone."""
        subscription = self.subscriptions.pop(run_id, None)
        if subscription is not None:
            self._conflated += subscription.conflated
        self.interests.remove_run(run_id)

    def leave(self, run_id: str) -> None:
        """Give up a subscription."""
        self._topics[run_id].leave(self.subscriptions[run_id])
        self.forget(run_id)

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
        """The history is gone from the journal: the state takes its place."""
        subscription.cursor, subscription.spared, subscription.brief = topic.head, 0, 0
        command = Subscribe(workflow_id=topic.run.workflow_id)
        self.confirm(command, topic=topic, last_seq=topic.head, from_seq=topic.head + 1, reset=True)
        self.show(topic)
