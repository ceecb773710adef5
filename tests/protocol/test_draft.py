"""A graph is read with charity where it is clear what was meant, and never in silence where it is not."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from protocol.draft import Draft, drawn_edges
from protocol.graph import Kind
from protocol.workflow import Limits

Read = Callable[..., Draft]


@pytest.fixture
def read(kinds: Mapping[str, Kind]) -> Read:
    """A draft that has read a graph."""

    def call(graph: Any, *, dry_run: bool = False) -> Draft:
        draft = Draft(kinds=kinds, dry_run=dry_run, driver="simulated")
        assert draft.fits(graph, Limits())
        for _ in draft.read(graph):
            pass
        return draft

    return call


def told(draft: Draft) -> list[tuple[str, str]]:
    """Code and path of every problem."""
    return [(problem.code, problem.path) for problem in [*draft.errors, *draft.warnings]]


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        ({"type": "set"}, "set"),
        ({"type": "custom", "data": {"kind": "set"}}, "set"),
        ({"type": "custom", "data": {"type": "set"}}, "set"),
        ({"type": "custom", "data": {"name": "set"}}, "set"),
        ({"type": "wait", "data": {"kind": "set"}}, "set"),
        ({"type": "wait", "data": {"type": "set", "name": "log"}}, "wait"),
        ({"type": "input"}, "input"),
        ({"type": "input", "data": {"kind": "set"}}, "set"),
        ({"type": "default", "data": {"kind": 5, "name": "set"}}, "set"),
        ({"type": "group", "data": {"kind": "set"}}, "set"),
        ({"type": "wait", "data": {"kind": "stranger"}}, "wait"),
    ],
)
def test_kind_is_the_first_that_is_registered(read: Read, node: dict[str, Any], kind: str) -> None:
    """Editors say the kind in four places, and draw under names of their own."""
    draft = read({"nodes": [{"id": "a", **node}]})
    assert told(draft) == []
    assert draft.nodes["a"].kind == kind


def test_view_type_is_no_kind_where_the_kind_is_said(read: Read) -> None:
    """React Flow's `input` is a view; a node that says its kind does not become our `input` by a slip in it."""
    draft = read({"nodes": [{"id": "a", "type": "input", "data": {"kind": "clik"}}]})
    assert told(draft) == [("unknown_kind", "nodes[0].data.kind")]
    assert 'did you mean "click"' in draft.errors[0].message


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        ({"type": "agentFlow", "data": {"name": "agent", "type": "Agent"}}, "agentFlow"),
        ({"type": "custom", "data": {"kind": "robot"}}, "robot"),
        ({"data": {"name": "agent", "type": "Agent"}}, "agent"),
        ({"data": {"type": "Agent"}}, "Agent"),
        ({}, ""),
    ],
)
def test_unknown_kind_keeps_its_name_in_a_dry_run(read: Read, node: dict[str, Any], kind: str) -> None:
    """Where kinds need not be known, a node is called what it calls itself."""
    assert read({"nodes": [{"id": "a", **node}]}, dry_run=True).nodes["a"].kind == kind


@pytest.mark.parametrize(
    ("node", "value", "path"),
    [
        ({"data": {"config": {"x": 1}}, "config": {"x": 2}, "parameters": {"x": 3}}, 1, "nodes[0].data.config"),
        ({"data": {"config": None}, "config": {"x": 2}, "parameters": {"x": 3}}, 2, "nodes[0].config"),
        ({"parameters": {"x": 3}}, 3, "nodes[0].parameters"),
        ({}, None, "nodes[0].data.config"),
    ],
)
def test_config_is_found_in_three_places(read: Read, node: dict[str, Any], value: Any, path: str) -> None:
    """The nearest to React Flow's own comes first."""
    found = read({"nodes": [{"id": "a", "type": "set", **node}]}).nodes["a"]
    assert found.config.get("x") == value
    assert found.path == path


@pytest.mark.parametrize("kind", ["note", "stickyNote", "comment", "group"])
def test_annotations_are_not_there(read: Read, kind: str) -> None:
    """A note, and whatever leads to or from it, says nothing to the run; nor does it matter if it has an id."""
    nodes = [{"id": "a", "type": "set"}, {"id": "n", "type": kind}, {"type": kind}, {"id": "a", "type": kind}]
    edges = [{"source": "a", "target": "n"}, {"source": "n", "target": "a"}, {"source": "n", "target": "ghost"}]
    draft = read({"nodes": nodes, "edges": edges})
    assert told(draft) == []
    assert list(draft.nodes) == ["a"]
    assert draft.edges == []


@pytest.mark.parametrize(
    ("node", "label"),
    [
        ({"data": {"label": "Log in"}}, "Log in"),
        ({"label": "Log in", "name": "login"}, "Log in"),
        ({"name": "login"}, "login"),
        ({"data": {"label": ["?"]}}, "a"),
        ({}, "a"),
    ],
)
def test_label(read: Read, node: dict[str, Any], label: str) -> None:
    """What people call the node, else its id."""
    assert read({"nodes": [{"id": "a", "type": "set", **node}]}).nodes["a"].label == label


def test_integer_is_as_good_as_its_digits(read: Read) -> None:
    """Editors that number their nodes mean the same node by 1 and "1"."""
    nodes = [{"id": 1, "type": "set"}, {"id": "2", "type": "set"}]
    draft = read({"nodes": nodes, "edges": [{"id": 7, "source": "1", "target": 2, "sourceHandle": 0}]})
    assert told(draft) == []
    (edge,) = draft.edges
    assert (edge.id, edge.source, edge.target, edge.source_port) == ("7", "1", "2", "0")


@pytest.mark.parametrize(
    "id_", [None, "", True, 1.5, [], {}, pytest.param(10**5000, id="huge"), pytest.param("x" * 1001, id="long")]
)
def test_id_that_is_none(read: Read, id_: Any) -> None:
    """A node that nothing could lead to is a mistake."""
    assert told(read({"nodes": [{"id": id_, "type": "set"}]})) == [("bad_field", "nodes[0].id")]


@pytest.mark.parametrize("handle", [None, "", ...])
def test_handle_that_is_none(read: Read, handle: Any) -> None:
    """Null, nothing and no key are the plain ports."""
    edge = {"source": "a", "target": "b"} | ({} if handle is ... else {"sourceHandle": handle, "targetHandle": handle})
    (found,) = read({"nodes": [{"id": "a", "type": "set"}, {"id": "b", "type": "set"}], "edges": [edge]}).edges
    assert (found.source_port, found.target_port) == ("out", "in")


@pytest.mark.parametrize("value", [[1], pytest.param("x" * 1001, id="long")])
@pytest.mark.parametrize("key", ["id", "source", "target", "sourceHandle", "targetHandle"])
def test_field_of_an_edge_that_is_no_name(read: Read, key: str, value: Any) -> None:
    """A wrong field is told where it is; what is on the wire again and again has its bound."""
    edge = {"id": "x", "source": "a", "target": "a", key: value}
    assert told(read({"nodes": [{"id": "a", "type": "set"}], "edges": [edge]})) == [("bad_field", f"edges[0].{key}")]


def test_edges_of_one_id_are_told_apart(read: Read) -> None:
    """Ids of edges come out unique, since their state is kept by id; the first of an id keeps it."""
    ids = ["x", "x", None, "e2", "x#1", "x"]
    edges = [{"id": id_, "source": "a", "target": "b"} for id_ in ids]
    draft = read({"nodes": [{"id": "a", "type": "set"}, {"id": "b", "type": "set"}], "edges": edges})
    assert [edge.id for edge in draft.edges] == ["x", "x#1#1", "e2#2", "e2", "x#1", "x#5"]
    assert told(draft) == [("duplicate_edge", "edges[1].id"), ("duplicate_edge", "edges[5].id")]


def test_entry_in_the_other_spelling(read: Read) -> None:
    """An edge is read by its own keys, whatever its list is called."""
    nodes = [{"id": "a", "type": "condition"}, {"id": "b", "type": "set"}]
    entry = {"from_node": "a", "from_output": "true", "to_node": "b", "to_input": "x"}
    (edge,) = read({"nodes": nodes, "edges": [entry]}).edges
    assert (edge.source, edge.source_port, edge.target, edge.target_port) == ("a", "true", "b", "x")
    (edge,) = read({"nodes": nodes, "connections": [{"source": "a", "sourceHandle": "true", "target": "b"}]}).edges
    assert (edge.source, edge.source_port, edge.target) == ("a", "true", "b")


def test_edges_are_drawn_in_one_spelling(read: Read) -> None:
    """Whoever draws a graph knows one spelling of an edge, and each by the id that events name; the rest is the user's."""
    nodes = [{"id": "a", "type": "condition"}, {"id": "b", "type": "set"}, {"id": "n", "type": "note"}]
    said: list[dict[str, Any]] = [
        {"id": "x", "source": "a", "sourceHandle": "true", "target": "b", "animated": True, "from_node": "mine"},
        {"id": "x", "source": "a", "sourceHandle": "false", "target": "b"},
        {"source": "n", "target": "b"},
        {"id": 7, "source": "a", "target": "b", "sourceHandle": None},
    ]
    graph = {"nodes": nodes, "edges": said}
    ids = {edge.index: edge.id for edge in read(graph).edges}
    assert drawn_edges(graph, ids) == [
        said[0],
        {**said[1], "id": "x#1"},
        {**said[2], "id": "e2"},
        {**said[3], "id": "7"},
    ]
    graph = {
        "nodes": nodes,
        "connections": [
            {"from_node": "a", "from_output": "true", "to_node": "b", "to_input": "y", "style": {"from_node": 1}},
            {"source": "a", "sourceHandle": "false", "target": "b"},
        ],
    }
    drawn = drawn_edges(graph, {0: "e0"})
    assert drawn == [
        {
            "id": "e0",
            "source": "a",
            "sourceHandle": "true",
            "target": "b",
            "targetHandle": "y",
            "style": {"from_node": 1},
        },
        {"id": "e1", "source": "a", "sourceHandle": "false", "target": "b"},
    ]
    again = read({"nodes": nodes, "edges": drawn}).edges
    assert list(map(attrs.asdict, again)) == list(map(attrs.asdict, read(graph).edges))


def test_suggestions_are_bounded(read: Read) -> None:
    """Thousands of unknown names, or endless ones, cost no more than a few."""
    draft = read({"nodes": [{"id": str(i), "type": f"clik{i}"} for i in range(1000)]})
    hints = sum("did you mean" in problem.message for problem in draft.errors)
    assert 0 < hints < 100
    draft = read({"nodes": [{"id": "a", "type": "click" * 100_000}]})
    assert len(draft.errors[0].message) < 200
