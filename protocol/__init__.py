"""What is said: the messages, graphs and states of callboard, pure and without I/O.

A program that embeds callboard meets the events (`protocol.messages`), the states (`protocol.states`), and what is
wrong with a graph (`InvalidWorkflow`, with its `Problem`s). They are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from protocol.errors import BadField, InvalidWorkflow, ProtocolError
    from protocol.graph import Problem, Validation, Workflow, validate
    from protocol.messages import (
        ControlReply,
        Event,
        InputReply,
        Logged,
        NodeChanged,
        RunChanged,
        RunEnded,
        RunStarted,
        Snapshot,
        Summary,
    )
    from protocol.states import NodeStatus, RunStatus

__all__ = [
    "BadField",
    "ControlReply",
    "Event",
    "InputReply",
    "InvalidWorkflow",
    "Logged",
    "NodeChanged",
    "NodeStatus",
    "Problem",
    "ProtocolError",
    "RunChanged",
    "RunEnded",
    "RunStarted",
    "RunStatus",
    "Snapshot",
    "Summary",
    "Validation",
    "Workflow",
    "validate",
]

_HOMES: Final = {
    **dict.fromkeys(("BadField", "InvalidWorkflow", "ProtocolError"), "errors"),
    **dict.fromkeys(("Problem", "Validation", "Workflow", "validate"), "graph"),
    **dict.fromkeys(("NodeStatus", "RunStatus"), "states"),
}
"""Name → the module it is from; every other one is a message."""


def __getattr__(name: str) -> object:
    """A public name, imported on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'messages')}"), name)
    globals()[name] = value
    return value
