"""What can be wrong with what a peer said, each kind with a stable `code`.

Everything that this package raises on purpose is a `ProtocolError`. Its `code` is part of the wire: clients branch on
it, so a code is never renamed. Its text is for a person: what happened, where, and what to do.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from protocol.graph import Problem

__all__ = [
    "BadEntry",
    "BadField",
    "BadJson",
    "BadMessage",
    "IllegalTransition",
    "InvalidWorkflow",
    "ProtocolError",
    "UnknownType",
]

MAX_TYPE_CHARS: Final = 200
"""Of a type that is not known, said back."""

MAX_FAULTS: Final = 50
"""Told in one text."""


class ProtocolError(Exception):
    """The base of all errors of `protocol`."""

    code: ClassVar[str] = "protocol_error"


class BadJson(ProtocolError):
    """A text frame was not JSON. The peer should send one JSON object per frame."""

    code = "bad_json"


class BadMessage(ProtocolError):
    """A frame was JSON, but not an object with a `type`. The peer should wrap it in the envelope of its dialect."""

    code = "bad_message"


class UnknownType(ProtocolError):
    """A message has a type that its dialect does not know. The peer should compare with `GET /api/schema`."""

    code = "unknown_type"

    def __init__(self, type_: str) -> None:
        super().__init__(f"Unknown message type: {type_[:MAX_TYPE_CHARS]}")
        self.type = type_


class BadEntry(ProtocolError):
    """What a journal kept of an event or a note can not be read: it is damaged, or was written by a newer version."""

    code = "bad_entry"


class BadField(ProtocolError):
    """A message of a known type has fields of the wrong type; `paths` names every one of them.

    Args:
        faults: pairs of (path in the peer's own spelling, what is wrong there).
    """

    code = "bad_field"

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        told = "; ".join(f"{path}: {text}" for path, text in faults[:MAX_FAULTS])
        more = f" (and {len(faults) - MAX_FAULTS} more)" if len(faults) > MAX_FAULTS else ""
        super().__init__(told + more)
        self.faults = tuple(faults)

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the faults, in the order in which they were found."""
        return tuple(path for path, _ in self.faults)


class InvalidWorkflow(ProtocolError):
    """A graph has problems that prevent its start; `problems` holds all of them, warnings included."""

    code = "invalid_workflow"

    def __init__(self, problems: "Sequence[Problem]") -> None:
        errors = [problem for problem in problems if problem.severity == "error"]
        head = "; ".join(f"{problem.path}: {problem.message}" for problem in errors[:3])
        more = f" (and {len(errors) - 3} more)" if len(errors) > 3 else ""  # noqa: PLR2004
        super().__init__(f"The workflow can not start: {head}{more}")
        self.problems = tuple(problems)


class IllegalTransition(ProtocolError):
    """A trigger that the table of states does not allow. Nothing was changed; this is a bug of the caller."""

    code = "illegal_transition"
