"""The watchdog: names, and where it can breaks, a step that does not yield.

*Theory of operation.* trio runs each task until it awaits something that waits; meanwhile nothing else in the process
moves. A thread looks at the loop four times a second. It needs no hook on each step, which would cost every node: the
loop counts its passes (one instrument call for each), and in one pass a task runs once, so a thread that meets the same
task's frame twice in one pass has met one and the same step.

A step longer than `warn` is written to the log of the program at once, since the loop may never come back (and again
when it has taken twice as long, and so on), and told to `on_warn` once, as soon as the loop can. A step longer than
`limit` is broken, if it may be: on POSIX, on the main thread, for a task with a name that `breakable` accepts. The
thread sends SIGURG – by default ignored, so a late one does no harm, and hardly ever used – and its handler raises
`NodeStuck` in the step, unless trio protects the interrupted code from KeyboardInterrupt, or the code is callboard's
own and called by the node, or a debugger stands there; then it is tried again a moment later. A node that catches it
and goes on without yielding meets the next one after another `limit`. A handler that someone else installed is left
alone. Compiled code that does not return to Python cannot be broken, only named.

The thread ends, and handler and instrument are gone, when `open_watchdog` is left, at once and whatever the reason.
"""

import inspect
import logging
import math
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from types import FrameType
from typing import Any, Final

import attrs
import trio

from actors.errors import NodeStuck

__all__ = ["Stuck", "Watchdog", "open_watchdog"]

LOOK_EVERY_S: Final = 0.25
"""How often the thread looks; a step is timed to about this."""

TRY_EVERY_S: Final = 0.02
"""How often a step over its limit is tried to be broken."""

_LOG: Final = logging.getLogger("callboard.watchdog")
_OWN: Final = ("actors", "protocol")
_KINDS: Final = "actors.nodes"
_DEBUGGERS: Final = frozenset({"bdb", "pdb", "_pydevd_bundle.pydevd"})


@attrs.frozen(kw_only=True)
class Stuck:
    """A step that does not yield."""

    task: str
    """The name of the trio task."""
    seconds: float
    """How long it has taken so far."""
    file: str
    """Where it is, innermost."""
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.task} has not yielded for {self.seconds:.1f} s: {self.file}:{self.line} in {self.function}"


@attrs.define(eq=False)
class _Step:
    """The step that the thread watches."""

    frame: FrameType
    """The first of its task: who it is."""
    innermost: FrameType
    """Where it is."""
    tick: int
    since: float
    warn_at: float
    """Seconds after `since`; so is the next."""
    break_at: float
    task: trio.lowlevel.Task | None = None


class Watchdog(trio.abc.Instrument):
    """Watches the loop that opened it. See `open_watchdog`."""

    def __init__(
        self, *, warn: float, limit: float, on_warn: Callable[[Stuck], object], breakable: Callable[[str], bool]
    ) -> None:
        self._warn = warn
        self._limit = limit
        self._on_warn = on_warn
        self._breakable = breakable
        self._token = trio.lowlevel.current_trio_token()
        self._root = trio.lowlevel.current_root_task()
        self._loop_thread = threading.get_ident()
        self._ticks = 0
        self._closing = threading.Event()
        self._target: _Step | None = None
        """The step to break; read by the signal handler."""
        self._thread = threading.Thread(target=self._watch, name="callboard-watchdog", daemon=True)
        self._before: Any = signal.SIG_DFL
        self.can_break = False
        """Whether this process and thread can be sent the signal."""

    def after_io_wait(self, timeout: float) -> None:
        """A new pass begins."""
        self._ticks += 1

    def open(self) -> None:
        """Start to watch."""
        if hasattr(signal, "pthread_kill") and threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGURG)
            self.can_break = self._before in (signal.SIG_DFL, signal.SIG_IGN)
        if self.can_break:
            signal.signal(signal.SIGURG, self._break)
        trio.lowlevel.add_instrument(self)
        self._thread.start()

    def close(self) -> None:
        """Stop to watch; the thread is gone afterwards."""
        self._closing.set()
        self._thread.join()
        trio.lowlevel.remove_instrument(self)
        if self.can_break and signal.getsignal(signal.SIGURG) == self._break:
            signal.signal(signal.SIGURG, self._before)

    def _watch(self) -> None:
        step: _Step | None = None
        while not self._closing.wait(LOOK_EVERY_S if self._target is None else TRY_EVERY_S):
            step = self._look(step)
            if step is not self._target:
                self._target = None
            if step is None:
                continue
            elapsed = time.monotonic() - step.since
            if elapsed >= step.warn_at:
                self._report(step, elapsed, first=step.warn_at == self._warn)
                step.warn_at *= 2
            if elapsed >= step.break_at and self.can_break:
                step.task = step.task or self._find(step.frame)
                if step.task is not None and self._breakable(step.task.name):
                    self._target = step
                    signal.pthread_kill(self._loop_thread, signal.SIGURG)

    def _look(self, step: _Step | None) -> _Step | None:
        """The step that runs now: the one of the last look, or a new one; None if the loop waits."""
        tick = self._ticks
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001  # the documented way to see another thread
        if frame is None or tick != self._ticks:
            return None
        root = _task_frame(frame)
        if root is None:
            return None
        if step is not None and step.tick == tick and step.frame is root:
            step.innermost = frame
            return step
        return _Step(
            frame=root,
            innermost=frame,
            tick=tick,
            since=time.monotonic(),
            warn_at=self._warn,
            break_at=self._limit or math.inf,
        )

    def _report(self, step: _Step, seconds: float, *, first: bool) -> None:
        step.task = step.task or self._find(step.frame)
        code = step.innermost.f_code
        stuck = Stuck(
            task=step.task.name if step.task else step.frame.f_code.co_qualname,
            seconds=seconds,
            file=code.co_filename,
            line=step.innermost.f_lineno,
            function=code.co_qualname,
        )
        _LOG.warning("%s", stuck)
        if first:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._on_warn, stuck)

    def _find(self, frame: FrameType) -> trio.lowlevel.Task | None:
        """The task that a frame is the first of. The loop may go on meanwhile and change what is walked over."""
        with suppress(RuntimeError):
            for task in _tasks(self._root):
                if getattr(task.coro, "cr_frame", None) is frame:
                    return task
        return None

    def _break(self, signum: int, frame: FrameType | None) -> None:
        """The signal's handler, run by the main thread between two steps of its bytecode."""
        step = self._target
        if step is None or frame is None or step.tick != self._ticks:
            return
        try:
            task = trio.lowlevel.current_task()
        except RuntimeError:
            return
        if task is not step.task or trio.lowlevel.currently_ki_protected() or _is_delicate(frame):
            return
        self._target = None
        seconds = time.monotonic() - step.since
        step.break_at = seconds + self._limit
        raise NodeStuck(f"did not yield for {seconds:.1f} s at {frame.f_code.co_filename}:{frame.f_lineno}")


@asynccontextmanager
async def open_watchdog(
    *,
    warn: float,
    limit: float,
    on_warn: Callable[[Stuck], object],
    breakable: Callable[[str], bool] = lambda name: name.startswith("node:"),
) -> AsyncIterator[Watchdog]:
    """Watch the steps of the loop this is called in.

    Args:
        warn: seconds after which a step is reported, to within half a second; infinity: never.
        limit: seconds after which it is broken where that is possible; 0: never. With neither there is no thread.
        on_warn: called in the loop with each report; may be late, since a stuck loop calls nothing.
        breakable: whether a task of this name may be broken. Called in the thread.
    """
    watchdog = Watchdog(warn=warn, limit=limit, on_warn=on_warn, breakable=breakable)
    if math.isinf(warn) and not limit:
        yield watchdog
        return
    watchdog.open()
    try:
        yield watchdog
    finally:
        watchdog.close()


def _task_frame(frame: FrameType) -> FrameType | None:
    """The first frame of the task that runs in these frames, the one that trio's loop called; None if none runs."""
    current: FrameType | None = frame
    while current is not None and current.f_back is not None:
        caller = current.f_back
        if caller.f_code.co_name == "unrolled_run" and caller.f_globals.get("__name__") == "trio._core._run":
            # The loop calls plain functions too, above all the one that waits for I/O.
            return current if current.f_code.co_flags & inspect.CO_COROUTINE else None
        current = caller
    return None


def _is_delicate(frame: FrameType) -> bool:
    """Whether an exception could leave callboard's own state half changed, or would hit someone's debugger.

    Callboard's code at the outside of the stack – the wrapper that runs a node – is not delicate; what a node calls is.
    """
    names = [str(one.f_globals.get("__name__", "")) for one in _outwards(frame)]
    if _DEBUGGERS.intersection(names):
        return True
    own = [name.partition(".")[0] in _OWN and not name.startswith(_KINDS) for name in names]
    while own and (own[-1] or names[len(own) - 1].startswith("trio.")):
        own.pop()
    return not own or any(own)


def _outwards(frame: FrameType) -> Iterator[FrameType]:
    """The frames of the task, from the innermost."""
    last = _task_frame(frame)
    current: FrameType | None = frame
    while current is not None:
        yield current
        if current is last:
            return
        current = current.f_back


def _tasks(root: trio.lowlevel.Task | None) -> Iterator[trio.lowlevel.Task]:
    left: list[Any] = [root] if root is not None else []
    while left:
        task = left.pop()
        yield task
        for nursery in list(task.child_nurseries):
            left.extend(list(nursery.child_tasks))
