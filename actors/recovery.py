"""Recovery: what the journal knows of a run becomes the state from which a new process goes on.

Theory of operation: `read` folds the events of a run and then its notes, page by page; nobody else writes the run
meanwhile, because whoever calls it holds the run's claim. `restore` then puts every instance that had begun, or was
due, into the one place of the schedule where it was: ready, held for its waitTime, waiting for a retry, or turning.
What was running runs again, unless a crash has interrupted it too often; that it does so is said as an event. Both own
nothing, so a cancel leaves the journal as it was, and the run to whoever claims it next.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import attrs

from actors.journal import Journal
from actors.node import Step, StepTable
from actors.questions import Questions
from actors.recorder import Recorder
from actors.schedule import RETRY, Schedule
from protocol.graph import Workflow
from protocol.messages import Iteration, Json, NodeChanged, RunChanged
from protocol.states import NODE_ENDED, NodeStatus, RunStatus
from protocol.view import Due, View, instance_key

__all__ = ["Past", "read", "restore"]

MAX_CRASHES: Final = 3
"""So many crashes while one instance runs are no accident."""

NEVER_COUNTED: Final = frozenset({"wait", "input_request", "loop", "subflow"})
"""Kinds that only wait: a crash is not their doing."""

Key = tuple[str, Iteration]


@attrs.define(eq=False)
class Past:
    """A run as another process left it."""

    view: View
    began: dict[Key, float] = attrs.field(factory=dict)
    """When each instance that has no end status ran first, on the run's clock."""
    cause: str | None = None
    """Why it is being stopped or fails."""
    fault: dict[str, str | None] = attrs.field(factory=dict)
    at: float = 0.0
    """The time of its newest event, seconds since the epoch; 0: there is none."""

    @property
    def elapsed(self) -> float:
        """Where its clock stood, in seconds."""
        return self.view.active(self.at)


async def read(journal: Journal, view: View) -> Past:
    """Fold a run that this process has claimed.

    Args:
        journal: has it.
        view: of that run, fresh.

    Raises:
        UnknownRun: it is not there.
    """
    past = Past(view)
    notes: Mapping[str, Json] = {}
    while True:
        page = await journal.load(view.run_id, view.last_seq)
        notes = notes or page.notes
        for event in page.events:
            view.apply(event)
            past.at = event.at
            match event:
                case NodeChanged(status=NodeStatus.RUNNING):
                    past.began.setdefault((event.node_id, event.iteration), past.elapsed)
                case NodeChanged() if event.status in NODE_ENDED:
                    past.began.pop((event.node_id, event.iteration), None)
                case RunChanged(status=RunStatus.STOPPING | RunStatus.FAILING):
                    past.cause = event.cancelled_by
                    if event.error is not None:
                        past.fault = {"error": event.error, "code": event.code, "node_id": event.node_id}
        if view.last_seq >= page.last_seq:
            break
    for key, value in notes.items():
        view.note(key, value)
    return past


def restore(past: Past, steps: StepTable, *, schedule: Schedule, recorder: Recorder, questions: Questions) -> list[str]:
    """Go on where the run was. Returns the ids of the nodes that run again.

    Args:
        past: the run so far.
        steps: node id → its step.
        schedule: gets the instances.
        recorder: says what is to be said.
        questions: gets the answers that nobody had asked for yet.
    """
    view = past.view
    notes = _by_instance(view)
    restart: list[str] = []
    fatal: list[tuple[_Instance, int]] = []
    for due in view.due():
        instance = _Instance(due, steps[due.node_id], notes, past)
        crashes = instance.restore(schedule, recorder, restart)
        if crashes >= MAX_CRASHES:
            fatal.append((instance, crashes))
    # It may fail the run: then everything that had begun is to have its place.
    for instance, crashes in fatal:
        schedule.crashed(instance.step, instance.region, attempt=instance.attempt, times=crashes)
    for key, value in view.notes.items():
        kind, _, node_id = key.partition("/")
        if kind == "input":
            questions.restore(node_id, value)
    return restart


class _Instance:
    """One node instance that is due, and where it was."""

    def __init__(self, due: Due, step: Step, notes: Mapping[str, Mapping[str, Json]], past: Past) -> None:
        self.step = step
        self.region = due.region
        self.due = due
        self.key = (due.node_id, due.region.iteration)
        self.event = due.region.nodes.get(due.node_id)
        self.notes = notes.get(instance_key(*self.key), {})
        self.began = past.began.get(self.key)
        self.halting = past.view.status in {RunStatus.STOPPING, RunStatus.FAILING}
        """Nothing runs again: it gets its end status."""
        self.attempt = 1 if self.event is None else self.event.attempt

    def restore(self, schedule: Schedule, recorder: Recorder, restart: list[str]) -> int:
        """Put it where it was. Returns how often a crash has interrupted it; too often, and it was put nowhere."""
        step, region, event = self.step, self.region, self.event
        if event is None or self.began is None:
            schedule.enqueue([self.due])
            return 0
        schedule.restore(step, region, began=self.began, noted=self.notes)
        outcome, retry = self._noted("outcome"), self._noted(RETRY)
        if step.node.kind == "loop" and schedule.turns(step.node.id):
            schedule.turning(step, region, attempt=self.attempt)
        elif outcome is not None:
            schedule.hold(step, region, _fields(outcome["fields"]), until=outcome["until"])
        elif retry is not None and retry["attempt"] > event.attempt:
            schedule.retry(step, region, attempt=retry["attempt"], at=retry["at"])
        elif event.status is NodeStatus.PENDING:
            schedule.again(step, region, attempt=self.attempt)
        else:
            return self._again(schedule, recorder, restart)
        return 0

    def _again(self, schedule: Schedule, recorder: Recorder, restart: list[str]) -> int:
        """It was running."""
        step, region, name = self.step, self.region, instance_key(*self.key)
        if self.halting:
            schedule.again(step, region, attempt=self.attempt)
            return 0
        clean = self._noted("interrupted") is not None
        times = 0
        if clean:
            recorder.note(f"interrupted/{name}", None)
        elif step.node.kind not in NEVER_COUNTED:
            times = 1 + (self._noted("crash") or 0)
            if times >= MAX_CRASHES:
                return times
            schedule.note(step, region, "crash", times)
        recorder.node(*self.key, NodeStatus.PENDING, attempt=self.attempt, reason="recovered")
        schedule.again(step, region, attempt=self.attempt, in_doubt=not clean)
        restart.append(step.node.id)
        return times

    def _noted(self, name: str) -> Any:
        return self.notes.get(f"{name}/{instance_key(*self.key)}")


def _fields(outcome: Mapping[str, Json]) -> dict[str, Any]:
    """The fields of a success as they were before they were JSON."""
    return {name: tuple(value) if name == "fired" else value for name, value in outcome.items()}


def _by_instance(view: View) -> Mapping[str, Mapping[str, Json]]:
    """Instance → its notes: `<kind>/<node>[/<turns>][/<name>]`. How many turns there are the graph says."""
    found: dict[str, dict[str, Json]] = defaultdict(dict)
    for key, value in view.notes.items():
        _, _, rest = key.partition("/")
        node, _, rest = rest.partition("/")
        name = f"{node}/{rest.partition('/')[0]}" if _in_loop(view.workflow, unquote(node)) else node
        found[name][key] = value
    return found


def _in_loop(workflow: Workflow, node_id: str) -> bool:
    return workflow.loops.get(node_id) is not None
