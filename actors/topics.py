"""The topics in use: one is made when somebody needs a run, and dropped when nobody does.

Theory of operation: the hub opens runs here and hears of their ends; a run that has ended is known again for as long as
somebody is being told of it. Each topic that is live has one flusher, a task in the hub's nursery; it is cancelled when
the topic is dropped. `held` is the only thing here that awaits: it reads the journal until the topic's view is up to
date, and the topic stays for as long as its context, whoever else comes and goes. A cancel in there leaves the topic as
far as it was read.

It does not know who hears what.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import trio

from actors.journal import Journal
from actors.subscription import Subscription
from actors.topic import KnownRun, Tally, Topic
from protocol.graph import Workflow

__all__ = ["Plan", "Topics"]

Plan: TypeAlias = Callable[[str], Awaitable[tuple[str, Workflow]]]
"""Run id → (workflow id, graph) of a run that has ended. Raises UnknownRun."""


class Topics:
    """The topics of one hub.

    Args:
        journal: read when a view is not up to date.
        plan: the graph of a run that has ended.
        finished: called once for each subscription that ends by itself; its topic is still here.
    """

    def __init__(self, journal: Journal, plan: Plan, *, finished: Callable[[Subscription], None]) -> None:
        self.runs: dict[str, KnownRun] = {}
        """The unfinished ones, by run id."""
        self.in_use: dict[str, Topic] = {}
        """By run id."""
        self.tally = Tally()
        self._journal = journal
        self._plan = plan
        self._finished = finished
        self._nursery: trio.Nursery | None = None

    def live(self, nursery: trio.Nursery | None) -> None:
        """From now on flushers live in this nursery; None: there are none any more."""
        self._nursery = nursery

    def of(self, run: KnownRun) -> Topic:
        """The topic of a run, new or not; the caller sees to it that somebody needs it."""
        topic = self.in_use.get(run.run_id)
        if topic is None:
            topic = self.in_use[run.run_id] = Topic(run, tally=self.tally, finished=self._over)
            self._start(topic)
        return topic

    @asynccontextmanager
    async def held(self, run_id: str) -> AsyncIterator[Topic]:
        """A live topic that stays while inside.

        Raises:
            UnknownRun: no such run.
            JournalError: the journal can not be read.
        """
        topic = self.in_use.get(run_id)
        if topic is None:
            run = self.runs.get(run_id)
            if run is None:
                workflow_id, workflow = await self._plan(run_id)
                run = KnownRun(run_id, workflow_id, workflow, last_seq=None)
            topic = self.of(run)
        topic.holders += 1
        try:
            await topic.load(self._journal)
            self._start(topic)
            yield topic
        finally:
            topic.holders -= 1
            self.release(topic)

    def release(self, topic: Topic) -> None:
        """Drop a topic, if nobody needs it."""
        if topic.idle and self.in_use.get(topic.run.run_id) is topic:
            del self.in_use[topic.run.run_id]
            topic.scope.cancel()

    def flush(self) -> None:
        """Deliver at once what was published."""
        for topic in list(self.in_use.values()):
            topic.flush_all()

    def _start(self, topic: Topic) -> None:
        """Give a live topic its flusher."""
        if topic.live and not topic.ended and not topic.flushed and self._nursery is not None:
            topic.flushed = True
            self._nursery.start_soon(topic.flush_always)

    def _over(self, subscription: Subscription) -> None:
        self._finished(subscription)
        self.release(self.in_use[subscription.run_id])
