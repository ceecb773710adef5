"""The load: WebSocket clients that only count, on raw sockets and one epoll.

Theory of operation: a client here is a socket and three numbers. It parses no JSON and unmasks nothing, for a client
that does more is slower than the server that it is to measure. What it knows of frames is that our texts are ASCII, so
that the head of a frame of 126 bytes or more, 0x81 0x7E or 0x81 0x7F, is nowhere else; events are longer than that, and
whoever says shorter things is not counted. A ping is answered, so that connections may be idle for long.

It runs in the process of the measurement, which does nothing else meanwhile and has a core of its own.
"""

import base64
import os
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Self

import attrs

__all__ = ["Counted", "Crowd", "Peer", "frame"]

TEXT: Final = 0x81
PING: Final = 0x89
PONG: Final = 0x8A
TEXT_THEN_PING: Final = b"}\x89"
HEADS: Final = (b"\x81~", b"\x81\x7f")
ENDING: Final = b'"execution.complete"'
FAILURE: Final = b'"execution.error"'
CARRY_BYTES: Final = 64
"""What is looked at again with the next chunk: a word that we look for may be cut in two."""

CHUNK_BYTES: Final = 1 << 18

SAY_SECONDS: Final = 30.0

SPOKEN: Final = re.compile(rb"at=(\d+\.\d+) ")
"""When an event was said, on the clock of the machine."""


def frame(data: bytes, *, mask: bool = True) -> bytes:
    """A text frame (RFC 6455, 5.2). The mask is zero, which masks nothing and costs nothing."""
    size = len(data)
    bit = 0x80 if mask else 0
    if size < 126:
        head = struct.pack("!BB", TEXT, bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", TEXT, bit | 126, size)
    else:
        head = struct.pack("!BBQ", TEXT, bit | 127, size)
    return head + (b"\0\0\0\0" if mask else b"") + data


@attrs.define(eq=False)
class Peer:
    """One connection."""

    socket: socket.socket
    frames: int = 0
    size: int = 0
    """Bytes."""
    endings: int = 0
    stalled: bool = False
    """Nobody reads it."""
    _carry: bytes = b""

    def take(self, data: bytes) -> bool:
        """Count what came; whether an ending was in it."""
        self.size += len(data)
        seen = self._carry + data
        # What is in the carry alone was counted; what ends in the new data was not.
        edge = len(self._carry)
        for head in HEADS:
            self.frames += seen.count(head, max(0, edge - len(head) + 1))
        if seen.find(FAILURE, max(0, edge - len(FAILURE) + 1)) >= 0:
            raise RuntimeError(f"a run failed: {seen[-500:].decode(errors='replace')}")
        ping = edge if data[0] == PING else seen.find(TEXT_THEN_PING, max(0, edge - 1)) + 1
        if ping:
            # RFC 6455, 5.5: the payload comes back, and is never longer than 125 bytes.
            size = seen[ping + 1]
            self.socket.sendall(bytes([PONG, 0x80 | size, 0, 0, 0, 0]) + seen[ping + 2 : ping + 2 + size])
        endings = seen.count(ENDING, max(0, edge - len(ENDING) + 1))
        self.endings += endings
        self._carry = seen[-CARRY_BYTES:]
        return endings > 0

    def say(self, *texts: bytes) -> None:
        """Send text messages, however long it takes."""
        self.socket.settimeout(SAY_SECONDS)
        self.socket.sendall(b"".join(map(frame, texts)))
        self.socket.setblocking(False)


@attrs.frozen
class Counted:
    """What came in a span."""

    seconds: float
    frames: int
    bytes: int
    least: int
    """Frames of the connection that got fewest, of those that are read."""
    busy: float
    """Share of the time that the load was busy itself: near 1 it is the load that was measured."""
    delays: Sequence[float]
    """From saying to hearing, in seconds, if that was asked for."""


class Crowd:
    """Connections to one server; a context."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._epoll = select.epoll()
        self._by_number: dict[int, Peer] = {}
        self.peers: list[Peer] = []

    @property
    def open(self) -> int:
        """Connections that are read and that nobody has closed."""
        return len(self._by_number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for peer in self.peers:
            peer.socket.close()
        self._epoll.close()

    def join(self, count: int, *, query: str = "dialect=snake", stalled: bool = False) -> list[Peer]:
        """Connect so many more. Those that are stalled are never read, and have little room."""
        joined = []
        for _ in range(count):
            peer = Peer(_connect(self._port, query=query, stalled=stalled), stalled=stalled)
            self.peers.append(peer)
            joined.append(peer)
            if not stalled:
                self._by_number[peer.socket.fileno()] = peer
                self._epoll.register(peer.socket, select.EPOLLIN)
        return joined

    def subscribe(self, workflow_id: str, peers: Iterable[Peer]) -> None:
        """Let them hear a workflow that has not begun; returns when the server has said that they do."""
        said = b'{"id":"s","type":"workflow.subscribe","timestamp":0,"workflow_id":"%s","payload":{}}'
        waiting = list(peers)
        for peer in waiting:
            peer.say(said % workflow_id.encode())
        # Stalled ones too, which the epoll does not have: the reply is theirs to read.
        for peer in waiting:
            peer.socket.settimeout(SAY_SECONDS)
            if not peer.socket.recv(CHUNK_BYTES):
                raise ConnectionError("the server closed a connection")
            peer.socket.setblocking(False)

    def count(
        self,
        say: Callable[[], object],
        *,
        endings: int = 1,
        of: Sequence[Peer] | None = None,
        seconds: float = 120.0,
        delays: bool = False,
    ) -> Counted:
        """Count from before `say()` until everybody of `of` has seen so many more endings, or the time is over.

        Args:
            say: what starts it.
            endings: how many; 0: the time decides, and whoever is closed meanwhile is one less.
            of: who; None: all that are read.
            seconds: the longest time.
            delays: look for when each event was said.
        """
        awaited = set(self._by_number.values() if of is None else of) if endings else set()
        goals = {peer: peer.endings + endings for peer in awaited}
        frames = {peer: peer.frames for peer in self._by_number.values()}
        size = sum(peer.size for peer in self._by_number.values())
        spans: list[float] = []
        busy = -time.process_time()
        began = time.perf_counter()
        say()
        deadline = began + seconds
        while (now := time.perf_counter()) < deadline and (awaited or not endings):
            for number, _ in self._epoll.poll(min(0.5, deadline - now)):
                peer = self._by_number[number]
                try:
                    data = peer.socket.recv(CHUNK_BYTES)
                except BlockingIOError:
                    continue
                if not data:
                    if endings:
                        raise ConnectionError("the server closed a connection")
                    self._epoll.unregister(number)
                    del self._by_number[number]
                    continue
                if delays:
                    heard = time.monotonic()
                    spans += [heard - float(spoken) for spoken in SPOKEN.findall(data)]
                if peer.take(data) and peer in awaited and peer.endings >= goals[peer]:
                    awaited.discard(peer)
        took = time.perf_counter() - began
        got = [peer.frames - before for peer, before in frames.items()]
        return Counted(
            seconds=took,
            frames=sum(got),
            bytes=sum(peer.size for peer in self._by_number.values()) - size,
            least=min(got, default=0),
            busy=(busy + time.process_time()) / took,
            delays=spans,
        )


def _connect(port: int, *, query: str, stalled: bool) -> socket.socket:
    """A socket behind the opening handshake (RFC 6455, 4.1)."""
    client = socket.socket()
    if stalled:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(SAY_SECONDS)
    client.connect(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    client.sendall(
        f"GET /ws/{os.urandom(8).hex()}?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        # One by one, so that nothing behind the head is taken with it.
        more = client.recv(1)
        if not more:
            break
        head += more
    if not head.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(f"no WebSocket at port {port}: {head[:100]!r}")
    client.setblocking(False)
    return client
