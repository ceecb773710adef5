"""What can go wrong on this side of the wire, each kind with a stable `code`.

A node's failure is data: it becomes a `node.error` event with the `code` of a `NodeError`. Everything else here is
raised to whoever called.
"""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from protocol.messages import Snapshot

__all__ = [
    "ActorGone",
    "ActorsError",
    "Busy",
    "CommandRefused",
    "ExpressionError",
    "Fenced",
    "Gap",
    "HistoryLost",
    "JournalError",
    "KindError",
    "NodeError",
    "NodeStuck",
    "RunActive",
    "ServerRefused",
    "ServerUnreachable",
    "SettingsError",
    "ShuttingDown",
    "UnknownRun",
    "UnknownSecret",
]


class ActorsError(Exception):
    """The base of all errors of `actors`."""

    code: ClassVar[str] = "actors_error"


class ActorGone(ActorsError):
    """The actor that was asked has ended before it answered. Ask the runtime for its record instead."""

    code = "actor_gone"


class Busy(ActorsError):
    """An actor's mailbox is full. Try again a little later."""

    code = "busy"


class RunActive(ActorsError):
    """The workflow has an unfinished run; `run_id` names it. Stop it first, or watch it."""

    code = "already_running"

    def __init__(self, workflow_id: str, run_id: str) -> None:
        super().__init__(f"workflow {workflow_id!r} is already running (run {run_id})")
        self.workflow_id = workflow_id
        self.run_id = run_id


class UnknownRun(ActorsError):
    """No run with this id, or none of this workflow, is known here."""

    code = "unknown_workflow"


class ShuttingDown(ActorsError):
    """The runtime ends and takes no new run. Start it again when the server is back."""

    code = "shutting_down"


class JournalError(ActorsError):
    """The journal refused or could not do what was asked; its text says which run and seq."""

    code = "journal_error"


class Gap(JournalError):
    """An append that is not the run's next one. A bug of whoever appends: nothing was written."""

    code = "gap"


class Fenced(JournalError):
    """An append to a run that somebody else executes now, or that has ended: stop its work here at once."""

    code = "fenced"


class CommandRefused(ActorsError):
    """The server did not do what a client asked; `code` is the server's own, the text says why."""

    code = "refused"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code  # type: ignore[misc]  # an instance is more precise than its class


class HistoryLost(ActorsError):
    """Events that a client had not seen are gone from the server: trimmed, or it has another journal than before.

    Iterate over the run again to go on behind the snapshot, where there is one.

    Args:
        message: what happened.
        run_id: of the run.
        after: the newest seq that was seen.
        snapshot: the state that takes the place of what is gone; None: the server does not know the run any more.
    """

    code = "history_lost"

    def __init__(self, message: str, *, run_id: str, after: int, snapshot: "Snapshot | None" = None) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.after = after
        self.snapshot = snapshot


class ServerRefused(ActorsError):
    """The server does not want this client, and it does not come back: a wrong token, another client with its session.

    Args:
        message: why, in the server's words.
        reason: the WebSocket's close code, or the status of HTTP.
    """

    code = "server_refused"

    def __init__(self, message: str, *, reason: int) -> None:
        super().__init__(message)
        self.reason = reason


class ServerUnreachable(ActorsError):
    """A client tried `max_attempts` times in a row to reach its server. Connect again when it is there."""

    code = "server_unreachable"


class KindError(ActorsError):
    """A kind of node cannot be registered; the text names it. Rename one of two, or repair its package."""

    code = "bad_kind"


class SettingsError(ActorsError):
    """A setting is unknown or has a wrong value; the text names its source (file, environment, flag) and the key."""

    code = "bad_settings"


class NodeError(ActorsError):
    """A node failed. Raise it in a node to say why; `code` may be set per instance.

    Args:
        message: what happened, for the user.
        code: stable, for programs; becomes `code` of the `node.error` event.
    """

    code = "node_failed"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code  # type: ignore[misc]  # an instance may be more precise than its class


class UnknownSecret(NodeError, KeyError):
    """A secret was used that the server does not have; the text names the environment variable to set."""

    code = "unknown_secret"

    def __str__(self) -> str:
        return str(self.args[0])


class ExpressionError(NodeError):
    """An expression failed when the node ran; the text names the field and the expression."""

    code = "expression_failed"


class NodeStuck(NodeError):
    """A step of a node did not yield for too long; the watchdog raised this inside it."""

    code = "node_stuck"
