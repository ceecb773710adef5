"""How far a run is, said neither too often nor when nothing changed.

Theory of operation: progress is no fact of its own; it is derived from the view of a run when it is time to say it. A
`ProgressTeller` belongs to one topic and knows what was said last and when the next may be said: at most every 50 ms,
only if it differs, and once more, always, for the ending. What running nodes report of themselves waits here until
then, only the newest of each, and is forgotten when the node has another status.

It never awaits; the time is trio's clock, as its owner reads it.
"""

import math
from collections.abc import Sequence
from typing import Final

import attrs

from actors.ring import Spelled
from protocol.messages import Iteration, NodeChanged, NodeProgress, Progress
from protocol.states import NodeStatus
from protocol.view import View

__all__ = ["PROGRESS_SECONDS", "ProgressTeller"]

PROGRESS_SECONDS: Final = 0.05
"""Between two times that progress of a run is said."""

WAITING_NODES: Final = 1024
"""Running nodes whose progress waits to be said; beyond it the oldest is forgotten."""


@attrs.define(eq=False)
class ProgressTeller:
    """The progress of one run, as its topic says it."""

    _view: View
    _number: int
    """Of the newest message: ids count up, also over topics of the same run."""
    _next: float = attrs.field(default=-math.inf, init=False)
    """The next message is not said before this time."""
    _said: tuple[int, str] | None = attrs.field(default=None, init=False)
    _nodes: dict[tuple[str, Iteration], NodeProgress] = attrs.field(factory=dict, init=False)
    """Node instance → its newest progress, not said yet."""
    _newest: Spelled[Progress] | None = attrs.field(default=None, init=False)
    _final: Spelled[Progress] | None = attrs.field(default=None, init=False)

    @property
    def number(self) -> int:
        """Of the newest message."""
        return self._number

    @property
    def newest(self) -> Spelled[Progress] | None:
        """What was said last, if it still holds."""
        return self._newest if self._said == self._now() else None

    @property
    def final(self) -> Spelled[Progress] | None:
        """What is said right before the ending; None while the run goes on."""
        return self._final

    @property
    def due(self) -> float:
        """When there is something to say, on trio's clock; infinity: nothing is."""
        if self._nodes or (self._view.last_seq and self._said != self._now()):
            return self._next
        return math.inf

    def add(self, message: NodeProgress) -> None:
        """Take how far a node is."""
        key = (message.node_id, message.iteration)
        self._nodes.pop(key, None)
        if len(self._nodes) >= WAITING_NODES:
            del self._nodes[next(iter(self._nodes))]
        self._nodes[key] = message

    def forget(self, event: NodeChanged) -> None:
        """A node has a status: unless it runs, how far it was does not matter any more."""
        if self._nodes and event.status is not NodeStatus.RUNNING:
            self._nodes.pop((event.node_id, event.iteration), None)

    def take(self, *, now: float, at: float) -> Sequence[Spelled[Progress] | Spelled[NodeProgress]]:
        """What is to be said now; it counts as said.

        Args:
            now: trio's clock.
            at: the time of what was folded last, seconds since the epoch.
        """
        self._next = now + PROGRESS_SECONDS
        news: list[Spelled[Progress] | Spelled[NodeProgress]] = []
        if self._said != self._now():
            self._said = self._now()
            self._newest = Spelled(self._view.progress(at=at, n=self._count()))
            news.append(self._newest)
        nodes, self._nodes = self._nodes, {}
        for message in nodes.values():
            newest = self._view.nodes.get(message.node_id)
            if newest is None or newest.status is not NodeStatus.RUNNING or newest.iteration != message.iteration:
                continue
            news.append(Spelled(attrs.evolve(message, n=self._count())))
        return news

    def conclude(self, *, at: float) -> Spelled[Progress]:
        """What is said right before the ending: the view is about to fold it. The same each time."""
        if self._final is None:
            self._final = Spelled(self._view.progress(at=at, n=self._count()))
            self._nodes.clear()
        return self._final

    def _now(self) -> tuple[int, str]:
        return self._view.completed, self._view.current_node

    def _count(self) -> int:
        self._number = max(self._number + 1, self._view.last_seq)
        return self._number
