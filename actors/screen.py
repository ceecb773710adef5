"""What `callboard run` says about a run, event by event: as JSON lines, or as plain lines for a person.

Theory of operation: a screen is told every event of one run, in order, and prints to a `Spool`. It owns nothing and
never waits. Text of the user (labels, log messages, errors) is printed without control characters, so that a graph from
somebody else cannot steer the terminal. `actors.terminal` has the third screen, which moves.
"""

import re
import time
from typing import Final, Protocol

import orjson
import trio

from actors.spool import Spool
from protocol.dialects import DIALECTS
from protocol.errors import InvalidWorkflow
from protocol.graph import Workflow
from protocol.messages import Event, Json, Logged, NodeChanged, RunChanged, RunEnded, RunStarted, StartRefused
from protocol.states import NodeStatus

__all__ = [
    "JsonScreen",
    "PlainScreen",
    "Screen",
    "describe",
    "ending",
    "node_line",
    "printable",
    "refusal",
    "spell_duration",
]

RESULT_LENGTH: Final = 200
"""Characters of a result that are printed; `--json` has all of it."""
RESULTS: Final = 20
"""Results that are printed; a wide graph has one per node."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


class Screen(Protocol):
    """How a run is shown."""

    def show(self, event: Event) -> None:
        """Show the next event of the run."""

    def say(self, text: str) -> None:
        """Say something about the program itself."""

    def rest(self) -> None:
        """Stop moving: what follows is lines. May be called again."""

    async def refresh_forever(self) -> None:
        """Draw what moves, until cancelled."""


class _Still:
    """What does not move."""

    def rest(self) -> None:
        """Nothing to do."""

    async def refresh_forever(self) -> None:
        """Nothing to do."""
        await trio.sleep_forever()


class JsonScreen(_Still):
    """Each event as one line of JSON in the snake dialect, and nothing else."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def show(self, event: Event) -> None:
        """Print the event."""
        self._spool.put(DIALECTS["snake"].encode(event) + b"\n")

    def say(self, text: str) -> None:
        """Nothing: the lines belong to the events."""


class PlainScreen(_Still):
    """Each event as one line for a person: seconds since the start, a word, and what about it.

    Args:
        spool: where to.
        workflow: has the labels of the nodes; None: they are not known here.
    """

    def __init__(self, spool: Spool, workflow: Workflow | None) -> None:
        self._spool = spool
        self._workflow = workflow
        self._started_at: float | None = None

    def show(self, event: Event) -> None:
        """Print the event, where it says something."""
        if self._started_at is None:
            self._started_at = event.at
        lines = ending(event) if isinstance(event, RunEnded) else describe(event, self._workflow)
        for word, text in lines:
            self._spool.write(f"{event.at - self._started_at:9.3f}  {word:<9}  {text}".rstrip() + "\n")

    def say(self, text: str) -> None:
        """Print it like a log line."""
        self._spool.write(f"{'':9}  {'':9}  {text}\n")


def printable(text: str) -> str:
    """A text of the user on one line, without what a terminal would obey."""
    return _CONTROL.sub(" ", text)


def describe(event: Event, workflow: Workflow | None) -> list[tuple[str, str]]:
    """An event that is not the ending, as (word, text) lines; none where a person need not know.

    Example: `("running", "user (User name)")`.
    """
    match event:
        case RunStarted():
            return [("started", f"{event.total_nodes} nodes, run {event.run_id}")] + [
                ("warning", f"{printable(problem.path)}: {printable(problem.message)}") for problem in event.warnings
            ]
        case NodeChanged(status=NodeStatus.PENDING):
            return []
        case NodeChanged():
            return [(event.status, node_line(event, workflow))]
        case Logged():
            about = f"{printable(event.node_id)}: " if event.node_id else ""
            return [(event.level, about + printable(event.message))]
        case RunChanged():
            nodes = f" (waits for {', '.join(map(printable, event.in_flight))})" if event.in_flight else ""
            why = f": {printable(event.error)}" if event.error else ""
            if event.reason is not None:
                why = f": {event.reason}" + (f" at {printable(event.node_id)}" if event.node_id is not None else "")
            return [(event.status, f"the run is {event.status}{nodes}{why}")]
    return []


def spell_duration(seconds: float) -> str:
    """A duration as a person reads it: `0.3 ms`, `31.2 ms`, `1.25 s`."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def node_line(event: NodeChanged, workflow: Workflow | None) -> str:
    """A node and how it does: `open turn 2 (Open order), attempt 2, 0.31 s: no such element`."""
    node = workflow.nodes.get(event.node_id) if workflow is not None else None
    text = printable(event.node_id)
    if event.iteration:
        text += f" turn {'.'.join(str(turn + 1) for turn in event.iteration)}"
    if node is not None and node.label and node.label != event.node_id:
        text += f" ({printable(node.label)})"
    if event.attempt > 1:
        text += f", attempt {event.attempt}"
    if event.duration is not None:
        text += f", {spell_duration(event.duration)}"
    if told := event.error or event.reason or (event.waiting and event.waiting.prompt):
        text += f": {printable(told)}"
    return text


def ending(event: RunEnded) -> list[tuple[str, str]]:
    """The ending as (word, text) lines: the figures, the reason, the results."""
    summary = event.summary
    counts = {
        "succeeded": summary.succeeded,
        "failed": summary.failed,
        "skipped": summary.skipped,
        "not begun": summary.not_begun,
    }
    figures = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    lines = [
        (
            str(event.status),
            f"{summary.total_nodes} nodes in {spell_duration(summary.duration)}: {figures or 'none began'}",
        )
    ]
    if event.error:
        where = f"{printable(event.node_id)}: " if event.node_id else ""
        lines.append(("error", where + printable(event.error)))
    if summary.abandoned:
        lines.append(("abandoned", f"threads of {', '.join(map(printable, summary.abandoned))} could not be ended"))
    results = event.results or {}
    lines += [("result", f"{printable(name)}: {_short(results[name])}") for name in list(results)[:RESULTS]]
    if len(results) > RESULTS:
        lines.append(("result", f"… and {len(results) - RESULTS} more"))
    return lines


def refusal(error: InvalidWorkflow) -> bytes:
    """The line of JSON that stands in for the events of a run that could not start."""
    reply = StartRefused(code=error.code, error=str(error), problems=error.problems)
    return DIALECTS["snake"].encode(reply, at=time.time()) + b"\n"


def _short(value: Json) -> str:
    text = printable(orjson.dumps(value, default=repr).decode())
    return text if len(text) <= RESULT_LENGTH else text[: RESULT_LENGTH - 1] + "…"
