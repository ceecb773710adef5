"""One peer's conversation: which dialect it is held in, and that every bad message gets one answer."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import BadField, BadJson, BadMessage, ProtocolError, UnknownType
from protocol.messages import (
    Broadcast,
    Command,
    Control,
    ErrorReply,
    Heartbeat,
    HeartbeatReply,
    Hello,
    RunChanged,
    StartRun,
)
from protocol.session import Session
from protocol.states import RunStatus


def session(path="/ws/s1", **options):
    """A session that says nothing of its dialect unless told to."""
    return Session(session_id="s1", path=path, **options)


def spoken(peer):
    """The name of the dialect, None while undecided."""
    return peer.dialect.name if peer.dialect else None


def said(peer, message, at=1.5):
    """What the peer is sent, as JSON."""
    return orjson.loads(peer.encode(message, at=at))


def answer(peer, text):
    """What a bad message is answered with, as JSON."""
    with pytest.raises(ProtocolError) as caught:
        peer.receive(text)
    return said(peer, peer.refuse(caught.value, text))


@pytest.mark.parametrize("name", ["snake", "camel", "flat"])
@pytest.mark.parametrize(("suffix", "batch"), [("", False), (".batch", True)])
def test_a_subprotocol_chooses_the_dialect_and_is_echoed(name, suffix, batch):
    """The first offer that we know is taken, with or without batches."""
    offer = f"callboard.{name}.v1{suffix}"
    peer = session(path="/", subprotocols=["other", "callboard.token.secret", offer, "callboard.flat.v1"])
    assert (spoken(peer), peer.subprotocol, peer.batch) == (name, offer, batch)


def test_a_token_is_never_echoed():
    """The handshake's answer does not carry a secret."""
    assert session(subprotocols=["callboard.token.callboard.snake.v1"]).subprotocol is None


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"path": "/"}, "camel"),
        ({"path": "/ws"}, None),
        ({"path": "/ws/s1"}, None),
        ({"query": {"dialect": "flat"}}, "flat"),
        ({"query": {"dialect": "nonsense"}}, None),
        ({"dialect": "flat"}, "flat"),
        ({"path": "/", "dialect": "flat"}, "flat"),
        ({"path": "/", "query": {"dialect": "snake"}, "dialect": "flat"}, "snake"),
        ({"query": {"dialect": "snake"}, "subprotocols": ["callboard.flat.v1"], "dialect": "camel"}, "flat"),
    ],
)
def test_what_is_said_outranks_what_is_remembered_and_that_the_path(options, name):
    """Subprotocol, query, memory, path, in this order."""
    assert spoken(session(**options)) == name


@pytest.mark.parametrize(("query", "batch"), [({}, False), ({"batch": "1"}, True), ({"batch": "0"}, False)])
def test_the_query_may_ask_for_batches(query, batch):
    """Without being asked, each frame is one message."""
    assert session(query=query).batch is batch


@pytest.mark.parametrize(("path", "hears"), [("/", True), ("/ws", False), ("/ws/s1", False)])
def test_the_root_hears_every_run(path, hears):
    """Whatever dialect is spoken there."""
    assert session(path=path, query={"dialect": "snake"}).hears_all is hears


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"type":"heartbeat_response"}', "flat"),
        ('{"type":"subscribe","event_types":["log"],"workflowId":"w"}', "flat"),
        ('{"type":"execute_workflow","workflow":{}}', "flat"),
        ('{"type":"workflow.start","workflowId":"w"}', "camel"),
        ('{"type":"workflow.start","workflow_id":"w"}', "snake"),
        ('{"type":"heartbeat"}', "snake"),
        ('{"type":"heartbeat","workflowId":""}', "camel"),
    ],
)
def test_the_first_valid_message_decides(text, name):
    """A type of the flat column, else `workflowId`, else snake."""
    peer = session()
    assert isinstance(peer.receive(text), Command)
    assert spoken(peer) == name


def test_a_bad_message_decides_nothing():
    """An undecided peer stays undecided until it says something valid, and is then understood."""
    peer = session()
    for text in (
        "{",
        "[]",
        '{"type":"nonsense"}',
        '{"type":"execute_workflow"}',
        '{"type":"workflow.list","payload":1}',
    ):
        answer(peer, text)
        assert peer.dialect is None
    assert peer.receive('{"type":"workflow.pause","workflowId":"w"}') == Control(workflow_id="w", action="pause")
    assert spoken(peer) == "camel"


def test_a_dialect_once_decided_stays():
    """A later message in another dialect's words is of an unknown type."""
    peer = session()
    assert peer.receive('{"type":"heartbeat"}') == Heartbeat()
    assert answer(peer, '{"type":"subscribe"}')["payload"]["code"] == "unknown_type"
    assert spoken(peer) == "snake"


@pytest.mark.parametrize(
    ("options", "hello"),
    [
        ({}, Hello(session_id="s1")),
        ({"dialect": "flat"}, Hello(session_id="s1")),
        ({"dialect": "snake"}, None),
        ({"path": "/"}, None),
    ],
)
def test_flat_and_undecided_peers_are_greeted(options, hello):
    """The others know no such message."""
    assert session(**options).hello() == hello


def test_a_resumed_flat_peer_is_told_so():
    """`resumed: true`, and only then."""
    peer = session(dialect="flat")
    assert said(peer, peer.hello(resumed=True))["resumed"] is True
    assert "resumed" not in said(peer, peer.hello())


def test_an_undecided_peer_is_sent_both_shapes():
    """Whatever dialect it turns out to speak, it has understood its hello."""
    peer = session()
    assert said(peer, peer.hello()) == {
        "type": "connection_established",
        "id": "s1:1",
        "timestamp": "1970-01-01T00:00:01.500Z",
        "workflow_id": "",
        "session_id": "s1",
        "message": "Connected to callboard",
        "payload": {"session_id": "s1", "message": "Connected to callboard"},
    }
    beat = said(peer, HeartbeatReply())
    assert (beat["type"], beat["status"], beat["payload"]) == ("heartbeat", "alive", {"status": "alive"})


def test_a_broadcast_is_verbatim_also_to_an_undecided_peer():
    """Not even a payload is added."""
    body = {"type": "notice", "payload": None, "n": 1}
    assert said(session(), Broadcast(body)) == body
    assert said(session(path="/"), Broadcast(body)) == body


def test_replies_are_numbered_and_events_keep_their_id():
    """`session:n` for what answers; a session that comes back goes on counting."""
    peer = session(dialect="snake")
    event = RunChanged(run_id="r", workflow_id="w", seq=3, at=9.0, status=RunStatus.PAUSED)
    assert [said(peer, it)["id"] for it in (HeartbeatReply(), event, HeartbeatReply())] == ["s1:1", "r:3", "s1:2"]
    assert said(peer, event)["timestamp"] == 9.0
    assert said(session(dialect="snake", replies=peer.replies), HeartbeatReply())["id"] == "s1:3"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", BadJson),
        ("{", BadJson),
        ("NaN", BadJson),
        ("[" * 100_000, BadJson),
        ("\ud800", BadJson),
        ("[]", BadMessage),
        ('"x"', BadMessage),
        ("null", BadMessage),
        ("{}", BadMessage),
        ('{"type":[]}', BadMessage),
        ('{"type":"nonsense"}', UnknownType),
        ('{"type":"workflow.start","payload":7}', BadField),
    ],
)
def test_bad_input_has_a_code(text, kind):
    """Never a traceback: each kind of mistake is an error with its code."""
    peer = session(dialect="snake")
    with pytest.raises(kind) as caught:
        peer.receive(text)
    assert peer.refuse(caught.value, text).code == kind.code


def test_the_answer_names_the_message_and_the_first_path():
    """A peer can tell which of its messages was bad, and where."""
    peer = session(dialect="camel")
    reply = answer(peer, '{"id":"c9","type":"workflow.list","workflowId":"w","payload":{"limit":"x","status":3}}')
    assert reply["workflowId"] == "w"
    assert reply["payload"]["replyTo"] == "c9"
    assert reply["payload"]["path"] == "payload.status"
    assert "payload.limit: must be a whole number" in reply["payload"]["message"]


@pytest.mark.parametrize("options", [{"dialect": "flat"}, {}])
def test_flat_answers_a_bad_start_in_its_own_form(options):
    """Also if it is the first thing that a flat client says."""
    reply = answer(session(**options), '{"type":"execute_workflow","id":"c1","workflow":{"id":"w","nodes":3}}')
    assert reply["type"] == "workflow_execution_error"
    assert (reply["code"], reply["error"]) == ("bad_field", "workflow.nodes: must be a list")
    assert reply["reply_to"] == "c1"


def test_flat_answers_a_bad_control_in_its_own_form():
    """Rejected, with the action that was asked for."""
    reply = answer(session(dialect="flat"), '{"type":"control_workflow","workflow_id":"w","action":"restart"}')
    assert reply["type"] == "workflow_control_response"
    assert (reply["workflow_id"], reply["action"], reply["status"]) == ("w", "restart", "rejected")
    assert reply["error"] == "action: must be one of pause, resume, stop, breakpoints"


def test_flat_answers_an_unknown_type_with_its_words():
    """The origin's own sentence."""
    reply = answer(session(dialect="flat"), '{"type":"nonsense"}')
    assert (reply["type"], reply["code"], reply["message"]) == (
        "error",
        "unknown_type",
        "Unknown message type: nonsense",
    )


@pytest.mark.parametrize("options", [{"dialect": "snake"}, {"dialect": "camel"}, {"dialect": "flat"}, {}])
@pytest.mark.parametrize(
    "message",
    [
        {"type": "x" * 2_000_000},
        {"type": "x", "id": "x" * 2_000_000, "workflow_id": "x" * 2_000_000},
        {"type": "control_workflow", "workflow_id": "w", "action": "x" * 2_000_000},
        {"type": "workflow.subscribe", "payload": {"types": [1] * 2_000_000}},
        {"type": "subscribe", "event_types": [1] * 1_000},
        {"type": "workflow.snapshot", "workflow_id": "x" * 2_000_000},
        {"type": "get_workflow", "run_id": "x" * 2_000_000},
        {"type": "workflow.pause", "workflow_id": "w", "payload": {"request_id": "x" * 201, "requestId": "x" * 201}},
    ],
    ids=lambda message: message["type"][:20],
)
def test_a_bad_message_of_any_size_gets_a_short_answer(options, message):
    """Nothing long is said back, and a million faults are not told one by one."""
    peer = session(**options)
    text = orjson.dumps(message).decode()
    with pytest.raises(ProtocolError) as caught:
        peer.receive(text)
    assert len(peer.encode(peer.refuse(caught.value, text), at=0.0)) < 10_000


def test_a_nested_start_is_not_answered_in_the_flat_form():
    """An undecided peer that speaks snake gets a plain error."""
    reply = answer(session(), '{"type":"workflow.start","payload":{"nodes":3}}')
    assert reply["type"] == "error"
    assert reply["payload"]["code"] == reply["code"] == "bad_field"


@given(text=st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(repr))
def test_any_text_gives_a_command_or_one_error(text):
    """Whatever arrives, in any dialect, the conversation goes on, and its answer can be sent."""
    for options in ({}, {"dialect": "snake"}, {"dialect": "camel"}, {"dialect": "flat"}):
        peer = session(**options)
        try:
            outcome = peer.receive(text)
        except ProtocolError as error:
            outcome = peer.refuse(error, text)
            assert orjson.loads(peer.encode(outcome, at=0.0))["type"]
        assert isinstance(outcome, Command | ErrorReply)


def test_a_conversation_in_flat():
    """connection_established, execute_workflow with connections, heartbeat_response: that origin, unchanged."""
    peer = session()
    assert said(peer, peer.hello())["type"] == "connection_established"
    nodes, connections = [{"id": "a", "type": "click"}], [{"from_node": "a", "from_output": "out", "to_node": "b"}]
    text = orjson.dumps(
        {"type": "execute_workflow", "workflow": {"id": "w", "nodes": nodes, "connections": connections}}
    )
    assert peer.receive(text.decode()) == StartRun(workflow_id="w", graph={"nodes": nodes, "connections": connections})
    assert peer.receive('{"type":"heartbeat_response","timestamp":"now"}') == Heartbeat()
    assert said(peer, HeartbeatReply())["timestamp"] == "1970-01-01T00:00:01.500Z"
