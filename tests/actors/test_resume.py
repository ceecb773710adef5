"""Who comes back goes on where it was: each case of a reconnect, for clients that know nothing of seq and those that do.

A `Peer` is a client whose pongs the test gives or withholds: what it has not shown to have got may be told again, and
must not be missed.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import attrs
import orjson
import pytest
import trio
from trio.testing import wait_all_tasks_blocked
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage

from actors.transport import StreamTransport

Message = dict[str, Any]

DONE = {"execution.complete", "workflow_completed"}


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


@pytest.fixture
async def port(house) -> AsyncIterator[Port]:
    """Of a house with the default settings."""
    async with port_of(house) as opened:
        yield opened


def gapless(seqs: list[int], first: int) -> bool:
    """Whether nothing is missing and nothing comes twice."""
    return seqs == list(range(first, first + len(seqs)))


async def test_who_saw_nothing_is_told_everything(port, autojump_clock):
    """Zero events seen: it vanished right behind its start, comes back with its id, and says not a word."""
    first = await port.peer(pongs=False)
    await first.say("workflow.start", **flow(2000, 2000))
    await port.away(first)
    await trio.sleep(1)
    back = await port.peer()
    await back.until("execution.complete")
    assert gapless(back.seqs, 1)
    assert back.heard[0]["type"] == "workflow.start"


async def test_a_pong_proves_what_came_before_its_ping(port, autojump_clock):
    """Who answered our ping is told what came after it, and not what came before; nothing is missing."""
    first = await port.peer()
    await first.say("workflow.start", **flow(5000, 5000))
    await first.until("node.running", node_id="w0")
    await trio.sleep(2)
    proven = first.seqs[-1]
    first.pongs = False
    await first.until("node.running", node_id="w1")
    await port.away(first)
    back = await port.peer()
    await back.until("execution.complete")
    assert proven > 1
    assert gapless(back.seqs, proven + 1)


async def test_a_ping_follows_events_within_a_second_and_an_idle_connection_costs_none(port, autojump_clock):
    """One ping for many events, and then none until one is due for the connection's life."""
    peer = await port.peer()
    await peer.say("workflow.start", **flow(100, 100, 100))
    await peer.until("execution.complete")
    assert peer.pings == 0
    await trio.sleep(1.1)
    assert peer.pings == 1
    await trio.sleep(24)
    assert peer.pings == 1
    await trio.sleep(1)
    assert peer.pings == 2


async def test_a_second_reconnect_without_new_events_loses_nothing(port, autojump_clock):
    """The run is paused; three connections come and go, and the fourth goes on where the first was."""
    first = await port.peer()
    await first.say("workflow.start", **flow(5000, 5000))
    await first.until("node.running", node_id="w0")
    await first.say("workflow.pause")
    await first.until("workflow.pause", status="paused")
    await trio.sleep(2)
    proven = first.seqs[-1]
    for _ in range(3):
        await port.away(first)
        first = await port.peer()
        await trio.sleep(30)
        assert first.seqs == []
    await first.say("workflow.resume")
    await first.until("execution.complete")
    assert gapless(first.seqs, proven + 1)


async def test_a_client_that_knows_its_place_gets_exactly_what_follows(port, autojump_clock):
    """`after` is followed, whatever is known here: behind the confirmation nothing twice, nothing missing."""
    first = await port.peer(pongs=False)
    await first.say("workflow.start", **flow(1000, 1000, 5000))
    await first.until("node.running", node_id="w2")
    seen = first.seqs[-1]
    await port.away(first)
    back = await port.peer()
    await back.say("workflow.subscribe", after_seq=seen, run_id=first.heard[0]["run_id"])
    confirmed = await back.until("workflow.subscribe")
    assert confirmed["payload"]["from_seq"] == seen + 1
    await back.until("execution.complete")
    behind = back.heard[back.heard.index(confirmed) :]
    assert gapless([message["seq"] for message in behind if "seq" in message], seen + 1)


async def test_behind_the_window_it_is_a_new_session(port, autojump_clock):
    """Idle longer than that: nobody is subscribed, and an undecided peer is greeted as a new one."""
    first = await port.peer("/ws/me")
    await first.say("workflow.start", **flow(500_000))
    await first.until("node.running", node_id="w0")
    await port.away(first)
    await trio.sleep(119)
    back = await port.peer("/ws/me")
    await back.until("node.running", node_id="w0")
    await port.away(back)
    await trio.sleep(121)
    late = await port.peer("/ws/me")
    hello = await late.until("connection_established")
    assert "resumed" not in hello
    await late.say("workflow.pause")
    await late.until("workflow.pause", ok=True)
    assert late.seqs == []


async def test_a_reconnect_before_the_drop_was_noticed_inherits(port, autojump_clock):
    """The half-dead connection is closed, and what it had not shown to have got is told to the new one."""
    first = await port.peer()
    await first.say("workflow.start", **flow(5000, 5000))
    await trio.sleep(2)
    proven, first.pongs = first.seqs[-1], False
    await first.until("node.running", node_id="w1")
    back = await port.peer()
    await back.until("execution.complete")
    assert first.code == 4409
    assert gapless(back.seqs, proven + 1)


async def test_a_connection_lost_with_the_snapshot_is_told_from_the_beginning(port, autojump_clock):
    """It asked for the state and may not have got it: so all of the run is told."""
    starter = await port.peer("/ws/starter?dialect=snake")
    await starter.say("workflow.start", **flow(3000, 3000))
    await trio.sleep(1)
    first = await port.peer(pongs=False)
    await first.say("workflow.subscribe")
    await first.until("workflow.snapshot")
    await port.away(first)
    back = await port.peer()
    await back.until("execution.complete")
    assert gapless(back.seqs, 1)


async def test_a_snapshot_that_arrived_is_a_position(port, autojump_clock):
    """A pong behind it proves it: only what followed is told."""
    starter = await port.peer("/ws/starter?dialect=snake")
    await starter.say("workflow.start", **flow(5000, 5000))
    await trio.sleep(1)
    first = await port.peer()
    await first.say("workflow.subscribe")
    snapshot = await first.until("workflow.snapshot")
    await trio.sleep(1.5)
    await port.away(first)
    back = await port.peer()
    await back.until("execution.complete")
    assert gapless(back.seqs, snapshot["payload"]["last_seq"] + 1)


async def test_a_run_that_finished_while_it_was_away_is_told_to_its_end_once(port, autojump_clock):
    """The rest and the ending; when these have arrived, nothing of it is told any more."""
    first = await port.peer()
    await first.say("workflow.start", **flow(1000, 1000))
    await trio.sleep(0.5)
    await port.away(first)
    await trio.sleep(60)
    back = await port.peer()
    await back.until("execution.complete")
    assert gapless(back.seqs, 1)
    await trio.sleep(2)
    await port.away(back)
    again = await port.peer()
    await trio.sleep(10)
    assert again.heard == []


async def test_a_pause_while_it_was_away_is_told(port, autojump_clock):
    """Whoever comes back sees the run as it is: paused, and by what steps."""
    first = await port.peer()
    await first.say("workflow.start", **flow(10_000))
    await trio.sleep(3)
    await port.away(first)
    other = await port.peer("/ws/other?dialect=snake")
    await other.say("workflow.pause")
    await trio.sleep(1)
    back = await port.peer()
    await back.until("workflow.pause", status="paused")
    said = [message["payload"]["status"] for message in back.heard if message["type"] == "workflow.pause"]
    assert said == ["pausing", "paused"]


async def test_only_what_was_subscribed_last_is_resumed(port, autojump_clock):
    """Subscription changed: types that were asked for, and no run that was given up."""
    starter = await port.peer("/ws/starter?dialect=snake")
    await starter.say("workflow.start", "kept", **flow(5000, 5000))
    await starter.say("workflow.start", "left", **flow(5000, 5000))
    first = await port.peer()
    await first.say("workflow.subscribe", "kept", after_seq=0)
    await first.say("workflow.subscribe", "left", after_seq=0)
    await trio.sleep(1)
    await first.say("workflow.unsubscribe", "left")
    await first.say("workflow.unsubscribe", "kept")
    await first.say("workflow.subscribe", "kept", types=["node.success"])
    await first.until("workflow.subscribe", reply_to="workflow.subscribe")
    await trio.sleep(1)
    await port.away(first)
    back = await port.peer()
    await starter.until("execution.complete", workflow_id="kept")
    await trio.sleep(1)
    assert {(message["type"], message["workflow_id"]) for message in back.heard} == {("node.success", "kept")}
    assert [message["payload"]["node_id"] for message in back.heard][-2:] == ["w0", "w1"]


async def test_runs_that_began_while_it_was_away_are_told(port, autojump_clock):
    """A subscription to a workflow, and one over all runs, hear also what began – and ended – meanwhile."""
    one, every = await port.peer("/ws/one?dialect=snake"), await port.peer("/ws/every?dialect=flat")
    await one.say("workflow.subscribe", "w")
    await every.tell({"type": "subscribe", "id": "1", "event_types": ["*"]})
    await every.until("subscription_confirmed")
    await port.away(one)
    await port.away(every)
    starter = await port.peer("/ws/starter?dialect=snake")
    await starter.say("workflow.start", "w", **flow(100))
    await starter.until("execution.complete")
    await starter.say("workflow.start", "w", **flow(100_000))
    await trio.sleep(1)
    for path in ("/ws/one", "/ws/every"):
        back = await port.peer(path)
        await back.until("node.running", "node_status_update", node_id="w0")
        await trio.sleep(1)
        by_run: dict[str, list[int]] = {}
        for message in back.heard:
            if "seq" in message:
                by_run.setdefault(message["run_id"], []).append(message["seq"])
        assert len(by_run) == 2
        assert all(gapless(seqs, 1) for seqs in by_run.values())
        assert len([message for message in back.heard if message["type"] in DONE]) == 1


async def test_a_resumed_peer_is_greeted_as_its_dialect_has_it(port, autojump_clock):
    """flat: `resumed: true`. snake and camel: no hello, and their dialect from the first word on."""
    for path, start in (
        ("/ws/flat", {"type": "execute_workflow", "workflow": {"id": "f", **flow(9000)}}),
        ("/ws/snake", {"type": "workflow.start", "workflow_id": "s", "payload": flow(9000)}),
        ("/ws/camel", {"type": "workflow.start", "workflowId": "c", "payload": flow(9000)}),
    ):
        first = await port.peer(path)
        await first.tell({"id": "1", **start})
        await first.until("node.running", "node_status_update")
        await port.away(first)
        back = await port.peer(path)
        await back.until("node.running", "node_status_update")
        if path == "/ws/flat":
            assert back.heard[0]["resumed"] is True
            assert back.heard[1]["type"] == "workflow_execution_started"
        else:
            assert back.heard[0]["type"] == "workflow.start"
            assert ("workflowId" in back.heard[0]) == (path == "/ws/camel")


async def test_a_position_beyond_the_run_is_answered_with_a_reset(port, autojump_clock):
    """The server knows less than its client: it says so, shows the state, and goes on live."""
    starter = await port.peer("/ws/starter?dialect=snake")
    await starter.say("workflow.start", **flow(5000))
    started = await starter.until("workflow.start")
    back = await port.peer()
    await back.say("workflow.subscribe", after=f"{started['run_id']}:999")
    reply = await back.until("workflow.subscribe")
    assert reply["payload"]["reset"] is True
    shown = await back.until("workflow.snapshot")
    await back.until("execution.complete")
    assert gapless(back.seqs, shown["payload"]["last_seq"] + 1)


async def test_who_was_sent_only_the_newest_gets_all_of_it_back(open_house, autojump_clock):
    """Only conflated traffic: what a slow client was spared it is told when it comes back, or how many these were."""
    async with open_house(outbox=4096) as house, port_of(house) as port:
        starter = await port.peer("/ws/starter?dialect=snake", pongs=False)
        first = await slow_peer(house)
        await first.say("workflow.subscribe", "w")
        await first.take(2**14)
        await starter.say("workflow.start", **wide(300, 200))
        await trio.sleep(2)
        assert house.runtime.hub.statistics().lagging == 1
        await first.vanish()
        await wait_all_tasks_blocked()
        back = await port.peer()
        await starter.until("execution.complete")
        await trio.sleep(1)
        assert gapless(back.seqs, 1)


async def slow_peer(house) -> Peer:
    """A peer that is sent only what it takes."""
    ours, theirs = trio.testing.lockstep_stream_pair()
    house.nursery.start_soon(house.server.attend, StreamTransport(ours))
    peer = Peer(theirs)
    await peer.shake_hands("/ws/me?dialect=snake", ())
    await peer.take(2**14)
    return peer


async def test_a_connection_that_is_replaced_in_mid_recovery_hands_on_what_it_was_owed(open_house, autojump_clock):
    """It took half of the history and no more; the next one begins where the first surely was."""
    async with open_house(outbox=4096) as house, port_of(house) as port:
        starter = await port.peer("/ws/starter?dialect=snake")
        first = await port.peer(pongs=False)
        await first.say("workflow.subscribe", "w")
        await first.say("workflow.subscribe", "v")
        for workflow_id in ("w", "v"):
            await starter.say("workflow.start", workflow_id, **wide(200, 200))
        await trio.sleep(2)
        await port.away(first)
        for _ in range(2):
            second = await slow_peer(house)
            for _ in range(3):
                await second.take(2**14)
            await wait_all_tasks_blocked()
        back = await port.peer()
        await starter.until("execution.complete", workflow_id="w")
        await starter.until("execution.complete", workflow_id="v")
        await trio.sleep(1)
        for workflow_id in ("w", "v"):
            assert gapless([m["seq"] for m in back.heard if "seq" in m and m["workflow_id"] == workflow_id], 1)


async def test_windows_that_share_an_id_keep_each_its_own_position(port, autojump_clock):
    """After three takeovers nobody is closed; one that comes back gets what the one that was least far misses."""
    windows = [await port.peer() for _ in range(5)]
    assert [window.code for window in windows] == [4409, 4409, 4409, None, None]
    left, right = windows[3:]
    left.pongs = False
    await left.say("workflow.start", **flow(5000, 20_000, 5000))
    await right.say("workflow.subscribe", after_seq=0)
    await trio.sleep(3)
    await port.away(right)
    await port.away(left)
    for _ in range(2):
        back = await port.peer()
        await back.until("node.running", node_id="w1")
        assert gapless(back.seqs, 1)
    await trio.sleep(60)


async def test_a_start_that_is_repeated_after_a_resume_is_answered_by_its_first_event(port, autojump_clock):
    """The client did not hear the answer to its start, and the server knows that it is further: both get their way."""
    first = await port.peer()
    await first.say("workflow.start", **flow(9000), request_id="once")
    await trio.sleep(3)
    await port.away(first)
    back = await port.peer()
    await back.say("workflow.start", **flow(9000), request_id="once")
    answer = await back.until("workflow.start")
    assert (answer["seq"], answer["run_id"]) == (1, first.heard[0]["run_id"])
    await back.until("execution.complete")
    assert gapless([seq for seq in back.seqs if seq > 1], first.seqs[-1] + 1)


@pytest.mark.parametrize(("path", "subprotocols"), [("/ws/me?batch=1&dialect=snake", ()), ("/ws/me", ("snake",))])
async def test_a_batch_is_resumed_as_a_batch(port, autojump_clock, path, subprotocols):
    """An array of messages in a frame, for who asked for that."""
    offers = tuple(f"callboard.{name}.v1.batch" for name in subprotocols)
    first = await port.peer(path, subprotocols=offers, pongs=False)
    await first.say("workflow.start", **flow(2000))
    await port.away(first)
    back = await port.peer(path, subprotocols=offers)
    await back.until("execution.complete")
    assert gapless(back.seqs, 1)


# Runs whose starter is gone


@pytest.mark.parametrize(("action", "status"), [("continue", "running"), ("pause", "paused"), ("stop", "stopped")])
async def test_when_its_starters_session_expires_a_run_does_as_it_was_told(port, autojump_clock, action, status):
    """`onDisconnect`: not when a socket drops, and not while the session may come back."""
    first = await port.peer()
    await first.say("workflow.start", **flow(1_000_000), config={"onDisconnect": action})
    started = await first.until("workflow.start")
    assert started["payload"]["warnings"] == []
    for _ in range(3):
        await port.away(first)
        await trio.sleep(110)
        first = await port.peer()
    runtime = port.house.runtime
    assert (await runtime.snapshot(started["run_id"])).status == "running"
    await port.away(first)
    await trio.sleep(119)
    assert (await runtime.snapshot(started["run_id"])).status == "running"
    await trio.sleep(2)
    assert (await runtime.snapshot(started["run_id"])).status == status


async def test_a_run_goes_on_while_any_connection_of_its_starter_lives(port, autojump_clock):
    """Also if that one was not the one that started it, and whoever else watches does not count."""
    first = await port.peer()
    await first.say("workflow.start", **flow(1_000_000), config={"onDisconnect": "stop"})
    run_id = (await first.until("workflow.start"))["run_id"]
    watcher = await port.peer("/ws/watcher?dialect=snake")
    await watcher.say("workflow.subscribe")
    back = await port.peer()
    assert first.code == 4409
    await trio.sleep(500)
    assert port.house.runtime.run(run_id).status == "running"
    await port.away(back)
    await watcher.until("execution.complete", status="stopped")
