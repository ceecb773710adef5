"""The raw socket limit: what it costs to say the events, with nothing behind them.

A loop on blocking sockets. Nothing is run, nobody is checked, nothing is kept: for each node two events are encoded
and framed, what a millisecond brings is joined, and each connection is sent it by one call. For `speak` the frames of
a tick are made once and sent. It speaks as much of the snake dialect as the load needs to notice no difference.
"""

import argparse
import base64
import hashlib
import itertools
import json
import re
import selectors
import socket
import time
from collections.abc import Mapping
from typing import Any, Final

import orjson

from tests.bench.load import TEXT, frame

WINDOW_SECONDS: Final = 0.001
CHUNK_BYTES: Final = 1 << 18
MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Limit:
    """Everybody who is connected, and what they are sent."""

    def __init__(self) -> None:
        self.clients: set[socket.socket] = set()
        self.selector = selectors.DefaultSelector()
        self.numbers = itertools.count(1)

    def accept(self, listener: socket.socket) -> None:
        """One more."""
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = client.recv(CHUNK_BYTES)
            if not more:
                client.close()
                return
            head += more
        client.sendall(answer(head))
        self.clients.add(client)
        self.selector.register(client, selectors.EVENT_READ, client)

    def hear(self, client: socket.socket) -> None:
        """What a connection says at once, or its end."""
        heard = bytearray()
        while True:
            chunk = client.recv(CHUNK_BYTES)
            heard += chunk
            while (text := first_text(heard)) is not None:
                message = json.loads(text)
                if message["type"] == "workflow.start":
                    self.run(message["payload"]["nodes"])
                else:
                    client.sendall(confirmation(message))
            if not chunk or (heard and heard[0] != TEXT):
                self.clients.remove(client)
                self.selector.unregister(client)
                client.close()
                return
            if not heard:
                return

    def run(self, nodes: list[dict[str, Any]]) -> None:
        """All events of a run."""
        joined = [self.event("workflow.start", status="running", total_nodes=len(nodes))]
        sent = time.perf_counter()
        for node in nodes:
            node_id = node["id"]
            joined.append(self.event("node.running", node_id=node_id, status="running", message="running", attempt=1))
            if node["type"] == "speak":
                self.speak(**node["data"]["config"])
            joined.append(
                self.event(
                    "node.success",
                    node_id=node_id,
                    status="success",
                    message="done",
                    attempt=1,
                    result={},
                    fired=["out"],
                    duration=0.0,
                )
            )
            if (now := time.perf_counter()) - sent > WINDOW_SECONDS:
                self.send(b"".join(joined))
                joined.clear()
                sent = now
        joined.append(self.event("execution.complete", status="completed", results={}, summary={}))
        self.send(b"".join(joined))

    def speak(self, *, seconds: float, events: int, every: float, text: str, **_: Any) -> None:
        """Ticks."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            message = f"at={time.monotonic():.6f} {text}"
            self.send(self.event("execution.log", level="info", message=message) * events)
            time.sleep(every)

    def event(self, type_: str, **payload: Any) -> bytes:
        """The next event as a frame."""
        return event(next(self.numbers), type_, payload)

    def send(self, data: bytes) -> None:
        """To everybody. Who is slow makes all wait: this is a limit, no server."""
        for client in self.clients:
            client.sendall(data)


def answer(head: bytes) -> bytes:
    """What a request for a WebSocket is answered (RFC 6455, 4.2.2)."""
    match = re.search(rb"Sec-WebSocket-Key: (\S+)", head)
    assert match is not None
    accepted = base64.b64encode(hashlib.sha1(match[1] + MAGIC, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %s\r\n\r\n" % accepted
    )


def first_text(heard: bytearray) -> bytes | None:
    """Take the first frame, a text masked by zero as those of the load are; None: it is none, or not all there."""
    if len(heard) < 2 or heard[0] != TEXT:
        return None
    begin, size = 6, heard[1] & 0x7F
    if size >= 126:
        begin = 8 if size == 126 else 14
        size = int.from_bytes(heard[2 : begin - 4], "big")
    if len(heard) < begin + size:
        return None
    text = bytes(heard[begin : begin + size])
    del heard[: begin + size]
    return text


def confirmation(message: Mapping[str, Any]) -> bytes:
    """What a subscription is answered, as a frame."""
    return frame(orjson.dumps({"type": message["type"], "payload": {"ok": True}}), mask=False)


def event(number: int, type_: str, payload: Mapping[str, Any]) -> bytes:
    """An event of the snake dialect as a frame."""
    message = {
        "id": f"run:{number}",
        "type": type_,
        "timestamp": time.time(),
        "workflow_id": "w",
        "run_id": "run",
        "seq": number,
        "payload": payload,
    }
    return frame(orjson.dumps(message), mask=False)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    limit = Limit()
    with socket.create_server(("127.0.0.1", parser.parse_args().port), backlog=4096) as listener:
        limit.selector.register(listener, selectors.EVENT_READ, listener)
        while True:
            for key, _ in limit.selector.select():
                if key.data is listener:
                    limit.accept(listener)
                else:
                    limit.hear(key.data)


if __name__ == "__main__":
    main()
