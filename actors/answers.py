"""What a run answers to a command: the one reply to a control or an input, in whatever state it finds the run.

A reply to a command with a request id is a note of the run, `request/<request_id>`, so that the same command twice is
answered the same and done once, whatever happened to the connection or the server in between.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from actors.errors import ActorGone, ActorsError, Busy
from protocol.messages import Control, ControlReply, InputReply, Json, NodeInput, Summary
from protocol.states import CONTROLS, ENDED, Action, RunStatus, Verdict

__all__ = [
    "REQUEST",
    "Record",
    "Refusal",
    "answer_again",
    "answer_control",
    "answer_ended",
    "answer_input",
    "answer_lost",
    "refusal_of",
    "remembered",
]

REQUEST: Final = "request/"
"""How the key of such a note begins."""

Refusal = tuple[str, str]
"""(code, text for the user)."""


@attrs.frozen(kw_only=True)
class Record:
    """What is known of a run from outside, and all that is kept of one that is over."""

    run_id: str
    workflow_id: str
    status: RunStatus
    summary: Summary | None = None
    replies: Mapping[str, Json] = {}
    """Its notes about requests."""
    breakpoints: tuple[str, ...] = ()
    """The nodes before which it stops, as long as it has not ended."""


def remembered(reply: ControlReply | InputReply) -> Json:
    """A reply as a note keeps it."""
    said = {"ok": reply.ok, "was": reply.was, "status": reply.status, "code": reply.code, "error": reply.error}
    return {"to": "input" if isinstance(reply, InputReply) else reply.action, **said}


def answer_again(
    command: Control | NodeInput, run: Record, replies: Mapping[str, Json]
) -> ControlReply | InputReply | None:
    """The reply to a request that was answered before; None: it was not.

    Args:
        command: asked again, or for the first time.
        run: what is known of the run.
        replies: its notes about requests, perhaps among others.
    """
    said = None if command.request_id is None else replies.get(REQUEST + command.request_id)
    if said is None:
        return None
    to = "input" if isinstance(command, NodeInput) else command.action
    if said["to"] != to:
        refusal = ("bad_field", f"this request_id was used for a {said['to']} already")
        if isinstance(command, NodeInput):
            return answer_input(command, run, was=run.status, refusal=refusal)
        return answer_control(command, run, was=run.status, after=run.status, refusal=refusal)
    was, status = (None if said[key] is None else RunStatus(said[key]) for key in ("was", "status"))
    common: dict[str, Any] = {
        "workflow_id": run.workflow_id,
        "reply_to": command.id or None,
        "ok": said["ok"],
        "run_id": run.run_id,
        "was": was,
        "status": status,
        "code": said["code"],
        "error": said["error"],
    }
    if isinstance(command, NodeInput):
        return InputReply(node_id=command.node_id, **common)
    return ControlReply(action=command.action, breakpoints=_breakpoints(command, run), **common)


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
        breakpoints=_breakpoints(command, run),
    )


def _breakpoints(command: Control, run: Record) -> tuple[str, ...] | None:
    """What a reply to breakpoints says holds; of a request that was answered before, what holds now."""
    return run.breakpoints if command.action == "breakpoints" and run.status not in ENDED else None


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
    if (again := answer_again(command, run, run.replies)) is not None:
        return again
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
