"""Every private name of trio that the kit uses, in one place that tries itself out when it is imported.

Theory of operation: trio has no public way to decide who steps next, to raise an exception out of a wait, or to ask
which scopes a task stands in. Hypothesis steers the first through two names of `trio._core._run`, the flag
`_ALLOW_DETERMINISTIC_SCHEDULING` and the random source `_r`: each batch of tasks is sorted by age and shuffled with it.
The kit lends trio a source whose shuffle is its scheduler. The trial run at import happens in a thread of its own,
since whoever imports the kit may be inside of a `trio.run`. When it fails, `available` is False and `reason` says why:
the kit then leaves out Crash, Delay and every schedule but fifo, and knows a scope's tasks by their nurseries alone.
"""

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, Final, NoReturn

import trio
from outcome import Error, Outcome
from trio.lowlevel import Task

__all__ = ["Order", "arrange", "available", "break_off", "crash", "keep", "reason", "scheduled", "scopes_around"]

NAMES: Final = {
    "": ("_r", "_ALLOW_DETERMINISTIC_SCHEDULING"),
    "Task": ("_abort_func", "_attempt_abort", "_cancel_status", "_next_send", "_runner"),
    "CancelStatus": ("_parent", "_scope"),
    "Runner": ("runq",),
}
"""Class of `trio._core._run`, or the module itself → what is used of it. Each has its slots on the class."""

_run: Any = sys.modules.get("trio._core._run")

Order = Callable[[list[Task]], None]
"""Puts the tasks of a batch in order, in place: the last one steps first. They come sorted by age."""


class _Source(Random):
    """What trio draws from during a run. Only its shuffle is special."""

    def __init__(self, order: Order) -> None:
        super().__init__(0)
        self._order = order

    def shuffle(self, x: Any) -> None:
        self._order(x)


@contextmanager
def scheduled(order: Order) -> Iterator[None]:
    """Within it, `order` decides about every batch of the runs that are started.

    What `order` raises ends the run at once, as a `trio.TrioInternalError`, whatever its tasks do about it.
    """
    if not (hasattr(_run, "_r") and hasattr(_run, "_ALLOW_DETERMINISTIC_SCHEDULING")):
        yield
        return
    kept = _run._r, _run._ALLOW_DETERMINISTIC_SCHEDULING
    _run._r, _run._ALLOW_DETERMINISTIC_SCHEDULING = _Source(order), True
    try:
        yield
    finally:
        _run._r, _run._ALLOW_DETERMINISTIC_SCHEDULING = kept


def arrange(batch: list[Task], chosen: list[Task]) -> None:
    """From within an order: the chosen ones step, the first one first; the others of the batch wait for the next."""
    if len(chosen) < len(batch):
        for task in batch:
            if task not in chosen:
                task._runner.runq.append(task)
    batch[:] = reversed(chosen)


def scopes_around(task: Task) -> Iterator[trio.CancelScope]:
    """Where the task stands, innermost first, shields included. A task that has ended stands where it was started."""
    status: Any = task._cancel_status
    if status is None and task.parent_nursery is not None:
        status = task.parent_nursery._cancel_status
    while status is not None:
        yield status._scope
        status = status._parent


def crash(task: Task, error: BaseException) -> bool:
    """Raise `error` out of what the task waits for; False if it waits for nothing that can be broken off."""
    if task._abort_func is None:
        return False

    def fail() -> NoReturn:
        raise error

    task._attempt_abort(fail)
    return True


def break_off(task: Task, error: BaseException) -> bool:
    """As `crash`; a task that is about to step gets it as well, unless that is its first step."""
    if isinstance(task._next_send, Outcome):
        task._next_send = Error(error)
        return True
    return crash(task, error)


def keep(task: Task) -> None:
    """Never let go of the task's coroutine.

    Its frames would be closed with it; and one that swallows whatever it is given, swallows that as well, for ever.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(task.coro))


def _missing() -> list[str]:
    owners = {owner: getattr(_run, owner, None) if owner else _run for owner in NAMES}
    return [
        f"{owner}.{name}".lstrip(".")
        for owner, names in NAMES.items()
        for name in names
        if not hasattr(owners[owner], name)
    ]


def _try_out() -> str:
    """Everything above, once; returns what is wrong."""
    if missing := _missing():
        return f"it has no {', '.join(missing)}"
    wrong: list[str] = []
    steps: list[str] = []

    def order(batch: list[Task]) -> None:
        arrange(batch, batch[-1:])

    async def step(name: str) -> None:
        steps.append(name)
        await trio.lowlevel.checkpoint()

    async def wait(scope: trio.CancelScope, *, task_status: trio.TaskStatus[Task]) -> None:
        with scope:
            task_status.started(trio.lowlevel.current_task())
            try:
                await trio.sleep_forever()
            except ZeroDivisionError:
                steps.append("crashed")
                await trio.lowlevel.checkpoint()

    async def main() -> None:
        scope = trio.CancelScope()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(step, "first")
            nursery.start_soon(step, "second")
        async with trio.open_nursery() as nursery:
            task = await nursery.start(wait, scope)
            if list(scopes_around(task))[:2] != [scope, nursery.cancel_scope]:
                wrong.append("the scopes of a task are others")
            if not crash(task, ZeroDivisionError()):
                wrong.append("a wait could not be broken off")
            nursery.cancel_scope.deadline = trio.current_time() + 1

    def run() -> None:
        try:
            with scheduled(order):
                trio.run(main)
        except BaseException as error:  # noqa: ASYNC103, BLE001  another trio may raise anything, and is ended by then
            wrong.append(repr(error))

    thread = threading.Thread(target=run, name="chaos tries trio")
    thread.start()
    thread.join()
    if not wrong and steps != ["second", "first", "crashed"]:
        wrong.append(f"tasks step in another way: {steps}")
    return "; ".join(wrong)


reason: Final = _try_out()
"""What did not work of it; empty when all does."""

available: Final = not reason
"""Whether the private names are there and mean what they meant."""
