"""Warnings about nodes that do not end: a pause that waits for a section, a node that a cancel does not end.

Theory of operation: belongs to one run actor, whose loop calls `run_due`; timers of trio time, not of the run's clock.
"""

from collections.abc import Iterable
from functools import partial
from typing import Final, Protocol

import trio

from actors.node import NodeTask
from actors.recorder import Recorder
from actors.timers import Timers
from protocol.states import RunStatus

__all__ = ["Nagging"]

NAG_SECONDS: Final = 5.0
"""Between two warnings about a node that does not end."""
SLACK_SECONDS: Final = 1.0
"""After the grace, before the first one."""


class Nagged(Protocol):
    """A run actor, as far as it is watched."""

    @property
    def status(self) -> RunStatus: ...
    @property
    def tasks(self) -> Iterable[NodeTask]: ...


class Nagging:
    """The warnings of one run.

    Args:
        recorder: writes them.
        grace: stopGrace, seconds.
        atomic_limit: seconds after which a pause that waits for an atomic section warns.
    """

    def __init__(self, recorder: Recorder, *, grace: float, atomic_limit: float) -> None:
        self._recorder = recorder
        self._grace = grace
        self._atomic_limit = atomic_limit
        self._timers = Timers()
        self._pause: object = None

    def __bool__(self) -> bool:
        return bool(self._timers)

    def next_due(self) -> float:
        """When to call `run_due`, in trio time."""
        return self._timers.next_due()

    def run_due(self) -> None:
        """Warn of what is due."""
        self._timers.run_due(trio.current_time())

    def pausing(self, run: Nagged) -> None:
        """A pause has begun."""
        self._pause = pause = object()
        began = trio.current_time()
        self._timers.at(began + self._atomic_limit, partial(self._nag_pause, run, pause, began))

    def halting(self, run: Nagged) -> None:
        """A cancel has begun after which everything ends."""
        self._timers.at(trio.current_time() + self._grace + SLACK_SECONDS, partial(self._nag_halt, run))

    def _nag_pause(self, run: Nagged, pause: object, began: float) -> None:
        if run.status is not RunStatus.PAUSING or pause is not self._pause:
            return
        now = trio.current_time()
        for task in run.tasks:
            if task.in_atomic:
                text = f"the pause waits for {task.node_id!r}, in an atomic section for {now - began:.0f} s"
                self._recorder.log("warn", text, node_id=task.node_id, iteration=task.iteration)
        self._timers.at(now + self._atomic_limit, partial(self._nag_pause, run, pause, began))

    def _nag_halt(self, run: Nagged) -> None:
        for task in run.tasks:
            text = f"{task.node_id!r} does not end, though it was cancelled: a shield of its own, or it never yields"
            self._recorder.log("warn", text, node_id=task.node_id, iteration=task.iteration)
        self._timers.at(trio.current_time() + NAG_SECONDS, partial(self._nag_halt, run))
