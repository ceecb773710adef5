"""The connection actor: the conversation, its bounds, its ends, and that nothing of it is left."""

import orjson
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed

from actors.errors import JournalError
from actors.journal import Page
from actors.journals import MemoryJournal
from actors.listener import REFILL_EVENTS
from actors.settings import Settings
from actors.testing.memory_server import memory_server
from actors.transport import StreamTransport

GRAPH = {
    "nodes": [
        {"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}},
        {"id": "w", "type": "wait", "data": {"config": {"duration": 2000}}},
    ],
    "edges": [{"source": "s", "target": "w"}],
}


UPGRADE = (
    b"GET /ws/me?dialect=snake HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def start(workflow_id="w", **extra):
    """A start in the snake dialect."""
    return {"type": "workflow.start", "id": "1", "workflow_id": workflow_id, "payload": {**GRAPH, **extra}}


async def events_until(client, *types):
    """Everything that a client hears up to a message of one of these types."""
    heard: list[dict] = []
    while not heard or heard[-1]["type"] not in types:
        heard.append(await client.hear())
    return heard


# Greeting and signs of life


async def test_an_undecided_peer_is_greeted_in_both_shapes_and_hears_heartbeats(house, autojump_clock):
    """Whichever client it is, it finds its session id, and a heartbeat every 30 s."""
    async with house.client("/ws/me") as client:
        hello = await client.hear()
        assert (hello["type"], hello["session_id"], hello["payload"]["session_id"]) == (
            "connection_established",
            "me",
            "me",
        )
        began = trio.current_time()
        assert (await client.hear())["type"] == "heartbeat"
        assert trio.current_time() - began == pytest.approx(30, abs=0.1)


async def test_a_flat_peer_hears_heartbeats_and_a_snake_peer_never(house, autojump_clock):
    """A client that echoes what it hears must not loop."""
    async with house.client("/ws/f?dialect=flat") as flat, house.client("/ws/s?dialect=snake") as snake:
        assert (await flat.hear())["type"] == "connection_established"
        for _ in range(3):
            assert (await flat.hear())["type"] == "heartbeat"
        with trio.move_on_after(100):
            await snake.hear()
            raise AssertionError
        answer = await snake.ask(type="heartbeat", id="7", workflow_id="")
        assert (answer["type"], answer["payload"]["status"], answer["payload"]["reply_to"]) == (
            "heartbeat",
            "alive",
            "7",
        )


@pytest.mark.parametrize("cut", [0, 1, 7, 20, 60])
async def test_frames_that_come_with_the_handshake_are_heard_after_it(house, autojump_clock, cut):
    """A client should wait for our answer; one that does not loses nothing, however its bytes are cut."""
    text = b'{"type":"heartbeat","id":"early"}'
    frames = bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text + bytes([0x88, 0x80, 0, 0, 0, 0])
    stream = house.connect()
    await stream.send_all(UPGRADE + frames[:cut])
    await trio.lowlevel.checkpoint()
    await stream.send_all(frames[cut:])
    heard = bytearray()
    async for chunk in stream:
        heard += chunk
    assert heard.startswith(b"HTTP/1.1 101 ")
    assert b'"reply_to":"early"' in heard
    await house.quiet()


async def test_a_peer_without_an_id_gets_one(house, autojump_clock):
    """And no two the same."""
    ids = set()
    for path in ("/ws", "/ws/", "/ws?dialect=flat"):
        async with house.client(path) as client:
            ids.add((await client.hear())["session_id"])
    assert len(ids) == 3


async def test_the_subprotocol_chooses_the_dialect_and_is_echoed_but_never_the_token(open_house, autojump_clock):
    """A browser can only send its token as a subprotocol; nobody reads it in our answer."""
    offers = ("callboard.token.s3cret", "callboard.flat.v1")
    async with open_house(token="s3cret") as house, house.client(subprotocols=offers) as client:
        assert client.socket.subprotocol == "callboard.flat.v1"
        assert "payload" not in await client.hear()


async def test_a_ping_that_nobody_answers_ends_the_connection(house, autojump_clock):
    """Ping after 25 s, ten more for the pong: then nobody is there. No task is left."""
    stream = house.connect()
    await stream.send_all(UPGRADE)
    began = trio.current_time()
    await trio.testing.wait_all_tasks_blocked()
    assert len(house.server.sessions) == 1
    await house.quiet()
    assert trio.current_time() - began == pytest.approx(35, abs=0.2)


async def test_the_round_trip_of_a_ping_is_measured(house, autojump_clock):
    """It is shown in the connection's statistics, with the time of the pong."""
    async with house.client():
        await trio.sleep(26)
        (member,) = house.server.sessions
        assert member.statistics().rtt == pytest.approx(0, abs=0.1)
        assert member.statistics().last_heartbeat is not None


# Bounds of what is said


@pytest.mark.parametrize("command", ["workflow.start", "workflow.validate"])
async def test_however_wrong_a_graph_is_the_answer_fits_into_a_frame(house, autojump_clock, command):
    """Many clients close when a message is larger than 1 MiB."""
    graph = {"nodes": [{"id": f"n{n}", "type": "nonsense"} for n in range(10_000)], "edges": []}
    async with house.client("/ws/me?dialect=snake") as client:
        await client.send(type=command, id="1", workflow_id="w", payload=graph)
        text = await client.socket.get_message()
    assert len(text.encode()) <= 2**20
    errors = orjson.loads(text)["payload"]["errors"]
    assert (errors[0]["path"], errors[-1]["code"]) == ("nodes[0].type", "cut")


async def test_a_list_has_only_as_many_rows_as_fit_into_a_frame(house, autojump_clock):
    """Those after them come with the cursor; none is left out."""
    for n in range(250):
        run = await house.runtime.start(
            {"nodes": [{"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}}]},
            workflow_id=f"{n:03}" + "\x01" * 997,
        )
        await run.wait()
    seen, payload = [], {"limit": 1000}
    async with house.client("/ws/me?dialect=snake") as client:
        while payload["limit"]:
            await client.send(type="workflow.list", id="1", payload=payload)
            text = await client.socket.get_message()
            assert len(text.encode()) <= 2**20
            said = orjson.loads(text)["payload"]
            seen += [int(run["workflow_id"][:3]) for run in said["runs"]]
            payload = {"limit": 1000 if said["next_cursor"] else 0, "cursor": said["next_cursor"]}
    assert seen == list(range(249, -1, -1))


# Bad input


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "bad_json"),
        ("[" * 100_000, "bad_json"),
        ("[]", "bad_message"),
        ("null", "bad_message"),
        ('{"id": 1}', "bad_message"),
        ('{"type": "nope"}', "unknown_type"),
        ('{"type": "workflow.start", "payload": {"nodes": 1}}', "bad_field"),
        (orjson.dumps(start("*")).decode(), "bad_field"),
        ('{"type": "workflow.pause", "workflow_id": "*"}', "unknown_workflow"),
        ('{"type": "workflow.pause", "workflow_id": "nobody"}', "unknown_workflow"),
        ('{"type": "workflow.snapshot", "workflow_id": "nobody"}', "unknown_workflow"),
    ],
)
async def test_a_mistake_is_answered_once_and_costs_nothing(house, autojump_clock, text, code):
    """Never a lost connection for a mere mistake, exactly one answer per bad message."""
    async with house.client("/ws/me?dialect=snake") as client:
        await client.socket.send_message(text)
        answer = await client.hear()
        assert (answer["type"], answer["payload"]["code"]) == ("error", code)
        assert (await client.ask(type="heartbeat", id="after", workflow_id=""))["payload"]["reply_to"] == "after"


@pytest.mark.parametrize(
    ("dialect", "message", "path"),
    [
        ("snake", {"type": "workflow.start", "workflow_id": "w", "payload": {}}, "payload.config.timeout"),
        ("camel", {"type": "workflow.start", "workflowId": "w", "payload": {}}, "payload.config.timeout"),
        ("flat", {"type": "execute_workflow", "workflow": {"id": "w", "nodes": []}}, "workflow.config.timeout"),
    ],
)
async def test_a_wrong_config_is_named_where_the_peer_wrote_it(house, autojump_clock, dialect, message, path):
    """The path starts at the root of the message, in the peer's own spelling."""
    body = message["workflow"] if dialect == "flat" else message["payload"]
    body["config"] = {"timeout": "soon"}
    async with house.client(f"/ws/me?dialect={dialect}") as client:
        await client.send(**message)
        answer = await client.hear("error", "workflow_execution_error")
        said = answer.get("payload", answer)
        assert (said["code"], said["path"]) == ("bad_field", path)


async def test_what_is_no_conversation_is_closed_with_its_code(open_house, autojump_clock):
    """Binary 1003, too large 1009, no UTF-8 1007, no frame 1002; whoever else is there hears nothing of it."""

    async def binary(client):
        await client.socket.send_message(b"\x00")

    async def large(client):
        await client.socket.send_message("x" * 1001)

    async def no_text(client):
        await client.stream.send_all(bytes([0x81, 0x82, 0, 0, 0, 0, 0xFF, 0xFF]))

    async def no_frame(client):
        await client.stream.send_all(b"\xff" * 10)

    async with open_house(max_message=1000) as house, house.client("/ws/other?dialect=snake") as other:
        for act, code in ((binary, 1003), (large, 1009), (no_text, 1007), (no_frame, 1002)):
            async with house.client("/ws/me") as client:
                await act(client)
                assert await client.close_code() == code
        assert (await other.ask(type="heartbeat", id="1", workflow_id=""))["type"] == "heartbeat"


async def test_a_burst_is_cut_with_one_word_about_it(house, autojump_clock):
    """Of 10,000 messages at once the bucket's 1,000 are answered, then one `rate_limited`; the next second is fine."""
    async with house.client("/ws/me?dialect=snake") as client, house.client("/ws/other?dialect=snake") as other:
        text = orjson.dumps({"type": "heartbeat", "id": "1", "workflow_id": ""}).decode()
        heard = []

        async def listen() -> None:
            while True:
                heard.append(await client.hear())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            for _ in range(10_000):
                await client.socket.send_message(text)
            assert (await other.ask(type="heartbeat", id="1", workflow_id=""))["type"] == "heartbeat"
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert [message["type"] for message in heard] == ["heartbeat"] * 1000 + ["error"]
        assert heard[-1]["payload"]["code"] == "rate_limited"
        assert (await client.ask(type="heartbeat", id="2", workflow_id=""))["payload"]["reply_to"] == "2"


async def test_a_flood_ends_with_4429(house, autojump_clock):
    """Over its rate for five seconds is enough."""
    async with house.client("/ws/me?dialect=snake") as client:
        began = trio.current_time()

        async def flood() -> None:
            try:
                while True:
                    for _ in range(50):
                        await client.socket.send_message("{}")
                    await trio.sleep(0.02)
            except ConnectionClosed:
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            assert await client.close_code() == 4429
            nursery.cancel_scope.cancel()
        assert 5 < trio.current_time() - began < 7


async def test_a_peer_that_asks_and_does_not_read_is_not_read(open_house, autojump_clock):
    """Replies fill the outbox, and then the reader waits: what it holds for this peer is bounded."""
    async with open_house(outbox=4096, rate_messages=100_000) as house:
        ours, theirs = trio.testing.lockstep_stream_pair()
        house.server.welcome(StreamTransport(ours))
        await theirs.send_all(UPGRADE)
        assert (await theirs.receive_some()).startswith(b"HTTP/1.1 101 ")
        frame = b"\x81\x82\x00\x00\x00\x00{}"
        sent = 0
        with trio.move_on_after(5):
            while True:
                await theirs.send_all(frame)
                sent += 1
        (member,) = house.server.sessions
        assert sent < 200
        assert member.statistics().queued < 8192


# Ends


async def test_a_second_connection_takes_over_and_the_first_is_told(house, autojump_clock):
    """4409: do not come back. The newer one speaks for the session, in the dialect that it had."""
    async with house.client("/ws/me") as first:
        await first.hear()
        await first.ask(type="workflow.list", id="1", workflow_id="")
        async with house.client("/ws/me") as second:
            assert await first.close_code() == 4409
            answer = await second.ask(type="heartbeat", id="1", workflow_id="")
            assert "payload" in answer
            assert isinstance(answer["timestamp"], float)


async def test_two_windows_with_one_id_end_up_sharing_it(house, autojump_clock):
    """After three takeovers in half a minute nobody is closed any more."""
    async with trio.open_nursery() as nursery:

        async def window(task_status=trio.TASK_STATUS_IGNORED) -> None:
            async with house.client("/ws/fixed?dialect=snake") as client:
                task_status.started(client)
                await trio.sleep_forever()

        clients = [await nursery.start(window) for _ in range(6)]
        assert [await client.close_code() for client in clients[:3]] == [4409] * 3
        for client in clients[3:]:
            assert (await client.ask(type="heartbeat", id="1", workflow_id=""))["type"] == "heartbeat"
        nursery.cancel_scope.cancel()


async def test_a_peer_that_closes_is_let_go_at_once(house, autojump_clock):
    """The closing handshake, and then nothing is left: no task, no session, nobody in the hub."""
    async with house.client() as client:
        await client.hear()
    began = trio.current_time()
    await house.quiet()
    assert trio.current_time() - began < 0.2


@pytest.mark.parametrize("last", [b"", b"\x81", b"\x81\xfe\x10\x00\x00\x00\x00\x00half a message"])
async def test_a_peer_that_vanishes_leaves_nothing(house, autojump_clock, last):
    """Between two frames or in the middle of one."""
    async with house.client() as client:
        await client.hear()
        await client.stream.send_all(last)
        await trio.aclose_forcefully(client.stream)
        await house.quiet()


async def test_half_a_frame_is_waited_for_until_nobody_answers_our_ping(house, autojump_clock):
    """The rest may come; but a peer that does not even answer a ping is gone."""
    stream = house.connect()
    await stream.send_all(UPGRADE + b"\x81\xfe\x10\x00\x00\x00\x00\x00half a message")
    began = trio.current_time()
    await house.quiet()
    assert trio.current_time() - began == pytest.approx(35, abs=0.2)


async def test_a_peer_that_does_not_take_the_handshake_is_left(autojump_clock):
    """Its answer does not fit into what lies between us, and nobody reads it: not for ever."""
    async with memory_server(settings=Settings(head_timeout=5), room=16) as server:
        stream = await server.dial()
        await stream.send_all(UPGRADE)
        with trio.fail_after(60):
            await server.server.wait_empty()
        await trio.aclose_forcefully(stream)


@pytest.mark.parametrize("cut", [0, 1, 30, 120, 10_000])
async def test_a_peer_that_goes_in_mid_handshake_leaves_nothing(house, autojump_clock, cut):
    """Wherever in the handshake it closes."""
    stream = house.connect()
    await stream.send_all(UPGRADE[:cut])
    await trio.aclose_forcefully(stream)
    await house.quiet()


async def test_an_undecided_peer_is_only_closed_at_the_end(house, autojump_clock):
    """It hears its hello, heartbeats, errors and broadcasts, and nothing else."""
    async with house.client("/ws/me") as client, trio.open_nursery() as nursery:
        assert (await client.hear())["type"] == "connection_established"
        nursery.start_soon(house.server.aclose)
        with pytest.raises(ConnectionClosed) as closed:
            await client.hear()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1001


async def test_the_end_of_the_server_is_told_and_then_closed_1001(house, autojump_clock):
    """`system.status` first, then the close: a client knows that it should come back."""
    async with house.client("/ws/me?dialect=snake") as client, trio.open_nursery() as nursery:
        nursery.start_soon(house.server.aclose)
        status = await client.hear()
        assert (status["type"], status["payload"]["status"]) == ("system.status", "shutting_down")
        assert await client.close_code() == 1001
    await house.quiet()


async def test_a_peer_that_does_not_answer_the_close_is_left_in_time(house, autojump_clock):
    """The goodbye is bounded by `close_timeout`."""
    stream = house.connect()
    await stream.send_all(UPGRADE)
    await trio.testing.wait_all_tasks_blocked()
    began = trio.current_time()
    await house.server.aclose()
    assert trio.current_time() - began == pytest.approx(2, abs=0.2)
    await house.quiet()


# Commands


async def test_a_start_is_answered_by_its_events_in_order(house, autojump_clock):
    """Seq from 1 without a gap; the ending is last."""
    async with house.client("/ws/me?dialect=snake") as client:
        await client.send(**start())
        heard = await events_until(client, "execution.complete")
        seqs = [message["seq"] for message in heard if "seq" in message]
        assert seqs == list(range(1, len(seqs) + 1))
        assert heard[0]["type"] == "workflow.start"
        assert heard[-1]["payload"]["status"] == "completed"


async def test_an_invalid_graph_is_refused_with_all_its_problems(house, autojump_clock):
    """No run, and the connection goes on."""
    async with house.client("/ws/me?dialect=snake") as client:
        answer = await client.ask(
            type="workflow.start", id="1", workflow_id="w", payload={"nodes": [{"id": "a", "type": "x"}]}
        )
        assert answer["type"] == "execution.error"
        assert {problem["code"] for problem in answer["payload"]["errors"]} == {"no_start", "unknown_kind"}
        assert "seq" not in answer


async def test_a_second_start_is_refused_and_hears_the_run_from_its_beginning(house, autojump_clock):
    """So a client that knows nothing of seq comes back to its run."""
    async with house.client("/ws/a?dialect=snake") as first, house.client("/ws/b?dialect=snake") as second:
        await first.send(**start())
        await first.hear("node.running", node_id="w")
        await second.send(**start())
        refused = await second.hear()
        assert (refused["type"], refused["payload"]["level"]) == ("execution.log", "warn")
        assert (await second.hear())["seq"] == 1
        heard = await events_until(second, "execution.complete")
        seqs = [message["seq"] for message in heard if "seq" in message]
        assert seqs == list(range(2, len(seqs) + 2))
        await first.hear("execution.complete")


async def test_controls_are_replied_to_before_their_event(house, autojump_clock):
    """Pause, resume, stop: one reply each, which names what was and what is."""
    async with house.client("/ws/me?dialect=snake") as client:
        await client.send(**start())
        await client.hear("node.running", node_id="w")
        for action, was, end in (
            ("pause", "running", "paused"),
            ("resume", "paused", "running"),
            ("stop", "running", "stopped"),
        ):
            await client.send(type=f"workflow.{action}", id=action, workflow_id="w")
            heard = await events_until(client, f"workflow.{action}")
            reply = heard[-1]["payload"]
            assert (reply["reply_to"], reply["ok"], reply["was"]) == (action, True, was)
            await client.hear(status=end)


async def test_a_start_with_a_request_id_is_done_once(house, autojump_clock):
    """Sent again it is answered by the first event again, also on a new connection; the run is the same."""
    async with house.client("/ws/me?dialect=snake") as client:
        await client.send(**start(request_id="r1"))
        first = await client.hear("workflow.start")
        await client.hear("node.running", node_id="w")
        await client.send(**start(request_id="r1"))
        again = await client.hear("workflow.start", "execution.log", seq=1)
        assert again == first
    await house.quiet()
    async with house.client("/ws/me?dialect=snake") as client:
        await client.send(**start(request_id="r1"))
        assert await client.hear() == first
        await client.hear("execution.complete")
    assert len((await house.runtime.list_runs()).runs) == 1


async def test_a_request_id_of_a_start_is_no_other_commands(house, autojump_clock):
    """A start is answered by its first event, which is no answer to a pause; that is said, not kept silent."""
    async with house.client("/ws/me?dialect=snake") as client:
        await client.ask(**start(request_id="r1"))
        await client.send(type="workflow.pause", id="2", workflow_id="w", payload={"request_id": "r1"})
        error = await client.hear("error")
        assert (error["payload"]["code"], error["payload"]["reply_to"]) == ("bad_field", "2")


async def test_a_graph_that_is_refused_may_be_repaired_under_its_request_id(house, autojump_clock):
    """Nothing was done and nothing is kept: the same graph is refused again, a good one is started."""
    wrong = {"nodes": [{"id": "x", "type": "nonsense"}], "request_id": "r1"}
    async with house.client("/ws/me?dialect=snake") as client:
        for _ in range(2):
            refused = await client.ask(type="workflow.start", id="1", workflow_id="w", payload=wrong)
            assert (refused["type"], refused["payload"]["code"]) == ("execution.error", "invalid_workflow")
        assert (await client.ask(**start(request_id="r1")))["type"] == "workflow.start"


async def test_a_control_with_a_request_id_is_done_once(house, autojump_clock):
    """The same answer, in reply to the later command."""
    async with house.client("/ws/me?dialect=snake") as client:
        await client.send(**start())
        await client.hear("node.running", node_id="w")
        pause = {"type": "workflow.pause", "workflow_id": "w", "payload": {"request_id": "p"}}
        await client.send(id="a", **pause)
        reply = (await client.hear("workflow.pause", reply_to="a"))["payload"]
        await client.hear("workflow.pause", status="paused")
        await client.ask(type="workflow.resume", id="r", workflow_id="w")
        await client.send(id="b", **pause)
        again = (await client.hear("workflow.pause"))["payload"]
        assert again == {**reply, "reply_to": "b"}
        await client.hear("execution.complete")


async def test_the_path_of_the_root_hears_every_run(house, autojump_clock):
    """In camel case, without asking."""
    async with house.client("/") as watcher, house.client("/ws/me?dialect=snake") as client:
        await client.send(**start())
        begun = await watcher.hear()
        assert (begun["type"], begun["workflowId"], begun["seq"]) == ("workflow.start", "w", 1)
        assert (await watcher.hear("execution.complete"))["payload"]["status"] == "completed"


async def test_questions_are_answered(house, autojump_clock):
    """List, snapshot, validate, status, subscribe, unsubscribe: one reply each."""
    async with house.client("/ws/me?dialect=snake") as client:
        await client.send(**start())
        await client.hear("execution.complete")
        rows = (await client.ask(type="workflow.list", id="1", workflow_id=""))["payload"]["runs"]
        assert [row["workflow_id"] for row in rows] == ["w"]
        shot = (await client.ask(type="workflow.snapshot", id="2", workflow_id="w"))["payload"]
        assert (shot["status"], shot["nodes"]["w"]["status"], shot["reply_to"]) == ("completed", "success", "2")
        checked = (await client.ask(type="workflow.validate", id="3", workflow_id="", payload=GRAPH))["payload"]
        assert checked["ok"] is True
        status = (await client.ask(type="system.status", id="4", workflow_id=""))["payload"]
        assert (status["status"], status["session_id"], status["connections"]) == ("running", "me", 1)
        gone = await client.ask(type="workflow.unsubscribe", id="5", workflow_id="w")
        assert gone["payload"]["ok"] is True


class Unreadable(MemoryJournal):
    """Its history can not be read, though what a run has come to can."""

    async def load(self, run_id: str, after: int = 0, limit: int = 1000) -> Page:
        if limit == REFILL_EVENTS:
            raise JournalError("unreadable")
        return await super().load(run_id, after, limit)


async def test_what_fails_after_the_answer_is_no_second_answer(open_house, autojump_clock):
    """It is told, as an error that belongs to no command: a client that waits for nothing hears of it, too."""
    async with open_house(journal=Unreadable()) as house:
        run = await house.runtime.start({"nodes": [{"id": "s", "type": "start"}], "edges": []}, workflow_id="w")
        await run.wait()
        async with house.client("/ws/me?dialect=snake") as client:
            await client.send(type="workflow.subscribe", id="1", workflow_id="w", payload={"after_seq": 0})
            confirmed, error = await client.hear(), await client.hear()
            assert (confirmed["type"], confirmed["payload"]["reply_to"]) == ("workflow.subscribe", "1")
            assert (error["type"], error["payload"]["code"]) == ("error", "journal_error")
            assert "reply_to" not in error["payload"]


# A large graph: others have their turns while it is checked


async def test_a_connection_that_ends_while_its_graph_is_checked_has_started_nothing(
    house, autojump_clock, monkeypatch
):
    """Nobody was told of a run, and there is none; whoever comes back starts it."""
    monkeypatch.setattr("actors.checking.STEP", 0.0)
    validate, checks = house.runtime.validate, 0

    async def watched(*args, **kwargs):
        nonlocal checks
        checks += 1
        house.server.sessions.newest("me").close(1001, "cut")
        return await validate(*args, **kwargs)

    monkeypatch.setattr(house.runtime, "validate", watched)
    async with house.client("/ws/me?dialect=snake") as client:
        await client.send(**start(request_id="r1"))
        assert await client.close_code() == 1001
    assert checks == 1
    await house.quiet()
    assert not house.runtime.unfinished()
    assert not (await house.runtime.list_runs()).runs
    monkeypatch.undo()
    async with house.client("/ws/me?dialect=snake") as client:
        await client.send(**start(request_id="r1"))
        assert (await events_until(client, "workflow.start"))[-1]["workflow_id"] == "w"


async def test_the_same_start_twice_is_one_run_though_both_are_checked_at_once(house, autojump_clock, monkeypatch):
    """Two windows of a session send the same request: the second is answered as the first."""
    monkeypatch.setattr("actors.checking.STEP", 0.0)
    validate, both, checks = house.runtime.validate, trio.Event(), 0

    async def together(*args, **kwargs):
        nonlocal checks
        checks += 1
        if checks == 2:
            both.set()
        await both.wait()
        return await validate(*args, **kwargs)

    monkeypatch.setattr(house.runtime, "validate", together)
    async with trio.open_nursery() as nursery:

        async def window(task_status=trio.TASK_STATUS_IGNORED) -> None:
            async with house.client("/ws/fixed?dialect=snake") as client:
                task_status.started(client)
                await trio.sleep_forever()

        # The first three are taken over; then they share the session.
        *_, one, two = [await nursery.start(window) for _ in range(5)]
        await one.send(**start(request_id="r1"))
        await two.send(**start(request_id="r1"))
        for client in (one, two):
            heard = await events_until(client, "execution.complete")
            assert [message["type"] for message in heard].count("workflow.start") == 1
            assert "execution.log" not in {message["type"] for message in heard if "seq" not in message}
        nursery.cancel_scope.cancel()
    assert len((await house.runtime.list_runs()).runs) == 1
