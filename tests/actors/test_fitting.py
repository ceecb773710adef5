"""No frame is larger than clients take, and what was cut says so."""

import json
from typing import Any

import attrs
import pytest

from actors.fitting import PAYLOAD_BYTES, RESULT_BYTES, fit, fitted, parts
from protocol.dialects import DIALECTS, Dialect
from protocol.graph import Problem
from protocol.messages import (
    ControlReply,
    ErrorReply,
    Event,
    InputReply,
    Logged,
    NodeChanged,
    Reply,
    RunChanged,
    RunEnded,
    RunList,
    RunStarted,
    RunSummary,
    Snapshot,
    StartRefused,
    Summary,
    Validated,
    Waiting,
)
from protocol.states import NodeStatus, RunStatus

HEAD: dict[str, Any] = {"run_id": "r 1", "workflow_id": "w", "seq": 3, "at": 1.0}
MIB = 2**20


def changed(**more: Any) -> NodeChanged:
    """A status of a node."""
    fields = {"node_id": "a/b", "status": NodeStatus.SUCCESS, **more}
    return NodeChanged(**HEAD, **fields)


def ended(results: dict[str, Any], error: str | None = None) -> RunEnded:
    """An ending."""
    status = RunStatus.FAILED if error else RunStatus.COMPLETED
    summary = Summary(
        status=status,
        duration=1.0,
        total_nodes=1,
        succeeded=1,
        failed=0,
        skipped=0,
        not_begun=0,
        started_at=0.0,
        ended_at=1.0,
        error=error,
    )
    return RunEnded(**HEAD, status=status, message=error or "", summary=summary, results=results, error=error)


@pytest.fixture(params=list(DIALECTS.values()), ids=list(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Each of them."""
    found: Dialect = request.param
    return found


@pytest.mark.parametrize(
    "event",
    [
        changed(result="x" * MIB),
        changed(result={"deep": ["ü" * MIB]}, fired=("one", "two")),
        changed(status=NodeStatus.ERROR, error="x" * 2 * MIB, message='"' * MIB),
        changed(status=NodeStatus.RUNNING, waiting=Waiting(prompt="\x00" * MIB, schema=["x" * MIB])),
        changed(fired=tuple(f"port {n}" for n in range(200_000)), result=1),
        Logged(**HEAD, level="info", message="\n" * 2 * MIB, context={"a": "x" * 2 * MIB}),
        RunStarted(
            **HEAD,
            total_nodes=1,
            warnings=tuple(
                Problem(code="dead_edge", message="it " * 50, path=f"edges[{n}]", severity="warning")
                for n in range(20_000)
            ),
        ),
        RunChanged(**HEAD, status=RunStatus.PAUSING, in_flight=tuple(f"node {n}" for n in range(200_000))),
        ended({f"n{n}": "x" * 50_000 for n in range(100)}),
        ended({f"n{n}": {"a": n} for n in range(200_000)}),
        ended({}, error="x" * 2 * MIB),
    ],
    ids=lambda event: type(event).__name__,
)
def test_every_event_fits_into_a_frame(event: Event, dialect: Dialect):
    """Whatever a node or a user puts into it; it is still the same event, in every dialect."""
    text = fitted(dialect, event, conflated=2)
    assert len(text) <= PAYLOAD_BYTES
    message = json.loads(text)
    whole = dialect.body(event, conflated=2)
    assert message.keys() == whole.keys()
    for key in ("id", "type", "seq", "conflated", "timestamp"):
        assert message[key] == json.loads(json.dumps(whole[key]))


PROBLEMS = tuple(
    Problem(
        code="bad_config",
        message="it " * 50,
        path=f"nodes[{n}].data.config.x",
        node_id=f"n{n}",
        severity="warning" if n % 2 else "error",
    )
    for n in range(20_000)
)


@pytest.mark.parametrize(
    "reply",
    [
        StartRefused(code="invalid_workflow", error="x" * 2 * MIB, problems=PROBLEMS),
        Validated(ok=False, errors=PROBLEMS, warnings=PROBLEMS),
        Validated(ok=False, errors=(Problem(code="cycle", message="a" * 2 * MIB, path="x" * 2 * MIB),)),
        ControlReply(action="stop", ok=False, error="x" * 2 * MIB, summary=ended({}, error="x" * 2 * MIB).summary),
        ControlReply(action="breakpoints", ok=True, breakpoints=tuple(f"{n:01000}" for n in range(2_000))),
        InputReply(ok=False, node_id="a", error="x" * 2 * MIB),
        ErrorReply(code="unknown_workflow", message="\x00" * 2 * MIB),
        RunList(
            runs=tuple(
                RunSummary(
                    run_id=f"r{n}",
                    workflow_id="w",
                    status=RunStatus.FAILED,
                    created_at=0.0,
                    total_nodes=1,
                    last_seq=9,
                    error="x" * 2**16,
                )
                for n in range(1_000)
            )
        ),
    ],
    ids=lambda reply: type(reply).__name__,
)
def test_every_reply_fits_into_a_frame(reply: Reply, dialect: Dialect):
    """However wrong a graph is, and whatever a node says when it fails."""
    text = fit(reply, dialect.encode)
    assert len(text) <= PAYLOAD_BYTES
    assert json.loads(text).keys() == dialect.body(reply).keys()


def test_the_problems_that_fit_are_told_and_the_others_counted():
    """The first ones first; no other reply is looked at, as long as it fits."""
    errors = json.loads(fit(Validated(ok=False, errors=PROBLEMS), DIALECTS["snake"].encode))["payload"]["errors"]
    assert [error["path"] for error in errors[:2]] == ["nodes[0].data.config.x", "nodes[1].data.config.x"]
    assert errors[-1]["code"] == "cut"
    assert errors[-1]["message"] == f"and {20_000 - len(errors) + 1} more"
    assert len(errors) > 500
    whole = Validated(ok=False, errors=PROBLEMS[:2_000])
    assert fit(whole, DIALECTS["snake"].encode) == DIALECTS["snake"].encode(whole)


@pytest.mark.parametrize("event", [changed(result="x" * (RESULT_BYTES - 2)), ended({"a": "x" * (RESULT_BYTES - 2)})])
def test_what_fits_is_sent_as_it_is(event: Event, dialect: Dialect):
    """A result of 256 KiB is no reference yet, though the message around it makes it longer."""
    assert fitted(dialect, event) == dialect.encode(event)


def test_a_large_result_says_where_it_is():
    """The reference is the path that HTTP serves, ids quoted, the turn of a loop named."""
    snake = DIALECTS["snake"]
    message = json.loads(fitted(snake, changed(result="x" * RESULT_BYTES, iteration=(3, 0))))
    assert message["payload"]["result"] == {"$ref": "/api/runs/r%201/nodes/a%2Fb/result?iteration=3,0"}
    message = json.loads(fitted(snake, ended({"a": 1, "b": "x" * RESULT_BYTES})))
    assert message["payload"]["results"] == {"a": 1, "b": {"$ref": "/api/runs/r%201/nodes/b/result"}}


def test_what_was_cut_says_how_much():
    """A text keeps its beginning; another value leaves its size."""
    message = json.loads(
        fitted(DIALECTS["snake"], Logged(**HEAD, level="info", message="ab" * MIB, context=["x" * MIB]))
    )
    payload = message["payload"]
    kept = RESULT_BYTES // 6
    assert payload["message"] == ("ab" * MIB)[:kept] + f"… (cut: {2 * MIB - kept} more characters)"
    assert payload["context"] == {"$cut": MIB + 4}


def snapshot(nodes: int, *, result: Any = None, edges: int = 0, variables: dict[str, Any] | None = None) -> Snapshot:
    """The state of a run."""
    return Snapshot(
        workflow_id="w",
        run_id="r",
        status=RunStatus.RUNNING,
        nodes={f"n{n}": changed(node_id=f"n{n}", result=result) for n in range(nodes)},
        edges={f"e{n}": "taken" for n in range(edges)},
        variables=variables or {},
        last_seq=9,
    )


def test_a_small_snapshot_is_one_message(dialect: Dialect):
    """Itself, without a number."""
    small = snapshot(3, edges=2, variables={"x": 1})
    assert parts(dialect, small) == (small,)


@pytest.mark.parametrize(
    "whole",
    [
        snapshot(20_000, edges=100_000),
        snapshot(50, result="x" * 100_000),
        snapshot(3, result="x" * 3 * MIB, variables={f"v{n}": "y" * 200_000 for n in range(20)}),
    ],
    ids=["many", "middling results", "large results"],
)
def test_a_large_snapshot_comes_in_parts_that_are_the_whole(whole: Snapshot, dialect: Dialect):
    """Each fits into a frame; together they have each node, edge and variable once; all say the same of the rest."""
    pages = parts(dialect, whole)
    assert [page.part for page in pages] == list(range(1, len(pages) + 1))
    assert {page.parts for page in pages} == {len(pages)}
    assert len(pages) > 1
    for page in pages:
        assert len(dialect.encode(page, id="s" * 100 + ":12")) <= MIB - 1024
        assert (page.run_id, page.status, page.last_seq) == ("r", RunStatus.RUNNING, 9)
    assert [node_id for page in pages for node_id in page.nodes] == list(whole.nodes)
    assert [edge_id for page in pages for edge_id in page.edges] == list(whole.edges)
    assert [name for page in pages for name in page.variables] == list(whole.variables)


def test_no_part_of_a_snapshot_is_too_large_for_its_breakpoints(dialect: Dialect):
    """Each part says them, as far as there is room for them and for what else it carries."""
    few = tuple(f"{n:01000}" for n in range(100))
    for breakpoints in (few, tuple(f"{n:01000}" for n in range(20_000)), tuple(f"n{n}" for n in range(50_000))):
        pages = parts(dialect, attrs.evolve(snapshot(20_000), breakpoints=breakpoints))
        assert [node_id for page in pages for node_id in page.nodes] == [f"n{n}" for n in range(20_000)]
        assert all(len(dialect.encode(page, id="s" * 100 + ":12")) <= MIB - 1024 for page in pages)
        for page in pages:
            assert page.breakpoints[:3] == breakpoints[:3]
            assert (breakpoints is few) == (page.breakpoints == breakpoints)


def test_a_snapshot_with_one_large_thing_stays_one_message(dialect: Dialect):
    """What is cut or referred to leaves room for the rest."""
    (page,) = parts(dialect, snapshot(2, result="x" * MIB, variables={"big": "y" * MIB, "small": 1}))
    assert page.part is None
    assert page.variables == {"big": {"$cut": MIB + 2}, "small": 1}
    assert page.nodes["n0"].result == {"$ref": "/api/runs/r%201/nodes/n0/result"}
