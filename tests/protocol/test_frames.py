"""Frames that every subscriber may share."""

import orjson
import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from protocol.frames import batch_frame, text_frame, text_frames


def received(data):
    """What a client sees of these bytes."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(data)
    return list(client.events())


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 2**20])
def test_a_frame_of_any_size_is_one_message_to_a_client(size):
    """Each of the three length forms of RFC 6455 is read back whole."""
    assert "".join(event.data for event in received(text_frame(b"x" * size))) == "x" * size


def test_frames_are_whole_and_leave_no_trace():
    """The factory is as before after each frame: order and number of frames do not matter, joined frames are frames."""
    first, second = text_frame(b'{"a":1}'), text_frame("{“b”:2}".encode())
    text_frame(b"x" * 70_000)
    assert text_frame(b'{"a":1}') == first
    assert first + second == text_frames([b'{"a":1}', "{“b”:2}".encode()])
    assert [event.data for event in received(first + second)] == ['{"a":1}', "{“b”:2}"]
    assert all(isinstance(event, TextMessage) and event.message_finished for event in received(first + second))


def test_a_frame_is_final_text_and_not_masked():
    """FIN and opcode 1, no mask bit: what a server must send."""
    assert text_frame(b"ok") == bytes([0x81, 2]) + b"ok"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_batch_is_one_frame_with_an_array(count):
    """A client that asked for batches gets an array, also of one."""
    messages = [{"seq": n, "text": "ä"} for n in range(count)]
    (event,) = received(batch_frame([orjson.dumps(message) for message in messages]))
    assert orjson.loads(event.data) == messages
