"""The client against a whole server in memory, over connections that are cut wherever it hurts."""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors.asking import MAX_COMMANDS
from actors.client import ClientState, connect
from actors.errors import (
    Busy,
    CommandRefused,
    HistoryLost,
    RunActive,
    ServerRefused,
    ServerUnreachable,
    UnknownRun,
)
from actors.feed import ROOM
from protocol.dialects import DIALECTS
from protocol.errors import InvalidWorkflow
from protocol.messages import Logged, NodeChanged, RunChanged, RunEnded, RunStarted
from protocol.states import RunStatus

URL = "ws://localhost"
SNAKE = DIALECTS["snake"]


def graph(wait=0.0, turns=1):
    """A loop whose body waits, in milliseconds; each turn has some three events."""
    return {
        "nodes": [
            {"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}},
            {"id": "l", "type": "loop", "data": {"config": {"count": turns, "waitTime": 0}}},
            {"id": "w", "type": "wait", "data": {"config": {"duration": wait, "waitTime": 0}}},
        ],
        "edges": [
            {"source": "s", "target": "l"},
            {"source": "l", "target": "w", "sourceHandle": "body"},
            {"source": "w", "target": "l"},
        ],
    }


@attrs.define(eq=False)
class Cable:
    """The way to a house: it can be unplugged, cut after so many bytes, and go dead without a word."""

    house: Any
    budgets: Iterator[int | None] = attrs.field(factory=lambda: itertools.repeat(None))
    """For each connection: the bytes that go through it in either direction; None: all."""
    plugged: bool = True
    attempts: list = attrs.field(factory=list)
    """When they were."""
    leads: list = attrs.field(factory=list)

    async def dial(self):
        await trio.lowlevel.checkpoint()
        self.attempts.append(trio.current_time())
        if not self.plugged:
            raise OSError("unplugged")
        lead = Lead(self.house.connect(), next(self.budgets))
        self.leads.append(lead)
        return lead

    def client(self, **options):
        return connect(URL, dial=self.dial, **options)

    async def unplug(self):
        self.plugged = False
        await self.leads[-1].cut()


@attrs.define(eq=False)
class Lead(trio.abc.Stream):
    """One connection through a cable."""

    stream: trio.StapledStream
    budget: int | None
    dead: bool = False
    """What the other end says is not heard any more."""
    deaf: bool = False
    """It cannot tell that we are gone."""
    gone: trio.Event = attrs.field(factory=trio.Event)

    async def cut(self):
        self.gone.set()
        self.budget = 0
        if not self.deaf:
            await trio.aclose_forcefully(self.stream)

    async def send_all(self, data):
        await trio.lowlevel.checkpoint()
        if self.budget is None:
            await self.stream.send_all(data)
            return
        part, self.budget = data[: self.budget], max(0, self.budget - len(data))
        if part and not self.gone.is_set():
            await self.stream.send_all(part)
        if not self.budget:
            await self.cut()
            raise trio.BrokenResourceError("cut")

    async def wait_send_all_might_not_block(self):
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes=None):
        if self.dead or self.gone.is_set():
            await self._hear_nothing()
        data: bytes | bytearray = b""
        async with trio.open_nursery() as nursery:

            async def notice():
                await self.gone.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(notice)
            limit = max_bytes if self.budget is None else max(1, min(max_bytes or 2**16, self.budget))
            try:
                data = await self.stream.receive_some(limit)
            except trio.ClosedResourceError:
                raise trio.BrokenResourceError("cut") from None
            finally:
                nursery.cancel_scope.cancel()
        if self.dead or self.gone.is_set():
            await self._hear_nothing()
        if self.budget is not None:
            self.budget -= len(data)
            if self.budget <= 0:
                await self.cut()
        return data

    async def _hear_nothing(self):
        if self.dead:
            await trio.sleep_forever()
        raise trio.BrokenResourceError("cut")

    async def aclose(self):
        self.gone.set()
        if not self.deaf:
            await self.stream.aclose()
        await trio.lowlevel.checkpoint()


@pytest.fixture
def cable(house):
    """A good one."""
    return Cable(house)


async def history(house, run_id):
    """What the server has of a run, as it is on the wire."""
    page = await house.runtime.journal.load(run_id, 0, 100_000)
    return [SNAKE.encode(event) for event in page.events]


async def told(run):
    """What a client is told of a run, to its end, in the same words."""
    return [SNAKE.encode(event) async for event in run]


# What it is for


async def test_a_run_is_started_and_told_from_its_start_to_its_ending(house, cable, autojump_clock):
    """Each event once, in order, as the server has it; then the loop ends, now and later."""
    async with cable.client() as client:
        run = await client.start(graph(turns=3), config={"seed": 1}, workflow_id="w")
        heard = [event async for event in run]
        assert isinstance(heard[0], RunStarted)
        assert isinstance(heard[-1], RunEnded)
        assert [event.seq for event in heard] == list(range(1, len(heard) + 1))
        assert [SNAKE.encode(event) for event in heard] == await history(house, run.id)
        assert [event async for event in run] == []
        assert (run.workflow_id, run.status) == ("w", RunStatus.COMPLETED)
        assert await run.wait() == heard[-1].summary
    await house.quiet()


async def test_a_run_is_steered(cable, autojump_clock):
    """Each control has its one answer; what follows comes as events."""
    async with cable.client() as client:
        run = await client.start(graph(wait=60_000), workflow_id="w")
        paused = await run.pause()
        assert (paused.ok, paused.was, paused.status) == (True, RunStatus.RUNNING, RunStatus.PAUSING)
        async for event in run:
            if isinstance(event, RunChanged) and event.status is RunStatus.PAUSED:
                break
        held = await run.set_breakpoints(["w"])
        assert (held.ok, held.status, held.breakpoints) == (True, RunStatus.PAUSED, ("w",))
        assert (await run.resume()).ok
        assert (await run.send_input("w", 1)).ok in {True, False}
        assert (await run.stop(force=True)).status is RunStatus.STOPPING
        assert (await run.wait()).status is RunStatus.STOPPED
        late = await run.pause()
        assert (late.ok, late.was) == (False, RunStatus.STOPPED)


async def test_it_asks_for_lists_snapshots_checks_and_the_status(cable, autojump_clock):
    """What the server answers, as the messages of `protocol`."""
    async with cable.client(session_id="me/&?") as client:
        run = await client.start(graph(turns=2), workflow_id="w")
        await run.wait()
        listed = await client.list_runs(workflow_id="w", status=RunStatus.COMPLETED, limit=5)
        assert [row.run_id for row in listed.runs] == [run.id]
        snapshot = await client.snapshot(workflow_id="w")
        assert (snapshot.run_id, snapshot.status, set(snapshot.nodes)) == (run.id, RunStatus.COMPLETED, {"s", "l", "w"})
        assert not (await client.validate({"nodes": [], "edges": []})).ok
        assert (await client.status()).session_id == "me/&?"


async def test_refusals_are_raised_as_a_runtime_would(cable, autojump_clock):
    """The same classes where there are some; else the server's own code."""
    async with cable.client() as client:
        with pytest.raises(InvalidWorkflow) as invalid:
            await client.start({"nodes": [{"id": "a", "type": "teleport"}], "edges": []})
        assert {problem.code for problem in invalid.value.problems} >= {"unknown_kind"}
        with pytest.raises(CommandRefused) as refused:
            await client.start(graph(), config={"timeout": "soon"})
        assert refused.value.code == "bad_field"
        assert "payload.config.timeout" in str(refused.value)
        run = await client.start(graph(wait=60_000), workflow_id="w")
        with pytest.raises(RunActive) as active:
            await client.start(graph(), workflow_id="w")
        assert active.value.run_id == run.id
        for hopeless in (client.run(run_id="nobody").pause, client.run(run_id="nobody").wait):
            with pytest.raises(UnknownRun):
                await hopeless()
        with pytest.raises(UnknownRun):
            await client.snapshot(run_id="nobody")
        with pytest.raises(UnknownRun):
            async for _ in client.run(run_id="nobody"):
                raise AssertionError
        assert client.state is ClientState.LIVE


@pytest.mark.parametrize("ids", [{}, {"run_id": "r", "workflow_id": "w"}, {"workflow_id": "w", "after": 3}])
async def test_a_run_is_named_in_one_way(cable, ids):
    """A position without a run is none."""
    async with cable.client() as client:
        with pytest.raises(ValueError, match="name a run"):
            client.run(**ids)


async def test_a_run_of_somebody_else_is_followed_from_any_place(house, cable, autojump_clock):
    """By its id, also when it is over; behind the newest event that was seen."""
    other = await house.runtime.start(graph(turns=5), workflow_id="w")
    async with cable.client() as client:
        assert await told(client.run(run_id=other.id)) == await history(house, other.id)
        assert await told(client.run(run_id=other.id, after=4)) == (await history(house, other.id))[4:]
        assert await told(client.run(workflow_id="w")) == await history(house, other.id)


async def test_the_next_run_of_a_workflow_is_awaited(house, cable, autojump_clock):
    """Also over a reconnect, in which it may have begun; two who wait for it both have all of it."""
    heard = {}

    async def follow(client, name):
        heard[name] = await told(client.run(workflow_id="w"))

    async with cable.client() as client, trio.open_nursery() as nursery:
        nursery.start_soon(follow, client, "one")
        nursery.start_soon(follow, client, "two")
        await trio.sleep(1)
        run = await house.runtime.start(graph(turns=4, wait=1000), workflow_id="w")
    assert heard == dict.fromkeys(("one", "two"), await history(house, run.id))
    async with cable.client() as client, trio.open_nursery() as nursery:
        nursery.start_soon(follow, client, "three")
        await trio.sleep(1)
        await cable.unplug()
        # `w` has had a run; this one is awaited by a name that has had none.
    assert heard["three"] == heard["one"]


async def test_a_workflow_that_begins_while_away_is_found(house, cable, autojump_clock):
    """Who waits for its first run gets it from the first event on."""
    heard = []

    async def follow(client):
        heard.extend(await told(client.run(workflow_id="new")))

    async with cable.client() as client, trio.open_nursery() as nursery:
        nursery.start_soon(follow, client)
        await trio.sleep(1)
        await cable.unplug()
        run = await house.runtime.start(graph(turns=4, wait=1000), workflow_id="new")
        await trio.sleep(2)
        cable.plugged = True
    assert heard == await history(house, run.id)


async def test_to_wait_takes_no_event_away(house, cable, autojump_clock):
    """Whoever waits first may iterate later, however many events there are; and both may go on at once."""
    async with cable.client() as client:
        run = await client.start(graph(turns=ROOM))
        assert (await run.wait()).status is RunStatus.COMPLETED
        assert len(run.feed) == ROOM
        assert await told(run) == await history(house, run.id)
        run = await client.start(graph(turns=100, wait=10))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run.wait)
            assert await told(run) == await history(house, run.id)


async def test_who_leaves_a_loop_goes_on_with_the_next_event(house, cable, autojump_clock):
    """And so does who is cancelled in it, at any moment."""
    heard = []
    async with cable.client() as client:
        run = await client.start(graph(turns=50, wait=10))
        async for event in run:
            heard.append(event)
            break
        while not isinstance(heard[-1], RunEnded):
            with trio.move_on_after(0.003):
                async for event in run:
                    heard.append(event)  # noqa: PERF401  what was heard before the cancel counts
        assert [SNAKE.encode(event) for event in heard] == await history(house, run.id)


async def test_one_task_at_a_time_iterates_over_a_run(cable, autojump_clock):
    """Two would each have half of the events; two runs of one id have all of them each."""
    async with cable.client() as client, trio.open_nursery() as nursery:
        run = await client.start(graph(wait=1000))
        nursery.start_soon(told, run)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await anext(run)


async def test_two_follow_one_run_each_at_its_own_pace(house, cable, autojump_clock):
    """The server knows one position per connection; each of them hears everything all the same."""
    heard = {}

    async def follow(name, run, delay):
        await trio.sleep(delay)
        heard[name] = await told(run)

    async with cable.client() as client, trio.open_nursery() as nursery:
        run = await client.start(graph(turns=100, wait=50))
        for name, after, delay in (("early", 0, 0.5), ("middle", 20, 1.7), ("late", 0, 9)):
            nursery.start_soon(follow, name, client.run(run_id=run.id, after=after), delay)
        everything = await told(run)
        assert everything == await history(house, run.id)
    assert heard == {"early": everything, "middle": everything[20:], "late": everything}


async def test_a_result_that_is_a_reference_stays_one(cable, autojump_clock):
    """Results beyond 256 KiB are not on the wire; HTTP has them whole."""
    nodes = [
        {"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}},
        {"id": "b", "type": "set", "data": {"config": {"text": "x" * 300_000, "waitTime": 0}}},
    ]
    async with cable.client() as client:
        run = await client.start({"nodes": nodes, "edges": [{"source": "s", "target": "b"}]})
        results = [event.result async for event in run if isinstance(event, NodeChanged) and event.node_id == "b"]
        assert results[-1] == {"$ref": f"/api/runs/{run.id}/nodes/b/result"}


async def test_a_snapshot_in_parts_is_joined(cable, autojump_clock):
    """The server cuts what does not fit into a frame; nobody notices."""
    many = 4000
    nodes = [{"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}}] + [
        {"id": f"n{n}", "type": "set", "data": {"config": {"text": "x" * 500, "waitTime": 0}}} for n in range(many)
    ]
    edges = [{"id": f"e{n}", "source": "s", "target": f"n{n}"} for n in range(many)]
    async with cable.client() as client:
        run = await client.start({"nodes": nodes, "edges": edges})
        await run.wait()
        snapshot = await client.snapshot(run_id=run.id)
        assert (snapshot.part, snapshot.parts) == (None, None)
        assert (len(snapshot.nodes), len(snapshot.edges)) == (many + 1, many)


# Cut connections


@pytest.mark.parametrize("seed", range(12))
async def test_each_event_comes_once_over_connections_that_are_cut_anywhere(house, autojump_clock, seed):
    """Three runs, started and followed while no connection lives long; nothing is done twice."""
    dice = random.Random(seed)
    # Some live long enough for the largest frame: who is always cut in the middle of a message gets nowhere.
    cable = Cable(house, (int(2 ** dice.uniform(6, 13 if n % 5 else 17)) for n in itertools.count(1)))
    heard = {}

    async def go(client, name):
        run = await client.start(graph(turns=40, wait=100), workflow_id=name)
        heard[name] = await told(run)
        await run.wait()

    async with cable.client() as client, trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(go, client, name)
    assert len(cable.leads) > 10
    page = await house.runtime.list_runs()
    assert sorted(run.workflow_id for run in page.runs) == ["a", "b", "c"]
    for row in page.runs:
        assert heard[row.workflow_id] == await history(house, row.run_id)
    await house.quiet()


@pytest.mark.no_cover
async def test_a_run_is_started_once_wherever_the_first_connection_is_cut(house, autojump_clock):
    """At every 17th byte, from the first of the handshake to the last of the goodbye."""
    size = 17
    for budget in itertools.count(1, size):
        cable = Cable(house, itertools.chain([budget], itertools.repeat(None)))
        async with cable.client() as client:
            run = await client.start(graph(), workflow_id=f"cut-{budget}")
            assert await told(run) == await history(house, run.id)
            rows = (await client.list_runs(workflow_id=run.workflow_id)).runs
            assert [row.run_id for row in rows] == [run.id]
            if len(cable.leads) == 1:
                break
    assert budget > 100 * size
    await house.quiet()


async def test_a_command_whose_answer_was_lost_is_done_once(house, autojump_clock):
    """Wherever the connection is cut, a pause is one pause, and answered as the first time."""
    for budget in itertools.count(200, 13):
        other = await house.runtime.start(graph(wait=60_000), workflow_id=f"w{budget}")
        await other.begun()
        cable = Cable(house, itertools.chain([budget], itertools.repeat(None)))
        async with cable.client() as client:
            reply = await client.run(run_id=other.id).pause()
            assert (reply.ok, reply.was, reply.status) == (True, RunStatus.RUNNING, RunStatus.PAUSING)
            uncut = len(cable.leads) == 1
        await other.stop()
        await other.wait()
        events = (await house.runtime.journal.load(other.id, 0, 1000)).events
        assert [event.status for event in events if isinstance(event, RunChanged)].count(RunStatus.PAUSING) == 1
        if uncut:
            break
    assert budget > 500


async def test_breakpoints_whose_answer_was_lost_are_set_once(house, autojump_clock):
    """Wherever the connection is cut they are told to everybody once."""
    for budget in itertools.count(200, 13):
        other = await house.runtime.start(graph(wait=60_000), workflow_id=f"w{budget}")
        cable = Cable(house, itertools.chain([budget], itertools.repeat(None)))
        async with cable.client() as client:
            reply = await client.run(run_id=other.id).set_breakpoints(["w"])
            assert (reply.ok, reply.status, reply.breakpoints) == (True, RunStatus.RUNNING, ("w",))
            assert (await client.snapshot(run_id=other.id)).breakpoints == ("w",)
            uncut = len(cable.leads) == 1
        await other.stop()
        await other.wait()
        events = (await house.runtime.journal.load(other.id, 0, 1000)).events
        assert [event.context for event in events if isinstance(event, Logged) and event.context] == [
            {"breakpoints": ["w"]}
        ]
        if uncut:
            break
    assert budget > 500


async def test_commands_wait_while_it_is_away(house, cable, autojump_clock):
    """In order, as many as there is room for; one more is refused at once."""
    cable.plugged = False
    answers = []

    async def ask(client):
        answers.append((await client.status()).status)

    async with cable.client() as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.start, graph(wait=60_000), name="start")
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(MAX_COMMANDS - 1):
                nursery.start_soon(ask, client)
            await trio.sleep(100)
            with pytest.raises(Busy):
                await client.status()
            assert client.state is ClientState.CONNECTING
            assert client.statistics().commands == MAX_COMMANDS
            cable.plugged = True
        assert answers == ["running"] * (MAX_COMMANDS - 1)
        assert len(house.runtime.unfinished()) == 1


async def test_what_is_cancelled_while_away_is_not_done(house, cable, autojump_clock):
    """It was never sent, and is not sent later."""
    cable.plugged = False
    async with cable.client() as client:
        with trio.move_on_after(1):
            await client.start(graph())
        assert (client.statistics().commands, client.statistics().followed) == (0, 0)
        cable.plugged = True
        await client.status()
        assert house.runtime.unfinished() == []


@pytest.mark.parametrize("deaf", [False, True], ids=["noticed", "unnoticed"])
async def test_what_happened_while_away_comes_first(house, cable, autojump_clock, deaf):
    """Zero events seen, no new event between two reconnects, paused and ended while away; noticed by the server or not."""
    async with cable.client() as client:
        run = await client.start(graph(turns=2000, wait=1000))
        other = house.runtime.run(run.id)
        for act in (None, None, other.pause, other.resume, other.stop):
            cable.leads[-1].deaf = deaf
            await cable.unplug()
            if act is not None:
                await act()
            await trio.sleep(200)
            cable.plugged = True
            await client.wait_for(ClientState.LIVE)
        assert await told(run) == await history(house, run.id)
    changes = (await house.runtime.journal.load(run.id, 0, 100_000)).events
    assert [event.status for event in changes if isinstance(event, RunChanged)] == [
        "pausing",
        "paused",
        "running",
        "stopping",
    ]


async def test_it_comes_back_later_and_later_but_not_all_at_once(cable, autojump_clock):
    """From 10 ms, doubled, to 5 s; cut by up to a half; for ever. What was heard makes it quick again."""
    cable.plugged = False
    async with cable.client() as client:
        await trio.sleep(60)
        gaps = [late - early for early, late in itertools.pairwise(cable.attempts)]
        assert len(set(gaps)) == len(gaps)
        for number, gap in enumerate(gaps):
            delay = min(5.0, 0.01 * 2**number)
            assert delay / 2 <= gap <= delay + 1e-6
        assert len(gaps) > 15
        cable.plugged = True
        await client.status()
        await cable.unplug()
        await trio.sleep(0.05)
        assert cable.attempts[-1] - cable.attempts[-3] < 0.05


async def test_it_gives_up_after_so_many_attempts(cable, autojump_clock):
    """Then everybody is told, whoever waited and whoever comes."""
    cable.plugged = False
    async with cable.client(max_attempts=5) as client:
        run = client.run(run_id="r")
        for hopeless in (client.status, run.wait, run.pause, lambda: anext(run)):
            with pytest.raises(ServerUnreachable, match=r"localhost: unplugged \(5 attempts\)"):
                await hopeless()
        with pytest.raises(ServerUnreachable):
            await client.wait_for(ClientState.LIVE)
        assert client.state is ClientState.CLOSED
        assert len(cable.attempts) == 5


async def test_its_state_can_be_watched(house, cable, autojump_clock):
    """Connecting, live, away, replaying, live, closed; `replaying` lasts until the newest event is here."""
    states = []

    async def watch(client):
        async for state in client.states():
            states.append(state.value)  # noqa: PERF401  it is cancelled

    cable.plugged = False
    async with trio.open_nursery() as nursery:
        async with cable.client() as client:
            nursery.start_soon(watch, client)
            await trio.sleep(1)
            cable.plugged = True
            assert await client.wait_for(ClientState.LIVE) is ClientState.LIVE
            run = await client.start(graph(turns=100, wait=10))
            await cable.unplug()
            await trio.sleep(60)
            cable.plugged = True
            await client.wait_for(ClientState.REPLAYING)
            await client.wait_for(ClientState.LIVE)
            assert run.status is RunStatus.COMPLETED
            assert len(await told(run)) > 200
    assert states == ["connecting", "live", "away", "replaying", "live", "closed"]


async def test_a_dead_connection_is_noticed(house, cable, autojump_clock):
    """A ping after 25 s, 10 more for the pong or anything else; then it connects anew."""
    async with cable.client() as client:
        run = await client.start(graph(turns=10, wait=20_000))
        began = trio.current_time()
        cable.leads[0].dead = True
        assert await told(run) == await history(house, run.id)
        assert 25 <= cable.attempts[1] - began <= 36
        await trio.sleep(200)
        assert len(cable.attempts) == 2


async def test_a_handshake_that_nobody_answers_is_tried_again(house, cable, autojump_clock):
    """After ten seconds; and one that is broken off, at once."""
    ends: list[trio.abc.Stream] = []

    async def dial():
        await trio.lowlevel.checkpoint()
        if len(ends) < 2:
            ours, theirs = trio.testing.memory_stream_pair()
            ends.append(theirs)
            if len(ends) == 2:
                await theirs.aclose()
            return ours
        return await cable.dial()

    async with connect(URL, dial=dial) as client:
        assert (await client.status()).status == "running"
        assert trio.current_time() == pytest.approx(10, abs=0.1)


# The server's word


async def test_a_wrong_token_is_told_and_not_tried_again(open_house, autojump_clock):
    """In the server's words; the right one is let in."""
    async with open_house(token="s3cret") as house:
        cable = Cable(house)
        async with cable.client(token="s3cret") as client:
            assert (await client.status()).status == "running"
        for token in (None, "sesame"):
            cable = Cable(house)
            async with cable.client(token=token) as client:
                with pytest.raises(ServerRefused, match="401: a token is needed") as refused:
                    await client.status()
                assert (refused.value.reason, client.state, len(cable.attempts)) == (401, ClientState.CLOSED, 1)


async def test_something_else_behind_the_address_is_told(autojump_clock):
    """A server that does not speak the dialect is no server for this client."""

    async def dial():
        ours, theirs = trio.testing.memory_stream_pair()
        await theirs.send_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!")
        return ours

    async with connect(URL, dial=dial) as client:
        with pytest.raises(ServerRefused, match="localhost: the server answered 404"):
            await client.status()


async def test_who_was_replaced_does_not_come_back(house, cable, autojump_clock):
    """Two clients with one session would evict each other for ever."""
    async with cable.client(session_id="one") as first:
        run = await first.start(graph(wait=60_000))
        async with Cable(house).client(session_id="one") as second:
            await second.status()
            with pytest.raises(ServerRefused, match="took over") as refused:
                await run.wait()
            assert refused.value.reason == 4409
            await second.status()
        assert first.statistics().links == 1


async def test_it_waits_for_a_server_that_is_restarted(open_house, autojump_clock):
    """What it asks meanwhile is done by the new one. A history that is gone is told, after what had come."""
    cable = Cable(None)
    async with open_house() as old:
        cable.house = old
        async with trio.open_nursery() as nursery:
            client = await nursery.start(_hold_open, cable)
            run = await client.start(graph(turns=100, wait=1000))
            assert isinstance(await anext(run), RunStarted)
            await trio.sleep(10)
            cable.plugged = False
            await old.server.aclose()
            nursery.start_soon(_restart, open_house, cable)
            status = await client.status()
            assert status.uptime < 10  # the old one has been up for longer
            seen = [1]
            with pytest.raises(HistoryLost) as lost:
                async for event in run:
                    seen.append(event.seq)  # noqa: PERF401  it raises
            assert seen == list(range(1, len(seen) + 1))
            assert len(seen) > 10
            assert (lost.value.run_id, lost.value.after, lost.value.snapshot) == (run.id, len(seen), None)
            with pytest.raises(HistoryLost):
                await run.wait()
            nursery.cancel_scope.cancel()


async def _hold_open(cable, task_status):
    async with cable.client() as client:
        task_status.started(client)
        await trio.sleep_forever()


async def _restart(open_house, cable):
    await trio.sleep(3)
    async with open_house() as cable.house:
        cable.plugged = True
        await trio.sleep_forever()


async def test_a_position_that_the_server_does_not_have_is_told(house, cable, autojump_clock):
    """With the state that takes the place of the history; whoever goes on hears what follows it."""
    async with cable.client() as client:
        other = await house.runtime.start(graph(turns=5, wait=1000))
        await trio.sleep(1.5)
        run = client.run(run_id=other.id, after=500)
        with pytest.raises(HistoryLost) as lost:
            await anext(run)
        snapshot = lost.value.snapshot
        assert snapshot is not None
        assert snapshot.status is RunStatus.RUNNING
        assert await told(run) == (await history(house, other.id))[snapshot.last_seq :]
        again = client.run(run_id=other.id, after=500)
        with pytest.raises(HistoryLost) as lost:
            await anext(again)
        assert lost.value.snapshot is not None
        assert lost.value.snapshot.summary == await again.wait()
        assert await told(again) == []
        assert await client.run(run_id=other.id, after=500).wait() == await again.wait()


async def test_a_command_that_is_too_large_is_refused_alone(open_house, autojump_clock):
    """The server closes; the largest that waited was it, and everything else goes on."""
    async with open_house(max_message=10_000) as house:
        async with Cable(house).client() as client:
            run = await client.start(graph(turns=10, wait=100))
            with pytest.raises(CommandRefused) as refused:
                await client.validate({"nodes": [{"id": "x" * 20_000}]})
            assert refused.value.code == "too_large"
            assert await told(run) == await history(house, run.id)


async def test_a_server_that_drops_messages_gets_them_again_later(open_house, autojump_clock):
    """Too many at once: it says so, and what it dropped has an answer all the same."""
    async with open_house(rate_messages=20, rate_refill=20) as house, Cable(house).client() as client:
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(client.status)
        assert client.statistics().links > 1


# Slow users, and those who leave


@pytest.mark.no_cover
async def test_only_the_run_whose_user_is_slow_lags(house, cable, autojump_clock):
    """The others go on; it is asked for again from where it was, and nothing is missing or twice."""
    async with cable.client() as client:
        slow = await client.start(graph(turns=2 * ROOM, wait=1))
        quick = await client.start(graph(turns=2 * ROOM, wait=1))
        assert await told(quick) == await history(house, quick.id)
        assert (quick.feed.dropped, len(slow.feed)) == (0, ROOM)
        heard = []
        async for event in slow:
            heard.append(SNAKE.encode(event))
            await trio.sleep(0.001)
        assert heard == await history(house, slow.id)
        assert slow.feed.dropped > 0


@pytest.mark.no_cover
async def test_a_quick_user_is_never_left_behind(house, cable, autojump_clock):
    """A long history comes as fast as it is taken, also by one who does something in between."""
    async with cable.client() as client:
        run = await client.start(graph(turns=5 * ROOM))
        await run.wait()
        heard = 0
        follower = client.run(run_id=run.id)
        async for _ in follower:
            heard += 1
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
        assert heard == len(await history(house, run.id)) > 10 * ROOM
        assert follower.feed.dropped == 0


async def test_what_nobody_follows_is_not_sent(house, cable, autojump_clock):
    """A start that was refused, a run that is over, one whose user has gone: no later event of it is heard."""
    hub = house.runtime.hub
    async with cable.client() as client:
        other = await house.runtime.start(graph(wait=1000, turns=10), workflow_id="w")
        with pytest.raises(RunActive):
            await client.start(graph(), workflow_id="w")
        await other.wait()
        abandoned = await client.start(graph(wait=10, turns=2 * ROOM), workflow_id="v")
        await trio.sleep(15)
        assert len(abandoned.feed) == ROOM
        assert client.statistics().followed == 0
        assert hub.statistics().subscriptions == 0
        heard = client.statistics().events
        await (await house.runtime.start(graph(wait=10), workflow_id="w")).wait()
        await trio.sleep(60)
        assert client.statistics().events == heard
        assert await told(abandoned) == await history(house, abandoned.id)


async def test_the_end_of_the_block_ends_everything(house, cable, autojump_clock):
    """Whoever waits is told that it was closed; what had come can still be taken; the server was told goodbye."""
    told_so = []

    async def wait(fn):
        with pytest.raises(trio.ClosedResourceError):
            await fn()
        told_so.append(fn)

    async with trio.open_nursery() as nursery:
        async with cable.client() as client:
            run = await client.start(graph(wait=60_000))
            other = client.run(run_id=run.id)
            nursery.start_soon(wait, run.wait)
            nursery.start_soon(wait, lambda: told(other))
            await trio.sleep(1)
            cable.leads[0].dead = True
            nursery.start_soon(wait, client.status)
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        assert len(told_so) == 3
        await wait(client.status)
        assert isinstance(await anext(run), RunStarted)
        await wait(lambda: told(run))
    assert trio.current_time() < 5
    await house.quiet()


async def test_the_error_of_a_user_is_not_wrapped(cable, autojump_clock):
    """The nursery is the client's own business."""
    with pytest.raises(KeyError):
        async with cable.client():
            raise KeyError


async def test_a_cancel_ends_it_in_good_order(house, cable, autojump_clock):
    """The server hears a close frame, and is free at once."""
    with trio.move_on_after(5):
        async with cable.client() as client:
            await client.wait_for(ClientState.LIVE)
            await trio.sleep_forever()
    assert trio.current_time() == pytest.approx(5, abs=0.1)
    await house.quiet()
    assert trio.current_time() == pytest.approx(5, abs=0.1)
