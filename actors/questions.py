"""Questions that nodes ask of a person, and answers that come before their question.

Theory of operation: belongs to one run actor, awaits nothing. An answer goes to the node that waits longest under its
id; if none does it is kept – at most `MAX_KEPT` per node – for the next that asks. Both are notes, so a pause or a
crash between answer and use loses nothing.

An answer has to fit the schema of its question. One that comes while the question is there – or was there until the
pause of now – is refused to its sender if it does not; one that was kept for a question that nobody had seen is left
out when that comes, with a warning in the log.
"""

from collections.abc import Callable, Sequence
from typing import Final

from actors.answers import Refusal
from actors.node import NodeTask
from actors.recorder import Recorder
from actors.reports import Asked
from actors.schemas import misfit
from actors.secrets import NO_SECRETS, Secrets
from protocol.messages import Json
from protocol.states import NodeStatus

__all__ = ["MAX_KEPT", "Questions"]

MAX_KEPT: Final = 100
"""Answers that may wait for one node."""


class Questions:
    """Who waits for an answer, and which answers wait.

    Args:
        recorder: writes the notes, and the `running` event that shows a question.
        noted: hears of every note that belongs to a node instance.
        secrets: blotted out of answers.
    """

    def __init__(
        self, recorder: Recorder, *, noted: Callable[[NodeTask, str], None], secrets: Secrets = NO_SECRETS
    ) -> None:
        self._recorder = recorder
        self._noted = noted
        self._secrets = secrets
        self._asked: dict[str, list[Asked]] = {}
        self._kept: dict[str, list[Json]] = {}
        self._cut: dict[str, Json] = {}
        """Node id → the schema of a question that a pause has cut, and that will be asked again."""

    def restore(self, node_id: str, kept: Sequence[Json]) -> None:
        """Answers that waited for a node in another process."""
        self._kept[node_id] = list(kept)

    def ask(self, asked: Asked) -> None:
        """A node waits: show the question, unless its answer is there already."""
        task = asked.task
        self._cut.pop(task.node_id, None)
        self._asked.setdefault(task.node_id, []).append(asked)
        if self._kept.get(task.node_id) and self._hand_over(task.node_id):
            return
        self._recorder.node(
            task.node_id, task.iteration, NodeStatus.RUNNING, attempt=task.attempt, waiting=asked.waiting
        )

    def asked_by(self, task: NodeTask) -> bool:
        """Whether a node waits for an answer now."""
        return any(asked.task is task for asked in self._asked.get(task.node_id, ()))

    def withdraw(self, task: NodeTask, key: str | None = None) -> None:
        """A node does not wait any more, for one answer or (None) for any. Idempotent."""
        if task.node_id not in self._asked:
            return
        left = []
        for asked in self._asked.pop(task.node_id):
            if asked.task is not task or (key is not None and asked.key != key):
                left.append(asked)
            elif task.cause == "pause":
                self._cut[task.node_id] = asked.waiting.schema
        if left:
            self._asked[task.node_id] = left

    def hand_over(self) -> None:
        """The run goes on: answers that were kept meanwhile go to whoever still waits for them."""
        for node_id in [node_id for node_id, kept in self._kept.items() if kept and node_id in self._asked]:
            self._hand_over(node_id)

    def answer(self, node_id: str, value: Json, *, keep: bool) -> Refusal | None:
        """A person answers.

        Args:
            node_id: of which node.
            value: what.
            keep: do not hand it over now: the run is paused, or will be.

        Returns:
            why it can not be taken, or None.
        """
        value = self._secrets.blot_json(value)
        asked, kept = self._asked.get(node_id), self._kept.setdefault(node_id, [])
        if not kept:
            schema = asked[0].waiting.schema if asked else self._cut.get(node_id)
            if (fault := misfit(schema, value)) is not None:
                return ("bad_answer", f"the answer for node {node_id!r} does not fit: {fault}")
        if asked and not keep:
            self._answer(asked.pop(0), value)
            return None
        if len(kept) >= MAX_KEPT:
            return ("busy", f"{len(kept)} answers wait for node {node_id!r} already")
        kept.append(value)
        self._recorder.note(f"input/{node_id}", list(kept))
        return None

    def _hand_over(self, node_id: str) -> bool:
        """What was kept goes to whoever waits. Returns whether nobody does any more."""
        kept, asked = self._kept[node_id], self._asked[node_id]
        while kept and asked:
            value = kept.pop(0)
            if (fault := misfit(asked[0].waiting.schema, value)) is None:
                self._answer(asked.pop(0), value)
            else:
                text = f"an answer that waited for node {node_id!r} does not fit, and is left out: {fault}"
                self._recorder.log("warn", text, node_id=node_id)
        self._recorder.note(f"input/{node_id}", list(kept) or None)
        return not asked

    def _answer(self, asked: Asked, value: Json) -> None:
        self._noted(asked.task, asked.key)
        self._recorder.note(asked.key, {"value": value})
        asked.answer(value)
