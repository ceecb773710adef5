"""Graphs in a line: `flow("start >> upper; upper:error >> tell", tell="log")`."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

__all__ = ["Graph", "flow"]

Graph = dict[str, Any]
"""A graph as a client sends it."""

Kind = str | tuple[str, Mapping[str, Any]]


def flow(edges: str, **kinds: Kind) -> Graph:
    """The graph that has these edges.

    Args:
        edges: chains such as `a >> b:error >> c`, with `;` between them; a port stands behind the node
            that fires it.
        kinds: of each node, alone or with its config: `a="wait"`, `a=("wait", {"duration": 5})`; `_` in a name stands
            for `-`. A node that is not here is of the kind that it is called like; `s` is a `start`.

    Nodes wait for nothing before they begin, unless their config says so.
    """
    chains = [[end.strip() for end in chain.split(">>")] for chain in edges.split(";") if chain.strip()]
    given = {name.replace("_", "-"): kind for name, kind in kinds.items()}
    drawn = [end.partition(":")[0] for chain in chains for end in chain]
    names = dict.fromkeys([*(["s"] if "s" in drawn else []), *given, *drawn])
    return {
        "nodes": [_node(name, given.get(name, "start" if name == "s" else name)) for name in names],
        "edges": [_edge(*pair) for chain in chains for pair in pairwise(chain)],
    }


def _node(name: str, kind: Kind) -> Mapping[str, Any]:
    named, config = (kind, {}) if isinstance(kind, str) else kind
    return {"id": name, "type": named, "data": {"config": {"waitTime": 0, **config}}}


def _edge(source: str, target: str) -> Mapping[str, Any]:
    name, _, port = source.partition(":")
    return {"source": name, "target": target.partition(":")[0], "sourceHandle": port or None}
