"""What a run says: gives every event its seq, tells the view at once, and hands whole steps over to the journal.

Theory of operation: a `Recorder` belongs to one run actor; nobody else makes events of that run. What was said in one
step of the actor is one batch and one ticket, so what belongs together is durable together. It never waits: `flush`
hands over, `written` gives the ticket to whoever must wait (a node with effects, `once`, the ending).
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from actors.errors import JournalError
from actors.journal import Claim, Journal, Note, Ticket
from protocol.messages import Event, Iteration, Json, Level, Logged, NodeChanged, NodeProgress
from protocol.states import NodeStatus, RunStatus
from protocol.view import Due, View

__all__ = ["MAX_UNCOMMITTED", "Recorder"]

MAX_UNCOMMITTED: Final = 1_000
"""Events on their way to the journal above which no new node is started."""


class Recorder:
    """The events and notes of one run, on their way to the journal.

    Args:
        view: told of everything at once.
        journal: gets it, step by step.
        due: hears what became due by it.
        progress: hears how far nodes are; kept nowhere.
        wall: the time, seconds since the epoch.
    """

    def __init__(
        self,
        view: View,
        *,
        journal: Journal,
        due: Callable[[Sequence[Due]], None],
        progress: Callable[[NodeProgress], None],
        wall: Callable[[], float],
    ) -> None:
        self._view = view
        self._claim: Claim | None = None
        self._journal = journal
        self._due = due
        self._progress = progress
        self._wall = wall
        self._seq = view.last_seq
        self._progressed = 0
        self._events: list[Event] = []
        self._notes: list[Note] = []
        self._last: Ticket | None = None
        self._open: deque[tuple[Ticket, int]] = deque()
        self._uncommitted = 0

    def begin(self, claim: Claim) -> None:
        """From now on it may write."""
        self._claim = claim

    def node(self, node_id: str, iteration: Iteration, status: NodeStatus, **fields: Any) -> None:
        """A node instance got a status."""
        self._seq += 1
        view = self._view
        event = NodeChanged(
            run_id=view.run_id,
            workflow_id=view.workflow_id,
            seq=self._seq,
            at=self._wall(),
            node_id=node_id,
            status=status,
            iteration=iteration,
            message=_MESSAGES[status](view.workflow.nodes[node_id].label, fields),
            **fields,
        )
        self._events.append(event)
        if due := view.apply(event):
            self._due(due)

    def log(
        self,
        level: Level,
        message: str,
        *,
        node_id: str | None = None,
        iteration: Iteration = (),
        context: Mapping[str, Json] | None = None,
    ) -> None:
        """A line for the run's log."""
        self.event(Logged, level=level, message=message, node_id=node_id, iteration=iteration, context=context)

    def event(self, kind: type[Event], **fields: Any) -> None:
        """Any other event."""
        event = self._make(kind, fields)
        self._events.append(event)
        self._view.apply(event)

    def note(self, key: str, value: Json) -> None:
        """A note to be written; None deletes it."""
        self._notes.append((key, value))
        if due := self._view.note(key, value):
            self._due(due)

    def progress(self, node_id: str, iteration: Iteration, percent: float, message: str, *, attempt: int = 1) -> None:
        """How far a running node is; no event."""
        self._progressed += 1
        self._progress(
            NodeProgress(
                run_id=self._view.run_id,
                workflow_id=self._view.workflow_id,
                at=self._wall(),
                n=self._progressed,
                node_id=node_id,
                progress=percent,
                message=message,
                attempt=attempt,
                iteration=iteration,
            )
        )

    def flush(self, *, close: RunStatus | None = None) -> None:
        """Hand over what was said since the last time, as one batch.

        Args:
            close: the run has ended with this status.
        """
        if not (self._events or self._notes):
            return
        if self._claim is None:
            raise JournalError(f"run {self._view.run_id} is nobody's yet")
        events, self._events = self._events, []
        notes, self._notes = self._notes, []
        self._last = ticket = self._journal.append_nowait(self._claim, events, notes, close=close)
        if not ticket.done:
            self._open.append((ticket, len(events)))
            self._uncommitted += len(events)

    def written(self) -> Ticket | None:
        """The ticket of everything that was said so far; None: it is durable already."""
        self.flush()
        return None if self._last is None or self._last.done else self._last

    def congestion(self) -> Ticket | None:
        """What to wait for before more is started; None: there is room."""
        while self._open and self._open[0][0].done:
            self._uncommitted -= self._open.popleft()[1]
        return self._open[0][0] if self._uncommitted > MAX_UNCOMMITTED else None

    async def end(  # noqa: ASYNC910  nothing to wait for if the journal has it at once
        self, kind: type[Event], *, close: RunStatus, **fields: Any
    ) -> None:
        """Write the last event, and tell the view when it is durable: until then nothing claims it."""
        event = self._make(kind, fields)
        self._events.append(event)
        self.flush(close=close)
        if (ticket := self.written()) is not None:
            await ticket
        self._view.apply(event)

    def _make(self, kind: type[Event], fields: Mapping[str, Any]) -> Event:
        self._seq += 1
        view = self._view
        return kind(run_id=view.run_id, workflow_id=view.workflow_id, seq=self._seq, at=self._wall(), **fields)


_MESSAGES: Final[Mapping[NodeStatus, Callable[[str, Mapping[str, Any]], str]]] = {
    NodeStatus.PENDING: lambda label, fields: f"{label} waits ({fields.get('reason')})",
    NodeStatus.RUNNING: lambda label, fields: f"{label} {'waits for an answer' if 'waiting' in fields else 'runs'}",
    NodeStatus.SUCCESS: lambda label, _: f"{label} done",
    NodeStatus.ERROR: lambda label, fields: f"{label} failed: {fields.get('error')}",
    NodeStatus.SKIPPED: lambda label, fields: f"{label} skipped ({fields.get('reason')})",
}
