"""A Ctrl-C ends the exploration, wherever in a run it arrives.

Theory of operation: Python raises KeyboardInterrupt between two byte codes, and the runs are full of places that must
not let one out: what a node raises is its result, a command's error is a violation, a callback of the garbage
collector is not heard at all. So the handler raises nothing: it takes a note, and has trio's loop end the run it is
in. Whoever insists, while a node blocks the loop, has the exception raised right there. Where somebody else handles
the signal, or in another thread, nothing is done.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import trio

__all__ = ["Interrupt", "heeded"]


class Interrupt:
    """Whether a Ctrl-C came, and who is told."""

    def __init__(self) -> None:
        self._came = False
        self._tell: tuple[trio.lowlevel.TrioToken, Callable[[], None]] | None = None

    def tell(self, end: Callable[[], None]) -> None:
        """`end` is called in the loop of this run if one comes, as it is if one has come. Called from inside of it."""
        self._tell = trio.lowlevel.current_trio_token(), end
        if self._came:
            end()

    def check(self) -> None:
        """Between two runs.

        Raises:
            KeyboardInterrupt: one came.
        """
        if self._came:
            raise KeyboardInterrupt

    def arrived(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        if self._came:
            signal.default_int_handler(number, frame)
        self._came = True
        if self._tell is not None:
            token, end = self._tell
            try:
                token.run_sync_soon(end)
            except trio.RunFinishedError:
                pass  # Between two runs.


@contextmanager
def heeded() -> Iterator[Interrupt]:
    """Around an exploration; the earlier handler is put back."""
    interrupt = Interrupt()
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield interrupt
        return
    signal.signal(signal.SIGINT, interrupt.arrived)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
