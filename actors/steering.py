"""What commands do to a run: each is answered once, at once, and then takes effect.

Theory of operation: belongs to one run actor and awaits nothing. The reply says *accepted* and comes before the event,
which says *durable*. How a request was answered is remembered, so that the same one is answered the same and done once;
of one run at most `MAX_REQUESTS`, the oldest are forgotten.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Final, Protocol

import attrs

from actors.answers import (
    REQUEST,
    Record,
    Refusal,
    answer_again,
    answer_control,
    answer_ended,
    answer_input,
    refusal_of,
    remembered,
)
from actors.errors import ShuttingDown
from actors.mailbox import Ask
from actors.questions import Questions
from actors.recorder import Recorder
from protocol.messages import Control, ControlReply, InputReply, Json, NodeInput
from protocol.states import CONTROLS, ENDED, Action, RunStatus, Verdict
from protocol.view import View

__all__ = ["Steering"]

MAX_REQUESTS: Final = 1_000
"""Of one run whose replies are remembered."""

NAMED_NODES: Final = 10
"""How many unknown ones a refusal names."""

Effect = Callable[[], None]

_LEAVING: Final[Refusal] = (
    ShuttingDown.code,
    "the server shuts down; the run goes on, and can be steered, when it is back",
)


class Steered(Protocol):
    """A run actor, as far as it can be steered."""

    view: View
    leaving: bool

    @property
    def held(self) -> bool: ...
    @property
    def status(self) -> RunStatus: ...
    @property
    def record(self) -> Record: ...
    def pause(self, mode: str | None) -> None: ...
    def pause_early(self) -> None: ...
    def resume(self, *, step: bool) -> None: ...
    def walk_on(self) -> None: ...
    def stop(self) -> None: ...
    def stop_before(self, node_ids: Collection[str]) -> None: ...
    def force(self) -> None: ...


class Steering:
    """The commands of one run.

    Args:
        run: what they do.
        recorder: remembers requests.
        questions: gets the answers of people.
    """

    def __init__(self, run: Steered, *, recorder: Recorder, questions: Questions) -> None:
        self._run = run
        self._recorder = recorder
        self._questions = questions
        self.replies: dict[str, Json] = {}
        """The notes about requests, oldest first."""

    def restore(self, notes: Mapping[str, Json]) -> None:
        """What another process has answered."""
        self.replies.update((key, value) for key, value in notes.items() if key.startswith(REQUEST))

    def obey(self, ask: Ask[Any, Any], *, was: RunStatus) -> None:
        """Answer a command and do it.

        Args:
            ask: the command.
            was: the state that it found.
        """
        command, run = ask.command, self._run
        if (again := answer_again(command, run.record, self.replies)) is not None:
            ask.answer(again)
        elif run.status in ENDED:
            ask.answer(answer_ended(command, run.record))
        elif isinstance(command, NodeInput):
            self._reply(ask, answer_input(command, run.record, was=was, refusal=self._input(command)))
        elif command.action == Action.BREAKPOINTS:
            self._stop_before(ask, command, was)
        else:
            self._steer(ask, command, was)

    def _reply(self, ask: Ask[Any, Any], reply: ControlReply | InputReply) -> None:
        """Answer, and remember how a request was answered."""
        ask.answer(reply)
        request_id = ask.command.request_id
        if request_id is None or reply.code == ShuttingDown.code:
            return
        key = f"{REQUEST}{request_id}"
        self.replies[key] = remembered(reply)
        self._recorder.note(key, self.replies[key])
        while len(self.replies) > MAX_REQUESTS:
            oldest = next(iter(self.replies))
            del self.replies[oldest]
            self._recorder.note(oldest, None)

    def _input(self, command: NodeInput) -> Refusal | None:
        status = self._run.status
        if command.node_id not in self._run.view.workflow.nodes:
            return ("unknown_node", f"the workflow has no node {command.node_id!r}")
        if (refusal := refusal_of(Action.INPUT, status)) is not None:
            return refusal
        keep = CONTROLS[Action.INPUT][status] is Verdict.KEEP
        return self._questions.answer(command.node_id, command.value, keep=keep)

    def _steer(self, ask: Ask[Any, Any], command: Control, was: RunStatus) -> None:
        run, action = self._run, Action(command.action)
        refusal = refusal_of(action, was)
        if refusal is None and action is Action.RESUME and run.held:
            refusal = ("refused", "the run is part of another one, which was paused: resume that")
        if run.leaving:
            refusal = _LEAVING
        apply: Effect | None
        after, apply = run.status, None
        verdict = CONTROLS[action][was]
        if refusal is None and command.step and verdict is not Verdict.APPLY:
            refusal = ("refused", f"the run is {was}: only one that is paused can be stepped")
        if refusal is None and verdict is Verdict.APPLY:
            after, apply = self._effect(command, early=was is RunStatus.PENDING)
        elif refusal is None and action is Action.RESUME:
            apply = run.walk_on
        self._reply(ask, answer_control(command, run.record, was=was, after=after, refusal=refusal))
        if apply is not None:
            apply()
        if command.force and refusal is None:
            run.force()

    def _stop_before(self, ask: Ask[Any, Any], command: Control, was: RunStatus) -> None:
        """Breakpoints: they change no state."""
        run, wanted = self._run, frozenset(command.node_ids or ())
        refusal = _LEAVING if run.leaving else refusal_of(Action.BREAKPOINTS, was) or self._unknown(wanted)
        changes = refusal is None and wanted != run.view.breakpoints
        record = attrs.evolve(run.record, breakpoints=run.view.in_order(wanted)) if changes else run.record
        self._reply(ask, answer_control(command, record, was=was, after=run.status, refusal=refusal))
        if changes:
            run.stop_before(wanted)

    def _unknown(self, node_ids: Collection[str]) -> Refusal | None:
        """Nobody is to wait in vain for a run to stop."""
        unknown = sorted(node_id for node_id in node_ids if node_id not in self._run.view.workflow.nodes)
        if not unknown:
            return None
        more = f" and {len(unknown) - NAMED_NODES} more" * (len(unknown) > NAMED_NODES)
        return ("unknown_node", f"the workflow has no node {', '.join(map(repr, unknown[:NAMED_NODES]))}{more}")

    def _effect(self, command: Control, *, early: bool) -> tuple[RunStatus, Effect]:
        """(the state after it, what it does)."""
        match command.action:
            case "pause" if early:
                return RunStatus.PAUSED, self._run.pause_early
            case "pause":
                return RunStatus.PAUSING, partial(self._run.pause, command.mode)
            case "resume":
                return RunStatus.RUNNING, partial(self._run.resume, step=command.step)
            case _:
                return RunStatus.STOPPING, self._run.stop
