"""A workflow as a graph: what a client sent, checked and made ready to run.

(contract written first; validate() to be filled)
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import attrs

__all__ = [
    "COMMON_SETTINGS",
    "Edge",
    "Kind",
    "Limits",
    "Node",
    "NodeSettings",
    "Problem",
    "Retry",
    "Validation",
    "Workflow",
    "validate",
]

OUT: Final = "out"
"""The port of an edge without a handle."""
IN: Final = "in"
"""The port of an edge that names no input."""
ERROR: Final = "error"
"""The port that every kind has: a failed node fires it."""

COMMON_SETTINGS: Final = frozenset({"disabled", "join", "onError", "retry", "timeout", "waitTime"})
"""The keys of a config that a node of any kind may have. A kind's own check ignores those that it does not declare."""


@attrs.frozen(kw_only=True)
class Problem:
    """One thing that is wrong with a graph."""

    code: str
    message: str
    path: str
    """Where, in the client's own spelling: `nodes[3].data.config.selector`, `connections[2].to_node`."""
    node_id: str | None = None
    edge_id: str | None = None
    severity: Literal["error", "warning"] = "error"


@attrs.frozen(kw_only=True)
class Retry:
    """How often and when a failed attempt is tried again. Delays in seconds."""

    max_attempts: int = 1
    delay: float = 1.0
    backoff: float = 2.0
    max_delay: float = 60.0
    jitter: bool = True


@attrs.frozen(kw_only=True)
class NodeSettings:
    """The settings that a node of any kind has. Times in seconds."""

    timeout: float | None = None
    retry: Retry = Retry()
    on_error: Literal["fail", "continue"] = "fail"
    join: Literal["all", "any"] = "all"
    disabled: bool = False
    wait_time: float | None = None
    """None: the kind's default."""


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
    settings: NodeSettings = NodeSettings()
    path: str
    """Where its config was found: `nodes[3].data.config`."""


@attrs.frozen(kw_only=True, eq=False)
class Edge:
    """One edge of a workflow, its ports normalised."""

    id: str
    index: int
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
    """Every edge between two of these nodes."""
    incoming: Mapping[str, Sequence[Edge]]
    """Node id → the edges its join waits for: back edges, and edges from unreachable sources, are left out."""
    outgoing: Mapping[str, Sequence[Edge]]
    """Node id → all edges that leave it, back edges included."""
    loops: Mapping[str, str]
    """Node id → the innermost loop node whose body it is in; absent at the top."""
    bodies: Mapping[str, Sequence[str]]
    """Loop node id → the nodes whose innermost loop it is (nested loop nodes included, their bodies not)."""
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


class Kind(Protocol):
    """What validate() must know of a registered kind."""

    @property
    def name(self) -> str: ...
    def ports_of(self, config: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The control ports of a node with this config, or None: it fires whatever its edges name."""
        ...

    def check(self, config: Mapping[str, Any], driver: str) -> Sequence[tuple[str, str, str, Literal["error", "warning"]]]:
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


def validate(
    graph: Any,
    kinds: Mapping[str, Kind],
    *,
    dry_run: bool = False,
    needs_start: bool = True,
    driver: str = "simulated",
    check_value: Callable[[Any], Sequence[tuple[str, str]]] | None = None,
    limits: Limits = Limits(),
) -> Validation:
    """Check a graph and make it ready to run."""
    raise NotImplementedError
