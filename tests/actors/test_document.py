"""Documents: the graph is found in whatever editors and clients write."""

import json

import pytest

from actors.document import DocumentError, read_document

GRAPH = {"nodes": [{"id": "a", "type": "start"}], "edges": []}


def read(value):
    """A document from JSON."""
    return read_document(json.dumps(value).encode())


@pytest.mark.parametrize(
    "wrapped",
    [
        {**GRAPH, "config": {"seed": 7}},
        {"type": "workflow.start", "id": "1", "workflow_id": "w", "payload": {**GRAPH, "config": {"seed": 7}}},
        {"type": "execute_workflow", "workflow": {**GRAPH, "config": {"seed": 7}}},
    ],
    ids=["bare", "snake", "flat"],
)
def test_a_graph_is_found_in_the_message_that_would_start_it(wrapped):
    """So a recorded message can be run again."""
    document = read(wrapped)
    assert document.graph["nodes"] == GRAPH["nodes"]
    assert document.config == {"seed": 7}
    assert document.needs_start


def test_the_flat_spelling_needs_no_start_node():
    """The origin that writes `connections` knows no start kind."""
    assert not read({"workflow": {"nodes": [], "connections": []}}).needs_start


@pytest.mark.parametrize("value", [[], None, 3, "x", {}, {"nodes": 1}, {"payload": 1}, {"workflow": {}}], ids=str)
def test_what_is_no_graph_is_left_to_validation(value):
    """It says all that is wrong, with paths."""
    assert read(value).config == {}


def test_a_mistake_in_the_json_has_a_line_and_a_column():
    """An editor can jump there."""
    with pytest.raises(DocumentError, match="line 2, column 13"):
        read_document(b'{\n  "nodes": [,]\n}')


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b'{"nodes": NaN}'])
def test_what_is_not_json_is_refused(data):
    """UTF-8 and JSON, nothing looser."""
    with pytest.raises(DocumentError):
        read_document(data)


def test_a_byte_order_mark_is_no_mistake():
    """Some editors write one."""
    assert read_document(b"\xef\xbb\xbf{}").graph == {}


def test_a_config_that_is_no_object_is_refused():
    """It would be ignored otherwise."""
    with pytest.raises(DocumentError, match="config"):
        read({**GRAPH, "config": [1]})
