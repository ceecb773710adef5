"""The states of a run and of a node: one literal table each, and one function that walks along it.

Theory of operation: `RUN` says which trigger leads from which state to which; a state without an entry for a trigger
does not allow it, and `{}` is an end. `CONTROLS` says how a *command* of a user is answered in each state. A command
is not a trigger: a second stop is answered with ok and triggers nothing. Both tables are what the design page
"semantics" prints, the state diagram of the README is generated from `RUN`, and nothing else in the project
decides what may follow what.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from protocol.errors import IllegalTransition

__all__ = [
    "CONTROLS",
    "ENDED",
    "NODE",
    "NODE_ENDED",
    "RUN",
    "Action",
    "NodeStatus",
    "RunStatus",
    "Trigger",
    "Verdict",
    "advance",
    "mermaid",
]


class RunStatus(StrEnum):
    """The state of a run, as it is spelled on the wire in every dialect."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    STOPPING = "stopping"
    FAILING = "failing"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"


class NodeStatus(StrEnum):
    """The state of one node instance (the flat dialect spells two of them differently)."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    ERROR = "error"
    SKIPPED = "skipped"


class Trigger(StrEnum):
    """What moves a run."""

    START = "start"
    PAUSE = "pause"
    QUIET = "quiet"
    RESUME = "resume"
    STOP = "stop"
    FAIL = "fail"
    FINISH = "finish"
    HALTED = "halted"


_R, _T, _N = RunStatus, Trigger, NodeStatus

RUN: Final[Mapping[RunStatus, Mapping[Trigger, RunStatus]]] = {
    _R.PENDING: {_T.START: _R.RUNNING, _T.PAUSE: _R.PAUSED, _T.STOP: _R.STOPPING, _T.FAIL: _R.FAILING},
    _R.RUNNING: {_T.PAUSE: _R.PAUSING, _T.STOP: _R.STOPPING, _T.FAIL: _R.FAILING, _T.FINISH: _R.COMPLETED},
    _R.PAUSING: {
        _T.QUIET: _R.PAUSED,
        _T.RESUME: _R.RUNNING,
        _T.STOP: _R.STOPPING,
        _T.FAIL: _R.FAILING,
        _T.FINISH: _R.COMPLETED,
    },
    _R.PAUSED: {_T.RESUME: _R.RUNNING, _T.STOP: _R.STOPPING, _T.FAIL: _R.FAILING},
    _R.STOPPING: {_T.HALTED: _R.STOPPED},
    _R.FAILING: {_T.HALTED: _R.FAILED},
    _R.COMPLETED: {},
    _R.STOPPED: {},
    _R.FAILED: {},
}
"""state → trigger → the state after it."""

ENDED: Final = frozenset(state for state, moves in RUN.items() if not moves)
"""The states of a run after which nothing comes."""

NODE: Final[Mapping[NodeStatus, frozenset[NodeStatus]]] = {
    # running → running is the next attempt of a retry; running → pending is a node that a pause or a crash cut.
    _N.PENDING: frozenset({_N.PENDING, _N.RUNNING, _N.SKIPPED}),
    _N.RUNNING: frozenset({_N.PENDING, _N.RUNNING, _N.SUCCESS, _N.ERROR, _N.SKIPPED}),
    _N.SUCCESS: frozenset(),
    _N.ERROR: frozenset(),
    _N.SKIPPED: frozenset(),
}
"""state of a node instance → the states that may follow it."""

NODE_ENDED: Final = frozenset(state for state, after in NODE.items() if not after)


class Action(StrEnum):
    """A command that steers a run."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    BREAKPOINTS = "breakpoints"
    INPUT = "input"


class Verdict(StrEnum):
    """How a command is taken in a state."""

    APPLY = "apply"
    """ok; it changes something."""
    NOTHING = "nothing"
    """ok; the run is there already, or on its way."""
    KEEP = "keep"
    """ok; an input is kept until its node waits for it."""
    REFUSE = "refuse"
    """not ok; the reply names the state."""
    RECORDED = "recorded"
    """ok; the reply carries the recorded ending."""
    NEW = "new"
    """a start: the earlier run is over, a new one begins."""


_V, _A = Verdict, Action

CONTROLS: Final[Mapping[Action, Mapping[RunStatus, Verdict]]] = {
    _A.START: {state: _V.NEW if state in ENDED else _V.REFUSE for state in RunStatus},
    _A.PAUSE: {
        _R.PENDING: _V.APPLY,
        _R.RUNNING: _V.APPLY,
        _R.PAUSING: _V.NOTHING,
        _R.PAUSED: _V.NOTHING,
        _R.STOPPING: _V.REFUSE,
        _R.FAILING: _V.REFUSE,
        _R.COMPLETED: _V.REFUSE,
        _R.STOPPED: _V.REFUSE,
        _R.FAILED: _V.REFUSE,
    },
    _A.RESUME: {
        _R.PENDING: _V.NOTHING,
        _R.RUNNING: _V.NOTHING,
        _R.PAUSING: _V.APPLY,
        _R.PAUSED: _V.APPLY,
        _R.STOPPING: _V.REFUSE,
        _R.FAILING: _V.REFUSE,
        _R.COMPLETED: _V.REFUSE,
        _R.STOPPED: _V.REFUSE,
        _R.FAILED: _V.REFUSE,
    },
    _A.STOP: {
        _R.PENDING: _V.APPLY,
        _R.RUNNING: _V.APPLY,
        _R.PAUSING: _V.APPLY,
        _R.PAUSED: _V.APPLY,
        _R.STOPPING: _V.NOTHING,
        _R.FAILING: _V.NOTHING,
        _R.COMPLETED: _V.RECORDED,
        _R.STOPPED: _V.RECORDED,
        _R.FAILED: _V.RECORDED,
    },
    # Nothing stops there any more in a run that ends; but who sets them is not to care how far it is.
    _A.BREAKPOINTS: {state: _V.REFUSE if state in ENDED else _V.APPLY for state in RunStatus},
    _A.INPUT: {
        _R.PENDING: _V.KEEP,
        _R.RUNNING: _V.APPLY,
        _R.PAUSING: _V.KEEP,
        _R.PAUSED: _V.KEEP,
        _R.STOPPING: _V.REFUSE,
        _R.FAILING: _V.REFUSE,
        _R.COMPLETED: _V.REFUSE,
        _R.STOPPED: _V.REFUSE,
        _R.FAILED: _V.REFUSE,
    },
}
"""command → state → how it is taken. Every cell is there; a test walks all of them."""


def advance(status: RunStatus, trigger: Trigger) -> RunStatus:
    """The state after `trigger` in `status`.

    Raises:
        IllegalTransition: the table has no such move. Nothing has changed.
    """
    try:
        return RUN[status][trigger]
    except KeyError:
        raise IllegalTransition(f"a run that is {status} can not {trigger}") from None


def mermaid() -> str:
    """The table of a run as a Mermaid state diagram (the README shows it; a test compares)."""
    lines = ["stateDiagram-v2", f"    [*] --> {_R.PENDING}"]
    lines += [f"    {state} --> {after}: {trigger}" for state, moves in RUN.items() for trigger, after in moves.items()]
    lines += [f"    {state} --> [*]" for state in RunStatus if state in ENDED]
    return "\n".join(lines)
