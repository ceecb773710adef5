"""The referee finds what no peer may be sent, wherever it is cut, and nothing else."""

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage

from actors.testing.referee import Referee


def conversation(*said) -> tuple[tuple[bytes, bytes], list[bytes], list[bytes]]:
    """The heads of both sides, the client's first, and the frames as either would send them."""
    client, server = WSConnection(ConnectionType.CLIENT), WSConnection(ConnectionType.SERVER)
    request = client.send(Request(host="h", target="/"))
    server.receive_data(request)
    list(server.events())
    answer = server.send(AcceptConnection())
    client.receive_data(answer)
    list(client.events())
    return (request, answer), [client.send(event) for event in said], [server.send(event) for event in said]


def faults(data: bytes, who="server", step=1) -> list[str]:
    """What is found in it, if so many bytes come at a time."""
    found: list[str] = []
    referee = Referee(who, found)
    for place in range(0, len(data), step):
        referee.hear(data[place : place + step])
    return found


FRAMES = (TextMessage("é" * 300), Ping(b"1"), TextMessage("a", message_finished=False), TextMessage("b"))


@pytest.mark.parametrize("step", [1, 24, 10_000])
def test_whole_frames_are_no_fault(step):
    """In however many pieces, with a message in several frames, and a close at the end."""
    (_, head), _, frames = conversation(*FRAMES, CloseConnection(1000))
    assert faults(head + b"".join(frames), step=step) == []


@pytest.mark.parametrize("cut", [1, 3, 100])
def test_half_a_frame_with_another_behind_it_is_one(cut):
    """Wherever it was cut: what follows is read as the rest of it."""
    (_, head), _, (first, *rest) = conversation(*FRAMES)
    (found,) = faults(head + first[:cut] + b"".join(rest) + first * 3)
    assert found.startswith("the server: ")


def test_half_a_frame_at_the_end_is_none():
    """So a connection breaks."""
    (_, head), _, (first, *_) = conversation(*FRAMES)
    assert faults(head + first[:-1]) == []
    assert faults(head[:-1]) == []


@pytest.mark.parametrize("step", [1, 10_000])
def test_anything_behind_the_close_frame_is_one(step):
    """Also in the same piece, and though it is only the beginning of a frame."""
    (_, head), _, (close,) = conversation(CloseConnection(1000))
    assert faults(head + close + b"\x89", step=step) == ["the server: something follows the close frame"]


def test_a_server_does_not_mask_and_a_client_does():
    """The directions are not the same."""
    (request, head), (masked,), (frame,) = conversation(TextMessage("x"))
    assert faults(request + masked, "client") == []
    assert len(faults(request + frame, "client")) == 1
    assert len(faults(head + masked)) == 1


@pytest.mark.parametrize(
    ("who", "data"),
    [
        ("client", b"GET /health HTTP/1.1\r\nHost: h\r\n\r\nwhatever follows"),
        ("server", b"HTTP/1.1 403 Forbidden\r\nContent-Length: 16\r\n\r\nwhatever follows"),
        ("client", b"x" * 100_000),
    ],
)
def test_http_is_not_its_business(who, data):
    """Nor what is neither."""
    assert faults(data, who, step=1000) == []
