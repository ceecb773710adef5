"""The fields of commands that are read in a way of their own: an id, a graph, and what a user may nest.

A graph is only looked at as far as it must be to hand it on: its lists are lists. What is in them is the business of
`protocol.graph.validate`, which names every problem with its path.
"""

from collections.abc import Mapping
from typing import Final

from protocol.dialects import strict
from protocol.dialects.text import MAX_DEPTH, deeper_than
from protocol.dialects.units import Unit
from protocol.messages import Json

__all__ = ["COMMAND_UNITS", "GRAPH", "GraphFaults"]

GRAPH: Final = ("nodes", "edges", "connections")
"""The keys of a graph."""


class GraphFaults(Exception):
    """What is wrong with the parts of a graph: pairs of (key, text)."""


def _id(value: Json) -> str:
    # Some clients count their messages.
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise TypeError("must be a string")


def _graph(value: Json) -> Mapping[str, Json]:
    graph = strict.json_object(value)
    faults = [(key, "must be a list") for key in GRAPH if not isinstance(graph.get(key, []), list)]
    if faults:
        raise GraphFaults(faults)
    missing: dict[str, Json] = {"nodes": []} if "connections" in graph else {"nodes": [], "edges": []}
    return {**missing, **graph}


def _shallow(value: Json) -> Json:
    if deeper_than(value, MAX_DEPTH):
        raise ValueError(f"must not be nested deeper than {MAX_DEPTH} levels")
    return value


def _shallow_object(value: Json) -> Mapping[str, Json]:
    return strict.json_object(_shallow(value))


COMMAND_UNITS: Final[Mapping[str, Unit]] = {
    "id": Unit(spell=None, read=_id, schema={"type": ["string", "integer"]}),
    "graph": Unit(spell=None, read=_graph, schema={"type": "object"}),
    "config": Unit(spell=None, read=_shallow_object, schema={"type": "object"}),
    "value": Unit(spell=None, read=_shallow, schema={}),
}
"""Field of a command → how it is read."""
