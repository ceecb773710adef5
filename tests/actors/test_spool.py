"""The spool: what is written holds up nobody, arrives whole and in order, and a reader who left is told."""

import io
import os
import threading

import pytest
import trio

from actors.spool import LIMIT_BYTES, open_spool


class Gate(io.RawIOBase):
    """A file whose writes wait until somebody opens it."""

    name = "gate"

    def __init__(self):
        self.opened = threading.Event()
        self.written = b""

    def writable(self):
        return True

    def write(self, data):
        self.opened.wait(10)
        self.written += bytes(data)
        return len(data)


async def test_all_that_was_written_arrives_in_order():
    """The block's end waits for the last byte."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="utf-8")
    async with open_spool(file) as spool:
        for number in range(1_000):
            spool.write(f"{number}\n")
            if number % 100 == 0:
                await spool.room()
    assert raw.getvalue().decode().split() == [str(number) for number in range(1_000)]
    assert spool.pending == 0


async def test_a_stuck_reader_holds_up_whoever_waits_for_room_and_nobody_else():
    """The event loop goes on; `room` returns when the reader has read."""
    gate = Gate()
    async with open_spool(io.TextIOWrapper(gate, encoding="utf-8")) as spool:
        spool.put(b"x" * (LIMIT_BYTES + 1))
        with trio.move_on_after(0.01) as patience:
            await spool.room()
        assert patience.cancelled_caught
        gate.opened.set()
        await spool.room()
        assert spool.pending <= LIMIT_BYTES
    assert len(gate.written) == LIMIT_BYTES + 1


async def test_a_cancel_leaves_a_stuck_reader_behind():
    """A Ctrl-C does not wait for the terminal."""
    gate = Gate()
    with trio.move_on_after(0.05) as scope:
        async with open_spool(io.TextIOWrapper(gate, encoding="utf-8")) as spool:
            spool.write("never read")
    assert scope.cancelled_caught
    gate.opened.set()


async def test_a_reader_who_left_ends_the_block():
    """BrokenPipeError, however long the block would still have gone on."""
    reader, writer = os.pipe()
    os.close(reader)
    with io.TextIOWrapper(io.FileIO(writer, "w"), encoding="utf-8") as file:
        with pytest.RaisesGroup(BrokenPipeError):
            async with open_spool(file) as spool:
                spool.write("hello\n")
                await trio.sleep_forever()


class Sip(io.RawIOBase):
    """A raw file that takes three bytes at a time, as the stdout of `python -u` may."""

    name = "sip"

    def __init__(self):
        self.written = b""

    def writable(self):
        return True

    def write(self, data):
        self.written += bytes(data[:3])
        return min(3, len(data))


async def test_a_file_that_takes_a_little_gets_it_all():
    """An unbuffered stdout may take less than it is given."""
    raw = Sip()
    async with open_spool(io.TextIOWrapper(raw, encoding="utf-8")) as spool:
        spool.write("hello world")
    assert raw.written == b"hello world"


async def test_what_the_file_cannot_spell_does_not_fail_the_run():
    """An ASCII terminal gets a question mark."""
    raw = io.BytesIO()
    async with open_spool(io.TextIOWrapper(raw, encoding="ascii")) as spool:
        spool.write("ä–b")
    assert raw.getvalue() == b"??b"
