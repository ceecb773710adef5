"""Three spellings of one set of messages: what is promised of each, and of all together."""

import json
import math
import time
from pathlib import Path

import attrs
import cattrs
import jsonschema
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import messages
from protocol.dialects import DIALECTS
from protocol.dialects.text import MAX_DEPTH, deeper_than, dumps
from protocol.errors import BadField, BadMessage, ProtocolError, UnknownType
from protocol.graph import Problem
from protocol.messages import (
    Broadcast,
    Command,
    Control,
    ControlReply,
    ErrorReply,
    GetSnapshot,
    GetStatus,
    Heartbeat,
    HeartbeatReply,
    Hello,
    InputReply,
    Json,
    ListRuns,
    Logged,
    NodeChanged,
    NodeInput,
    NodeProgress,
    Progress,
    RunChanged,
    RunEnded,
    RunList,
    RunStarted,
    RunSummary,
    Snapshot,
    StartRefused,
    StartRun,
    Subscribe,
    Subscribed,
    Summary,
    SystemStatus,
    Unsubscribe,
    Unsubscribed,
    Validate,
    Validated,
    Waiting,
)
from protocol.schema import schema
from protocol.states import ENDED, NodeStatus, RunStatus

VECTORS = Path(__file__).parents[1] / "vectors"
SERVER = json.loads((VECTORS / "server.json").read_bytes())
COMMANDS = json.loads((VECTORS / "commands.json").read_bytes())
ALL = sorted(DIALECTS)
SNAKE, CAMEL, FLAT = DIALECTS["snake"], DIALECTS["camel"], DIALECTS["flat"]
VALIDATORS = {
    f"{name}.{end}": jsonschema.Draft202012Validator({**schema(), "anyOf": [{"$ref": f"#/$defs/{name}.{end}"}]})
    for name in ALL
    for end in ("client", "server")
}


def canonical(vector):
    """The message that a vector is about."""
    return cattrs.structure(vector["message"], getattr(messages, vector["class"]))


# Every strategy for a field that is spelled by its unit gives whole milliseconds: the wire keeps no more.
seconds = st.integers(0, 4_102_444_800_000).map(lambda ms: ms / 1000)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
counts = st.integers(0, 2**53)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(keys, values, max_size=3)
many = st.lists(keys, max_size=3).map(tuple)
iterations = st.lists(counts, max_size=2).map(tuple)
event = {"run_id": keys, "workflow_id": texts, "seq": st.integers(1, 2**53), "at": seconds}
reply = {"workflow_id": texts, "reply_to": st.none() | keys}


def maybe(strategy):
    """What a field may hold that may be left out."""
    return st.none() | strategy


problems = st.builds(
    Problem,
    code=keys,
    message=texts,
    path=texts,
    node_id=maybe(keys),
    edge_id=maybe(keys),
    severity=st.sampled_from(["error", "warning"]),
)
summaries = st.builds(
    Summary,
    status=st.sampled_from(sorted(ENDED)),
    duration=seconds,
    total_nodes=counts,
    succeeded=counts,
    failed=counts,
    skipped=counts,
    not_begun=counts,
    started_at=seconds,
    ended_at=seconds,
    error=maybe(texts),
    cancelled_by=maybe(keys),
    abandoned=maybe(many),
)
nodes = st.builds(
    NodeChanged,
    **event,
    node_id=keys,
    status=st.sampled_from(NodeStatus),
    message=texts,
    attempt=counts,
    iteration=iterations,
    duration=maybe(seconds),
    result=values,
    fired=many,
    error=maybe(texts),
    code=maybe(keys),
    reason=maybe(keys),
    waiting=maybe(st.builds(Waiting, prompt=texts, schema=values, until=maybe(seconds))),
)
endings = st.one_of(
    st.builds(
        RunEnded, **event, status=st.just(RunStatus.COMPLETED), message=texts, summary=summaries, results=objects
    ),
    st.builds(RunEnded, **event, status=st.just(RunStatus.STOPPED), message=texts, summary=summaries),
    st.builds(
        RunEnded,
        **event,
        status=st.just(RunStatus.FAILED),
        message=texts,
        summary=summaries,
        error=texts,
        code=keys,
        node_id=maybe(keys),
    ),
)
actions = st.sampled_from(["pause", "resume", "stop", "breakpoints"])
verdicts = {
    "ok": st.booleans(),
    "run_id": maybe(keys),
    "was": maybe(st.sampled_from(RunStatus)),
    "status": maybe(st.sampled_from(RunStatus)),
    "error": maybe(texts),
    "code": maybe(keys),
}
sent = st.one_of(
    st.builds(RunStarted, **event, total_nodes=counts, warnings=st.lists(problems, max_size=2).map(tuple)),
    nodes,
    st.builds(
        Logged,
        **event,
        level=st.sampled_from(["debug", "info", "warn", "error"]),
        message=texts,
        node_id=maybe(keys),
        iteration=iterations,
        context=values,
    ),
    st.builds(
        RunChanged,
        **event,
        status=st.sampled_from(["pausing", "paused", "running", "stopping", "failing"]).map(RunStatus),
        in_flight=maybe(many),
        cancelled_by=maybe(keys),
        error=maybe(texts),
        code=maybe(keys),
        node_id=maybe(keys),
    ),
    endings,
    st.builds(
        Progress,
        run_id=keys,
        workflow_id=texts,
        at=seconds,
        n=counts,
        total_nodes=counts,
        completed_nodes=counts,
        current_node=texts,
        progress=st.floats(0, 100),
        estimated_time_remaining=maybe(seconds),
    ),
    st.builds(
        NodeProgress,
        run_id=keys,
        workflow_id=texts,
        at=seconds,
        n=counts,
        node_id=keys,
        progress=st.floats(0, 100),
        message=texts,
        iteration=iterations,
    ),
    st.builds(Hello, **reply, session_id=keys, message=texts, resumed=st.sampled_from([None, True])),
    st.builds(StartRefused, **reply, code=keys, error=texts, run_id=keys),
    st.builds(
        StartRefused,
        **reply,
        code=keys,
        error=texts,
        problems=st.lists(problems, max_size=3).map(lambda found: tuple(sorted(found, key=lambda it: it.severity))),
    ),
    st.builds(ControlReply, **reply, **verdicts, action=actions, summary=maybe(summaries), breakpoints=maybe(many)),
    st.builds(InputReply, **reply, **verdicts, node_id=keys),
    st.builds(
        Subscribed,
        **reply,
        ok=st.booleans(),
        run_id=maybe(keys),
        last_seq=maybe(counts),
        from_seq=maybe(counts),
        reset=st.booleans(),
        subscriptions=many,
    ),
    st.builds(Unsubscribed, **reply, ok=st.booleans(), subscriptions=many),
    st.builds(
        RunList,
        **reply,
        runs=st.lists(
            st.builds(
                RunSummary,
                run_id=keys,
                workflow_id=texts,
                status=st.sampled_from(RunStatus),
                created_at=seconds,
                total_nodes=counts,
                last_seq=counts,
                ended_at=maybe(seconds),
                error=maybe(texts),
            ),
            max_size=2,
        ).map(tuple),
        next_cursor=maybe(keys),
    ),
    st.builds(
        Snapshot,
        **reply,
        run_id=keys,
        status=st.sampled_from(RunStatus),
        nodes=st.dictionaries(keys, nodes, max_size=2),
        edges=st.dictionaries(keys, st.sampled_from(["taken", "dead"]), max_size=2),
        variables=objects,
        last_seq=counts,
        breakpoints=many,
        reason=maybe(keys),
        node_id=maybe(keys),
        summary=maybe(summaries),
        part=maybe(counts),
        parts=maybe(counts),
    ),
    st.builds(
        Validated,
        **reply,
        ok=st.booleans(),
        errors=st.lists(problems, max_size=2).map(tuple),
        warnings=st.lists(problems, max_size=2).map(tuple),
    ),
    st.builds(HeartbeatReply, **reply),
    st.builds(SystemStatus, **reply, status=texts, version=texts, uptime=seconds, session_id=texts, runs=counts),
    st.builds(ErrorReply, **reply, code=keys, message=texts, path=maybe(keys)),
)
ids = {"id": texts, "workflow_id": texts, "run_id": maybe(keys), "request_id": maybe(keys)}
graphs = st.fixed_dictionaries({"nodes": st.lists(values, max_size=2)}).flatmap(
    lambda graph: st.sampled_from(["edges", "connections"]).flatmap(
        lambda key: st.lists(values, max_size=2).map(lambda edges: {**graph, key: edges})
    )
)
asked = st.one_of(
    st.builds(StartRun, **ids, graph=graphs, config=objects),
    st.builds(
        Control,
        **ids,
        action=st.sampled_from(["pause", "resume", "stop"]),
        mode=st.sampled_from([None, "now", "drain"]),
        step=st.booleans(),
        force=st.booleans(),
    ),
    st.builds(Control, **ids, action=st.just("breakpoints"), node_ids=many),
    st.builds(NodeInput, **ids, node_id=texts, value=values),
    st.builds(
        Subscribe,
        **ids,
        after=maybe(texts),
        after_seq=maybe(counts),
        types=maybe(many),
        snapshot=st.booleans(),
        lossless=st.booleans(),
    ),
    st.builds(Unsubscribe, **ids, types=maybe(many)),
    st.builds(ListRuns, **ids, status=maybe(st.sampled_from(RunStatus)), limit=maybe(counts), cursor=maybe(texts)),
    st.builds(GetSnapshot, **ids),
    st.builds(Validate, **ids, graph=graphs),
    st.builds(Heartbeat, **ids),
    st.builds(GetStatus, **ids),
)


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("vector", SERVER, ids=lambda vector: vector["name"])
def test_server_messages_are_spelled_as_the_vectors_say(vector, dialect):
    """Every message of the server, in every dialect, key by key."""
    encoded = DIALECTS[dialect].encode(canonical(vector), id=vector.get("id", ""), at=vector.get("at", 0.0))
    assert orjson.loads(encoded) == vector[dialect]


@pytest.mark.parametrize("dialect", ["snake", "camel"])
@pytest.mark.parametrize("vector", SERVER, ids=lambda vector: vector["name"])
def test_server_messages_are_read_back_as_they_were(vector, dialect):
    """A client of a nested dialect sees the canonical message (durations as precise as its unit, `answers` not told)."""
    message = canonical(vector)
    if isinstance(message, ErrorReply):
        message = attrs.evolve(message, answers=None, action=None)
    elif isinstance(message, NodeChanged) and message.duration == 0.0015 and dialect == "camel":
        message.duration = 0.002
    assert DIALECTS[dialect].read(vector[dialect]) == message


@pytest.mark.parametrize("vector", SERVER, ids=lambda vector: vector["name"])
def test_what_flat_reads_it_spells_the_same(vector):
    """Flat says some things less precisely, but it never says something else the second time."""
    message = FLAT.read(vector["flat"])
    encoded = FLAT.encode(message, id=vector.get("id", ""), at=vector.get("at", 0.0))
    assert orjson.loads(encoded) == vector["flat"]


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("vector", COMMANDS, ids=lambda vector: vector["name"])
def test_commands_are_spelled_and_parsed_as_the_vectors_say(vector, dialect):
    """A command means the same in every dialect."""
    command = canonical(vector)
    assert orjson.loads(DIALECTS[dialect].spell(command, at=vector["at"])) == vector[dialect]
    assert DIALECTS[dialect].parse(vector[dialect]) == command


@pytest.mark.parametrize("dialect", ALL)
def test_vectors_hold_every_type_of_message(dialect):
    """No message of any dialect is without a golden vector."""
    definitions = schema()["$defs"]
    for end, vectors in (("server", SERVER), ("client", COMMANDS)):
        prefix = f"{dialect}.{end}."
        types = {name.removeprefix(prefix) for name in definitions if name.startswith(prefix)}
        assert types - {vector[dialect]["type"] for vector in vectors} == set()


@pytest.mark.parametrize("dialect", ["snake", "camel"])
@given(message=sent)
@settings(deadline=None)
def test_nested_dialects_round_trip_every_message(dialect, message):
    """read(encode(m)) is m; of a node in a snapshot, all but its place in the run."""
    encoded = orjson.loads(DIALECTS[dialect].encode(message, id="s:1", at=1.0))
    if isinstance(message, Snapshot):
        message = attrs.evolve(
            message,
            nodes={
                key: attrs.evolve(node, run_id=message.run_id, workflow_id=message.workflow_id, seq=0, at=0.0)
                for key, node in message.nodes.items()
            },
        )
    assert DIALECTS[dialect].read(encoded) == message
    VALIDATORS[f"{dialect}.server"].validate(encoded)


@given(message=sent)
@settings(deadline=None)
def test_flat_round_trips_what_it_says(message):
    """What a flat client reads has the same words as what was sent."""
    encoded = orjson.loads(FLAT.encode(message, id="s:1", at=1.0))
    assert orjson.loads(FLAT.encode(FLAT.read(encoded), id="s:1", at=1.0)) == encoded
    VALIDATORS["flat.server"].validate(encoded)


@pytest.mark.parametrize("dialect", ALL)
@given(command=asked)
@settings(deadline=None)
def test_dialects_round_trip_every_command(dialect, command):
    """parse(spell(c)) is c."""
    spelled = orjson.loads(DIALECTS[dialect].spell(command))
    assert DIALECTS[dialect].parse(spelled) == command
    VALIDATORS[f"{dialect}.client"].validate(spelled)


@given(
    message=st.fixed_dictionaries(
        {"type": st.sampled_from(sorted({vector[name]["type"] for vector in COMMANDS for name in ALL}))},
        optional={
            "payload": values,
            "workflow": values,
            "id": values,
            "workflow_id": values,
            "action": values | actions,
            "node_ids": values,
            "event_types": values,
            "after_seq": values,
        },
    )
)
def test_any_object_is_a_command_or_a_fault_of_the_peer(message):
    """Whatever fields a known type comes with, the answer is a command or an error of the protocol."""
    for dialect in DIALECTS.values():
        try:
            outcome: Command | ProtocolError = dialect.parse(message)
        except (BadField, UnknownType) as error:
            outcome = error
        assert isinstance(outcome, Command | ProtocolError)
        assert not isinstance(outcome, BadField) or all(outcome.paths)


def test_all_faults_are_named_at_once_in_the_peers_spelling():
    """A peer repairs its message in one go."""
    payload = {"types": ["log", 1], "afterSeq": True, "runId": [], "snapshot": "yes"}
    with pytest.raises(BadField) as caught:
        CAMEL.parse({"type": "workflow.subscribe", "workflowId": 7, "payload": payload})
    assert set(caught.value.paths) == {
        "workflowId",
        "payload.types[1]",
        "payload.afterSeq",
        "payload.runId",
        "payload.snapshot",
    }


@pytest.mark.parametrize(
    ("dialect", "message", "paths"),
    [
        ("snake", {"type": "workflow.start", "payload": []}, ["payload"]),
        ("snake", {"type": "workflow.start", "payload": {"nodes": {}, "edges": 3}}, ["payload.nodes", "payload.edges"]),
        ("snake", {"type": "node.input", "payload": {"value": 1}}, ["payload.node_id"]),
        ("snake", {"type": "workflow.pause", "payload": {"mode": "soon"}}, ["payload.mode"]),
        ("camel", {"type": "workflow.list", "payload": {"limit": -1}}, ["payload.limit"]),
        ("flat", {"type": "execute_workflow"}, ["workflow"]),
        ("flat", {"type": "execute_workflow", "workflow": []}, ["workflow"]),
        ("flat", {"type": "execute_workflow", "workflow": {"connections": ""}}, ["workflow.connections"]),
        ("flat", {"type": "execute_workflow", "workflow": {"config": []}}, ["workflow.config"]),
        ("flat", {"type": "control_workflow", "action": "restart"}, ["action"]),
        ("flat", {"type": "subscribe", "event_types": "log"}, ["event_types"]),
        ("snake", {"type": "workflow.breakpoints"}, ["payload.node_ids"]),
        ("snake", {"type": "workflow.breakpoints", "payload": {"node_ids": None}}, ["payload.node_ids"]),
        ("camel", {"type": "workflow.breakpoints", "payload": {"nodeIds": ["a", 1]}}, ["payload.nodeIds[1]"]),
        ("camel", {"type": "workflow.breakpoints", "runId": 1}, ["payload.runId", "payload.nodeIds"]),
        ("flat", {"type": "control_workflow", "action": "breakpoints"}, ["node_ids"]),
        ("flat", {"type": "control_workflow", "action": "breakpoints", "node_ids": "a"}, ["node_ids"]),
        ("flat", {"type": "control_workflow", "action": "breakpoints", "node_ids": ["a"] * 1001}, ["node_ids"]),
    ],
)
def test_a_fault_is_named_where_it_is(dialect, message, paths):
    """The path leads from the root of the message to the fault."""
    with pytest.raises(BadField) as caught:
        DIALECTS[dialect].parse(message)
    assert list(caught.value.paths) == paths


@pytest.mark.parametrize("dialect", ALL)
def test_a_type_of_another_dialect_is_unknown(dialect):
    """A session keeps to its dialect."""
    other = "workflow.start" if dialect == "flat" else "execute_workflow"
    with pytest.raises(UnknownType) as caught:
        DIALECTS[dialect].parse({"type": other})
    assert str(caught.value) == f"Unknown message type: {other}"


@pytest.mark.parametrize("type_", [None, 7, ["x"], {}])
def test_a_message_needs_a_type(type_):
    """No type, or one that is no string, is a bad message."""
    with pytest.raises(BadMessage):
        SNAKE.parse({"type": type_})


@pytest.mark.parametrize(
    "message", [{}, {"payload": None}, {"payload": {"nodes": None, "edges": None, "config": None}}]
)
def test_missing_and_null_parts_of_a_start_are_empty(message):
    """Missing nodes and edges count as empty lists, and null is missing."""
    assert SNAKE.parse({"type": "workflow.start", **message}) == StartRun(graph={"nodes": [], "edges": []})


@pytest.mark.parametrize("dialect", ["snake", "camel"])
@pytest.mark.parametrize("key", ["workflow_id", "workflowId"])
def test_both_spellings_of_the_workflow_id_are_understood(dialect, key):
    """A client that mixes the two is not refused."""
    assert DIALECTS[dialect].parse({"type": "workflow.stop", key: "w"}) == Control(workflow_id="w", action="stop")


@pytest.mark.parametrize("timestamp", [None, "yesterday", -1, {}, 1767225600125])
@pytest.mark.parametrize("dialect", ALL)
def test_a_clients_timestamp_may_be_odd(dialect, timestamp):
    """Nobody's clock is a reason to refuse a command."""
    type_ = "heartbeat_response" if dialect == "flat" else "heartbeat"
    assert DIALECTS[dialect].parse({"type": type_, "timestamp": timestamp}) == Heartbeat()


def test_a_client_may_count_its_messages():
    """A number is an id as well; it is said back as text."""
    assert SNAKE.parse({"type": "heartbeat", "id": 7}) == Heartbeat(id="7")


def test_an_empty_request_id_is_none():
    """Else all who have nothing to say there would be answered as the first of them."""
    assert SNAKE.parse({"type": "workflow.stop", "payload": {"request_id": ""}}) == Control(action="stop")


@pytest.mark.parametrize("dialect", ALL)
def test_a_type_that_is_no_text_is_named_by_its_place(dialect):
    """Each of them."""
    types = ["node_status", 1, "log", None]
    flat = dialect == "flat"
    message = {"type": "subscribe", "event_types": types} if flat else {"type": "workflow.subscribe"}
    with pytest.raises(BadField) as caught:
        DIALECTS[dialect].parse({**message, "payload": {"types": types}})
    key = "event_types" if flat else "payload.types"
    assert caught.value.paths == (f"{key}[1]", f"{key}[3]")


@pytest.mark.parametrize("dialect", ALL)
def test_a_status_that_no_run_has_is_a_bad_field(dialect):
    """An empty list would look like an answer."""
    message = {"type": "list_workflows", "status": "zz"} if dialect == "flat" else {"type": "workflow.list"}
    with pytest.raises(BadField, match="must be one of pending, running"):
        DIALECTS[dialect].parse({**message, "payload": {"status": "zz"}})


def test_a_value_nested_too_deep_is_a_bad_field():
    """What is kept as state stays within the depth that every part can walk."""
    value: Json = []
    for _ in range(MAX_DEPTH):
        value = [value]
    with pytest.raises(BadField) as caught:
        SNAKE.parse({"type": "node.input", "payload": {"node_id": "a", "value": value}})
    assert caught.value.paths == ("payload.value",)
    shallower = SNAKE.parse({"type": "node.input", "payload": {"node_id": "a", "value": value[0]}})
    assert shallower == NodeInput(node_id="a", value=value[0])


@given(value=values, limit=st.integers(0, 5))
def test_depth_is_counted_in_levels(value, limit):
    """The quick count agrees with the plain definition."""

    def depth(it):
        if not isinstance(it, dict | list):
            return 0
        return 1 + max(map(depth, it.values() if isinstance(it, dict) else it), default=0)

    assert deeper_than(value, limit) == (depth(value) > limit)


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, None),
        (math.inf, None),
        (2**70, float(2**70)),
        (10**400, None),
        ("a\ud800b", "a\ufffdb"),
        ({1: 2}, {"1": 2}),
        ((1, 2), [1, 2]),
        (frozenset({1}), [1]),
        (Path("x"), "x"),
        ({"\udfff": 2**70}, {"\ufffd": float(2**70)}),
    ],
)
def test_an_odd_value_never_costs_an_event(dialect, value, written):
    """What JSON cannot say is written as the nearest that it can."""
    message = Logged(run_id="r", workflow_id="w", seq=1, at=0.0, level="info", message="x", context=value)
    body = orjson.loads(DIALECTS[dialect].encode(message))
    assert body.get("payload", body).get("context") == written


def test_what_is_nested_beyond_writing_is_cut():
    """A value of a thousand levels is written up to the depth that a parser takes."""
    value: Json = []
    for _ in range(1000):
        value = [value]
    written = orjson.loads(dumps({"value": value}))
    assert deeper_than(written, 150)
    assert not deeper_than(written, 250)


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf, 1e18])
def test_a_time_beyond_the_calendar_is_written_as_null_or_number(at):
    """A node may wait until any time; the event is sent all the same."""
    waiting = Waiting(prompt="?", until=at)
    for dialect in DIALECTS.values():
        message = NodeChanged(
            run_id="r", workflow_id="w", seq=1, at=0.0, node_id="n", status=NodeStatus.RUNNING, waiting=waiting
        )
        body = orjson.loads(dialect.encode(message))
        until = body.get("payload", body)["waiting"]["until"]
        assert until is None or (math.isfinite(at) and dialect is not FLAT and until in {at, at * 1000})


@pytest.mark.parametrize("dialect", ALL)
def test_conflated_says_how_many_were_left_out(dialect):
    """The count is beside the seq, and only where something was left out."""
    message = RunChanged(run_id="r", workflow_id="w", seq=9, at=0.0, status=RunStatus.PAUSED)
    assert orjson.loads(DIALECTS[dialect].encode(message, conflated=4))["conflated"] == 4
    assert "conflated" not in orjson.loads(DIALECTS[dialect].encode(message))


@pytest.mark.parametrize(
    ("result", "fired", "outputs"),
    [
        ({"a": 1}, ("out",), {"a": 1}),
        (None, ("out",), {}),
        ([1], ("done",), {"done": [1]}),
        (True, ("true",), {"true": True}),
        ("x", (), {"out": "x"}),
        (0, ("a", "b"), {"a": 0, "b": 2}),
    ],
)
def test_flat_outputs_are_always_an_object(result, fired, outputs):
    """The mapping result itself, else what each port fired."""
    node = NodeChanged(
        run_id="r",
        workflow_id="w",
        seq=1,
        at=0.0,
        node_id="n",
        status=NodeStatus.SUCCESS,
        result=result,
        fired=fired,
        values={"b": 2},
    )
    assert orjson.loads(FLAT.encode(node))["outputs"] == outputs


GROUPS = {
    "node_status": {"NodeChanged", "NodeProgress"},
    "workflow_status": {"RunStarted", "RunChanged", "RunEnded"},
    "progress": {"Progress"},
    "log": {"Logged"},
    "system": {"SystemStatus", "HeartbeatReply"},
}


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("vector", SERVER, ids=lambda vector: vector["name"])
def test_subscriptions_match_by_group_and_type(vector, dialect):
    """Groups mean the same everywhere; only the nested dialects may name types; unknown names never match."""
    message, cls, spoken = canonical(vector), vector["class"], DIALECTS[dialect]
    every = cls == "Broadcast"
    for group, members in GROUPS.items():
        assert spoken.matches(frozenset({group}), message) == (cls in members or every)
    assert spoken.matches(frozenset({"*"}), message)
    assert spoken.matches(frozenset({"nonsense"}), message) == every
    assert not spoken.matches(frozenset(), message) or every
    if dialect != "flat":
        assert spoken.matches(frozenset({vector[dialect]["type"]}), message)


def test_flat_subscriptions_name_no_types():
    """`workflow_completed` is no event type of that origin: kept, confirmed, never matched."""
    ended = canonical(next(vector for vector in SERVER if vector["name"] == "the ending: completed"))
    assert not FLAT.matches(frozenset({"workflow_completed"}), ended)


@pytest.mark.parametrize("body", [{}, {"type": "nonsense"}, {"type": 3}, {"type": "node.success", "payload": {}}])
def test_a_message_of_no_known_type_is_a_broadcast(body):
    """A client does not stumble over what it does not know."""
    assert SNAKE.read(body) == Broadcast(body)


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        ("2026-01-01T00:00:00.125Z", 1767225600.125),
        ("2026-01-01T02:00:00.125+02:00", 1767225600.125),
        ("2026-01-01T00:00:00.125", 1767225600.125),
        ("yesterday", None),
        (7, None),
    ],
)
def test_flat_times_are_in_utc_wherever_they_are_read(monkeypatch, timestamp, at):
    """Not in the time zone of the reader, also if a proxy has lost the `Z`."""
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        log = {"type": "execution_log", "run_id": "r", "workflow_id": "w", "seq": 1, "level": "info", "message": "x"}
        if at is None:
            with pytest.raises(BadField) as caught:
                FLAT.read({**log, "timestamp": timestamp})
            assert caught.value.paths == ("timestamp",)
        else:
            logged = Logged(run_id="r", workflow_id="w", seq=1, at=at, level="info", message="x")
            assert FLAT.read({**log, "timestamp": timestamp}) == logged
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_known_message_with_bad_fields_is_refused_by_its_reader():
    """A client names what is wrong in a server's message, too."""
    with pytest.raises(BadField) as caught:
        SNAKE.read({"type": "node.success", "run_id": "r", "seq": 1, "workflow_id": "w", "payload": {"status": "odd"}})
    assert set(caught.value.paths) == {"timestamp", "payload.node_id", "payload.status"}
