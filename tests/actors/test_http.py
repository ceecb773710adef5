"""HttpPeer: one request after another, every deadline and bound of HTTP, errors as JSON."""

from collections.abc import AsyncIterator

import orjson
import pytest
import trio
import trio.testing

from actors.http import KEEP_ALIVE_S, HttpError, HttpPeer, Response
from actors.settings import Settings
from actors.stream import OwnedStream
from actors.transport import StreamTransport

SETTINGS = Settings(max_message=1000, head_timeout=10, stall_timeout=30)


@pytest.fixture
async def wire() -> AsyncIterator[tuple[HttpPeer, trio.StapledStream]]:
    """Our end of a conversation, and the peer's raw stream."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with theirs, OwnedStream(StreamTransport(ours), outbox=SETTINGS.outbox) as stream:
        yield HttpPeer(stream, SETTINGS), theirs


def head(*lines: str) -> bytes:
    """The bytes of a request's head."""
    return "\r\n".join((*lines, "", "")).encode()


async def answer(peer: HttpPeer, theirs: trio.StapledStream, response: Response) -> tuple[int, dict[str, str], bytes]:
    """Send a response; what the peer sees of it."""
    await peer.respond(response)
    raw = await theirs.receive_some()
    top, _, body = bytes(raw).partition(b"\r\n\r\n")
    status, *lines = top.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split()[1]), headers, body


async def refused(peer: HttpPeer) -> HttpError:
    """The error that the next request is."""
    with pytest.raises(HttpError) as caught:
        request = await peer.read_request()
        assert request is not None
        await peer.read_body(request)
    return caught.value


async def test_a_request_is_read_and_answered_and_the_next_one_follows(wire):
    """Sequential requests share a connection."""
    peer, theirs = wire
    for turn in range(3):
        await theirs.send_all(head(f"POST /a%20b/{turn}?x=1&y=a+b HTTP/1.1", "Host: h:1", "Content-Length: 2") + b"hi")
        request = await peer.read_request()
        assert (request.method, request.host, request.path) == ("POST", "h:1", f"/a%20b/{turn}")
        assert request.query == {"x": "1", "y": "a b"}
        assert await peer.read_body(request) == b"hi"
        status, headers, body = await answer(peer, theirs, Response.json({"n": turn}))
        assert (status, orjson.loads(body)) == (200, {"n": turn})
        assert headers["content-type"] == "application/json"
        assert headers["x-content-type-options"] == "nosniff"
        assert "connection" not in headers
        assert peer.reusable()


async def test_pipelined_requests_are_answered_one_by_one(wire):
    """What came with an earlier request is not lost."""
    peer, theirs = wire
    await theirs.send_all(head("GET /1 HTTP/1.1", "Host: h") + head("GET /2 HTTP/1.1", "Host: h"))
    for path in ("/1", "/2"):
        request = await peer.read_request()
        assert request.path == path
        await peer.read_body(request)
        await answer(peer, theirs, Response())
        assert peer.reusable()


async def test_a_chunked_body_is_joined(wire):
    """Chunks are the sender's business."""
    peer, theirs = wire
    await theirs.send_all(head("POST / HTTP/1.1", "Host: h", "Transfer-Encoding: chunked"))
    await theirs.send_all(b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")
    request = await peer.read_request()
    assert await peer.read_body(request) == b"abcde"


async def test_a_peer_that_waits_for_100_is_told_to_continue(wire):
    """Curl sends a larger body only then."""
    peer, theirs = wire
    await theirs.send_all(head("POST / HTTP/1.1", "Host: h", "Content-Length: 2", "Expect: 100-continue"))
    request = await peer.read_request()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.read_body, request)
        assert (await theirs.receive_some()).startswith(b"HTTP/1.1 100 ")
        await theirs.send_all(b"ok")


async def test_head_gets_the_headers_only(wire):
    """HEAD is GET without its body."""
    peer, theirs = wire
    await theirs.send_all(head("HEAD / HTTP/1.1", "Host: h"))
    await peer.read_body(await peer.read_request())
    status, headers, body = await answer(peer, theirs, Response(body=b"12345", content_type="text/plain"))
    assert (status, headers["content-length"], body) == (200, "5", b"")
    assert peer.reusable()


async def test_a_file_is_sent(wire, tmp_path):
    """A body may be a file."""
    peer, theirs = wire
    (tmp_path / "f").write_bytes(b"x" * 100_000)
    await theirs.send_all(head("GET / HTTP/1.1", "Host: h"))
    await peer.read_body(await peer.read_request())
    await peer.respond(Response(body=trio.Path(tmp_path / "f"), content_type="image/png"))
    raw = bytes(await theirs.receive_some())
    assert raw.partition(b"\r\n\r\n")[2] == b"x" * 100_000


async def test_the_end_of_the_peer_between_requests_is_no_error(wire):
    """It hung up politely."""
    peer, theirs = wire
    await theirs.send_eof()
    assert await peer.read_request() is None


@pytest.mark.parametrize("begin", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: h\r\n"])
async def test_half_a_head_is_answered_408_in_time(wire, autojump_clock, begin):
    """A peer that never finishes its head holds nothing for long."""
    peer, theirs = wire
    await theirs.send_all(begin)
    began = trio.current_time()
    error = await refused(peer)
    assert (error.status, error.code, trio.current_time() - began) == (408, "request_timeout", 10)
    status, headers, body = await answer(peer, theirs, error.response())
    assert (status, headers["connection"]) == (408, "close")
    assert orjson.loads(body)["error"]["code"] == "request_timeout"
    assert not peer.reusable()


async def test_an_idle_connection_ends_in_silence(wire, autojump_clock):
    """Between two requests nobody is owed an answer."""
    peer, theirs = wire
    await theirs.send_all(head("GET / HTTP/1.1", "Host: h"))
    await peer.read_body(await peer.read_request())
    await answer(peer, theirs, Response())
    assert peer.reusable()
    began = trio.current_time()
    assert await peer.read_request() is None
    assert trio.current_time() - began == KEEP_ALIVE_S


async def test_a_body_that_stops_coming_is_answered_408(wire, autojump_clock):
    """Half a body holds nothing for long either."""
    peer, theirs = wire
    await theirs.send_all(head("POST / HTTP/1.1", "Host: h", "Content-Length: 9") + b"half")
    assert (await refused(peer)).status == 408


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http_version"),
        (head("GET / HTTP/1.1"), 400, "bad_request"),
        (head("GET / HTTP/1.1", "Host: a", "Host: b"), 400, "bad_request"),
        (head("GET / HTTP/1.0", "Host: a"), 505, "http_version"),
        (head("GET / HTTP/1.1", "Host: h", "X: " + "x" * 20_000), 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431, "head_too_large"),
        (head("POST / HTTP/1.1", "Host: h", "Content-Length: 1001"), 413, "too_large"),
        (head("POST / HTTP/1.1", "Host: h", "Content-Length: -1"), 400, "bad_request"),
        (
            head("POST / HTTP/1.1", "Host: h", "Transfer-Encoding: chunked")
            + b"5dc\r\n"
            + b"x" * 1500
            + b"\r\n0\r\n\r\n",
            413,
            "too_large",
        ),
        (head("GET /?" + "&".join(f"a{n}=1" for n in range(200)) + " HTTP/1.1", "Host: h"), 400, "bad_request"),
    ],
)
async def test_what_is_no_proper_request_is_answered_as_json_and_ends_the_connection(wire, raw, status, code):
    """Rubbish, too much, too old: a status, a code, and the end."""
    peer, theirs = wire
    await theirs.send_all(raw)
    error = await refused(peer)
    assert (error.status, error.code) == (status, code)
    seen, headers, body = await answer(peer, theirs, error.response())
    assert (seen, headers["connection"]) == (status, "close")
    assert set(orjson.loads(body)["error"]) == {"code", "message"}
    assert not peer.reusable()


async def test_an_upgrade_is_replayed_from_its_first_byte(wire):
    """Whoever does the handshake sees what we saw, frames that came along included, earlier requests not."""
    peer, theirs = wire
    await theirs.send_all(head("GET /before HTTP/1.1", "Host: h"))
    await peer.read_body(await peer.read_request())
    await answer(peer, theirs, Response())
    assert peer.reusable()
    upgrade = head("GET /ws HTTP/1.1", "Host: h", "Connection: keep-alive, Upgrade", "Upgrade: WebSocket")
    raw = upgrade + b"\x81\x80...."
    await theirs.send_all(raw[:40])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(theirs.send_all, raw[40:])
        request = await peer.read_request()
    assert request.upgrades
    assert peer.replay() == (upgrade, b"\x81\x80....")


async def test_a_peer_that_takes_nothing_is_left(autojump_clock):
    """A response does not wait for ever."""
    ours, theirs = trio.testing.lockstep_stream_pair()
    async with theirs, OwnedStream(StreamTransport(ours), outbox=1000) as stream:
        peer = HttpPeer(stream, SETTINGS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(theirs.send_all, head("GET / HTTP/1.1", "Host: h"))
            request = await peer.read_request()
        assert request is not None
        await peer.read_body(request)
        began = trio.current_time()
        with pytest.raises(trio.BrokenResourceError):
            await peer.respond(Response(body=b"x"))
        assert trio.current_time() - began == 30
