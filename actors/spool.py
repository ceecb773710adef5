"""An output that holds up nobody: what is written to it is kept and written out by a thread.

Theory of operation: `callboard run` prints from inside the event loop that also runs the nodes. A reader who stops
reading (`| less`, Ctrl-S) must stop neither the run's clocks nor Ctrl-C, so the loop never calls `write` on a pipe or a
terminal. `open_spool` starts one task, the pump; it takes all that is pending and writes it in a thread. Whoever writes
much awaits `room` in between, so the pending bytes stay near `LIMIT_BYTES`. At the end of the block the rest is
written, then the pump ends. Cancelled, the block leaves at once: a thread that is stuck in a write is left behind, and
what was pending is lost. When the reader is gone the pump raises BrokenPipeError, which cancels the block.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TextIO

import trio

__all__ = ["LIMIT_BYTES", "Spool", "open_spool", "unplug"]

LIMIT_BYTES: Final = 256 * 2**10
"""Pending above this makes `room` wait."""


class Spool:
    """The writing end; enough of a text file for `rich` to print on."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._pending = bytearray()
        self._writing = 0
        self._wake = trio.Event()
        self._written = trio.Event()
        self.encoding = file.encoding or "utf-8"

    @property
    def pending(self) -> int:
        """Bytes that are not written out yet."""
        return len(self._pending) + self._writing

    def put(self, data: bytes) -> None:
        """Take bytes as they are. Never blocks."""
        self._pending += data
        self._wake.set()

    def write(self, text: str) -> int:
        """Take text; what the file cannot spell becomes `?`. Never blocks."""
        self.put(text.encode(self.encoding, "replace"))
        return len(text)

    def flush(self) -> None:
        """Do nothing: the pump writes as soon as it can."""

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return self._file.isatty()

    def fileno(self) -> int:
        """Of the file behind it, so that the size of a terminal can be asked for."""
        return self._file.fileno()

    async def room(self, *, below: int = LIMIT_BYTES) -> None:  # noqa: ASYNC910  where there is room nobody waits
        """Wait until no more than `below` bytes are pending."""
        while self.pending > below:
            await self._written.wait()

    async def _pump(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            data, self._pending = bytes(self._pending), bytearray()
            self._writing = len(data)
            await trio.to_thread.run_sync(self._write_out, data, abandon_on_cancel=True)
            self._writing = 0
            self._written.set()
            self._written = trio.Event()

    def _write_out(self, data: bytes) -> None:
        file, rest = self._file.buffer, memoryview(data)
        while rest:  # An unbuffered file may take less than it is given.
            rest = rest[file.write(rest) :]
        file.flush()


@asynccontextmanager
async def open_spool(file: TextIO) -> AsyncIterator[Spool]:
    """Write to `file` without waiting for it, inside of this block.

    Raises:
        BrokenPipeError: in a group; nobody reads the file any more.
    """
    spool = Spool(file)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(spool._pump, name="spool")  # noqa: SLF001  one of its two halves
        yield spool
        await spool.room(below=0)
        nursery.cancel_scope.cancel()


def unplug(file: TextIO) -> None:
    """Point a file that nobody reads at nothing: Python flushes it once more when it ends, and must not fail then."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, file.fileno())
    os.close(nothing)
