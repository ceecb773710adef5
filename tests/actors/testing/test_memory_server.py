"""A server in memory: what a test can do with it, and that nothing of it is left afterwards."""

import random
import subprocess
import sys
import threading
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock
from trio_websocket import ConnectionClosed, ConnectionRejected

from actors.client import ClientState
from actors.registry import Registry
from actors.settings import Settings
from actors.testing.memory_server import EPOCH_S, memory_server
from protocol.messages import RunEnded
from protocol.states import RunStatus


def flow(wait: float = 0.0, text: str = "x") -> dict[str, Any]:
    """Three nodes, one of which waits so many milliseconds."""
    configs: dict[str, dict[str, Any]] = {"start": {}, "wait": {"duration": wait}, "set": {"text": text}}
    return {
        "nodes": [
            {"id": kind, "type": kind, "data": {"config": {"waitTime": 0, **config}}}
            for kind, config in configs.items()
        ],
        "edges": [{"source": "start", "target": "wait"}, {"source": "wait", "target": "set"}],
    }


def start(workflow_id: str = "w", **graph: Any) -> dict[str, Any]:
    """The command, as snake and camel say it."""
    return {"type": "workflow.start", "id": "1", "workflow_id": workflow_id, "payload": flow(**graph)}


# A raw client


@pytest.mark.parametrize(
    ("dialect", "command", "ending"),
    [
        ("snake", start(), "execution.complete"),
        ("camel", start(), "execution.complete"),
        ("flat", {"type": "execute_workflow", "workflow": {"id": "w", **flow()}}, "workflow_completed"),
    ],
)
async def test_a_run_is_watched_in_each_dialect(dialect, command, ending, autojump_clock):
    """By a client that sends and receives JSON; nothing on the wire is no WebSocket."""
    async with memory_server() as server, server.connect("/ws/me", dialect=dialect) as peer:
        await peer.send(command)
        ended = await peer.receive(ending)
        seqs = [message["seq"] for message in peer.heard if "seq" in message]
        assert seqs == list(range(1, len(seqs) + 1))
        assert peer.heard[-1] is ended
        status = ended["summary"]["status"] if dialect == "flat" else ended["payload"]["status"]
        assert status == "completed"
        assert peer.closed is None
    assert server.faults == []


async def test_a_client_at_the_root_hears_every_run(autojump_clock):
    """Whoever started it: here the test itself, which has the runtime."""
    async with memory_server() as server, server.connect("/") as peer:
        run = await server.runtime.start(flow())
        heard = await peer.receive("execution.complete")
        assert heard["runId"] == run.id


async def test_a_session_comes_back_by_its_id(autojump_clock):
    """And is told what it missed; times are those of the server's wall clock, which is the virtual one."""
    async with memory_server() as server:
        async with server.connect(session="me", dialect="snake") as peer:
            await peer.send(start(wait=60_000))
            started = await peer.receive("workflow.start")
            peer.cable.cut()
        assert peer.closed is not None
        await trio.sleep(90)
        async with server.connect(session="me") as peer:
            ended = await peer.receive("execution.complete")
        assert EPOCH_S <= started["timestamp"] < EPOCH_S + 1
        assert EPOCH_S + 60 <= ended["timestamp"] < EPOCH_S + 61


@pytest.mark.parametrize("dialect", ["snake", "camel", "flat"])
async def test_breakpoints_are_known_to_who_was_away_and_to_who_comes_late(dialect, autojump_clock):
    """The one is told what it missed, the other has a snapshot; both know why the run is paused, and where."""
    ask: dict[str, Any] = {"type": "workflow.subscribe", "workflow_id": "w", "payload": {"snapshot": True}}
    start_w: dict[str, Any] = start(wait=60_000)
    if dialect == "flat":
        ask = {"type": "subscribe", "workflow_id": "w", "event_types": ["*"], "snapshot": True}
        start_w = {"type": "execute_workflow", "workflow": {"id": "w", **flow(wait=60_000)}}
    async with memory_server() as server:
        async with server.connect(session="me", dialect=dialect) as peer:
            await peer.send(start_w)
            await peer.receive("workflow_execution_started" if dialect == "flat" else "workflow.start")
            peer.cable.cut()
        (run,) = server.runtime.unfinished()
        await run.set_breakpoints(["set"])
        await trio.sleep(90)
        async with server.connect(session="me") as peer, server.connect(session="late", dialect=dialect) as late:
            while True:
                line = await peer.receive("execution_log" if dialect == "flat" else "execution.log")
                if (context := line.get("payload", line).get("context")) is not None:
                    break
            assert context == {"breakpoints": ["set"]}
            await late.send(ask)
            shown = await late.receive("workflow_snapshot" if dialect == "flat" else "workflow.snapshot")
            state = shown.get("payload", shown)
            node = state["nodeId" if dialect == "camel" else "node_id"]
            assert (state["status"], state["reason"], node) == ("paused", "breakpoint", "set")
            assert state["breakpoints"] == ["set"]
        await run.stop()
        await run.wait()
    assert server.faults == []


async def test_runs_that_came_and_went_while_one_was_away_are_told(autojump_clock):
    """Up to the very instant in which it comes back, by the one wall clock there is."""
    async with memory_server() as server:
        async with server.connect(session="me", dialect="snake") as peer:
            await peer.send({"type": "workflow.subscribe", "id": "1", "workflow_id": "w", "payload": {}})
            await peer.receive("workflow.subscribe")
        await trio.sleep(1)
        run = await server.runtime.start(flow(), workflow_id="w")
        await run.wait()
        async with server.connect(session="me") as peer:
            with trio.fail_after(5):
                assert (await peer.receive("execution.complete"))["run_id"] == run.id


async def test_an_iteration_ends_with_the_connection(autojump_clock):
    """And `closed` tells how; what is sent then is refused."""
    async with memory_server() as server:
        async with server.connect(dialect="snake") as older, server.connect(dialect="snake", session="me") as peer:
            async with server.connect(dialect="snake", session="me"):
                assert [message["type"] async for message in peer] == []
                assert peer.closed is not None
                assert peer.closed.code == 4409
                with pytest.raises(ConnectionClosed):
                    await peer.send(start())
            assert older.closed is None
    assert server.faults == []


async def test_a_batch_is_received_one_by_one(autojump_clock):
    """A frame may be an array of messages."""
    async with memory_server() as server:
        run = await server.runtime.start(flow())
        await run.wait()
        async with server.connect(subprotocols=("callboard.snake.v1.batch",)) as peer:
            assert peer.socket.subprotocol == "callboard.snake.v1.batch"
            subscribe = {"run_id": run.id, "after_seq": 0}
            await peer.send({"type": "workflow.subscribe", "id": "1", "workflow_id": "", "payload": subscribe})
            await peer.receive("execution.complete")
            assert all(isinstance(message, dict) for message in peer.heard)


async def test_who_may_not_connect_is_told(autojump_clock):
    """The errors are the plain ones, not in a group; so is what a test raises in the block."""
    async with memory_server(settings=Settings(token="secret")) as server:
        with pytest.raises(ConnectionRejected) as rejected:
            async with server.connect():
                raise AssertionError
        assert rejected.value.status_code == 401
        with pytest.raises(ZeroDivisionError):
            async with server.connect(headers=[("Authorization", "Bearer secret")]):
                raise ZeroDivisionError
        server.reachable = False
        with pytest.raises(ConnectionRefusedError):
            async with server.connect():
                raise AssertionError


async def test_a_handshake_that_is_cut_ends(autojump_clock):
    """trio-websocket alone would wait for ever."""
    async with memory_server() as server, trio.open_nursery() as nursery:

        async def cut():
            while not server.cables:
                await trio.lowlevel.checkpoint()
            server.cut()

        nursery.start_soon(cut)
        with pytest.raises(trio.TooSlowError):
            async with server.connect():
                raise AssertionError


async def test_a_send_that_is_cancelled_cuts_the_connection(autojump_clock):
    """Half a frame may be on the wire, and nothing can follow it."""
    async with memory_server(room=64) as server, server.connect(dialect="snake") as peer:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(peer.send, start(text="x" * 100))
                await trio.lowlevel.checkpoint()
                scope.cancel()
        assert scope.cancelled_caught
        with pytest.raises(ConnectionClosed):
            await peer.receive()
        await server.server.wait_empty()
    assert server.faults == []


# The Python client


async def test_the_python_client_lives_through_cuts(autojump_clock):
    """Each event once and in order, whichever end knows of the cut; a server out of reach is awaited."""
    async with memory_server() as server, server.client() as client:
        run = await client.start(flow(wait=600_000))
        for told in ({}, {"client_knows": False}, {"server_knows": False}):
            await client.wait_for(ClientState.LIVE)
            links = client.statistics().links
            server.cut(**told)
            await trio.sleep(60)
            assert client.statistics().links == links + 1
        server.reachable = False
        server.cut()
        await trio.sleep(60)
        assert client.state is ClientState.AWAY
        server.reachable = True
        heard = [event async for event in run]
        assert [event.seq for event in heard] == list(range(1, len(heard) + 1))
        assert isinstance(heard[-1], RunEnded)
        assert heard[-1].status is RunStatus.COMPLETED
    assert server.faults == []


# The connections


@pytest.mark.parametrize("chunks", [(1,), (24, 5), (7, 1000), (2**20,)], ids=str)
async def test_short_writes_tear_no_frame(chunks, autojump_clock):
    """However few bytes go at a time, and though a large event fills the connection again and again."""
    async with memory_server(chunks=chunks, room=500) as server, server.connect(dialect="snake") as peer:
        await peer.send(start(text="é" * 1000))
        ended = await peer.receive("execution.complete")
        assert ended["payload"]["results"]["set"] == {"text": "é" * 1000}
        seqs = [message["seq"] for message in peer.heard if "seq" in message]
        assert seqs == list(range(1, len(seqs) + 1))
    assert server.faults == []


async def test_a_peer_that_does_not_receive_is_felt_by_the_server(autojump_clock):
    """First the client's backlog is full, then the connection, then the outbox; what was spared is said."""
    settings = Settings(outbox=2000, stall_timeout=1000, ping_timeout=1000)
    async with (
        memory_server(settings=settings, room=500) as server,
        server.connect(dialect="snake", backlog=1) as peer,
    ):
        await peer.send({"type": "workflow.subscribe", "id": "1", "workflow_id": "*", "payload": {}})
        await peer.receive("workflow.subscribe")
        for _ in range(20):
            await (await server.runtime.start(flow())).wait()
        await trio.testing.wait_all_tasks_blocked()
        (row,) = [member.statistics() for member in server.server.sessions]
        assert 500 < row.queued <= 2000 + 500
        endings = [await peer.receive("execution.complete") for _ in range(20)]
        assert len({ended["run_id"] for ended in endings}) == 20
        assert any("conflated" in message for message in peer.heard)


async def test_the_server_closes_who_takes_nothing(autojump_clock):
    """As over a network: 4008, once what waits has had its time. The frame that was begun is whole."""
    settings = Settings(outbox=2000, stall_timeout=30, ping_timeout=1000)
    async with (
        memory_server(settings=settings, room=500) as server,
        server.connect("/ws", dialect="snake", backlog=1) as peer,
    ):
        await peer.send({"type": "workflow.subscribe", "id": "1", "workflow_id": "*", "payload": {}})
        for _ in range(20):
            await (await server.runtime.start(flow())).wait()
        await trio.sleep(31)
        async for _ in peer:
            pass
        assert peer.closed is not None
        assert peer.closed.code == 4008
    assert server.faults == []


# The whole


async def test_leaving_the_block_ends_everything(autojump_clock):
    """Runs, connections, their tasks; there never was a thread. Peers are told that the server goes away."""
    before, threads = tasks(), threading.active_count()
    async with trio.open_nursery() as nursery:
        peers = []

        async def watch(server, task_status):
            async with server.connect("/") as peer:
                peers.append(peer)
                task_status.started()
                async for _ in peer:
                    pass

        async with memory_server() as server:
            await nursery.start(watch, server)
            await server.runtime.start(flow(wait=60_000))
            stream = await server.dial()
            assert threading.active_count() == threads
    (peer,) = peers
    assert peer.closed.code == 1001
    assert peer.heard[-1]["payload"]["status"] == "shutting_down"
    assert await stream.receive_some() == b""
    await stream.aclose()
    assert server.cables == ()
    assert tasks() == before
    with pytest.raises(ConnectionRefusedError):
        server.plug()


async def test_leaving_by_an_error_or_a_cancel_is_leaving(autojump_clock):
    """The error comes out as it is."""
    before = tasks()
    with pytest.raises(ZeroDivisionError):
        async with memory_server() as server, server.connect("/"), server.client():
            raise ZeroDivisionError
    with trio.move_on_after(1) as scope:
        async with memory_server() as server, server.connect("/"), server.client():
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert tasks() == before
    assert server.faults == []


async def test_kinds_and_the_observer_are_the_users(autojump_clock):
    """The default is what is built in, whatever is installed; the observer is told the scopes."""

    @attrs.define
    class Labels:
        active: bool = True
        told: set[str] = attrs.field(factory=set)

        def scope(self, label, scope):
            self.told.add(label.partition(":")[0])

        def unscope(self, label):
            pass

        def action(self, label, fn):
            pass

    labels = Labels()
    async with memory_server(observer=labels) as server, server.connect("/", session="me"):
        await (await server.runtime.start(flow())).wait()
        assert server.runtime.registry.kinds.keys() == Registry.builtin().kinds.keys()
    assert labels.told >= {"server", "hub", "run", "conn", "node"}


class Steps(trio.abc.Instrument):
    """Which task ran, step by step; by the order in which they were seen, for some have random names."""

    def __init__(self):
        self.names: dict[str, int] = {}
        self.steps: list[int] = []

    def after_task_step(self, task):
        self.steps.append(self.names.setdefault(task.name, len(self.names)))


def test_the_same_seed_gives_the_same_steps(monkeypatch):
    """On a virtual clock nothing depends on the time of day, or on how fast the machine is."""

    async def scenario():
        async with memory_server() as server, server.client() as client:
            async with server.connect("/") as peer:
                run = await client.start(flow(wait=50))
                await peer.receive("workflow.start")
            server.cut(server_knows=False)
            await run.wait()

    def steps() -> list[int]:
        seen = Steps()
        random.seed(7)
        trio._core._run._r.seed(7)
        trio.run(scenario, clock=MockClock(autojump_threshold=0), instruments=[seen])
        return seen.steps

    monkeypatch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
    assert steps() == steps()


def test_it_needs_no_pytest():
    """A server in memory is for any program."""
    code = "import sys, actors.testing.memory_server; print('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def tasks() -> list[str]:
    """The names of all tasks but those of trio and of this test's fixtures that come and go."""
    found, rest = [], [trio.lowlevel.current_root_task()]
    while rest:
        task = rest.pop()
        assert task is not None
        found.append(task.name)
        rest += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return sorted(found)
