"""What listeners are owed: runs that they are to hear, once the journal was read for them.

Theory of operation: the hub subscribes at once where it can. Else it notes what a listener is owed, and a task in the
hub's nursery reads the journal and makes it a subscription, run by run. A peer that came back is owed the runs that it
heard before, each from where it surely was, and after a *look back* also those that began and ended while it was away.
An entry stays with the listener until it is a subscription, so a connection that goes in the middle takes with it what
it was still owed; the task then finds the listener gone and ends. What can not be read is said to the peer.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import trio

from actors.errors import ActorsError, UnknownRun
from actors.journal import Journal
from actors.listener import Listener, Owed
from actors.standing import Standing
from actors.topic import Topic
from actors.topics import Topics
from protocol.messages import ErrorReply

__all__ = ["Arrears"]

PAGE_RUNS: Final = 100
"""Of the journal's list."""

_logger: Final = logging.getLogger(__name__)


class Arrears:
    """The debts of one hub.

    Args:
        topics: where the subscriptions are made.
        journal: where the runs are.
        wall: the time, seconds since the epoch.
    """

    def __init__(self, topics: Topics, journal: Journal, *, wall: Callable[[], float]) -> None:
        self._topics = topics
        self._journal = journal
        self._wall = wall
        self._nursery: trio.Nursery | None = None

    def live(self, nursery: trio.Nursery | None) -> None:
        """From now on tasks live in this nursery; None: there are none any more."""
        self._nursery = nursery

    def owe(self, listener: Listener, owed: Mapping[str, Owed]) -> None:
        """Leave it to a task to subscribe a listener to runs."""
        listener.owed.update(owed)
        if owed and self._nursery is not None:
            self._nursery.start_soon(self._settle, listener, list(owed))

    def look_back(self, listener: Listener, standing: Standing) -> None:
        """Leave it to a task to find the runs that began and ended while nobody heard them for this listener."""
        listener.since = standing.at if listener.since is None else min(listener.since, standing.at)
        if self._nursery is not None:
            # What begins from now on it hears.
            self._nursery.start_soon(self._look_back, listener, standing, self._wall())

    async def _settle(self, listener: Listener, run_ids: Sequence[str]) -> None:
        await trio.lowlevel.checkpoint()
        for run_id in run_ids:
            try:
                async with self._topics.held(run_id) as topic:
                    if listener.gone:
                        return
                    if run_id in listener.owed:
                        _place(listener, topic, listener.owed[run_id])
                    await listener.bring_on()
            except UnknownRun as error:
                forgotten = listener.owed.pop(run_id, None)
                if forgotten is not None and forgotten.resumed:
                    listener.outlet.reply(ErrorReply(code=error.code, message=f"Run {run_id} is not known any more"))
            except ActorsError as error:
                _logger.exception("run %s can not be shown to %s", run_id, listener.outlet.session_id)
                listener.outlet.reply(ErrorReply(code=error.code, message=f"Run {run_id} can not be shown: {error}"))

    async def _look_back(self, listener: Listener, standing: Standing, until: float) -> None:
        await trio.lowlevel.checkpoint()
        missed: list[str] = []
        cursor: str | None = None
        try:
            while True:
                page = await self._journal.list_runs(limit=PAGE_RUNS, cursor=cursor)
                missed += [
                    row.run_id
                    for row in page.runs
                    if standing.at <= row.created_at <= until
                    and row.run_id not in standing.positions
                    and standing.interests.of(run_id=row.run_id, workflow_id=row.workflow_id) is not None
                ]
                cursor = page.next_cursor
                if cursor is None or page.runs[-1].created_at < standing.at:
                    break
        except ActorsError as error:
            _logger.exception("what %s missed can not be read", listener.outlet.session_id)
            listener.outlet.reply(ErrorReply(code=error.code, message=f"Missed runs can not be shown: {error}"))
            return
        if listener.gone:
            return
        listener.since = None
        known = {*listener.subscriptions, *listener.owed, *listener.ended}
        self.owe(listener, {run_id: Owed(0, resumed=True) for run_id in reversed(missed) if run_id not in known})


def _place(listener: Listener, topic: Topic, owed: Owed) -> None:
    """In one synchronous step: the subscription begins where the view is."""
    topic.flush_all()
    # A position beyond the head is of another life of the journal and says nothing.
    cursor = owed.cursor if owed.cursor <= topic.head else 0
    listener.place(topic, cursor=cursor, brief=topic.head if owed.brief else 0, resumed=owed.resumed)
