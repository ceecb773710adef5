"""Runs inside a run: what a run does to its children, and how a node starts one, finds it again and gets its results.

Theory of operation: a child is a run as any other. The runtime starts it; it has an id, a journal entry and events of
its own, counts among `max_runs`, and may be watched and steered. Its id is its parent's and a number (`r1.2`). Before
it is started the parent notes that id under the node instance (`child/<instance>/<name>`), durably; so an instance that
runs again after a pause or a crash finds its child and waits for that one. The note goes with the instance's end.

Who ends it: `Children` is what the parent's actor knows of its unfinished children. Pause, resume, stop and force go
down in the step in which the parent obeys them, as messages that always fit. An instance's end, and an attempt's that
is retried, stop what it has started, by `parent_stopped`. The parent says `paused` when all of them are paused, and
writes its ending when all have ended; so nothing of a run outlives it, whatever its node does.

After a restart the runtime gives every child back to its parent before either goes on, and `RunActor.adopt` brings it
to where the parent is: a crash between the parent's step and the child's leaves no child behind.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

import attrs
import trio

from protocol.messages import Control, Json, Summary
from protocol.states import RunStatus

__all__ = ["CHILD", "PARENT_STOPPED", "ChildRun", "Children", "Ending", "Family"]

CHILD: Final = "child/"
"""How the key of a note begins that names a child: `{"run_id": …, "attempt": …}`."""

PARENT_STOPPED: Final = "parent_stopped"
"""Why a child was stopped by its parent."""


@attrs.frozen
class Ending:
    """How a child ended."""

    summary: Summary
    results: Mapping[str, Json]
    """Node id → the result of a node that nothing follows; empty unless it completed."""


@attrs.frozen(eq=False)
class Family:
    """What a node's task may ask about children of its run. The runtime makes it."""

    name: Callable[[], str]
    """The id of the next child."""
    start: Callable[[str, Mapping[str, Json], Mapping[str, Json], Mapping[str, Json]], Awaitable[None]]
    """Start a child: its id, graph, inputs and variables. Raises NodeError where it is refused."""
    known: Callable[[str], Awaitable[bool]]
    """Whether there is a run with this id, ended or not."""
    ending: Callable[[str], Awaitable[Ending]]
    """Wait for a child's end. Raises NodeError, code `child_lost`, if it has none and nobody executes it."""


class ChildRun(Protocol):
    """A run actor, as far as its parent steers it."""

    ended: trio.Event

    @property
    def status(self) -> RunStatus:
        """Its state."""
        ...

    def order(self, control: Control) -> None:
        """Its parent was told so, and it is."""

    def halt(self, cause: str) -> None:
        """Stop, whatever its state."""


C = TypeVar("C", bound=ChildRun)


class Children(Generic[C]):
    """The unfinished children of one run; falsy when there are none. Every method but `end` is one synchronous step."""

    def __init__(self) -> None:
        self._open: dict[str, C] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def add(self, run_id: str, child: C) -> None:
        """A child begins."""
        self._open[run_id] = child

    def remove(self, run_id: str) -> None:
        """It has ended. Idempotent."""
        self._open.pop(run_id, None)

    @property
    def unfinished(self) -> Sequence[C]:
        """All of them."""
        return list(self._open.values())

    @property
    def paused(self) -> bool:
        """Whether nothing of any of them is in flight."""
        return all(child.status is RunStatus.PAUSED for child in self._open.values())

    def pause(self, mode: str) -> None:
        """Pause all of them, `now` or by a `drain`."""
        self._order(Control(action="pause", mode="drain" if mode == "drain" else "now"))

    def resume(self) -> None:
        """Resume those that the parent has paused."""
        self._order(Control(action="resume"))

    def force(self) -> None:
        """Of those that are being stopped: drop the grace of sections."""
        self._order(Control(action="stop", force=True))

    def stop(self, run_id: str) -> None:
        """Stop one of them; nothing happens if it has ended."""
        if (child := self._open.get(run_id)) is not None:
            child.halt(PARENT_STOPPED)

    def stop_all(self) -> None:
        """Stop all of them."""
        for child in self._open.values():
            child.halt(PARENT_STOPPED)

    async def end(self) -> None:  # noqa: ASYNC910  without children there is nothing to wait for
        """Stop all of them, and wait until they have ended."""
        self.stop_all()
        for child in list(self._open.values()):
            await child.ended.wait()

    def _order(self, control: Control) -> None:
        for child in self._open.values():
            child.order(control)
