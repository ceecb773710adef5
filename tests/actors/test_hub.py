"""What the hub promises: everything in order, once, to everybody who asked – and what happens to who is slow."""

import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.errors import UnknownRun
from actors.hub import Hub, open_hub
from actors.journal import Claim, Journal, Keep, Page
from actors.journals import MemoryJournal
from actors.ring import RING_EVENTS
from protocol.dialects import DIALECTS, Dialect
from protocol.errors import BadField
from protocol.graph import Workflow, validate
from protocol.messages import (
    ErrorReply,
    Event,
    Logged,
    NodeChanged,
    NodeProgress,
    Reply,
    RunChanged,
    RunEnded,
    RunStarted,
    ServerMessage,
    Snapshot,
    Subscribe,
    Subscribed,
    Summary,
    Unsubscribe,
)
from protocol.states import NodeStatus, RunStatus
from protocol.view import View

SNAKE, CAMEL, FLAT = DIALECTS["snake"], DIALECTS["camel"], DIALECTS["flat"]
AT = 1_000.0


class Counting:
    """A dialect that counts how often each message is encoded."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.name = dialect.name
        self.encoded: dict[str, int] = {}

    def encode(self, message: ServerMessage, *, id: str = "", at: float = 0.0, conflated: int = 0) -> bytes:
        if isinstance(message, Event) and not conflated:
            key = f"{message.run_id}:{message.seq}"
            self.encoded[key] = self.encoded.get(key, 0) + 1
        return self._dialect.encode(message, id=id, at=at, conflated=conflated)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dialect, name)


@attrs.define(eq=False)
class Ear:
    """An outlet with room for `room` bytes that nobody takes away while it is `stalled`."""

    session_id: str = "s"
    dialect: Dialect = SNAKE
    batch: bool = False
    room: int = 2_000
    stalled: bool = False
    waiting: int = 0
    pushes: int = 0
    refused: int = 0
    heard: list[Any] = attrs.field(factory=list)
    """Replies as they are, messages as JSON, in the order in which they came."""

    def push(self, data: bytes, *, events: bool = True) -> bool:
        self.pushes += 1
        if self.waiting and self.waiting + len(data) > self.room:
            self.refused += 1
            return False
        if self.stalled:
            self.waiting += len(data)
        for text in texts(data):
            assert len(text) <= 2**20
            messages = json.loads(text)
            self.heard += messages if isinstance(messages, list) else [messages]
        return True

    def reply(self, reply: Reply) -> None:
        self.heard.append(reply)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [each for each in self.heard if isinstance(each, dict) and "seq" in each]

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]

    @property
    def progress(self) -> list[dict[str, Any]]:
        return [each for each in self.heard if isinstance(each, dict) and each["type"].endswith("progress")]

    @property
    def replies(self) -> list[Reply]:
        return [each for each in self.heard if isinstance(each, Reply)]

    @property
    def conflated(self) -> int:
        return sum(event.get("conflated", 0) for event in self.events)


def texts(data: bytes) -> list[bytes]:
    """The text messages in a server's unmasked frames."""
    found = []
    while data:
        assert data[0] == 0x81
        size, head = data[1], 2
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(data[2:head])
        found.append(data[head : head + size])
        data = data[head + size :]
    return found


def graph(nodes: int) -> Workflow:
    """A chain: n0 → n1 → n2."""
    checked = validate(
        {
            "nodes": [{"id": f"n{n}", "type": "any"} for n in range(nodes)],
            "edges": [{"source": f"n{n}", "target": f"n{n + 1}"} for n in range(nodes - 1)],
        },
        {},
        dry_run=True,
    )
    assert checked.workflow is not None
    return checked.workflow


@attrs.define(eq=False)
class Script:
    """A run whose events the test appends."""

    journal: MemoryJournal
    claim: Claim
    run_id: str
    workflow_id: str
    seq: int = 0

    def append(self, *events: Event, close: RunStatus | None = None) -> None:
        self.journal.append_nowait(self.claim, events, close=close)

    def head(self) -> dict[str, Any]:
        self.seq += 1
        return {"run_id": self.run_id, "workflow_id": self.workflow_id, "seq": self.seq, "at": AT + self.seq}

    def start(self) -> None:
        self.append(RunStarted(**self.head(), total_nodes=3))

    def log(self, times: int = 1) -> None:
        for _ in range(times):
            self.append(Logged(**self.head(), level="info", message="a line"))

    def node(self, node_id: str, status: NodeStatus = NodeStatus.RUNNING, **more: Any) -> None:
        fired = ("out",) if status is NodeStatus.SUCCESS else ()
        self.append(NodeChanged(**self.head(), node_id=node_id, status=status, fired=fired, **more))

    def state(self, status: RunStatus) -> None:
        self.append(RunChanged(**self.head(), status=status))

    def end(self) -> None:
        summary = Summary(
            status=RunStatus.COMPLETED,
            duration=1.0,
            total_nodes=3,
            succeeded=3,
            failed=0,
            skipped=0,
            not_begun=0,
            started_at=AT,
            ended_at=AT + 1,
        )
        ending = RunEnded(**self.head(), status=RunStatus.COMPLETED, message="done", summary=summary)
        self.append(ending, close=RunStatus.COMPLETED)


@attrs.define(eq=False)
class Stage:
    """A journal, a hub, and runs to tell of."""

    journal: MemoryJournal
    hub: Hub
    workflows: dict[str, tuple[str, Workflow]]

    async def run(self, run_id: str = "r1", workflow_id: str = "w1", *, nodes: int = 3) -> Script:
        workflow = graph(nodes)
        created = await self.journal.create(run_id, workflow_id, b"{}", created_at=AT, lease=60.0)
        assert created.claim is not None
        self.workflows[run_id] = (workflow_id, workflow)
        self.hub.open(run_id, workflow_id, workflow)
        return Script(self.journal, created.claim, run_id, workflow_id)


@asynccontextmanager
async def opened(wrap: Callable[[MemoryJournal], Journal] = lambda journal: journal) -> AsyncIterator[Stage]:
    """A stage; nothing of the hub is left behind it."""
    workflows: dict[str, tuple[str, Workflow]] = {}

    async def plan(run_id: str) -> tuple[str, Workflow]:
        await trio.lowlevel.checkpoint()
        if run_id not in workflows:
            raise UnknownRun(run_id)
        return workflows[run_id]

    async with MemoryJournal() as journal, open_hub(wrap(journal), plan=plan) as hub:
        yield Stage(journal, hub, workflows)


async def settled() -> None:
    """Everything due within a window was delivered."""
    await trio.sleep(0.01)
    await wait_all_tasks_blocked()


async def drain(hub: Hub, ear: Ear, *, rounds: int = 10_000, patient: bool = True) -> None:
    """Be the writer task of a connection whose peer takes what there is, some rounds long."""
    for _ in range(rounds):
        ear.waiting = 0
        if not await hub.refill(ear):
            return
    assert not patient, "it lags for ever"


def rising(seqs: list[int]) -> bool:
    """Whether each seq is greater than the one before."""
    return all(earlier < later for earlier, later in pairwise(seqs))


async def test_a_starter_hears_its_run_whole_and_in_order(autojump_clock: MockClock):
    """From seq 1, without a gap, to the ending; then nothing of the run is left in the hub."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        stage.hub.watch(ear, "r1")
        run.start()
        for _ in range(100):
            run.log(5)
            await trio.sleep(0.0007)
        run.end()
        await settled()
        assert ear.seqs == list(range(1, 503))
        assert ear.replies == []
        statistics = stage.hub.statistics()
        assert (statistics.topics, statistics.subscriptions, statistics.runs) == (0, 0, 0)


async def test_the_first_event_goes_out_at_once_and_the_next_ones_together(autojump_clock: MockClock):
    """After idleness nothing waits for a clock; what comes within the window after it is one push, 1 ms later."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        stage.hub.watch(ear, "r1")
        await trio.sleep(1)
        begun = trio.current_time()
        run.start()
        await wait_all_tasks_blocked()
        assert (ear.seqs, ear.pushes, trio.current_time()) == ([1], 1, begun)
        run.log(20)
        await wait_all_tasks_blocked()
        assert ear.pushes == 1
        await trio.sleep(0.0011)
        assert (ear.seqs, ear.pushes) == (list(range(1, 22)), 2)


async def test_each_event_is_encoded_once_per_dialect_and_pushed_once_per_window(autojump_clock: MockClock):
    """Whoever listens, in whatever number, batched or not: one encoding per dialect, at most one push per flush."""
    async with opened() as stage:
        run = await stage.run()
        snake, flat = Counting(SNAKE), Counting(FLAT)
        ears = [Ear(dialect=dialect, batch=batch) for dialect in (snake, flat) for batch in (False, True)] * 1
        ears += [Ear(dialect=snake) for _ in range(50)]
        for ear in ears:
            stage.hub.watch(ear, "r1")
        run.start()
        for _ in range(20):
            run.log(16)
            await trio.sleep(0.001)
        run.end()
        await settled()
        for dialect in (snake, flat):
            assert dialect.encoded == {f"r1:{seq}": 1 for seq in range(1, 323)}
        flushes = stage.hub.statistics().flushes
        for ear in ears:
            assert ear.seqs == list(range(1, 323))
            assert 20 <= ear.pushes <= flushes


async def test_a_batched_outlet_gets_one_frame_per_window(autojump_clock: MockClock):
    """`?batch=1`: a frame may be an array; without it each frame is one message."""
    frames: list[bytes] = []

    class Recording(Ear):
        def push(self, data: bytes, *, events: bool = True) -> bool:
            frames.extend(texts(data))
            return super().push(data, events=events)

    async with opened() as stage:
        run = await stage.run()
        ear = Recording(batch=True)
        stage.hub.watch(ear, "r1")
        run.start()
        await wait_all_tasks_blocked()
        assert isinstance(json.loads(frames.pop()), list)
        await trio.sleep(1)
        frames.clear()
        run.log()
        await settled()
        assert isinstance(json.loads(frames.pop()), dict)
        run.log(5)
        await settled()
        (frame,) = frames
        assert [message["seq"] for message in json.loads(frame)] == [3, 4, 5, 6, 7]


async def test_one_stalled_of_fifty_slows_nobody_and_gets_the_rest_conflated(autojump_clock: MockClock):
    """49 hear everything; the one that took nothing hears all but superseded node statuses, and how many those were."""
    async with opened() as stage:
        run = await stage.run(nodes=100)
        ears = [Ear() for _ in range(49)]
        slow = Ear(stalled=True)
        for ear in (*ears, slow):
            stage.hub.watch(ear, "r1")
        run.start()
        for n in range(100):
            run.node(f"n{n}")
            await trio.sleep(0.001)
            run.node(f"n{n}", NodeStatus.SUCCESS)
            run.log()
            await trio.sleep(0.001)
        run.end()
        await settled()
        for ear in ears:
            assert ear.seqs == list(range(1, 303))
        assert slow.refused == 1
        assert stage.hub.statistics().lagging == 1
        await drain(stage.hub, slow)
        assert rising(slow.seqs)
        assert slow.conflated > 50
        assert len(slow.seqs) + slow.conflated == 302
        left_out = set(range(1, 303)) - set(slow.seqs)
        assert left_out <= {2 + 3 * n for n in range(100)}
        assert slow.events[-1]["type"] == "execution.complete"
        assert stage.hub.statistics().conflated == slow.conflated
        assert stage.hub.statistics().topics == 0


async def test_conflated_says_how_many_were_left_out_before_this_message(autojump_clock: MockClock):
    """The count is of seqs since the previous message, exactly; only the newest status of an instance stays."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear(stalled=True, room=0)
        stage.hub.watch(ear, "r1")
        run.start()
        await settled()
        run.node("n0")
        run.node("n0", attempt=2)
        run.node("n1")
        run.node("n0", NodeStatus.SUCCESS)
        run.log()
        run.node("n1", NodeStatus.PENDING, reason="paused")
        run.state(RunStatus.PAUSED)
        await settled()
        assert ear.seqs == [1]
        await drain(stage.hub, ear)
        assert [(event["seq"], event.get("conflated", 0)) for event in ear.events] == [
            (1, 0),
            (5, 3),
            (6, 0),
            (7, 0),
            (8, 0),
        ]


async def test_the_ended_status_of_each_turn_of_a_loop_is_kept(autojump_clock: MockClock):
    """Conflation is per node and iteration: what an instance came to is not superseded by the next turn."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear(stalled=True, room=0)
        stage.hub.watch(ear, "r1")
        run.start()
        await settled()
        for turn in range(3):
            run.node("n0", iteration=(turn,))
            run.node("n0", NodeStatus.SUCCESS, iteration=(turn,))
        run.node("n0", iteration=(3,))
        await settled()
        await drain(stage.hub, ear)
        assert [(event["seq"], event.get("conflated", 0)) for event in ear.events[1:]] == [
            (3, 1),
            (5, 1),
            (7, 1),
            (8, 0),
        ]


async def test_lossless_leaves_nothing_out(autojump_clock: MockClock):
    """A subscriber that asked for it lags without conflation."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear(stalled=True, room=0)
        await stage.hub.subscribe(ear, Subscribe(workflow_id="w1", after_seq=0, lossless=True), run_id="r1")
        ear.waiting = 1
        run.start()
        for _ in range(50):
            run.node("n0")
            await trio.sleep(0.001)
        await settled()
        await drain(stage.hub, ear)
        assert ear.seqs == list(range(1, 52))
        assert ear.conflated == 0


async def test_who_lags_by_more_than_the_ring_is_served_from_the_journal(autojump_clock: MockClock):
    """The ring stays within its bound; nothing is lost, and the order is that of seq."""
    async with opened() as stage:
        run, ear, healthy = await stage.run(), Ear(stalled=True, room=0), Ear()
        stage.hub.watch(ear, "r1")
        stage.hub.watch(healthy, "r1")
        run.start()
        await settled()
        for _ in range(2 * RING_EVENTS // 64):
            run.log(64)
            await trio.sleep(0.002)
        await settled()
        assert stage.hub.statistics().ring_events <= RING_EVENTS
        assert ear.seqs == [1]
        await drain(stage.hub, ear)
        assert ear.seqs == healthy.seqs == list(range(1, 2 + 2 * RING_EVENTS))
        run.log()
        await settled()
        ear.waiting = 0
        run.log()
        await settled()
        await drain(stage.hub, ear)
        assert ear.seqs == healthy.seqs


async def test_a_burst_larger_than_a_ring_is_delivered(autojump_clock: MockClock):
    """What waits for a flush is bounded: too much of it is delivered within the publish."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        stage.hub.watch(ear, "r1")
        run.start()
        run.log(3 * RING_EVENTS)
        assert stage.hub.statistics().ring_events <= 2 * RING_EVENTS
        assert ear.seqs
        await trio.sleep(1)
        assert ear.seqs == list(range(1, 2 + 3 * RING_EVENTS))
        assert stage.hub.statistics().ring_events <= RING_EVENTS


async def test_a_late_subscriber_gets_the_state_and_then_what_follows(autojump_clock: MockClock):
    """No position: confirmed, a snapshot at `last_seq`, then live from the next seq on, without a gap."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        run.start()
        run.node("n0")
        run.node("n0", NodeStatus.SUCCESS)
        await stage.hub.subscribe(ear, Subscribe(id="7", workflow_id="w1"), run_id="r1")
        confirmed, snapshot = ear.replies
        assert confirmed == Subscribed(
            workflow_id="w1", reply_to="7", run_id="r1", last_seq=3, from_seq=4, reset=False, subscriptions=()
        )
        assert isinstance(snapshot, Snapshot)
        assert snapshot.last_seq == 3
        assert {node_id: event.status for node_id, event in snapshot.nodes.items()} == {"n0": NodeStatus.SUCCESS}
        run.log(3)
        await settled()
        assert ear.seqs == [4, 5, 6]


@attrs.frozen
class Expected:
    last_seq: int
    from_seq: int
    reset: bool
    snapshot: bool
    then: list[int]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param({"after": "r1:2"}, Expected(5, 3, False, False, [3, 4, 5]), id="after"),
        pytest.param({"run_id": "r1", "after_seq": 4}, Expected(5, 5, False, False, [5]), id="run and seq"),
        pytest.param({"run_id": "r1", "after_seq": 5}, Expected(5, 6, False, False, []), id="at the head"),
        pytest.param({"after_seq": 0}, Expected(5, 1, False, False, [1, 2, 3, 4, 5]), id="from the beginning"),
        pytest.param(
            {"after_seq": 0, "snapshot": True}, Expected(5, 1, False, True, [1, 2, 3, 4, 5]), id="and snapshot"
        ),
        pytest.param({"after_seq": 2}, Expected(5, 6, True, True, []), id="a seq of no run"),
        pytest.param({"after": "r1:6"}, Expected(5, 6, True, True, []), id="beyond the end"),
        pytest.param({"after": "gone:3"}, Expected(5, 6, True, True, []), id="a run that is gone"),
        pytest.param({}, Expected(5, 6, False, True, []), id="no position"),
        pytest.param({"run_id": "r1"}, Expected(5, 6, False, True, []), id="a run without a position"),
    ],
)
@pytest.mark.parametrize("ended", [False, True])
async def test_a_position_is_honoured_or_reset(
    command: dict[str, Any], expected: Expected, *, ended: bool, autojump_clock: MockClock
):
    """Exactly what follows the position; else `reset` and the state. The same for a run that has ended."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        run.start()
        run.node("n0")
        run.node("n0", NodeStatus.SUCCESS)
        run.log()
        if ended:
            run.end()
        else:
            run.log()
        await settled()
        await stage.hub.subscribe(ear, Subscribe(workflow_id="w1", **command), run_id="r1")
        confirmed, *snapshots = ear.replies
        assert isinstance(confirmed, Subscribed)
        assert (confirmed.last_seq, confirmed.from_seq, confirmed.reset) == (
            expected.last_seq,
            expected.from_seq,
            expected.reset,
        )
        assert bool(snapshots) is expected.snapshot
        assert ear.seqs == expected.then
        if not ended:
            run.log(2)
            await settled()
            assert ear.seqs == [*expected.then, 6, 7]
        else:
            assert stage.hub.statistics().topics == 0


@pytest.mark.parametrize("after", ["r1", ":3", "r1:", "r1:-1", "r1:x", "r1:" + "9" * 5000])
async def test_a_position_that_can_not_be_read_is_refused(after: str):
    """It is the client's mistake, named with its field; nothing is subscribed."""
    async with opened() as stage:
        await stage.run()
        with pytest.raises(BadField) as caught:
            await stage.hub.subscribe(Ear(), Subscribe(workflow_id="w1", after=after), run_id="r1")
        assert caught.value.paths == ("after",)
        assert stage.hub.statistics().subscriptions == 0


async def test_an_explicit_position_moves_back_too(autojump_clock: MockClock):
    """It is the one way in which seq falls on a wire; afterwards everything is sent once."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        stage.hub.watch(ear, "r1")
        run.start()
        run.log(4)
        await settled()
        await stage.hub.subscribe(ear, Subscribe(workflow_id="w1", after="r1:2"), run_id="r1")
        run.log()
        await settled()
        assert ear.seqs == [1, 2, 3, 4, 5, 3, 4, 5, 6]


async def test_a_refused_start_subscribes_silently_and_moves_nobody(autojump_clock: MockClock):
    """Its sender hears the run from seq 1; if it heard it already, it stays where it was."""
    async with opened() as stage:
        run, starter, other = await stage.run(), Ear(), Ear()
        stage.hub.watch(starter, "r1")
        run.start()
        run.log(2)
        await settled()
        for ear in (starter, other):
            await stage.hub.subscribe(ear, Subscribe(workflow_id="w1", after_seq=0), run_id="r1", quiet=True)
        run.log()
        await settled()
        assert starter.seqs == other.seqs == [1, 2, 3, 4]
        assert starter.replies == other.replies == []


async def test_a_subscription_may_come_before_its_run_and_outlives_it(autojump_clock: MockClock):
    """It is confirmed with 0, hears the run from seq 1, and the later runs of the same workflow as well."""
    async with opened() as stage:
        ear = Ear()
        await stage.hub.subscribe(ear, Subscribe(workflow_id="w1"), run_id=None)
        (confirmed,) = ear.replies
        assert isinstance(confirmed, Subscribed)
        assert (confirmed.last_seq, confirmed.from_seq, confirmed.run_id) == (0, 1, None)
        for run_id in ("r1", "r2"):
            run = await stage.run(run_id)
            run.start()
            run.log()
            run.end()
            await settled()
        (await stage.run("other", "w2")).start()
        await settled()
        assert [event["id"] for event in ear.events] == ["r1:1", "r1:2", "r1:3", "r2:1", "r2:2", "r2:3"]


async def test_a_run_that_begins_while_somebody_subscribes_is_heard(autojump_clock: MockClock):
    """Though there was none when it was looked up."""
    async with opened() as stage:
        ear = Ear()
        subscribing = stage.hub.subscribe(ear, Subscribe(workflow_id="w1"), run_id=None)
        subscribing.send(None)  # one step of it
        run = await stage.run()
        run.start()
        await settled()
        subscribing.close()
        assert ear.seqs == [1]


async def test_subscribing_in_the_middle_of_a_stream_misses_and_repeats_nothing(autojump_clock: MockClock):
    """Whenever they come, while events are published all the time: what follows their position, gapless to the end."""
    async with opened() as stage, trio.open_nursery() as nursery:
        run = await stage.run()
        ears = [Ear(session_id=str(n)) for n in range(40)]
        run.start()

        async def tell() -> None:
            for _ in range(60):
                run.log(7)
                await trio.lowlevel.checkpoint()
                await trio.sleep(0.0004)
            run.end()

        async def come(n: int) -> None:
            await trio.sleep(0.0006 * n)
            for _ in range(n % 3):
                await trio.lowlevel.checkpoint()
            position: dict[str, Any] = {} if n % 2 else {"after": f"r1:{n}"}
            await stage.hub.subscribe(ears[n], Subscribe(workflow_id="w1", **position), run_id="r1")

        nursery.start_soon(tell)
        for n in range(40):
            nursery.start_soon(come, n)
        await trio.sleep(2)
        for ear in ears:
            confirmed = ear.replies[0]
            assert isinstance(confirmed, Subscribed)
            assert ear.seqs == list(range(confirmed.from_seq or 0, 423))


async def test_progress_is_said_when_something_changed_and_at_most_twenty_times_a_second(autojump_clock: MockClock):
    """It never runs ahead of its events, and nothing is said while nothing changes."""
    async with opened() as stage:
        run, ear = await stage.run(nodes=1000), Ear(room=10**9)
        stage.hub.watch(ear, "r1")
        run.start()
        for n in range(1000):
            run.node(f"n{n}")
            run.node(f"n{n}", NodeStatus.SUCCESS)
            await trio.sleep(0.002)
        assert 35 <= len(ear.progress) <= 42
        assert rising([each["payload"]["completed_nodes"] for each in ear.progress])
        assert len({each["id"] for each in ear.progress}) == len(ear.progress)
        succeeded = 0
        for each in ear.heard:
            succeeded += each["type"] == "node.success"
            if each["type"] == "execution.progress":
                assert each["payload"]["completed_nodes"] <= succeeded
        await trio.sleep(1)
        said = len(ear.progress)
        assert ear.progress[-1]["payload"]["completed_nodes"] == 1000
        run.log(10)
        await trio.sleep(10)
        assert len(ear.progress) == said


async def test_progress_comes_once_more_right_before_the_ending(autojump_clock: MockClock):
    """Always, also for who lags or comes after the end; the last one is 100 %."""
    async with opened() as stage:
        run, ear, slow, late = await stage.run(), Ear(), Ear(stalled=True, room=0), Ear()
        stage.hub.watch(ear, "r1")
        stage.hub.watch(slow, "r1")
        run.start()
        await settled()
        for n in range(3):
            run.node(f"n{n}")
            run.node(f"n{n}", NodeStatus.SUCCESS)
        await trio.sleep(1)
        assert ear.progress[-1]["payload"]["progress"] == 100
        said, said_to_slow = len(ear.progress), len(slow.progress)
        run.end()
        await settled()
        await drain(stage.hub, slow)
        await stage.hub.subscribe(late, Subscribe(workflow_id="w1", after_seq=0), run_id="r1")
        for each in (ear, slow, late):
            *_, progress, ending = each.heard
            assert (progress["type"], ending["type"]) == ("execution.progress", "execution.complete")
            assert progress["payload"]["progress"] == 100
        assert len(ear.progress) == said + 1
        assert len(slow.progress) == said_to_slow + 1
        assert len(late.progress) == 1


async def test_the_progress_of_a_node_is_the_newest_and_never_follows_its_end(autojump_clock: MockClock):
    """At most 20 a second, without a seq; what a node reported before it ended is not said after it."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        stage.hub.watch(ear, "r1")
        run.start()
        run.node("n0")
        await settled()

        def report(done: float) -> None:
            stage.hub.progress(
                NodeProgress(run_id="r1", workflow_id="w1", at=AT, n=0, node_id="n0", progress=done, message="on it")
            )

        for n in range(100):
            report(float(n))
            await trio.sleep(0.01)
        reported = [
            each["payload"]["progress"] for each in ear.heard if each["type"] == "node.running" and "seq" not in each
        ]
        assert 18 <= len(reported) <= 21
        assert rising(reported)
        report(99.5)
        run.node("n0", NodeStatus.SUCCESS)
        report(99.9)
        await trio.sleep(1)
        report(99.9)
        await trio.sleep(1)
        assert not any(each["payload"].get("progress", 0) in (99.5, 99.9) for each in ear.heard)


async def test_types_choose_and_subscriptions_add(autojump_clock: MockClock):
    """Only what was asked for; a starter hears all whatever it asks for besides; one that asked twice hears both, once."""
    async with opened() as stage:
        run, logs, starter, both = await stage.run(), Ear(), Ear(), Ear(dialect=FLAT)
        stage.hub.watch(starter, "r1")
        await stage.hub.subscribe(logs, Subscribe(workflow_id="w1", types=("log",)), run_id="r1")
        await stage.hub.subscribe(starter, Subscribe(workflow_id="w1", types=("log",), after_seq=0), run_id="r1")
        await stage.hub.subscribe(both, Subscribe(workflow_id="w1", types=("log",)), run_id="r1")
        await stage.hub.subscribe(both, Subscribe(types=("node_status", "log", "odd")), run_id=None)
        run.start()
        run.log()
        run.node("n0")
        run.log()
        run.end()
        await settled()
        assert logs.seqs == [2, 4]
        assert logs.progress == []
        assert starter.seqs == [1, 2, 3, 4, 5]
        assert both.seqs == [2, 3, 4]
        confirmed = both.replies[-1]
        assert isinstance(confirmed, Subscribed)
        assert confirmed.subscriptions == ("log", "node_status", "odd")


async def test_a_filter_lags_and_catches_up(autojump_clock: MockClock):
    """With a filter a gap means nothing, and a status is left out only for one that is sent."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear(stalled=True, room=0)
        command = Subscribe(workflow_id="w1", types=("node.running", "workflow_status"), after_seq=0)
        await stage.hub.subscribe(ear, command, run_id="r1")
        run.start()
        await settled()
        run.log()
        run.node("n0")
        run.node("n0", NodeStatus.SUCCESS)
        run.node("n1")
        run.node("n1", attempt=2)
        run.log()
        await settled()
        await drain(stage.hub, ear)
        assert [
            (event["seq"], event.get("conflated", 0)) for event in ear.events if event["type"] == "node.running"
        ] == [
            (3, 0),
            (6, 1),
        ]


async def test_all_runs_are_heard_live(autojump_clock: MockClock):
    """`*` hears what happens from now on, of runs that go on and of new ones; a position makes no sense there."""
    async with opened() as stage:
        heard, unheard, ear, other = await stage.run("r1", "w1"), await stage.run("r2", "w2"), Ear(), Ear()
        stage.hub.watch(other, "r1")
        for run in (heard, unheard):
            run.start()
            run.log()
        await settled()
        await stage.hub.subscribe(ear, Subscribe(workflow_id="*"), run_id=None)
        (confirmed,) = ear.replies
        assert isinstance(confirmed, Subscribed)
        assert confirmed.last_seq is None
        heard.log()
        unheard.log()
        late = await stage.run("r3", "w3")
        late.start()
        await settled()
        assert sorted(event["id"] for event in ear.events) == ["r1:3", "r2:3", "r3:1"]
        for position in ({"after": "r1:2"}, {"after_seq": 0}, {"run_id": "r1"}):
            with pytest.raises(BadField) as caught:
                await stage.hub.subscribe(ear, Subscribe(workflow_id="*", **position), run_id=None)
            assert caught.value.paths == tuple(position)


@pytest.mark.parametrize("known", [False, True], ids=["nobody heard it", "somebody heard it"])
async def test_who_hears_all_first_gets_the_newest_status_of_each_node(*, known: bool, autojump_clock: MockClock):
    """Ordinary events with their own seq, what is left out counted, then live: a console knows where a run is."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear(dialect=CAMEL)
        await stage.run("done", "w2")
        if known:
            stage.hub.watch(Ear(), "r1")
        run.start()
        run.node("n0")
        run.node("n0", NodeStatus.SUCCESS)
        run.node("n1")
        run.log(2)
        await settled()
        stage.hub.hear_all(ear, None)
        await settled()
        run.log()
        await settled()
        assert [(event["seq"], event["type"], event.get("conflated", 0)) for event in ear.events] == [
            (3, "node.success", 2),
            (4, "node.running", 0),
            (7, "execution.log", 2),
        ]
        run.log()
        await settled()
        assert ear.events[-1].get("conflated", 0) == 0


async def test_an_event_is_sent_once_however_many_subscriptions_match(autojump_clock: MockClock):
    """Starter, workflow, all runs and path / in one: one copy."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        stage.hub.hear_all(ear, None)
        stage.hub.watch(ear, "r1")
        await stage.hub.subscribe(ear, Subscribe(workflow_id="w1", after_seq=0), run_id="r1")
        await stage.hub.subscribe(ear, Subscribe(workflow_id="*"), run_id=None)
        run.start()
        run.log(3)
        await settled()
        assert ear.seqs == [1, 2, 3, 4]


async def test_unsubscribing_takes_effect_at_once_and_twice_does_no_harm(autojump_clock: MockClock):
    """Nothing more is pushed, nothing of the topic stays; each is answered with what is still asked for."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        await stage.hub.subscribe(ear, Subscribe(workflow_id="w1", types=("log", "progress")), run_id="r1")
        await stage.hub.subscribe(ear, Subscribe(types=("log", "node_status")), run_id=None)
        run.start()
        run.log()
        await settled()
        assert ear.seqs == [2]
        stage.hub.unsubscribe(ear, Unsubscribe(workflow_id="w1"), run_id="r1")
        run.log()
        await settled()
        assert ear.seqs == [2, 3]
        for _ in range(2):
            stage.hub.unsubscribe(ear, Unsubscribe(id="u", types=("log",)), run_id=None)
            run.log()
            await settled()
        run.node("n0")
        await settled()
        assert ear.seqs == [2, 3, 6]
        asked = [reply.subscriptions for reply in ear.replies if not isinstance(reply, Snapshot | ErrorReply)]  # type: ignore[attr-defined]
        assert asked == [
            ("log", "progress"),
            ("log", "progress", "node_status"),
            ("log", "node_status"),
            ("node_status",),
            ("node_status",),
        ]
        stage.hub.unsubscribe(ear, Unsubscribe(), run_id=None)
        assert stage.hub.statistics().topics == 0


async def test_a_starter_may_stop_hearing_its_run(autojump_clock: MockClock):
    """An unsubscribe of the workflow ends that subscription too."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        stage.hub.watch(ear, "r1")
        run.start()
        await settled()
        await stage.hub.subscribe(ear, Subscribe(workflow_id="w1", after="r1:1"), run_id="r1")
        stage.hub.unsubscribe(ear, Unsubscribe(workflow_id="w1"), run_id="r1")
        run.log()
        await settled()
        assert ear.seqs == [1]
        assert stage.hub._workflows == {}


async def test_a_dropped_outlet_is_forgotten(autojump_clock: MockClock):
    """Synchronously, whatever it heard and however far behind; a second time, and a later refill, do nothing."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear(stalled=True, room=0)
        stage.hub.watch(ear, "r1")
        await stage.hub.subscribe(ear, Subscribe(workflow_id="later"), run_id=None)
        stage.hub.hear_all(ear, None)
        run.start()
        run.log(5)
        await settled()
        for _ in range(2):
            stage.hub.drop(ear)
        statistics = stage.hub.statistics()
        assert (statistics.outlets, statistics.topics, statistics.subscriptions) == (0, 0, 0)
        assert not await stage.hub.refill(ear)
        heard = len(ear.heard)
        ear.stalled, ear.waiting = False, 0
        run.log()
        (await stage.run("r2", "later")).start()
        await settled()
        assert len(ear.heard) == heard


@attrs.define(eq=False)
class Slow:
    """A journal whose pages take a while, so that things happen meanwhile."""

    journal: MemoryJournal
    loads: int = 0
    delay: float = 0.01

    async def load(self, run_id: str, after: int = 0, limit: int = 1000) -> Page:
        self.loads += 1
        page = await self.journal.load(run_id, after, limit)
        await trio.sleep(self.delay)
        return page

    def __getattr__(self, name: str) -> Any:
        return getattr(self.journal, name)


async def test_a_topic_is_loaded_while_its_run_goes_on(autojump_clock: MockClock):
    """A run that nobody heard is read page by page, what is published meanwhile is neither lost nor told twice."""
    async with opened(Slow) as stage, trio.open_nursery() as nursery:
        run, ears = await stage.run(), [Ear() for _ in range(5)]
        run.start()
        run.log(3499)

        async def tell() -> None:
            for _ in range(100):
                run.log()
                await trio.sleep(0.001)

        nursery.start_soon(tell)
        for ear in ears:
            command = Subscribe(workflow_id="w1", after="r1:3400")
            nursery.start_soon(partial(stage.hub.subscribe, ear, command, run_id="r1"))
        await trio.sleep(1)
        for ear in ears:
            assert ear.seqs == list(range(3401, 3601))


async def test_a_cancelled_loader_leaves_the_rest_to_the_next(autojump_clock: MockClock):
    """Two wait for the same history; the one who reads is cancelled, the other goes on, nothing is read twice."""
    slow: list[Slow] = []

    def wrap(journal: MemoryJournal) -> Journal:
        slow.append(Slow(journal, delay=1.0))
        return slow[0]

    async with opened(wrap) as stage, trio.open_nursery() as nursery:
        run, first, second = await stage.run(), Ear(), Ear()
        run.start()
        run.log(2499)

        async def come_later() -> None:
            await trio.sleep(0.5)
            await stage.hub.subscribe(second, Subscribe(workflow_id="w1"), run_id="r1")

        nursery.start_soon(come_later)
        with trio.move_on_after(1.5) as scope:
            await stage.hub.subscribe(first, Subscribe(workflow_id="w1"), run_id="r1")
        assert scope.cancelled_caught
        await trio.sleep(2.5)
        assert first.replies == []
        assert [type(reply) for reply in second.replies] == [Subscribed, Snapshot]
        assert slow[0].loads == 4
        stage.hub.drop(first)
        run.log()
        await settled()
        assert second.seqs == [2501]


async def test_a_position_that_was_published_is_never_beyond_the_end(autojump_clock: MockClock):
    """Not even within the window: a client that read it over HTTP may come back faster than the flusher."""
    async with opened() as stage:
        run, early, ear = await stage.run(), Ear(), Ear()
        stage.hub.watch(early, "r1")
        run.start()
        await wait_all_tasks_blocked()
        run.log(3)
        await stage.hub.subscribe(ear, Subscribe(workflow_id="w1", after="r1:4"), run_id="r1")
        (confirmed,) = ear.replies
        assert isinstance(confirmed, Subscribed)
        assert (confirmed.reset, confirmed.last_seq, confirmed.from_seq) == (False, 4, 5)
        run.log()
        await settled()
        assert (early.seqs, ear.seqs) == ([1, 2, 3, 4, 5], [5])


async def test_what_was_read_before_it_was_published_is_not_told_twice(autojump_clock: MockClock):
    """A durable journal publishes a little after its commit; who loads the run in between knows more than the hub."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        run.start()
        stage.journal.attach(None)
        run.log(2)
        await stage.hub.subscribe(ear, Subscribe(workflow_id="w1", after="r1:1"), run_id="r1")
        assert ear.seqs == [2, 3]
        stage.hub.publish("r1", (await stage.journal.load("r1", 1)).events, ())
        stage.journal.attach(stage.hub)
        run.log()
        await settled()
        assert ear.seqs == [2, 3, 4]


async def test_a_note_that_comes_during_the_loading_is_in_the_state(autojump_clock: MockClock):
    """The pages were read before it, its events are in the ring: the snapshot has it all the same."""
    async with opened(Slow) as stage:
        run, ear = await stage.run(), Ear()
        run.start()
        run.log(1500)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(stage.hub.subscribe, ear, Subscribe(workflow_id="w1"), run_id="r1"))
            await trio.sleep(0.015)
            log = Logged(**run.head(), level="info", message="set")
            stage.journal.append_nowait(run.claim, [log], [("var/x", 1)])
        snapshot = ear.replies[-1]
        assert isinstance(snapshot, Snapshot)
        assert (snapshot.last_seq, snapshot.variables) == (1502, {"x": 1})


@pytest.mark.parametrize("lines", [0, 10], ids=["refused with its events", "said to nobody"])
async def test_who_has_caught_up_hears_the_progress_that_it_missed(lines: int, autojump_clock: MockClock):
    """Nothing is said while it lags; once it is at the head it need not wait for the next event."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear(stalled=True, room=0)
        stage.hub.watch(ear, "r1")
        run.start()
        await trio.sleep(1)
        said = len(ear.progress)
        run.log(lines)
        await settled()
        run.node("n0")
        run.node("n0", NodeStatus.SUCCESS)
        await trio.sleep(1)
        assert len(ear.progress) == said
        ear.stalled = False
        await drain(stage.hub, ear)
        await trio.sleep(1)
        assert [each["payload"]["completed_nodes"] for each in ear.progress[said:]] == [1]
        assert stage.hub.statistics().lagging == 0


@pytest.mark.parametrize("bursts", [2, 100], ids=["in the ring", "in the journal"])
@pytest.mark.parametrize("turns", range(8))
async def test_a_pass_leaves_alone_what_was_left_meanwhile(turns: int, bursts: int, autojump_clock: MockClock):
    """Unsubscribed, or moved, while it was being brought on: nothing of the old place is sent any more."""
    async with opened(Slow) as stage, trio.open_nursery() as nursery:
        run, gone, moved = await stage.run(), Ear(stalled=True, room=0), Ear(stalled=True, room=0)
        for ear in (gone, moved):
            stage.hub.watch(ear, "r1")
        run.start()
        await settled()
        for _ in range(bursts):
            run.log(64)
            await trio.sleep(0.001)
        await settled()
        for ear in (gone, moved):
            ear.waiting = 0
            nursery.start_soon(stage.hub.refill, ear)
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        stage.hub.drop(gone)
        heard = len(gone.heard)
        await stage.hub.subscribe(moved, Subscribe(workflow_id="w1", after="r1:100"), run_id="r1")
        await settled()
        await drain(stage.hub, moved)
        assert len(gone.heard) == heard
        start = moved.heard.index(moved.replies[0])
        assert [each["seq"] for each in moved.heard[start + 1 :] if "seq" in each] == list(range(101, 2 + 64 * bursts))


async def test_two_passes_for_one_outlet_take_turns(autojump_clock: MockClock):
    """A writer that asks while a subscribe still replays: nothing is sent twice, both come to an end."""
    async with opened(Slow) as stage, trio.open_nursery() as nursery:
        run, ear = await stage.run(), Ear()
        run.start()
        run.log(2499)
        nursery.start_soon(partial(stage.hub.subscribe, ear, Subscribe(workflow_id="w1", after_seq=0), run_id="r1"))
        for _ in range(10):
            nursery.start_soon(drain, stage.hub, ear)
            await trio.sleep(0.005)
        await trio.sleep(1)
        assert ear.seqs == list(range(1, 2501))


async def test_a_ring_is_bounded_while_its_topic_is_loaded(autojump_clock: MockClock):
    """Everything that comes meanwhile is in the journal too: what the ring has dropped is read from there."""
    async with opened(Slow) as stage, trio.open_nursery() as nursery:
        run, ear = await stage.run(), Ear()
        run.start()
        run.log(1999)
        nursery.start_soon(partial(stage.hub.subscribe, ear, Subscribe(workflow_id="w1", after="r1:1000"), run_id="r1"))
        await trio.sleep(0.005)
        run.log(2 * RING_EVENTS)
        assert stage.hub.statistics().ring_events == RING_EVENTS
        await trio.sleep(1)
        assert ear.seqs == list(range(1001, 2001 + 2 * RING_EVENTS))


async def test_a_replay_is_exact_and_only_what_comes_during_it_is_conflated(autojump_clock: MockClock):
    """A client that names its position gets exactly what follows, however slow it is; later events may be conflated."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear(stalled=True, room=0)
        run.start()
        for _ in range(1000):
            run.node("n0")
        await stage.hub.subscribe(ear, Subscribe(workflow_id="w1", after="r1:1"), run_id="r1")
        assert 0 < len(ear.seqs) < 1000
        for _ in range(10):
            run.node("n0")
        await settled()
        await drain(stage.hub, ear)
        assert ear.seqs == [*range(2, 1002), 1011]
        assert ear.events[-1]["conflated"] == 9


async def test_a_history_that_is_gone_is_a_reset(autojump_clock: MockClock):
    """Who lags behind a run that was trimmed meanwhile is told so, and shown the state."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear(stalled=True, room=0)
        stage.hub.watch(ear, "r1")
        run.start()
        await settled()
        for _ in range(RING_EVENTS // 64 + 2):
            run.log(64)
            await trio.sleep(0.002)
        run.end()
        await settled()
        await stage.journal.trim(Keep(runs=0))
        await drain(stage.hub, ear)
        confirmed, snapshot = ear.replies
        assert isinstance(confirmed, Subscribed)
        assert confirmed.reset
        assert isinstance(snapshot, Snapshot)
        assert snapshot.status is RunStatus.COMPLETED
        assert stage.hub.statistics().topics == 0


async def test_an_unknown_run_is_waited_for_or_unknown(autojump_clock: MockClock):
    """A subscribe to a run that is gone waits for the workflow's next one and says `reset`; a snapshot of it is refused."""
    async with opened() as stage:
        ear = Ear()
        await stage.hub.subscribe(ear, Subscribe(workflow_id="w1", after="gone:3"), run_id=None)
        (confirmed,) = ear.replies
        assert isinstance(confirmed, Subscribed)
        assert (confirmed.last_seq, confirmed.reset) == (0, True)
        with pytest.raises(UnknownRun):
            await stage.hub.snapshot("gone")
        with pytest.raises(UnknownRun):
            stage.hub.watch(ear, "gone")


async def test_a_snapshot_of_an_ended_run_is_folded_from_the_journal(autojump_clock: MockClock):
    """And nothing of it stays in the hub."""
    async with opened() as stage:
        run = await stage.run()
        run.start()
        run.node("n0")
        run.node("n0", NodeStatus.SUCCESS)
        run.log(2000)
        run.end()
        snapshot = await stage.hub.snapshot("r1")
        assert (snapshot.last_seq, snapshot.status) == (2004, RunStatus.COMPLETED)
        assert snapshot.nodes["n0"].status is NodeStatus.SUCCESS
        assert stage.hub.statistics().topics == 0


async def test_notes_are_in_the_state_with_their_events(autojump_clock: MockClock):
    """Variables are shown as they were at `last_seq`; who loads the run later sees the same."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        stage.hub.watch(ear, "r1")
        run.start()
        log = Logged(**run.head(), level="info", message="set")
        stage.journal.append_nowait(run.claim, [log], [("var/x", 1), ("var/y", 2)])
        stage.journal.append_nowait(run.claim, [], [("var/y", None)])
        live = await stage.hub.snapshot("r1")
        stage.hub.drop(ear)
        loaded = await stage.hub.snapshot("r1")
        assert live.variables == loaded.variables == {"x": 1}


async def test_a_large_result_is_a_reference_on_the_wire(autojump_clock: MockClock):
    """The stream goes on in frames that every client takes; the journal has it whole."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear(room=10**9)
        stage.hub.watch(ear, "r1")
        run.start()
        run.node("n0", NodeStatus.SUCCESS, result="x" * 3_000_000)
        run.log()
        await settled()
        assert ear.seqs == [1, 2, 3]
        assert ear.events[1]["payload"]["result"] == {"$ref": "/api/runs/r1/nodes/n0/result"}
        event = (await stage.journal.load("r1")).events[1]
        assert isinstance(event, NodeChanged)
        assert len(event.result) == 3_000_000


async def test_a_bug_in_one_topic_is_told_and_leaves_the_others_alone(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Its subscribers get `internal_error` instead of silence; other runs, and the run itself, go on."""
    fold = View.apply

    def apply(view: Any, event: Event) -> Any:
        if isinstance(event, Logged) and event.run_id == "r1":
            raise ZeroDivisionError
        return fold(view, event)

    monkeypatch.setattr(View, "apply", apply)
    async with opened() as stage:
        bad, good, ear, other = await stage.run("r1", "w1"), await stage.run("r2", "w2"), Ear(), Ear()
        stage.hub.watch(ear, "r1")
        stage.hub.watch(other, "r2")
        for run in (bad, good):
            run.start()
            run.log(3)
        await settled()
        bad.log()
        good.log()
        await settled()
        (reply,) = ear.replies
        assert isinstance(reply, ErrorReply)
        assert (reply.code, reply.workflow_id) == ("internal_error", "w1")
        assert other.seqs == [1, 2, 3, 4, 5]
        assert "ZeroDivisionError" in caplog.text


async def test_a_cancel_from_outside_ends_the_body_and_then_the_hub(autojump_clock: MockClock):
    """What was committed is delivered on the way out, and no task is left."""
    tasks_before = trio.lowlevel.current_statistics().tasks_living
    ear = Ear()
    with trio.move_on_after(1):
        async with opened() as stage:
            run = await stage.run()
            stage.hub.watch(ear, "r1")
            run.start()
            await trio.sleep(0.999)
            run.log(3)
            await trio.sleep(1)
    assert trio.current_time() < 1.01
    assert ear.seqs == [1, 2, 3, 4]
    assert trio.lowlevel.current_statistics().tasks_living == tasks_before


async def test_a_flusher_lives_no_longer_than_its_topic_is_wanted(autojump_clock: MockClock):
    """Coming and going leaves no task behind; what is nobody's costs nothing."""
    async with opened() as stage:
        run = await stage.run()
        run.start()
        idle = trio.lowlevel.current_statistics().tasks_living
        for _ in range(10):
            ear = Ear()
            await stage.hub.subscribe(ear, Subscribe(workflow_id="w1"), run_id="r1")
            stage.hub.drop(ear)
        await settled()
        assert trio.lowlevel.current_statistics().tasks_living == idle
        assert stage.hub.statistics().ring_events == 0


async def test_leaving_the_hub_delivers_what_was_committed(autojump_clock: MockClock):
    """Also what still waited for its window."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        stage.hub.watch(ear, "r1")
        run.start()
        await wait_all_tasks_blocked()
        run.log(3)
        assert ear.seqs == [1]
    assert ear.seqs == [1, 2, 3, 4]


async def test_what_an_outlet_hears_can_be_asked(autojump_clock: MockClock):
    """Types, positions and how much it was spared, for the connection's statistics."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear(stalled=True, room=0)
        await stage.hub.subscribe(ear, Subscribe(workflow_id="w1", types=("*",), after_seq=0), run_id="r1")
        run.start()
        await settled()
        run.node("n0")
        run.node("n0", NodeStatus.SUCCESS)
        await settled()
        heard = stage.hub.heard_by(ear)
        assert (heard.subscriptions, heard.positions, heard.lagging, heard.conflated) == (("*",), {"r1": 1}, 1, 0)
        await drain(stage.hub, ear)
        heard = stage.hub.heard_by(ear)
        assert (heard.positions, heard.lagging, heard.conflated) == ({"r1": 3}, 0, 1)
        assert stage.hub.heard_by(Ear()).positions == {}


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_happens_seq_rises_and_every_gap_is_counted(seed: int, autojump_clock: MockClock):
    """Runs, slow and fast outlets, drains and new subscriptions in any order: gapless, or `conflated` says how many."""
    chance = random.Random(seed)
    async with opened() as stage:
        runs = [await stage.run(f"r{n}", f"w{n}", nodes=5) for n in range(3)]
        ears = [Ear(room=chance.choice([0, 500, 5_000]), batch=chance.random() < 0.3) for _ in range(6)]
        for run in runs:
            for ear in ears:
                stage.hub.watch(ear, run.run_id)
            run.start()
        running: dict[tuple[str, str], int] = {}
        for _ in range(400):
            run = chance.choice(runs)
            key = (run.run_id, f"n{chance.randrange(5)}")
            match chance.randrange(8):
                case 0 | 1:
                    run.node(key[1], iteration=(running.setdefault(key, 0),))
                case 2 if key in running:
                    run.node(key[1], NodeStatus.SUCCESS, iteration=(running[key],))
                    running[key] += 1
                case 3:
                    run.log(chance.randrange(40))
                case 4 | 5:
                    ear = chance.choice(ears)
                    ear.stalled = chance.random() < 0.7
                    await drain(stage.hub, ear, rounds=chance.choice([1, 2, 10_000]), patient=False)
                case _:
                    await trio.sleep(chance.choice([0, 0.0005, 0.003]))
        for run in runs:
            run.end()
        await settled()
        for ear in ears:
            await drain(stage.hub, ear)
            for run in runs:
                told = [event for event in ear.events if event["run_id"] == run.run_id]
                assert told[0]["seq"] == 1
                assert told[-1]["type"] == "execution.complete"
                for earlier, later in pairwise(told):
                    assert later["seq"] - earlier["seq"] == 1 + later.get("conflated", 0)
        assert stage.hub.statistics().topics == 0


@pytest.mark.parametrize("named", ["", "w2"], ids=["no workflow", "another workflow"])
async def test_a_run_may_be_named_without_its_workflow(named: str, autojump_clock: MockClock):
    """The run is heard, and so are the later ones of the workflow that it is of."""
    async with opened() as stage:
        run, ear = await stage.run(), Ear()
        run.start()
        await stage.hub.subscribe(ear, Subscribe(workflow_id=named, run_id="r1", after_seq=0), run_id="r1")
        (confirmed,) = ear.replies
        assert confirmed.workflow_id == (named or "w1")
        run.end()
        await settled()
        (await stage.run("r2", "w1")).start()
        await settled()
        assert [event["id"] for event in ear.events] == ["r1:1", "r1:2", "r2:1"]
