"""Who comes before whom: what the slow and obvious way says, for graphs at random; loops; a large graph in time."""

import random
import time

import pytest

from actors.registry import Registry
from actors.testing.flows import flow
from protocol.ancestry import Ancestry
from protocol.graph import validate

KINDS = Registry.builtin().kinds


def workflow_of(graph):
    """The checked graph."""
    found = validate(graph, KINDS)
    assert found.workflow is not None, found.errors
    return found.workflow


def obvious(workflow, node_id):
    """Everything from which a way leads to a node, back edges excepted."""
    found, left = set(), [node_id]
    while left:
        for edge in workflow.incoming.get(left.pop(), ()):
            if edge.source not in found:
                found.add(edge.source)
                left.append(edge.source)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_the_edges_say(seed):
    """Some nodes have no way from the start; none is its own ancestor."""
    dice = random.Random(seed)
    links = [(dice.randrange(after), after) for after in range(1, 30) for _ in range(dice.randint(0, 3))]
    graph = flow("s >> n0; " + "; ".join(f"n{before} >> n{after}" for before, after in links),
                 **{f"n{number}": "log" for number in range(30)})  # fmt: skip
    workflow = workflow_of(graph)
    ancestry = Ancestry(workflow)
    for node_id in workflow.nodes:
        if node_id not in workflow.unreachable:
            assert {each for each in workflow.nodes if ancestry.precedes(each, node_id)} == obvious(workflow, node_id)
    assert not ancestry.precedes("nobody", "s")
    assert not ancestry.precedes("s", "nobody")


def test_what_a_loop_did_before_is_not_before():
    """The loop precedes its body and what follows it; the way back is no way."""
    graph = flow("s >> l; l:body >> a >> b >> l; l:done >> z", l=("loop", {"count": 2}), a="log", b="log", z="log")
    ancestry = Ancestry(workflow_of(graph))
    assert [each for each in "slabz" if ancestry.precedes(each, "b")] == ["s", "l", "a"]
    assert [each for each in "slabz" if ancestry.precedes(each, "z")] == ["s", "l"]
    assert [each for each in "slabz" if ancestry.precedes(each, "l")] == ["s"]


def test_twenty_thousand_nodes_take_a_moment():
    """One pass for all of them, and not one for each: a chain of them within a second, on any machine."""
    nodes = [{"id": "n0", "type": "start"}, *({"id": f"n{number}", "type": "log"} for number in range(1, 20_000))]
    edges = [{"source": f"n{number}", "target": f"n{number + 1}"} for number in range(19_999)]
    ancestry = Ancestry(workflow_of({"nodes": nodes, "edges": edges}))
    began = time.process_time()
    assert ancestry.precedes("n0", "n19999")
    assert not ancestry.precedes("n19999", "n0")
    assert time.process_time() - began < 1
