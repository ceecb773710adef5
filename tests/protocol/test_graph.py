"""validate() tells every problem of a graph at once, each where it is, and gives a workflow that is ready to run."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.graph import Limits, Validation, Workflow, validate

Check = Callable[..., Validation]
Draw = Callable[..., dict[str, Any]]

FLOWS = Path(__file__).resolve().parents[1] / "vectors" / "flows"
OURS = ("branch-join", "diamond", "error-edge", "login-check", "loop", "nested-loops", "switch")
FOREIGN = ("human-input", "long-handles", "nested-group", "translator")
EXPORTS = (
    Path(os.environ.get("CALLBOARD_FLOWS") or Path(__file__).resolve().parents[3] / "shared" / "flows") / "flowise"
)


def codes(validation: Validation) -> list[tuple[str, str]]:
    """Code and path of the errors."""
    return [(problem.code, problem.path) for problem in validation.errors]


def warned(validation: Validation) -> list[tuple[str, str]]:
    """Code and path of the warnings."""
    return [(problem.code, problem.path) for problem in validation.warnings]


def workflow_of(validation: Validation) -> Workflow:
    """The workflow of a graph without errors."""
    assert validation.errors == ()
    assert validation.workflow is not None
    return validation.workflow


# What a workflow is


def test_workflow_is_in_document_order(check: Check, draw: Draw) -> None:
    """Nodes and edges come as they were sent, and each node knows its own."""
    workflow = workflow_of(check(draw("start>b start>a b>end a>end")))
    assert list(workflow.nodes) == ["start", "b", "a", "end"]
    assert [node.index for node in workflow.nodes.values()] == [0, 1, 2, 3]
    assert [edge.id for edge in workflow.edges] == ["e0", "e1", "e2", "e3"]
    assert [edge.target for edge in workflow.outgoing["start"]] == ["b", "a"]
    assert [edge.source for edge in workflow.incoming["end"]] == ["b", "a"]
    assert workflow.incoming["start"] == workflow.outgoing["end"] == ()
    assert workflow.starts == ["start"]
    assert workflow.total_nodes == 4


def test_node_carries_its_config_whole(check: Check) -> None:
    """The settings that every kind has are read out, and stay: a kind may have one of that name itself."""
    config = {"selector": "#a", "timeout": 500, "waitTime": 20}
    workflow = workflow_of(
        check({"nodes": [{"id": "s", "type": "start"}, {"id": "a", "type": "click", "data": {"config": config}}]})
    )
    node = workflow.nodes["a"]
    assert node.config == config
    assert node.settings.timeout == 0.5
    assert node.settings.wait_time == 0.02
    assert node.path == "nodes[1].data.config"


def test_unreachable_node_is_a_warning(check: Check, draw: Draw) -> None:
    """A node that lies about is told, is not counted, and nobody waits for it."""
    found = check(draw("start>a lost>a lost>more"))
    workflow = workflow_of(found)
    assert warned(found) == [("unreachable", "nodes[2]"), ("unreachable", "nodes[3]")]
    assert workflow.unreachable == {"lost", "more"}
    assert workflow.total_nodes == 2
    assert [edge.source for edge in workflow.incoming["a"]] == ["start"]
    assert [edge.target for edge in workflow.outgoing["lost"]] == ["a", "more"]


def test_broken_edge_hides_what_it_would_reach(check: Check, draw: Draw) -> None:
    """The cause is told, not its echo."""
    graph = draw("start>a ghost>b", ghost="ghost")
    graph["nodes"].pop(0)
    found = check(graph)
    assert codes(found) == [("dangling_edge", "edges[1].source")]
    assert warned(found) == []


def test_edge_to_a_start_is_left_out(check: Check, draw: Draw) -> None:
    """A start node runs when the run begins, and only then."""
    found = check(draw("start>a a>late late>b", late="start"))
    workflow = workflow_of(found)
    assert warned(found) == [("dead_edge", "edges[1]")]
    assert workflow.starts == ["late", "start"]
    assert workflow.incoming["late"] == ()
    assert [edge.id for edge in workflow.edges] == ["e0", "e2"]


def test_loop_and_its_body(check: Check, draw: Draw) -> None:
    """Body, back edge and exit of a loop; the join of a body node counts what enters, not what leads back."""
    workflow = workflow_of(check(draw("start>L L.body>a L.body>b a>c b>c c>L L.done>d", L="loop")))
    assert workflow.loops == {"a": "L", "b": "L", "c": "L"}
    assert workflow.bodies == {"L": ["a", "b", "c"]}
    assert [edge.id for edge in workflow.edges if edge.back] == ["e5"]
    assert [edge.source for edge in workflow.incoming["L"]] == ["start"]
    assert [edge.target for edge in workflow.outgoing["c"]] == ["L"]
    assert workflow.total_nodes == 6


@pytest.mark.parametrize(
    ("handle", "port"),
    [
        *((name, "body") for name in ("body", "loop", "item")),
        *((name, "done") for name in ("done", "exit", "completed", "", None)),
        ("error", "error"),
    ],
)
def test_ports_of_a_loop_have_one_name(check: Check, handle: str | None, port: str) -> None:
    """However an editor names them, a loop has `body`, `done` and `error`."""
    nodes = [{"id": "s", "type": "start"}, {"id": "L", "type": "loop"}, {"id": "a", "type": "set"}]
    edges = [{"source": "s", "target": "L"}, {"source": "L", "target": "a", "sourceHandle": handle}]
    workflow = workflow_of(check({"nodes": nodes, "edges": edges}))
    assert workflow.edges[1].source_port == port
    assert (workflow.loops == {"a": "L"}) == (port == "body")


def test_nested_loops(check: Check, draw: Draw) -> None:
    """A node is in the body of its innermost loop only; an inner loop node is in the outer body."""
    drawing = "start>O O.body>a a>I I.body>b b>I I.done>c c>O O>d"
    workflow = workflow_of(check(draw(drawing, O="loop", I="loop")))
    assert workflow.loops == {"a": "O", "I": "O", "b": "I", "c": "O"}
    assert workflow.bodies == {"O": ["I", "a", "c"], "I": ["b"]}


def test_error_port_is_every_kinds(check: Check, draw: Draw) -> None:
    """A kind with control ports fails like any other."""
    workflow = workflow_of(check(draw("start>c c.error>a c.true>b", c="condition")))
    assert [edge.source_port for edge in workflow.outgoing["c"]] == ["error", "true"]


def test_plain_kind_fires_any_handle(check: Check, draw: Draw) -> None:
    """Editors invent names of handles; they just work."""
    workflow = workflow_of(check(draw("start.right>a a.a-output-A|B|C>b")))
    assert [edge.source_port for edge in workflow.edges] == ["right", "a-output-A|B|C"]


# Where a run begins


def test_no_start(check: Check, draw: Draw) -> None:
    """Without a node of kind start nothing would run."""
    assert codes(check(draw("a>b"))) == [("no_start", "nodes")]
    assert codes(check({})) == [("no_start", "nodes")]


def test_no_start_needed(check: Check, draw: Draw) -> None:
    """Where no start is asked for, a run begins at what nothing leads to: a loop with its back edge, too."""
    for option in ({"needs_start": False}, {"dry_run": True}):
        assert workflow_of(check(draw("a>b c>b"), **option)).starts == ["a", "c"]
        assert workflow_of(check(draw("L.body>a a>L L>b", L="loop"), **option)).starts == ["L"]
        assert workflow_of(check(draw("start>b a>b"), **option)).starts == ["start"]
        assert workflow_of(check({}, **option)).total_nodes == 0


def test_nothing_to_begin_with(check: Check, draw: Draw) -> None:
    """A graph that waits for itself does not pass for a run that does nothing."""
    assert codes(check(draw("L>a a>L", L="loop"), needs_start=False)) == [("cycle", "nodes[0]")]


# Every problem has a code and a place, in both spellings


@pytest.mark.parametrize(
    ("drawing", "kinds", "expected"),
    [
        pytest.param("start>a a>b b>a", {}, [("cycle", "nodes[1]")], id="cycle"),
        pytest.param("start>L L>L", {"L": "loop"}, [("cycle", "nodes[0]")], id="loop's done leads to itself"),
        pytest.param("start>L L.body>L", {"L": "loop"}, [("cycle", "nodes[0]")], id="loop's body leads to itself"),
        pytest.param("start>L L.body>a L>a", {"L": "loop"}, [("enters_loop", "nodes[2]")], id="body and done"),
        pytest.param("start>L start>a L.body>a", {"L": "loop"}, [("enters_loop", "nodes[2]")], id="enters a body"),
        pytest.param("start>break", {}, [("break_outside_loop", "nodes[1]")], id="break"),
        pytest.param("start>L L>continue", {"L": "loop"}, [("break_outside_loop", "nodes[2]")], id="continue"),
        pytest.param("start>a", {"a": "clik"}, [("unknown_kind", "nodes[0].type")], id="unknown kind"),
        pytest.param(
            "start>a", {"a": {"data": {"kind": "x"}}}, [("unknown_kind", "nodes[0].data.kind")], id="data.kind"
        ),
        pytest.param("start>a", {"a": {}}, [("unknown_kind", "nodes[0].type")], id="no kind at all"),
        pytest.param(
            "start>a",
            {"a": {"type": "click", "data": {"config": {"timeout": -1}}}},
            [("bad_config", "nodes[0].data.config.timeout"), ("bad_config", "nodes[0].data.config.selector")],
            id="all of a config",
        ),
        pytest.param(
            "start>a", {"a": {"type": "set", "config": []}}, [("bad_config", "nodes[0].config")], id="config no object"
        ),
        pytest.param(
            "start>a",
            {"a": {"type": "set", "parameters": {"x": "{{"}}},
            [("bad_expression", "nodes[0].parameters.x")],
            id="expression",
        ),
        pytest.param(
            "start>a", {"a": {"type": "set", "data": "x"}}, [("bad_field", "nodes[0].data")], id="data no object"
        ),
    ],
)
@pytest.mark.parametrize("flat", [False, True])
def test_problem_of_a_node(
    check: Check, draw: Draw, drawing: str, kinds: dict[str, Any], expected: list[Any], *, flat: bool
) -> None:
    """A problem of a node is told where the node says it, whatever its edges are called."""
    assert codes(check(draw(drawing, flat=flat, **kinds))) == expected


SWITCH = {"type": "switch", "data": {"config": {"cases": [{"port": "one"}, {"port": "two"}]}}}


@pytest.mark.parametrize(
    ("drawing", "kinds", "code", "edge", "key"),
    [
        ("start>a ghost>a", {"ghost": "ghost"}, "dangling_edge", 1, "source"),
        ("start>c c.yes>a", {"c": "condition"}, "unknown_port", 1, "source_port"),
        ("start>L L.bdy>a", {"L": "loop"}, "unknown_port", 1, "source_port"),
        ("start>S S.one>a S.three>a", {"S": SWITCH}, "unknown_port", 2, "source_port"),
        ("start>O O.body>I I.body>a a>O", {"O": "loop", "I": "loop"}, "cycle", 3, ""),
    ],
)
@pytest.mark.parametrize("flat", [False, True])
def test_problem_of_an_edge(
    check: Check, draw: Draw, *, drawing: str, kinds: dict[str, Any], code: str, edge: int, key: str, flat: bool
) -> None:
    """A problem of an edge is told in the spelling that the client used, and names the edge."""
    graph = draw(drawing, flat=flat, **kinds)
    graph["nodes"] = [node for node in graph["nodes"] if node["id"] != "ghost"]
    spelling = {"source": "from_node", "source_port": "from_output"} if flat else {"source_port": "sourceHandle"}
    path = f"{'connections' if flat else 'edges'}[{edge}]" + (f".{spelling.get(key, key)}" if key else "")
    found = check(graph)
    assert codes(found) == [(code, path)]
    assert found.errors[0].edge_id == f"e{edge}"


@pytest.mark.parametrize(("flat", "path"), [(False, "edges[1].target"), (True, "connections[1].to_node")])
def test_unknown_target_is_a_warning(check: Check, draw: Draw, path: str, *, flat: bool) -> None:
    """An edge into nothing is ignored, and said so."""
    graph = draw("start>a a>ghost", flat=flat)
    graph["nodes"].pop()
    found = check(graph)
    assert warned(found) == [("dangling_edge", path)]
    assert len(workflow_of(found).edges) == 1


@pytest.mark.parametrize(("flat", "path"), [(False, "edges[1].sourceHandle"), (True, "connections[1].from_output")])
def test_edge_without_handle_that_leaves_a_condition_is_dead(
    check: Check, draw: Draw, path: str, *, flat: bool
) -> None:
    """Nothing fires it; it is told, and the run may start."""
    found = check(draw("start>c c>a", c="condition", flat=flat))
    assert warned(found) == [("dead_edge", path)]
    assert workflow_of(found).incoming["a"][0].source_port == "out"


def test_duplicate_node(check: Check) -> None:
    """The second node of an id is the mistake, and names the first."""
    found = check({"nodes": [{"id": "a", "type": "start"}, {"id": "b", "type": "set"}, {"id": "a", "type": "set"}]})
    assert codes(found) == [("duplicate_node", "nodes[2].id")]
    assert "nodes[0]" in found.errors[0].message


def test_cycle_lists_its_nodes(check: Check, draw: Draw) -> None:
    """A person sees which nodes make the circle."""
    (problem,) = check(draw("start>a a>b b>c c>a")).errors
    assert '"a" → "b" → "c" → "a"' in problem.message
    assert problem.edge_id == "e3"


def test_long_cycle_is_not_listed_whole(check: Check, draw: Draw) -> None:
    """A message stays readable."""
    arrows = " ".join(f"n{i}>n{i + 1}" for i in range(1000))
    (problem,) = check(draw(f"start>n0 {arrows} n1000>n0")).errors
    assert len(problem.message) < 1000


@pytest.mark.parametrize(
    ("kinds", "hint"),
    [({"a": "clik"}, '"click"'), ({"a": "Set"}, '"set"'), ({"a": {"data": {"kind": "screenshoot"}}}, '"screenshot"')],
)
def test_unknown_kind_suggests_the_near_one(check: Check, draw: Draw, kinds: dict[str, Any], hint: str) -> None:
    """A slip of the keyboard is answered with what was meant."""
    (problem,) = check(draw("start>a", **kinds)).errors
    assert f"did you mean {hint}" in problem.message


def test_unknown_port_suggests_the_near_one(check: Check, draw: Draw) -> None:
    """Of a port, too; where none is near, all are named."""
    (near,) = check(draw("start>c c.flase>a", c="condition")).errors
    assert 'did you mean "false"' in near.message
    (far,) = check(draw("start>c c.right>a", c="condition")).errors
    assert 'it has "true", "false"' in far.message


def test_port_is_not_judged_where_the_config_is_wrong(check: Check, draw: Draw) -> None:
    """A switch without cases is one mistake, not one more for each of its edges."""
    assert codes(check(draw("start>S S.one>a", S="switch"))) == [("bad_config", "nodes[0].data.config.cases")]


def test_warning_of_a_kind_does_not_prevent_the_start(check: Check, draw: Draw) -> None:
    """What a kind only warns of is passed on."""
    found = check(draw("start>a", a={"type": "set", "data": {"config": {"selektor": "#a"}}}))
    assert warned(found) == [("bad_config", "nodes[0].data.config.selektor")]
    workflow_of(found)


def test_setting_that_is_also_the_kinds_own_is_told_once(check: Check, draw: Draw) -> None:
    """`timeout` of a click is one key with one mistake."""
    found = check(draw("start>a", a={"type": "click", "data": {"config": {"selector": "#a", "timeout": "5"}}}))
    assert codes(found) == [("bad_config", "nodes[0].data.config.timeout")]


def test_all_problems_at_once(check: Check) -> None:
    """Nothing that is wrong hides behind something else that is."""
    graph = {
        "nodes": [
            7,
            {"type": "set"},
            {"id": "a", "type": "clik"},
            {"id": "a", "type": "click"},
            {"id": "L", "type": "loop"},
            {"id": "x", "type": "set"},
            {"id": "y", "type": "set"},
            {"id": "z", "type": "break"},
        ],
        "edges": [
            {"source": "x", "target": "y"},
            {"source": "y", "target": "x"},
            {"source": "ghost", "target": "x"},
            {"source": "L", "target": "z", "sourceHandle": "bogus"},
            {"source": "L", "target": "z"},
            {"source": "L"},
            None,
        ],
    }
    assert set(codes(check(graph))) == {
        ("bad_field", "nodes[0]"),
        ("bad_field", "nodes[1].id"),
        ("unknown_kind", "nodes[2].type"),
        ("duplicate_node", "nodes[3].id"),
        ("bad_config", "nodes[3].data.config.selector"),
        ("no_start", "nodes"),
        ("cycle", "nodes[5]"),
        ("dangling_edge", "edges[2].source"),
        ("unknown_port", "edges[3].sourceHandle"),
        ("bad_field", "edges[5].target"),
        ("bad_field", "edges[6]"),
        ("break_outside_loop", "nodes[7]"),
    }


# How large a graph may be


@pytest.mark.parametrize(
    ("graph", "path"),
    [
        ({"nodes": [{}] * 3}, "nodes"),
        ({"edges": [{}] * 4}, "edges"),
        ({"connections": [{}] * 4}, "connections"),
        ({"nodes": [{"id": "a"}, {"id": "b", "data": {"config": {"x": [[1]]}}}]}, "nodes[1]"),
        ({"nodes": [], "edges": [{"data": [[[[1]]]]}]}, "edges[0]"),
        ({"viewport": [[[[[[1]]]]]]}, "viewport"),
    ],
)
def test_too_large(check: Check, graph: dict[str, Any], path: str) -> None:
    """What is too large is refused before anything else is looked at."""
    assert codes(check(graph, limits=Limits(max_nodes=2, max_edges=3, max_depth=3))) == [("too_large", path)]


def test_as_large_as_it_may_be(check: Check) -> None:
    """The limits themselves are allowed."""
    nodes = [{"id": "a", "type": "start"}, {"id": "b", "type": "set", "data": {"config": {"x": [1]}}}]
    edges = [{"source": "a", "target": "b", "data": [[[1]]]}] * 3
    workflow_of(check({"nodes": nodes, "edges": edges}, limits=Limits(max_nodes=2, max_edges=3, max_depth=3)))


@pytest.mark.parametrize(
    ("graph", "path"),
    [
        ([], "graph"),
        (None, "graph"),
        ({"nodes": {}}, "nodes"),
        ({"edges": "x"}, "edges"),
        ({"connections": 1}, "connections"),
        ({"edges": [{}], "connections": [{}]}, "connections"),
    ],
)
def test_no_graph_at_all(check: Check, graph: Any, path: str) -> None:
    """What has not the shape of a graph is told as that."""
    assert codes(check(graph)) == [("bad_field", path)]


def test_long_chain_and_wide_layer(check: Check) -> None:
    """20,000 nodes in a row, or side by side, are a normal graph: nothing recurses."""
    count = 20_000
    nodes = [{"id": f"n{i}", "type": "set" if i else "start"} for i in range(count)]
    chain = [{"source": f"n{i}", "target": f"n{i + 1}"} for i in range(count - 1)]
    wide = [{"source": "n0", "target": f"n{i}"} for i in range(1, count)]
    for edges in (chain, wide):
        assert workflow_of(check({"nodes": nodes, "edges": edges})).total_nodes == count
    (problem,) = check({"nodes": nodes, "edges": [*chain, {"source": f"n{count - 1}", "target": "n1"}]}).errors
    assert problem.code == "cycle"


# Dry run


def test_dry_run_waives_what_does_not_exist_yet(check: Check, draw: Draw) -> None:
    """Unknown kinds, wrong configs and no start do not hinder trying the wiring; cycles and wrong ports do."""
    graph = draw("a>b", a="teleport", b={"type": "click", "data": {"config": {"timeout": "soon"}}})
    found = check(graph, dry_run=True)
    assert workflow_of(found).nodes["a"].kind == "teleport"
    assert found.warnings == ()
    assert codes(check(draw("a>b b>c c>b", a="teleport"), dry_run=True)) == [("cycle", "nodes[1]")]
    assert codes(check(draw("c.maybe>b", c="condition"), dry_run=True)) == [("unknown_port", "edges[0].sourceHandle")]


# Whatever comes

KEYS = ["nodes", "edges", "connections", "id", "type", "data", "kind", "config", "source", "target", "sourceHandle"]
WORDS = ["", "a", "b", "c", "start", "loop", "set", "switch", "break", "body", "true", "note", "{{ x }}"]
ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text("aé\x00", max_size=3)
JSON = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=30,
)
CONFIGS = st.none() | st.dictionaries(
    st.sampled_from(["cases", "selector", "timeout", "retry", "join"]), ATOMS, max_size=3
)
NODES = st.fixed_dictionaries(
    {"id": st.sampled_from("abcdef") | ATOMS, "type": st.sampled_from(WORDS) | ATOMS},
    optional={"data": st.fixed_dictionaries({"config": CONFIGS}) | ATOMS, "config": CONFIGS},
)
ENDS = st.sampled_from("abcdefg")
EDGES = st.fixed_dictionaries(
    {"source": ENDS, "target": ENDS},
    optional={
        "sourceHandle": st.sampled_from(["body", "done", "error", "true", None, ""]),
        "id": st.sampled_from("xyz") | ATOMS,
    },
)


@given(JSON, st.booleans(), st.booleans())
def test_never_raises_on_any_json(check: Check, graph: Any, dry_run: bool, needs_start: bool) -> None:  # noqa: FBT001
    """Whatever a peer sends is answered, not tripped over."""
    found = check(graph, dry_run=dry_run, needs_start=needs_start)
    assert (found.workflow is None) == bool(found.errors)


@given(
    st.fixed_dictionaries({"nodes": st.lists(NODES, max_size=8), "edges": st.lists(EDGES, max_size=12)}),
    st.booleans(),
    st.booleans(),
)
def test_near_valid_graph(check: Check, graph: dict[str, Any], dry_run: bool, needs_start: bool) -> None:  # noqa: FBT001
    """A graph that is almost right is judged without being changed, and a workflow that comes of it is whole."""
    before = copy.deepcopy(graph)
    found = check(graph, dry_run=dry_run, needs_start=needs_start)
    assert str(graph) == str(before)
    assert (found.workflow is None) == bool(found.errors)
    assert {problem.severity for problem in found.warnings} <= {"warning"}
    if found.workflow is None:
        return
    workflow = found.workflow
    ids = [edge.id for edge in workflow.edges]
    assert len(ids) == len(set(ids))
    assert list(workflow.incoming) == list(workflow.outgoing) == list(workflow.nodes)
    assert sum(map(len, workflow.outgoing.values())) == len(ids)
    reached = set(workflow.nodes) - workflow.unreachable
    assert len(reached) == workflow.total_nodes
    for edge in workflow.edges:
        if edge.back:
            assert workflow.loops[edge.source] == edge.target
        elif edge.source in reached:
            inside = (
                edge.source
                if edge.source_port == "body" and edge.source in workflow.bodies
                else workflow.loops.get(edge.source)
            )
            assert workflow.loops.get(edge.target) == inside
    # Every node in reach can run: with the edges that joins wait for there is always one that waits for nothing more.
    waits = {id_: len(workflow.incoming[id_]) for id_ in reached}
    free = [id_ for id_, count in waits.items() if not count]
    assert set(free) >= set(workflow.starts)
    for id_ in free:
        for edge in workflow.outgoing[id_]:
            if not edge.back:
                waits[edge.target] -= 1
                if not waits[edge.target]:
                    free.append(edge.target)
    assert set(free) == reached


# Real graphs


@pytest.mark.parametrize("name", OURS)
def test_flow_of_ours(check: Check, name: str) -> None:
    """The graphs that the tests run are right to the last warning."""
    found = check(json.loads((FLOWS / f"{name}.json").read_bytes()))
    assert found.warnings == ()
    assert workflow_of(found).unreachable == frozenset()


def test_flow_in_the_other_spelling(check: Check) -> None:
    """The same graph said as connections is the same workflow."""
    graph = json.loads((FLOWS / "nested-loops.json").read_bytes())
    names = {
        "source": "from_node",
        "sourceHandle": "from_output",
        "target": "to_node",
        "targetHandle": "to_input",
        "id": "id",
    }
    flat = {
        "nodes": [{"id": n["id"], "type": n["type"], "parameters": n["data"]["config"]} for n in graph["nodes"]],
        "connections": [{names[key]: value for key, value in edge.items()} for edge in graph["edges"]],
    }
    ours, theirs = workflow_of(check(graph)), workflow_of(check(flat))
    assert ours.loops == theirs.loops
    assert [(e.id, e.source_port, e.back) for e in ours.edges] == [(e.id, e.source_port, e.back) for e in theirs.edges]
    assert [n.settings for n in ours.nodes.values()] == [n.settings for n in theirs.nodes.values()]
    assert theirs.nodes["start"].path == "nodes[0].parameters"


def judge_export(check: Check, graph: dict[str, Any]) -> None:
    """Each unknown node is told at its place, and a dry run minds none of it."""
    strange = [index for index, node in enumerate(graph["nodes"]) if node["type"] != "stickyNote"]
    assert codes(check(graph)) == [
        *(("unknown_kind", f"nodes[{index}].type") for index in strange),
        ("no_start", "nodes"),
    ]
    found = check(graph, dry_run=True)
    workflow = workflow_of(found)
    assert found.warnings == ()
    assert workflow.total_nodes == len(strange)
    assert len(workflow.edges) == len(graph["edges"])


@pytest.mark.parametrize("name", FOREIGN)
def test_flow_of_another_editor(check: Check, name: str) -> None:
    """Nested nodes, handles that are sentences, kilobytes of forms: told precisely, and passed by a dry run."""
    judge_export(check, json.loads((FLOWS / f"{name}.json").read_bytes()))


@pytest.mark.skipif(
    not EXPORTS.is_dir(), reason="the exports of Flowise are not here; set CALLBOARD_FLOWS to their folder"
)
def test_exports_of_a_real_editor(check: Check) -> None:
    """Graphs exported from an editor in daily use, as they are."""
    files = sorted(EXPORTS.glob("*.json"))
    assert files
    for file in files:
        judge_export(check, json.loads(file.read_bytes()))


def test_kinds_match_exactly(check: Check, draw: Draw) -> None:
    """`Loop` is not `loop`, even where a kind need not be known."""
    assert workflow_of(check(draw("L.body>a", L="Loop"), dry_run=True)).loops == {}
    assert validate(draw("L.body>a", L="loop"), {}, dry_run=True).workflow is not None
