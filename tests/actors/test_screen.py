"""Screens of lines: what a person and what a program reads of a run."""

import io
import json

import pytest

from actors.screen import RESULTS, JsonScreen, PlainScreen, describe, ending, printable, refusal
from actors.spool import open_spool
from protocol.errors import InvalidWorkflow
from protocol.graph import Problem, validate
from protocol.messages import Logged, NodeChanged, RunChanged, RunEnded, RunStarted, Summary, Waiting
from protocol.states import NodeStatus, RunStatus

GRAPH = {
    "nodes": [{"id": "start", "type": "start"}, {"id": "user", "type": "input", "data": {"label": "User name"}}],
    "edges": [{"source": "start", "target": "user"}],
}


def checked(graph):
    """A workflow."""
    workflow = validate(graph, {}, dry_run=True).workflow
    assert workflow is not None
    return workflow


WORKFLOW = checked(GRAPH)


def common(seq=1, at=100.0):
    """What every event carries."""
    return {"run_id": "r", "workflow_id": "w", "seq": seq, "at": at}


def node(status, **fields):
    """A node's event."""
    return NodeChanged(**common(), node_id="user", status=NodeStatus(status), **fields)


def ended(status="completed", **fields):
    """An ending with its figures."""
    summary = Summary(
        status=RunStatus(status),
        duration=1.25,
        total_nodes=2,
        succeeded=1,
        failed=0,
        skipped=1,
        not_begun=0,
        started_at=100.0,
        ended_at=101.25,
        abandoned=fields.pop("abandoned", None),
    )
    return RunEnded(**common(9, 101.25), status=RunStatus(status), message="", summary=summary, **fields)


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (node("pending", reason="paused"), []),
        (node("running"), [("running", "user (User name)")]),
        (node("running", attempt=2), [("running", "user (User name), attempt 2")]),
        (node("running", iteration=(0, 2)), [("running", "user turn 1.3 (User name)")]),
        (node("success", duration=0.0312), [("success", "user (User name), 31.2 ms")]),
        (
            node("error", duration=1.0, error="no such element"),
            [("error", "user (User name), 1.00 s: no such element")],
        ),
        (node("skipped", reason="branch"), [("skipped", "user (User name): branch")]),
        (node("running", waiting=Waiting("Which one?")), [("running", "user (User name): Which one?")]),
        (Logged(**common(), level="warn", message="slow", node_id="user"), [("warn", "user: slow")]),
        (Logged(**common(), level="info", message="begun"), [("info", "begun")]),
        (
            RunChanged(**common(), status=RunStatus.PAUSING, in_flight=("user",)),
            [("pausing", "the run is pausing (waits for user)")],
        ),
        (
            RunStarted(**common(), total_nodes=2, warnings=(Problem(code="x", message="odd", path="nodes[1]"),)),
            [("started", "2 nodes, run r"), ("warning", "nodes[1]: odd")],
        ),
    ],
    ids=str,
)
def test_an_event_in_a_few_words(event, lines):
    """The status, the node as its editor calls it, and why."""
    assert describe(event, WORKFLOW) == lines


def test_a_node_that_the_graph_does_not_know_is_named_all_the_same():
    """A later version may report what this one has not heard of."""
    event = NodeChanged(**common(), node_id="ghost", status=NodeStatus.SUCCESS)
    assert describe(event, WORKFLOW) == [("success", "ghost")]


def test_the_ending_in_figures():
    """What succeeded, what was skipped, the results."""
    lines = ending(ended(results={"user": {"text": "ada"}}))
    assert lines == [
        ("completed", "2 nodes in 1.25 s: 1 succeeded, 1 skipped"),
        ("result", 'user: {"text":"ada"}'),
    ]


def test_a_failure_says_where_and_why():
    """And which threads are still there."""
    lines = ending(ended("failed", error="no such element", node_id="user", abandoned=("start",)))
    assert lines[1:] == [
        ("error", "user: no such element"),
        ("abandoned", "threads of start could not be ended"),
    ]


def test_many_and_large_results_are_cut():
    """A terminal is no file."""
    lines = ending(ended(results={f"n{number}": "x" * 10_000 for number in range(RESULTS + 5)}))
    assert len(lines) == RESULTS + 2
    assert lines[-1] == ("result", "… and 5 more")
    assert max(len(text) for _, text in lines) < 250


@pytest.mark.parametrize("text", ["\x1b[2Jgone", "a\r\nb", "a\x07b", "\x9b31m", "abc\u202edef", "\u2028x"])
def test_text_of_the_graph_cannot_steer_the_terminal(text):
    """A label from somebody else neither clears the screen nor fakes a line."""
    assert printable(text).isprintable()


async def shown(screen, *events):
    """What a screen prints for these events."""
    raw = io.BytesIO()
    async with open_spool(io.TextIOWrapper(raw, encoding="utf-8")) as spool:
        made = screen(spool)
        for event in events:
            made.show(event)
        made.say("about the program")
        made.rest()
    return raw.getvalue().decode()


async def test_plain_lines_have_a_clock():
    """Seconds since the start, then a word, then what about it."""
    text = await shown(
        lambda spool: PlainScreen(spool, WORKFLOW),
        RunStarted(**common(), total_nodes=2),
        NodeChanged(**common(2, 100.5), node_id="start", status=NodeStatus.RUNNING),
        ended(),
    )
    assert text.splitlines() == [
        "    0.000  started    2 nodes, run r",
        "    0.500  running    start",
        "    1.250  completed  2 nodes in 1.25 s: 1 succeeded, 1 skipped",
        "                      about the program",
    ]


async def test_json_lines_are_the_messages_of_the_snake_dialect_and_nothing_else():
    """One per event, ready for `jq`."""
    events = [RunStarted(**common(), total_nodes=2), node("success", result={"text": "a\nb"}), ended()]
    lines = (await shown(JsonScreen, *events)).splitlines()
    messages = [json.loads(line) for line in lines]
    assert [message["type"] for message in messages] == ["workflow.start", "node.success", "execution.complete"]
    assert [message["id"] for message in messages] == ["r:1", "r:1", "r:9"]
    assert messages[1]["payload"]["result"] == {"text": "a\nb"}


def test_a_refused_start_is_one_line_of_json():
    """With every problem in it."""
    problems = [Problem(code="unknown_kind", message="no", path="nodes[0].type", node_id="a")]
    message = json.loads(refusal(InvalidWorkflow(problems)))
    assert message["type"] == "execution.error"
    assert [error["path"] for error in message["payload"]["errors"]] == ["nodes[0].type"]
