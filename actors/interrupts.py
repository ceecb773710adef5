"""SIGINT and SIGTERM as messages, a given number of times; the next one ends the process.

Theory of operation: a signal handler of Python runs between two byte codes of the main thread, also while a node keeps
the event loop busy. So it is the handler, not a task, that counts: it hands each signal to the loop and, with the last
one, gives the signals back to the system. Whoever insists gets out, whatever the loop is doing, and the shell sees the
usual 130 or 143. Leaving the block puts the earlier handlers back.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import trio

__all__ = ["SIGNALS", "open_interrupts"]

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def open_interrupts(patience: int) -> Iterator[trio.MemoryReceiveChannel[signal.Signals]]:
    """Receive the first `patience` signals. Only in the main thread, inside of `trio.run`."""
    token = trio.lowlevel.current_trio_token()
    send, receive = trio.open_memory_channel[signal.Signals](patience)
    left = patience

    def arrived(number: int, _frame: FrameType | None) -> None:
        nonlocal left
        mine = left = left - 1  # One that comes while this is handled counts on its own, and is not to hide this one.
        if mine == 0:
            for each in SIGNALS:
                signal.signal(each, signal.SIG_DFL)
        if mine >= 0:  # Two that arrive at once are both for this handler, whatever the first of them did.
            token.run_sync_soon(deliver, signal.Signals(number))

    def deliver(number: signal.Signals) -> None:
        try:
            send.send_nowait(number)
        except trio.ClosedResourceError:
            pass  # It came while the block was being left: nobody is there to act on it.

    before = {each: signal.signal(each, arrived) for each in SIGNALS}
    try:
        with send, receive:
            yield receive
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
