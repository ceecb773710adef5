"""The schema that clients read says what is really sent."""

import json
from pathlib import Path

import jsonschema
import pytest

from protocol.dialects import DIALECTS
from protocol.messages import Command
from protocol.schema import schema

VECTORS = Path(__file__).parents[1] / "vectors"
SCHEMA = schema()
ENDS = {"server": "server.json", "client": "commands.json"}
MESSAGES = [
    (f"{dialect}.{end}", vector[dialect])
    for end, file in ENDS.items()
    for vector in json.loads((VECTORS / file).read_bytes())
    for dialect in DIALECTS
    if vector["class"] != "Broadcast"
]


def valid(name, message):
    """Whether the schema of this name takes a message."""
    validator = jsonschema.Draft202012Validator({**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{name}"}]})
    return validator.is_valid(message)


def test_the_schema_is_one():
    """Draft 2020-12, and plain JSON."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_every_reference_leads_somewhere():
    """No part is forgotten, none is left over."""
    text = json.dumps(SCHEMA)
    for name in SCHEMA["$defs"]:
        assert f'"#/$defs/{name}"' in text
    named = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert named == set(SCHEMA["$defs"])


@pytest.mark.parametrize(("end", "message"), MESSAGES)
def test_golden_messages_are_valid(end, message):
    """As any message of its end, and as its own type."""
    assert valid(end, message)
    assert valid(f"{end}.{message['type']}", message)


@pytest.mark.parametrize(("end", "message"), MESSAGES)
def test_a_message_without_its_type_is_not_valid(end, message):
    """The schema tells messages apart, it does not wave everything through."""
    assert not valid(end, {**message, "type": "nonsense"})
    assert not valid(end, {key: value for key, value in message.items() if key != "type"})


@pytest.mark.parametrize(("end", "message"), [case for case in MESSAGES if case[0].endswith("server")])
def test_every_envelope_key_is_required(end, message):
    """All five are always there, so a client may rely on them."""
    for key in message.keys() & {"id", "timestamp", "workflow_id", "workflowId", "payload", "run_id", "runId", "seq"}:
        lacking = {name: value for name, value in message.items() if name != key}
        # What lacks its seq may be another, shorter message of the same type.
        if key not in {"seq", "run_id", "runId"}:
            assert not valid(end, lacking)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("flat.client", {"type": "execute_workflow"}),
        ("flat.client", {"type": "control_workflow", "action": "restart"}),
        ("snake.client", {"type": "node.input", "payload": {}}),
        ("snake.client", {"type": "node.input"}),
        ("camel.client", {"type": "workflow.subscribe", "payload": {"types": [1]}}),
        ("camel.client", {"type": "workflow.start", "payload": {"nodes": {}}}),
        ("camel.client", {"type": "workflow.breakpoints"}),
        ("snake.client", {"type": "workflow.breakpoints", "payload": {"node_ids": None}}),
        ("flat.client", {"type": "control_workflow", "action": "breakpoints"}),
        ("flat.client", {"type": "control_workflow", "action": "breakpoints", "node_ids": None}),
    ],
)
def test_what_the_parser_refuses_the_schema_refuses(end, message):
    """A client that validates first is spared the round trip."""
    assert not valid(end, message)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("snake.client", {"type": "workflow.start"}),
        ("snake.client", {"type": "workflow.start", "payload": {"nodes": None, "config": None}, "extra": 1}),
        ("flat.client", {"type": "execute_workflow", "workflow": {}, "timestamp": 3}),
        ("camel.client", {"type": "heartbeat", "id": 7}),
        ("flat.client", {"type": "control_workflow", "action": "pause", "node_ids": None}),
    ],
)
def test_what_the_parser_forgives_the_schema_forgives(end, message):
    """Null is missing, unknown keys are allowed, a timestamp may be odd."""
    assert valid(end, message)
    assert isinstance(DIALECTS[end.partition(".")[0]].parse(message), Command)
