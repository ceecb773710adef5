"""What the hot path costs in counts, which do not drift with the machine; `bin/bench` measures the times.

A server in this process, its peers on real sockets, and a graph of so many nodes that do nothing. What is asserted per
node or per event is a difference between two such graphs, so that what a run and a connection cost once is not in it.
"""

import gc
import math
import socket
import sys
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import attrs
import h11
import orjson
import pytest
import trio
import trio.testing
from trio_websocket import WebSocketConnection, wrap_client_stream
from wsproto.events import Request

from actors import fitting, ring
from actors.subscription import Group
from actors.testing.memory_server import MemoryServer, memory_server
from actors.topic import Topic
from actors.transport import SocketTransport
from protocol.dialects.text import dumps
from protocol.messages import Event, Json
from tests.bench.graphs import Graph, chain, wide

FEW, MANY = 50, 150

pytestmark = pytest.mark.no_cover

PING = 0x89
"""RFC 6455, 5.2: the first byte of a ping."""

NUMBERS_BYTES = 64
"""A pointer to a subscriber, and what its connection counts."""


class Tasks(trio.abc.Instrument):
    """Tasks and their steps, by what the task is: `node`, `run`, `writer`, `hub` and so on."""

    def __init__(self) -> None:
        self.spawned: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()
        self.seconds = 0.0

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.spawned[_kind(task)] += 1

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps[_kind(task)] += 1


def _kind(task: trio.lowlevel.Task) -> str:
    return task.name.partition(":")[0].partition(" ")[0].rpartition(".")[2]


class Counting(SocketTransport):
    """A socket whose sends are counted."""

    __slots__ = ("pinged", "sends")

    def __init__(self, connected: socket.socket) -> None:
        super().__init__(connected)
        self.sends: list[bytes | memoryview] = []
        self.pinged = math.inf
        """When, first, on trio's clock."""

    def send_nowait(self, data: bytes | memoryview) -> int:
        self.sends.append(data)
        if data[0] == PING:
            self.pinged = min(self.pinged, trio.current_time())
        return super().send_nowait(data)

    async def send(self, data: bytes) -> int:
        self.sends.append(data)
        return await super().send(data)


@attrs.define(eq=False)
class Peer:
    """A client, and the server's end of its connection."""

    socket: WebSocketConnection
    transport: Counting
    dialect: str

    async def say(self, type_: str, payload: Json) -> None:
        """A command of the workflow, as the dialect spells it."""
        key = "workflowId" if self.dialect == "camel" else "workflow_id"
        await self.socket.send_message(orjson.dumps({"type": type_, "id": "1", key: "w", "payload": payload}).decode())

    async def hear(self, *types: str) -> int:
        """Hear up to a message of one of these types; its seq."""
        with trio.fail_after(30):
            while True:
                message = orjson.loads(await self.socket.get_message())
                if message["type"] in types:
                    return int(message.get("seq", 0))


class Served:
    """A server with peers."""

    def __init__(self, server: MemoryServer) -> None:
        self.server = server
        self.peers: list[Peer] = []

    @property
    def transports(self) -> list[Counting]:
        """The server's ends."""
        return [peer.transport for peer in self.peers]

    @asynccontextmanager
    async def peer(self, path: str, dialect: str) -> AsyncIterator[None]:
        """One more, on a socket of its own."""
        ours, theirs = socket.socketpair()
        transport = Counting(theirs)
        self.server.server.welcome(transport)
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        async with stream, trio.open_nursery() as nursery:
            client = await wrap_client_stream(nursery, stream, "localhost", f"{path}?dialect={dialect}")
            self.peers.append(Peer(client, transport, dialect))
            yield
            nursery.cancel_scope.cancel()

    async def play(self, graph: dict[str, Json]) -> int:
        """Run a graph; all peers hear it. How many events it has."""
        starter, *others = self.peers
        for peer in others:
            if peer.dialect == "flat":
                await peer.say("subscribe", {"workflow_id": "w"})
                await peer.hear("subscribed", "subscription_confirmed")
            else:
                await peer.say("workflow.subscribe", {})
                await peer.hear("workflow.subscribe")
        for transport in self.transports:
            transport.sends.clear()
        await starter.say("workflow.start", graph)
        return {await peer.hear("execution.complete", "workflow_completed") for peer in self.peers}.pop()


@asynccontextmanager
async def served(dialects: Sequence[str]) -> AsyncIterator[Served]:
    """A server and a peer for each of the dialects, of which the first, in snake, starts what is run."""
    async with memory_server() as server, AsyncExitStack() as stack:
        house = Served(server)
        for number, dialect in enumerate(dialects):
            await stack.enter_async_context(house.peer(f"/ws/peer{number}", dialect))
        yield house


def quick(shape: Callable[[int], Graph], nodes: int) -> dict[str, Json]:
    """Such a graph of nodes that do not wait."""
    return {**shape(nodes), "config": {"defaultWaitTime": 0}}


async def tasks_of(shape: Callable[[int], Graph], nodes: int) -> Tasks:
    """The tasks of one run."""
    tasks = Tasks()
    async with served(["snake"]) as house:
        await house.play(quick(shape, 2))
        trio.lowlevel.add_instrument(tasks)
        began = trio.current_time()
        await house.play(quick(shape, nodes))
        tasks.seconds = trio.current_time() - began
        trio.lowlevel.remove_instrument(tasks)
    return tasks


@pytest.mark.parametrize(("shape", "wakes"), [(chain, 1.0), (wide, 0.1)])
async def test_a_node_is_one_task_of_one_step(shape, wakes):
    """Nothing else is spawned for it, and its run wakes once for the nodes that ended meanwhile."""
    few, many = await tasks_of(shape, FEW), await tasks_of(shape, MANY)
    assert many.spawned - few.spawned == {"node": MANY - FEW}
    assert many.steps["node"] - few.steps["node"] == MANY - FEW
    assert many.steps["run"] - few.steps["run"] <= (MANY - FEW) * wakes
    # Once per millisecond, which is no count: but not once for each event, unless those are slower.
    assert many.steps["flush_always"] < max(MANY, 2_000 * many.seconds)
    # Nobody's outbox was full, so the writers slept.
    assert many.steps["writer"] - few.steps["writer"] <= 2


async def test_an_event_is_encoded_once_for_each_dialect(monkeypatch):
    """However many hear it: three in one dialect, two each in the others."""
    encoded: Counter[tuple[str, int]] = Counter()

    def fitted(dialect, message, **more):
        if isinstance(message, Event):
            encoded[dialect.name, message.seq] += 1
        return fitting.fitted(dialect, message, **more)

    monkeypatch.setattr(ring, "fitted", fitted)
    async with served(["snake", "camel", "flat", "snake", "snake", "camel", "flat"]) as house:
        events = await house.play(quick(chain, FEW))
    assert events > 2 * FEW
    assert set(encoded) == {(dialect, seq) for dialect in ("snake", "camel", "flat") for seq in range(1, events + 1)}
    assert set(encoded.values()) == {1}


@pytest.mark.parametrize("shape", [chain, wide])
async def test_a_flush_is_one_send_for_each_subscriber_and_all_are_sent_the_same_bytes(shape):
    """No copy is made for one of them; the starter alone has the replies to its command, too."""
    async with served(["snake"] * 7) as house:
        before = house.server.runtime.hub.statistics()
        await house.play(quick(shape, MANY))
        after = house.server.runtime.hub.statistics()
        flushes = after.flushes - before.flushes
        starter, first, *others = [transport.sends for transport in house.transports]
        assert after.pushes - before.pushes <= flushes * 7
        assert 0 < len(first) <= flushes
        assert len(starter) <= flushes + 2
        for sends in others:
            assert len(sends) == len(first)
            assert all(one is other for one, other in zip(sends, first, strict=True))


async def test_who_hears_the_same_event_is_not_pinged_in_the_same_turn():
    """A ping proves what has arrived: of a thousand at once, everybody else's next event would wait for the last."""
    async with served(["snake"] * 16) as house:
        await house.play(quick(wide, FEW))
        with trio.fail_after(10):
            while any(transport.pinged == math.inf for transport in house.transports):
                await trio.testing.wait_all_tasks_blocked(0.05)
        first, *_, last = sorted(transport.pinged for transport in house.transports)
    assert last - first > 0.1


async def test_what_shook_hands_is_not_kept():
    """A parser of HTTP for each idle connection would be a tenth of its memory."""
    async with served(["snake"] * 3) as house:
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        # Until a peer says something else its request stays with trio-websocket, but without its headers.
        requests = [each for each in gc.get_objects() if isinstance(each, Request)]
        assert [request.extra_headers for request in requests if request.extra_headers] == []
        await house.play(quick(chain, FEW))
        gc.collect()
        parsers = [each for each in gc.get_objects() if isinstance(each, h11.Connection)]
        assert [parser for parser in parsers if parser.our_role is h11.SERVER] == []


async def test_a_fan_out_allocates_nothing_for_a_subscriber(monkeypatch):
    """But the numbers that its connection keeps, however long the events are."""
    subscribers, held = 50, 0
    flushes: list[tuple[int, int]] = []
    """Bytes that were sent to each, and bytes that it took to send them, at most at a time."""

    def taken(self):
        nonlocal held
        data = take(self)
        sys.settrace(None)
        tracemalloc.reset_peak()
        held, _ = tracemalloc.get_traced_memory()
        flushes.append((len(data), 0))
        return data

    def pushed(self, group, before):
        try:
            push(self, group, before)
            flushes[-1] = flushes[-1][0], tracemalloc.get_traced_memory()[1] - held
        finally:
            sys.settrace(tracer)

    # What coverage takes for each line is not meant.
    tracer = sys.gettrace()
    take, push = Group.take, Topic._push
    async with served(["snake"] * subscribers) as house:
        await house.play(quick(wide, MANY))  # for what is made once
        monkeypatch.setattr(Group, "take", taken)
        monkeypatch.setattr(Topic, "_push", pushed)
        tracemalloc.start()
        try:
            await house.play(quick(wide, MANY))
        finally:
            tracemalloc.stop()
    # The lists in which this test counts what is sent grow now and then, but by less than one copy of much.
    size, took = max(flushes)
    assert size > 2 * subscribers * NUMBERS_BYTES
    assert took < size / 2


@contextmanager
def everything_collected() -> Iterator[Counter[str]]:
    """What only the garbage collector would free of what is made inside, by class, once the block is left."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.update(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


LOOP = {
    "nodes": [
        {"id": "s", "type": "start"},
        {"id": "l", "type": "loop", "data": {"config": {"count": 3}}},
        {"id": "v", "type": "set", "data": {"config": {"values": {"x": "{{ index }}"}}}},
        {"id": "w", "type": "wait", "data": {"config": {"duration": 1, "timeout": 1000, "waitTime": 1}}},
    ],
    "edges": [
        {"source": "s", "target": "l"},
        {"source": "l", "sourceHandle": "body", "target": "v"},
        {"source": "v", "target": "w"},
    ],
    "config": {"defaultWaitTime": 0},
}


AROUND = {
    "nodes": [{"id": "s", "type": "start"}, {"id": "f", "type": "subflow", "data": {"config": {"workflow": LOOP}}}],
    "edges": [{"source": "s", "target": "f"}],
    "config": {"defaultWaitTime": 0},
}


@pytest.mark.parametrize("graph", [quick(chain, FEW), LOOP, AROUND], ids=["chain", "loop", "subflow"])
async def test_an_ended_run_leaves_nothing_to_the_garbage_collector(graph):
    """Its memory is free when nobody asks for it any more: of a busy server the collector comes minutes later."""
    async with served(["snake", "flat"]) as house:
        await house.play(graph)  # for what is made once
        with everything_collected() as found:
            await house.play(graph)
            await trio.testing.wait_all_tasks_blocked(0.05)
    assert not found


def test_a_text_takes_no_more_than_its_own_length():
    """Texts are kept by the thousand: in the ring of each run, in outboxes."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = [dumps({"text": "x" * 100}) for _ in range(100)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / len(kept) < len(kept[0]) + 64
