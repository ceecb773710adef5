"""Cables: what each end of a connection in memory meets, while it lasts and after each way to end."""

import pytest
import trio
from trio.testing import check_half_closeable_stream, wait_all_tasks_blocked

from actors.testing.cables import Cable, MemoryStream


async def test_an_end_is_a_stream_as_trio_wants_them(autojump_clock):
    """By trio's own conformance suite, with streams at both ends."""

    async def pair():
        await trio.lowlevel.checkpoint()
        cable = Cable(room=100)
        return cable.client, MemoryStream(cable._up, cable._down)

    async def clogged_pair():
        ends = await pair()
        for end in ends:
            with trio.move_on_after(1):
                await end.send_all(b"x" * 101)
        return ends

    await check_half_closeable_stream(pair, clogged_pair)


async def test_bytes_go_a_few_at_a_time():
    """In turn, and each direction by itself; what is there can be received at once."""
    cable = Cable(chunks=(3, 1), room=8)
    assert [cable.server.send_nowait(b"abcdef") for _ in range(5)] == [3, 1, 3, 1, 0]
    assert await cable.client.receive_some() == b"abcaabca"
    assert cable.server.send_nowait(b"xy") == 2
    assert await cable.client.receive_some(1) == b"x"
    with trio.fail_after(5):
        await cable.client.send_all(b"abcdef")
    assert await cable.server.receive(2) == b"ab"
    assert await cable.server.receive(100) == b"cdef"


async def test_who_sends_waits_for_room():
    """And goes on when the other end has received."""
    cable = Cable(room=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cable.client.send_all, b"x" * 25)
        received = b""
        while len(received) < 25:
            await wait_all_tasks_blocked()
            part = await cable.server.receive(100)
            assert len(part) <= 10
            received += part
    assert received == b"x" * 25


async def test_last_words_find_room():
    """A server that gives up a slow peer can still say so."""
    cable = Cable(chunks=(100,), room=10)
    assert cable.server.send_nowait(b"x" * 20) == 10
    assert cable.server.send_nowait(b"x") == 0
    cable.server.relax()
    assert cable.server.send_nowait(b"bye") == 3


async def test_a_cancelled_send_has_sent_all_that_it_says():
    """The transport's promise; a stream's send may have sent a part, as any."""
    cable = Cable(chunks=(4,), room=8)
    with trio.move_on_after(0):
        await cable.server.send(b"abcdefgh")
    assert await cable.server.send(b"abcdefgh") == 4
    assert await cable.client.receive_some() == b"abcd"
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cable.client.send_all, b"x" * 100)
            await wait_all_tasks_blocked()
            scope.cancel()
    assert await cable.server.receive(100) == b"x" * 8


async def test_an_end_that_closes_lets_the_other_read_on():
    """What is on its way comes, then the end; nothing can be sent to it any more. Both closed, the cable is."""
    cable = Cable()
    await cable.client.send_all(b"last words")
    await cable.client.aclose()
    assert await cable.server.receive(100) == b"last words"
    assert await cable.server.receive(100) == b""
    with pytest.raises(BrokenPipeError):
        cable.server.send_nowait(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await cable.client.receive_some()
    assert not cable.closed
    await cable.server.aclose()
    assert cable.closed


async def test_a_cut_is_a_reset_for_both():
    """Whoever waits wakes, and what was on its way is lost."""
    cable = Cable()
    await cable.client.send_all(b"lost")
    async with trio.open_nursery() as nursery:

        async def hear():
            with pytest.raises(trio.BrokenResourceError):
                await cable.client.receive_some()

        nursery.start_soon(hear)
        await wait_all_tasks_blocked()
        cable.cut()
    with pytest.raises(ConnectionResetError):
        await cable.server.receive(100)
    with pytest.raises(BrokenPipeError):
        await cable.server.send(b"x")
    with pytest.raises(trio.BrokenResourceError):
        await cable.client.send_all(b"x")


async def test_who_is_not_told_of_a_cut_hears_nothing(autojump_clock):
    """It can send until the room is full, and not even an end that closes is noticed; until another cut tells."""
    cable = Cable(room=10)
    cable.cut(server_knows=False)
    with pytest.raises(trio.BrokenResourceError):
        await cable.client.receive_some()
    await cable.client.aclose()
    with trio.move_on_after(10) as patience:
        await cable.server.receive(100)
    assert patience.cancelled_caught
    assert cable.server.send_nowait(b"x" * 20) == 10
    with trio.move_on_after(10) as patience:
        await cable.server.send(b"x")
    assert patience.cancelled_caught
    cable.cut()
    with pytest.raises(ConnectionResetError):
        await cable.server.receive(100)


async def test_two_tasks_at_once_are_a_mistake():
    """Of a connection that has two writers, or two readers, as over a socket."""
    cable = Cable(room=1)
    cable.server.send_nowait(b"x")
    for doing in (
        lambda: cable.server.receive(1),
        lambda: cable.server.send(b"x"),
        lambda: cable.client.send_all(b"xx"),
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(doing)
            await wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await doing()
            nursery.cancel_scope.cancel()
