"""OwnedStream: frames go out whole and in order, the outbox is bounded, a cancel cuts no frame."""

import math

import pytest
import trio
import trio.testing

from actors.stream import OwnedStream
from actors.transport import StreamTransport


class Kernel:
    """A transport with room for some bytes, as a kernel has; `make_room` is the peer that reads."""

    cut_by_cancel = False

    def __init__(self, room: float = math.inf) -> None:
        self.room = room
        self.seen = b""
        self.broken = False
        self.relaxed = False
        self._stir = trio.Event()

    def make_room(self, size: int) -> None:
        self.room += size
        self._stir.set()
        self._stir = trio.Event()

    def send_nowait(self, data: bytes | memoryview) -> int:
        if self.broken:
            raise BrokenPipeError
        accepted = int(min(self.room, len(data)))
        self.seen += bytes(data[:accepted])
        self.room -= accepted
        return accepted

    async def send(self, data: bytes) -> int:
        await trio.lowlevel.checkpoint()
        while not (accepted := self.send_nowait(data)):
            await self._stir.wait()
        return accepted

    async def receive(self, max_bytes: int) -> bytes:
        await trio.lowlevel.checkpoint()
        return b""

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()
        self.seen += b"<eof>"

    def relax(self) -> None:
        self.relaxed = True

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def serve_drain(stream: OwnedStream) -> None:
    """What a connection's writer task does with a stream."""
    stream.expect_writer()
    try:
        while True:
            await stream.wait_backlog()
            while stream.queued:
                await stream.drain()
    finally:
        stream.writer_left()


async def test_push_sends_at_once_when_nothing_waits():
    """A push to a peer that keeps up costs no task switch."""
    kernel = Kernel()
    stream = OwnedStream(kernel, outbox=100)
    assert stream.push(b"one")
    assert stream.push(b"two")
    assert kernel.seen == b"onetwo"
    assert stream.queued == 0
    assert stream.waiting_since == math.inf


async def test_what_the_kernel_does_not_take_waits_in_order():
    """A partial send keeps the rest, and what comes later stays behind it."""
    kernel = Kernel(room=4)
    stream = OwnedStream(kernel, outbox=100)
    assert stream.push(b"abcdef")
    assert stream.push(b"ghi")
    assert kernel.seen == b"abcd"
    assert stream.queued == 5
    kernel.make_room(3)
    await stream.drain()
    assert kernel.seen == b"abcdefg"
    kernel.make_room(100)
    await stream.drain()
    assert kernel.seen == b"abcdefghi"
    assert stream.queued == 0


async def test_a_full_outbox_takes_nothing():
    """Full means refused whole: not one byte of the frame is taken, and room makes it welcome again."""
    kernel = Kernel(room=0)
    stream = OwnedStream(kernel, outbox=10)
    assert stream.push(b"12345678")
    assert not stream.push(b"abc")
    assert stream.queued == 8
    assert stream.statistics().refused == 1
    kernel.make_room(100)
    await stream.drain()
    assert stream.push(b"abc")
    assert kernel.seen == b"12345678abc"


async def test_a_frame_larger_than_the_outbox_goes_when_nothing_waits():
    """Otherwise it could never go."""
    kernel = Kernel(room=1)
    stream = OwnedStream(kernel, outbox=10)
    assert stream.push(b"x" * 50)
    assert not stream.push(b"y")
    assert stream.queued == 49


async def test_post_takes_past_the_bound():
    """Replies are always queued, in order with the pushes."""
    kernel = Kernel(room=0)
    stream = OwnedStream(kernel, outbox=4)
    assert stream.push(b"push")
    stream.post(b"reply")
    assert stream.queued == 9
    kernel.make_room(100)
    await stream.drain()
    assert kernel.seen == b"pushreply"


async def test_a_cancelled_send_all_has_handed_over_its_frame_whole():
    """A cancel cuts the waiting, never the frame."""
    kernel = Kernel(room=2)
    stream = OwnedStream(kernel, outbox=4)
    with trio.CancelScope() as scope:
        scope.cancel()
        await stream.send_all(b"frame")
    assert scope.cancelled_caught
    stream.post(b"next")
    kernel.make_room(100)
    await stream.drain()
    assert kernel.seen == b"framenext"


async def test_send_all_waits_for_the_writer_to_get_that_far():
    """Beside a writer, send_all parks until its own bytes were accepted, and not for those behind it."""
    kernel = Kernel(room=0)
    stream = OwnedStream(kernel, outbox=100)
    done = trio.Event()

    async def send() -> None:
        await stream.send_all(b"mine")
        done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_drain, stream)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        stream.post(b"theirs")
        assert not done.is_set()
        kernel.make_room(4)
        await done.wait()
        assert kernel.seen == b"mine"
        nursery.cancel_scope.cancel()
    assert stream.queued == 6


async def test_wait_room_waits_for_what_was_posted_past_the_bound():
    """Whoever posts without a bound can bound itself."""
    kernel = Kernel(room=0)
    stream = OwnedStream(kernel, outbox=4)
    stream.post(b"ab")
    await stream.wait_room()
    stream.post(b"cdefgh")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_drain, stream)
        kernel.make_room(4)
        await stream.wait_room()
        assert stream.queued == 4
        nursery.cancel_scope.cancel()


async def test_send_all_drains_by_itself_without_a_writer():
    """In a handshake nobody else does."""
    kernel = Kernel(room=0)
    stream = OwnedStream(kernel, outbox=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, b"hello")
        await trio.testing.wait_all_tasks_blocked()
        kernel.make_room(5)
    assert kernel.seen == b"hello"


async def test_a_dead_peer_is_told_to_whoever_waits_and_to_push_as_false():
    """The writer learns of a break that a push met; push itself never raises."""
    kernel = Kernel(room=0)
    stream = OwnedStream(kernel, outbox=100)
    with pytest.RaisesGroup(trio.BrokenResourceError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_drain, stream)
            await trio.testing.wait_all_tasks_blocked()
            kernel.broken = True
            assert not stream.push(b"frame")
    assert not stream.push(b"more")
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(b"more")


async def expect_closed(wait) -> None:
    """The awaitable ends with ClosedResourceError."""
    with pytest.raises(trio.ClosedResourceError):
        await wait


async def test_aclose_wakes_a_writer_with_nothing_to_do():
    """Closing ends the writer; nobody hangs."""
    stream = OwnedStream(Kernel(), outbox=100)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect_closed, stream.wait_backlog())
        await trio.testing.wait_all_tasks_blocked()
        await stream.aclose()
    await stream.aclose()
    assert not stream.push(b"x")


async def test_aclose_wakes_whoever_waits_for_the_writer():
    """A control frame that never went tells its sender so."""
    stream = OwnedStream(Kernel(room=0), outbox=100)
    async with trio.open_nursery() as nursery:
        stream.expect_writer()
        nursery.start_soon(expect_closed, stream.send_all(b"never"))
        await trio.testing.wait_all_tasks_blocked()
        await stream.aclose()


async def test_finish_says_the_last_words_after_what_waits():
    """A close in good order loses nothing that was handed over."""
    kernel = Kernel(room=3)
    stream = OwnedStream(kernel, outbox=100)
    stream.push(b"events")
    stream.post(b"bye")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.finish)
        await trio.testing.wait_all_tasks_blocked()
        kernel.make_room(100)
    assert kernel.seen == b"eventsbye<eof>"


async def test_forget_keeps_the_begun_frame_whole():
    """A peer that was too slow gets the rest of the frame it has begun to get, then the last words."""
    kernel = Kernel(room=3)
    stream = OwnedStream(kernel, outbox=100)
    for frame in (b"begun", b"second", b"third"):
        stream.push(frame)
    kernel.make_room(100)
    stream.forget()
    stream.post(b"bye")
    await stream.finish()
    assert kernel.relaxed
    assert kernel.seen == b"begunbye<eof>"


async def test_a_drain_cut_in_a_stream_ends_it():
    """Over a stream nobody knows how much went: after the cut nothing more is sent on it."""
    ours, theirs = trio.testing.lockstep_stream_pair()
    stream = OwnedStream(StreamTransport(ours), outbox=100)
    assert stream.push(b"frame")
    with trio.move_on_after(0):
        await stream.drain()
    with pytest.raises(trio.BrokenResourceError):
        await stream.drain()
    await stream.aclose()
    await theirs.aclose()


async def test_over_a_stream_push_only_queues_and_the_writer_sends():
    """The same promises hold over a trio stream."""
    ours, theirs = trio.testing.memory_stream_pair()
    stream = OwnedStream(StreamTransport(ours), outbox=8)
    assert stream.push(b"frame")
    assert not stream.push(b"frame")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_drain, stream)
        assert await theirs.receive_some() == b"frame"
        nursery.cancel_scope.cancel()
    await theirs.send_all(b"back")
    assert await stream.receive_some() == b"back"
    statistics = stream.statistics()
    assert (statistics.sent, statistics.received, statistics.queued) == (5, 4, 0)


async def test_life_is_what_was_received_or_made_room_for(autojump_clock):
    """Bytes that the kernel takes at once prove nothing about the peer; bytes that had to wait do."""
    kernel = Kernel(room=2)
    stream = OwnedStream(kernel, outbox=100)
    begin = trio.current_time()
    await trio.sleep(1)
    stream.push(b"ab")
    assert stream.last_life == begin
    stream.push(b"cd")
    assert stream.waiting_since == begin + 1
    await trio.sleep(1)
    kernel.make_room(1)
    await stream.drain()
    assert stream.last_life == stream.waiting_since == begin + 2
