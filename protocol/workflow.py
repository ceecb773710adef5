"""What a checked graph is made of, what can be wrong with one, and what must be known of kinds to check it.

All of it is data that `protocol.graph` fills in, and that `protocol.graph` exports.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias

import attrs

from protocol.node_settings import NodeSettings

__all__ = [
    "ERROR",
    "IN",
    "MAX_ID_CHARS",
    "OUT",
    "Edge",
    "Kind",
    "Limits",
    "Node",
    "Problem",
    "Severity",
    "Validation",
    "Workflow",
]

OUT: Final = "out"
"""The port of an edge without a handle."""
IN: Final = "in"
"""The port of an edge that names no input."""
ERROR: Final = "error"
"""The port that every kind has: a failed node fires it."""

MAX_ID_CHARS: Final = 1_000
"""Of an id or a handle: it is said back, and to everybody who hears the run, many times."""

Severity: TypeAlias = Literal["error", "warning"]


@attrs.frozen(kw_only=True)
class Problem:
    """One thing that is wrong with a graph."""

    code: str
    message: str
    path: str
    """Where, in the client's own spelling: `nodes[3].data.config.selector`, `connections[2].to_node`."""
    node_id: str | None = None
    edge_id: str | None = None
    severity: Severity = "error"


@attrs.frozen(kw_only=True, eq=False)
class Node:
    """One node of a workflow."""

    id: str
    index: int
    """Its place among `nodes` as sent."""
    kind: str
    label: str
    config: Mapping[str, Any]
    """As the client wrote it, the settings that every kind has included (a kind may have a `timeout` of its own)."""
    settings: NodeSettings
    path: str
    """Where its config was found, or is looked for: `nodes[3].data.config`."""


@attrs.frozen(kw_only=True, eq=False)
class Edge:
    """One edge of a workflow, its ports normalised."""

    id: str
    """Unique among the edges of a workflow, whatever the client wrote."""
    index: int
    """Its place among `edges` (or `connections`) as sent."""
    source: str
    target: str
    source_port: str = OUT
    """The handle; `out` where none was said; for a loop node always `body`, `done` or `error`."""
    target_port: str = IN
    back: bool = False
    """It leads from a loop's body back to its loop node."""


@attrs.frozen(kw_only=True, eq=False)
class Workflow:
    """A checked graph. Everything is in document order; lookups are O(1); nothing here is recursive."""

    nodes: Mapping[str, Node]
    """Every node but annotations, unreachable ones included."""
    edges: Sequence[Edge]
    """Every edge between two of these nodes, but those that lead to a start node."""
    incoming: Mapping[str, Sequence[Edge]]
    """Node id → the edges its join waits for: back edges, and edges from unreachable sources, are left out."""
    outgoing: Mapping[str, Sequence[Edge]]
    """Node id → all edges that leave it, back edges included."""
    loops: Mapping[str, str]
    """Node id → the innermost loop node whose body it is in; absent at the top, and for nodes out of reach."""
    bodies: Mapping[str, Sequence[str]]
    """Id of a loop node in reach → the nodes whose innermost loop it is (nested loops included, their bodies not)."""
    starts: Sequence[str]
    """Where the run begins."""
    unreachable: frozenset[str]
    total_nodes: int
    """How many nodes can be reached: what progress counts."""


@attrs.frozen(kw_only=True)
class Limits:
    """How large a graph may be."""

    max_nodes: int = 20_000
    max_edges: int = 100_000
    max_depth: int = 64
    """How deep the data of a node or an edge may be nested."""


class Kind(Protocol):
    """What validate() must know of a registered kind. Neither method raises, whatever the config is."""

    @property
    def name(self) -> str:
        """As it is registered."""
        ...

    def ports_of(self, config: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The control ports of a node with this config, or None: it fires whatever its edges name.

        Asked only where `check` found no error. `error` need not be among them. Not asked of the kind `loop`.
        """
        ...

    def check(self, config: Mapping[str, Any], driver: str) -> Sequence[tuple[str, str, str, Severity]]:
        """What is wrong with a config: (code, relative path such as `selector` or `cases[1].port`, message, severity).

        Codes: bad_config, bad_expression. All problems at once; a config with unknown keys gives warnings.
        """
        ...


@attrs.frozen(kw_only=True)
class Validation:
    """What validate() found."""

    workflow: Workflow | None
    """None if there are errors."""
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
