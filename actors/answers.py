"""What a run answers to a command: the one reply to a control or an input, in whatever state it finds the run."""

import attrs

from actors.errors import ActorGone, ActorsError, Busy
from protocol.messages import Control, ControlReply, InputReply, NodeInput, Summary
from protocol.states import CONTROLS, ENDED, Action, RunStatus, Verdict

__all__ = ["Record", "Refusal", "answer_control", "answer_ended", "answer_input", "answer_lost", "refusal_of"]

Refusal = tuple[str, str]
"""(code, text for the user)."""


@attrs.frozen(kw_only=True)
class Record:
    """What is known of a run from outside, and all that is kept of one that is over."""

    run_id: str
    workflow_id: str
    status: RunStatus
    summary: Summary | None = None


def refusal_of(action: Action, was: RunStatus) -> Refusal | None:
    """Why a command is refused in a state, or None."""
    return ("refused", f"the run is {was}") if CONTROLS[action][was] is Verdict.REFUSE else None


def answer_control(
    command: Control, run: Record, *, was: RunStatus, after: RunStatus, refusal: Refusal | None
) -> ControlReply:
    """The reply of a run that lives: the state found, the state after."""
    code, error = refusal or (None, None)
    return ControlReply(
        workflow_id=run.workflow_id,
        reply_to=command.id or None,
        action=command.action,
        run_id=run.run_id,
        ok=refusal is None,
        was=was,
        status=after,
        code=code,
        error=error,
        summary=run.summary,
    )


def answer_input(command: NodeInput, run: Record, *, was: RunStatus, refusal: Refusal | None) -> InputReply:
    """The reply to an answer for a node."""
    code, error = refusal or (None, None)
    return InputReply(
        workflow_id=run.workflow_id,
        reply_to=command.id or None,
        ok=refusal is None,
        node_id=command.node_id,
        run_id=run.run_id,
        was=was,
        status=run.status,
        code=code,
        error=error,
    )


def answer_ended(command: Control | NodeInput, run: Record) -> ControlReply | InputReply:
    """The reply of a run that is over: a stop gets the recorded ending, everything else is refused.

    One that the end of its runtime found unfinished has no ending here: it goes on if its journal has a tomorrow.
    """
    refusal: Refusal | None = (ActorGone.code, f"the server ended while the run was {run.status}")
    if isinstance(command, NodeInput):
        refusal = refusal_of(Action.INPUT, run.status) if run.status in ENDED else refusal
        return answer_input(command, run, was=run.status, refusal=refusal)
    refusal = refusal_of(Action(command.action), run.status) if run.status in ENDED else refusal
    return answer_control(command, run, was=run.status, after=run.status, refusal=refusal)


def answer_lost(command: Control | NodeInput, run: Record, error: ActorsError) -> ControlReply | InputReply:
    """The reply when the command did not reach the run: too many wait, or it has just ended."""
    if not isinstance(error, Busy):
        return answer_ended(command, run)
    refusal = (error.code, str(error))
    if isinstance(command, NodeInput):
        return answer_input(command, run, was=run.status, refusal=refusal)
    return answer_control(command, run, was=run.status, after=run.status, refusal=refusal)
