"""Clients that come back: peers whose pongs a test gives or withholds, and a journal that outlives its server."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from typing import Any

import attrs
import orjson
import pytest
import trio
from trio.testing import lockstep_stream_pair, wait_all_tasks_blocked
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage

from actors.journal import Page
from actors.journals import MemoryJournal
from actors.transport import StreamTransport

Message = dict[str, Any]


def flow(*waits: int) -> Message:
    """A chain of nodes that wait, in milliseconds."""
    names = ["s", *(f"w{place}" for place in range(len(waits)))]
    nodes: list[Message] = [{"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}}]
    nodes += [
        {"id": name, "type": "wait", "data": {"config": {"duration": wait, "waitTime": 0}}}
        for name, wait in zip(names[1:], waits, strict=True)
    ]
    return {"nodes": nodes, "edges": [{"source": a, "target": b} for a, b in pairwise(names)]}


def wide(nodes: int, bytes_each: int = 1) -> Message:
    """A layer of nodes that say much, and one that waits a second beside them."""
    layer = [
        {"id": f"n{n}", "type": "set", "data": {"config": {"text": "x" * bytes_each, "waitTime": 0}}}
        for n in range(nodes)
    ]
    slow = {"id": "slow", "type": "wait", "data": {"config": {"duration": 60_000, "waitTime": 0}}}
    start = {"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}}
    return {
        "nodes": [start, slow, *layer],
        "edges": [{"source": "s", "target": node["id"]} for node in (slow, *layer)],
    }


def gapless(seqs: list[int], first: int) -> bool:
    """Whether nothing is missing and nothing comes twice."""
    return seqs == list(range(first, first + len(seqs)))


@attrs.define(eq=False)
class Peer:
    """A client as its socket sees it."""

    stream: trio.abc.Stream
    pongs: bool = True
    """Whether it answers pings."""
    pings: int = 0
    heard: list[Message] = attrs.field(factory=list)
    """All messages, also those that came in one frame."""
    code: int | None = None
    """With what it was closed; 0: without a close frame."""
    _sending: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _socket: WSConnection = attrs.field(factory=lambda: WSConnection(ConnectionType.CLIENT), init=False)
    _text: str = attrs.field(default="", init=False)

    async def shake_hands(self, path: str, subprotocols: tuple[str, ...]) -> None:
        """Upgrade."""
        request = Request(host="localhost", target=path, subprotocols=list(subprotocols))
        await self._send(request)

    async def listen(self) -> None:
        """Hear until it is closed; to be run beside."""
        while self.code is None:
            await self.take(2**16)

    async def take(self, size: int) -> None:
        """Hear what comes, so many bytes of it at most."""
        data = await self.stream.receive_some(size)
        self._socket.receive_data(bytes(data) or None)
        for event in self._socket.events():
            match event:
                case Ping():
                    self.pings += 1
                    if self.pongs:
                        await self._send(event.response())
                case TextMessage():
                    self._text += event.data
                    if event.message_finished:
                        said, self._text = orjson.loads(self._text), ""
                        self.heard += said if isinstance(said, list) else [said]
                case CloseConnection():
                    self.code = event.code if data else 0
                    if data:
                        await self._send(event.response())
                case AcceptConnection():
                    pass

    async def _send(self, event: Any) -> None:
        async with self._sending:
            await self.stream.send_all(self._socket.send(event))

    async def say(self, type_: str, workflow_id: str = "w", **payload: Any) -> None:
        """A command in the snake dialect."""
        message = {"type": type_, "id": type_, "workflow_id": workflow_id, "payload": payload}
        await self.tell(message)

    async def tell(self, message: Message) -> None:
        """A message."""
        await self._send(TextMessage(orjson.dumps(message).decode()))

    async def until(self, *types: str, **fields: Any) -> Message:
        """Wait for a message of these types with these fields; what comes before stays in `heard`."""
        seen = 0
        with trio.fail_after(300):
            while True:
                for message in self.heard[seen:]:
                    said = {**message, **message.get("payload", {})}
                    if message["type"] in types and all(said.get(name) == value for name, value in fields.items()):
                        return message
                seen = len(self.heard)
                await trio.sleep(0.01)

    @property
    def seqs(self) -> list[int]:
        """Of the events that it heard."""
        return [message["seq"] for message in self.heard if "seq" in message]

    async def vanish(self) -> None:
        """The network is gone: no close frame, no answer."""
        await trio.aclose_forcefully(self.stream)


class Port:
    """Where peers connect to a house."""

    flow = staticmethod(flow)
    wide = staticmethod(wide)
    gapless = staticmethod(gapless)

    def __init__(self, house: Any, nursery: trio.Nursery) -> None:
        self.house = house
        self._nursery = nursery

    async def peer(self, path: str = "/ws/me?dialect=snake", *, subprotocols: tuple[str, ...] = (), **how: Any) -> Peer:
        """A peer that has shaken hands."""
        peer = Peer(self.house.connect(), **how)
        await peer.shake_hands(path, subprotocols)
        self._nursery.start_soon(self._listen, peer)
        await wait_all_tasks_blocked()
        return peer

    async def slow_peer(self) -> Peer:
        """A peer that is sent only what it takes."""
        ours, theirs = lockstep_stream_pair()
        self.house.server.welcome(StreamTransport(ours))
        peer = Peer(theirs)
        await peer.shake_hands("/ws/me?dialect=snake", ())
        await peer.take(2**14)
        return peer

    async def _listen(self, peer: Peer) -> None:
        try:
            await peer.listen()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def away(self, peer: Peer) -> None:
        """A peer vanishes, and the server knows it."""
        await peer.vanish()
        await wait_all_tasks_blocked()


@asynccontextmanager
async def port_of(house: Any) -> AsyncIterator[Port]:
    """Peers that listen as long as this is open."""
    async with trio.open_nursery() as nursery:
        yield Port(house, nursery)
        nursery.cancel_scope.cancel()


OpenPort = Callable[..., AbstractAsyncContextManager[Port]]


@pytest.fixture
def open_port(open_house) -> OpenPort:
    """Makes a house with other settings or another journal, and where peers connect to it."""

    @asynccontextmanager
    async def opened(**how: Any) -> AsyncIterator[Port]:
        async with open_house(**how) as house, port_of(house) as port:
            yield port

    return opened


@pytest.fixture
async def port(house) -> AsyncIterator[Port]:
    """Where peers connect to a house with the default settings."""
    async with port_of(house) as opened:
        yield opened


@attrs.define(eq=False)
class Lasting(MemoryJournal):
    """A journal in memory with a tomorrow, which may be slow to read."""

    durable = True
    readable: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self.readable.set()

    async def load(self, run_id: str, after: int = 0, limit: int = 1000) -> Page:
        """Committed events, when it can be read."""
        await self.readable.wait()
        return await super().load(run_id, after, limit)

    async def copy(self) -> "Lasting":
        """What a process leaves behind that is killed now: everything that was committed, and nobody's claims."""
        copy = Lasting()
        for record in self._records.values():
            created = await copy.create(
                record.run_id, record.workflow_id, record.spec, created_at=record.created_at, lease=0
            )
            assert created.claim is not None
            copy.append_nowait(created.claim, record.events, list(record.notes.items()), close=record.closed)
        copy._sessions.update(self._sessions)
        return copy


@pytest.fixture
def journal() -> Lasting:
    """A journal with a tomorrow."""
    return Lasting()
