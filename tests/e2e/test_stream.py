"""OwnedStream over a real TCP connection: back-pressure, last words to a stalled peer, resets."""

import socket
import struct
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from actors.stream import OwnedStream
from actors.transport import SocketTransport

OUTBOX = 256 * 2**10


@pytest.fixture
async def pair() -> AsyncIterator[tuple[OwnedStream, trio.SocketStream]]:
    """Our end as an OwnedStream, and the peer's as a plain trio stream."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = await trio.open_tcp_stream("127.0.0.1", listener.getsockname()[1])
        connected, _ = listener.accept()
    ours = OwnedStream(SocketTransport(connected), outbox=OUTBOX)
    async with peer, ours:
        yield ours, peer


async def read_all(peer: trio.SocketStream) -> bytes:
    """Everything until the end."""
    data = bytearray()
    async for chunk in peer:
        data += chunk
    return bytes(data)


def fill(stream: OwnedStream, frame: bytes) -> int:
    """Push until the outbox is full; how many were taken."""
    taken = 0
    while stream.push(frame):
        taken += 1
    return taken


async def test_a_stalled_peer_fills_the_outbox_and_then_gets_everything(pair):
    """What was taken arrives, whole and in order, when the peer reads again."""
    ours, peer = pair
    frame = b"0123456789abcdef" * 64
    taken = fill(ours, frame)
    assert OUTBOX - len(frame) < ours.queued <= OUTBOX
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.send_eof)
        assert await read_all(peer) == frame * taken


async def test_the_last_words_reach_a_stalled_peer_that_reads_too_late(pair):
    """The kernel keeps them for it, after we have closed: no reset, no cut frame."""
    ours, peer = pair
    frame = b"0123456789abcdef" * 64
    fill(ours, frame)
    ours.forget()
    ours.post(b"bye")
    with trio.move_on_after(0.2):
        await ours.finish()
    await ours.aclose()
    data = await read_all(peer)
    assert data.endswith(frame[-16:] + b"bye")
    assert (len(data) - 3) % len(frame) == 0


async def test_a_close_with_unread_input_does_not_destroy_the_last_words(pair):
    """What the peer still sends is read away before we close."""
    ours, peer = pair

    async def talk_on() -> None:
        await peer.send_all(b"x" * 4 * 2**20)
        await peer.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk_on)
        with trio.move_on_after(5):
            ours.post(b"too large")
            await ours.finish()
        await ours.aclose()
    assert await read_all(peer) == b"too large"


async def test_a_reset_is_the_peers_fault(pair):
    """A reset is told as BrokenResourceError, to the reader and to the next sender."""
    ours, peer = pair
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await peer.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await ours.receive_some()
    assert not ours.push(b"x")


async def test_aclose_wakes_a_reader(pair):
    """Closing under a reader ends it with ClosedResourceError."""
    ours, _peer = pair
    with pytest.RaisesGroup(trio.ClosedResourceError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.receive_some)
            await trio.testing.wait_all_tasks_blocked()
            await ours.aclose()
