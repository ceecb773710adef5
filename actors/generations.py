"""The generations of a run: the nurseries in which its nodes live, one for each start or resume.

Theory of operation: a generation is a task with a nursery and one cancel scope for all its nodes. It waits until it is
told that it is over, or cancelled; then it ends with its last node and reports `Left` into the run's mailbox, which
always has room. One of them at most is current: nodes are started in it. A generation that was told to end is never
current again; a run that goes on meanwhile opens the next one beside it.

A node should end with all that it has started. What it has started elsewhere – in the nursery that it was started in –
is cancelled when the generation ends, and said. If that fails, or a node leaves a nursery or a scope open behind it so
that trio's own book-keeping is broken, it is the run's failure, and nobody else's.

A node has a scope of its own only if it needs one: a pause may not cut it (then the scope shields it), it has a
timeout, it is in a turn of a loop, which may be broken off, or an observer is active.
"""

from typing import Final

import attrs
import trio

from actors.mailbox import Mailbox
from actors.node import NodeTask
from actors.observer import Observer

__all__ = ["Generation", "Generations", "Left", "Strayed"]


MAX_NAMED: Final = 10
"""Tasks that were left behind, in one line of the log."""


@attrs.define(eq=False)
class Generation:
    """A nursery of nodes."""

    scope: trio.CancelScope = attrs.Factory(trio.CancelScope)
    nursery: trio.Nursery | None = None
    """As long as it takes nodes: a cancel of the run ends that before the run's actor hears of it."""
    over: trio.Event = attrs.Factory(trio.Event)
    """Set: it ends when its last node has."""


@attrs.frozen(eq=False)
class Left:
    """A generation has ended: none of its nodes runs any more."""

    generation: Generation
    error: BaseException | None = None
    """What was left behind by a node, and failed."""


@attrs.frozen(eq=False)
class Strayed:
    """Tasks were left behind by nodes, and are cancelled."""

    tasks: str
    """Which, for people."""


class Generations:
    """Those of one run that have not ended; falsy when there are none, which is what *quiet* means.

    Args:
        mailbox: the run's; hears `Left`.
        observer: when active, every node has a scope of its own.
    """

    def __init__(self, mailbox: Mailbox, observer: Observer) -> None:
        self._mailbox = mailbox
        self._observer = observer
        self._all: list[Generation] = []
        self._current: Generation | None = None

    def __bool__(self) -> bool:
        return bool(self._all)

    @property
    def ready(self) -> bool:
        """Whether a node can be started."""
        return self._current is not None and self._current.nursery is not None

    async def open(self, nursery: trio.Nursery) -> None:
        """Open the next one in the run's nursery, and make it current."""
        generation = Generation()
        self._all.append(generation)
        await nursery.start(self._live, generation)
        self._current = generation

    def spawn(self, task: NodeTask) -> None:
        """Start a node in the current one."""
        if self._current is None or self._current.nursery is None:
            raise RuntimeError("a node was started without a generation")
        shield, timeout = not task.step.interruptible, task.step.timeout
        if shield or timeout is not None or task.region.loop is not None or self._observer.active:
            task.scope = trio.CancelScope(shield=shield)
            if timeout is not None:
                task.scope.deadline = trio.current_time() + timeout
        self._current.nursery.start_soon(task.run, name=f"node:{task.idempotency_key}")

    def close(self) -> None:
        """Let the current one end with its last node; there is none any more."""
        if self._current is not None:
            self._current.over.set()
            self._current = None

    def cancel(self) -> None:
        """Cancel all of them; there is no current one any more. What shields itself goes on."""
        self._current = None
        for generation in self._all:
            generation.scope.cancel()

    def left(self, generation: Generation) -> None:
        """One has ended."""
        self._all.remove(generation)

    async def _live(  # noqa: ASYNC910  it awaits its nursery
        self, generation: Generation, *, task_status: trio.TaskStatus[None]
    ) -> None:
        error: BaseException | None = None
        try:
            with generation.scope:
                async with trio.open_nursery() as nursery:
                    generation.nursery = nursery
                    task_status.started()
                    try:
                        await generation.over.wait()
                    finally:
                        generation.nursery = None
                    self._end_strays(nursery)
        except* Exception as errors:  # noqa: BLE001  a node raises none here: it is what one has left behind
            error = errors.exceptions[0] if len(errors.exceptions) == 1 else errors
        finally:
            self._mailbox.report(Left(generation, error))

    def _end_strays(self, nursery: trio.Nursery) -> None:
        """Every node has ended: what is still in their nursery was left behind."""
        if strays := nursery.child_tasks:
            self._mailbox.report(Strayed(", ".join(sorted(map(_place, strays))[:MAX_NAMED])))
            nursery.cancel_scope.cancel()


def _place(task: trio.lowlevel.Task) -> str:
    """A task and where its function begins."""
    code = getattr(task.coro, "cr_code", None)
    return task.name if code is None else f"{task.name} ({code.co_filename}:{code.co_firstlineno})"
