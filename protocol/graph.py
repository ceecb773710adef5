"""A workflow as a graph: what a client sent, checked and made ready to run.

Theory of operation: `validate()` reads a graph into a draft (`protocol.draft`), sorts its nodes into the bodies of its
loops (`protocol.regions`, which says what a body is), and goes on after every problem, so that a person who draws sees
all of them at once. A workflow comes out only if none of them is an error. What is decided here:

- The run begins at the nodes of kind `start`. Without one, in a dry run or where none is needed, it begins at every
  node that nothing leads to but the node's own loop body.
- An edge that leads to a start node is left out, with a warning: a start node runs when the run begins, and only then.
- Unreachable nodes are told only if no edge was broken: else that is the cause, and they would be its echo.

A large graph takes tens of milliseconds and more. Who has others to see to meanwhile takes `checking()`, which does the
same and yields between nodes and edges; what is made of all of them together (regions, faults, the workflow) is a piece
each, and so is a node, however large its config.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final

import attrs

from protocol.draft import LOOP, START, SUBFLOW, Draft, quote
from protocol.node_settings import COMMON_SETTINGS, NodeSettings, Retry
from protocol.regions import TOP, Regions, find_regions
from protocol.workflow import ERROR, IN, OUT, Edge, Kind, Limits, Node, Problem, Validation, Workflow

__all__ = [
    "COMMON_SETTINGS",
    "ERROR",
    "IN",
    "MAX_DEPTH",
    "OUT",
    "Edge",
    "Kind",
    "Limits",
    "Node",
    "NodeSettings",
    "Problem",
    "Retry",
    "Validation",
    "Workflow",
    "checking",
    "validate",
]

_IN_LOOPS_ONLY: Final = frozenset({"break", "continue"})

_LIMITS: Final = Limits()

MAX_DEPTH: Final = 8
"""Graphs inside each other."""

_MAX_LISTED: Final = 50
"""Nodes that the message about a cycle names."""


def validate(
    graph: Any,
    kinds: Mapping[str, Kind],
    *,
    dry_run: bool = False,
    needs_start: bool = True,
    driver: str = "simulated",
    limits: Limits = _LIMITS,
    depth: int = 0,
) -> Validation:
    """Check a graph and make it ready to run. Never raises, whatever JSON the graph is.

    Args:
        graph: `{"nodes": [...], "edges": [...]}`, or `"connections"` instead of `"edges"`; a missing list is empty.
        kinds: the registered kinds by name.
        dry_run: do not mind unknown kinds, bad configs and that there is no start.
        needs_start: whether a graph without a start node is an error.
        driver: what acts for the nodes; a kind may ask more of a config for one than for another.
        limits: how large the graph may be.
        depth: how many graphs are around it.
    """
    pieces = checking(graph, kinds, dry_run=dry_run, needs_start=needs_start, driver=driver, limits=limits, depth=depth)
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            found: Validation = end.value
            return found


def checking(
    graph: Any,
    kinds: Mapping[str, Kind],
    *,
    dry_run: bool = False,
    needs_start: bool = True,
    driver: str = "simulated",
    limits: Limits = _LIMITS,
    depth: int = 0,
) -> Generator[None, None, Validation]:
    """As `validate`, in pieces: yields after each, and returns what was found. The graph may not change meanwhile."""
    draft = Draft(kinds=kinds, dry_run=dry_run, driver=driver)
    workflow = None
    if draft.fits(graph, limits):
        yield from draft.read(graph)
        if SUBFLOW in kinds:
            yield from _look_inside(draft, limits, depth)
        workflow = yield from _judge(draft, needs_start=needs_start)
    return Validation(
        workflow=None if draft.errors else workflow, errors=tuple(draft.errors), warnings=tuple(draft.warnings)
    )


def _look_inside(draft: Draft, limits: Limits, depth: int) -> Generator[None, None, None]:
    """Check the graphs that nodes have in their configs. What is wrong in one is told as its node's, with the path."""
    for node in draft.nodes.values():
        graph = node.config.get("workflow") if node.kind == SUBFLOW else None
        if not isinstance(graph, Mapping):
            continue
        path = f"{node.path}.workflow"
        if depth + 1 >= MAX_DEPTH:
            message = f"more than {MAX_DEPTH} workflows are inside each other"
            draft.report("too_large", path, message, node=node.id)
            continue
        found = yield from checking(
            graph,
            draft.kinds,
            dry_run=draft.dry_run,
            needs_start=False,
            driver=draft.driver,
            limits=limits,
            depth=depth + 1,
        )
        for problem in (*found.errors, *found.warnings):
            where = path if problem.path == "graph" else f"{path}.{problem.path}"
            message = f"in the workflow of {quote(node.id)}: {problem.message}"
            draft.report(problem.code, where, message, node=node.id, severity=problem.severity)


def _judge(draft: Draft, *, needs_start: bool) -> Generator[None, None, Workflow | None]:
    """Look at what nodes and edges make together; None if there are errors."""
    nodes, edges = list(draft.nodes.values()), draft.edges
    number_of = {id_: number for number, id_ in enumerate(draft.nodes)}
    loops = {number for number, node in enumerate(nodes) if node.kind == LOOP}
    starts = [number for number, node in enumerate(nodes) if node.kind == START]
    if needs_start and not starts:
        draft.report("no_start", "nodes", 'there is no node of kind "start"')
    arcs = [
        (source := number_of[edge.source], number_of[edge.target], edge.source_port == "body" and source in loops)
        for edge in edges
    ]
    yield
    regions = find_regions(len(nodes), arcs, loops=loops, starts=starts)
    yield
    _report_faults(draft, nodes, regions)
    _report_warnings(draft, nodes, regions)
    if nodes and not regions.starts and not draft.errors:
        draft.report("cycle", "nodes", "every node waits for another one: there is none to begin with")
    yield
    return None if draft.errors else _build(draft, nodes, regions)


def _report_faults(draft: Draft, nodes: Sequence[Node], regions: Regions) -> None:
    """Note the cycles, the ways into a loop's body, and what belongs into one and is not."""
    for cycle in regions.cycles:
        edges = [draft.edges[number] for number in cycle]
        names = [quote(edge.source) for edge in edges[:_MAX_LISTED]] + ["…"] * (len(edges) > _MAX_LISTED)
        message = f"a cycle that no loop node breaks: {' → '.join([*names, names[0]])}"
        first = draft.nodes[edges[0].source]
        draft.report("cycle", f"nodes[{first.index}]", message, node=first.id, edge=edges[-1].id)
    for number, loop in regions.jumps.items():
        edge = draft.edges[number]
        inner, outer = quote(nodes[loop].id), quote(edge.target)
        message = (
            f"a cycle that its loop does not break: {quote(edge.source)} is in the body of {inner} "
            f'and leads to {outer}, a loop around that; lead it back to {inner}, whose port "done" may lead to {outer}'
        )
        draft.report("cycle", f"{draft.list_key}[{edge.index}]", message, node=edge.source, edge=edge.id)
    for number, (arc, loop) in regions.entered.items():
        node = nodes[number]
        inner = quote(nodes[loop].id)
        message = f"{quote(node.id)} is inside the body of the loop {inner}, and can also be reached without it"
        draft.report("enters_loop", f"nodes[{node.index}]", message, node=node.id, edge=draft.edges[arc].id)
    for number, node in enumerate(nodes):
        if node.kind in _IN_LOOPS_ONLY and regions.loop_of[number] == TOP and regions.reached[number]:
            message = f"{quote(node.kind)} means the loop around it, and there is none"
            draft.report("break_outside_loop", f"nodes[{node.index}]", message, node=node.id)


def _report_warnings(draft: Draft, nodes: Sequence[Node], regions: Regions) -> None:
    """Note the edges that a run never takes, and the nodes that it never reaches."""
    starts = _starts(nodes)
    for edge in draft.edges:
        if edge.target in starts:
            message = f"the edge is ignored: {quote(edge.target)} runs when the run begins"
            path = f"{draft.list_key}[{edge.index}]"
            draft.report("dead_edge", path, message, node=edge.target, edge=edge.id, severity="warning")
    if draft.broken or all(regions.reached):
        return
    for node, reached in zip(nodes, regions.reached, strict=True):
        if not reached:
            message = f"{quote(node.id)} can not be reached from where the run begins"
            draft.report("unreachable", f"nodes[{node.index}]", message, node=node.id, severity="warning")


def _build(draft: Draft, nodes: Sequence[Node], regions: Regions) -> Workflow:
    """The workflow of a graph without errors."""
    reached = {node.id for node, reached in zip(nodes, regions.reached, strict=True) if reached}
    edges: list[Edge] = []
    incoming: dict[str, list[Edge]] = {}
    outgoing: dict[str, list[Edge]] = {}
    starts = _starts(nodes)
    for number, edge in enumerate(draft.edges):
        if edge.target in starts:
            continue
        is_back = number in regions.back
        kept = attrs.evolve(edge, back=True) if is_back else edge
        edges.append(kept)
        outgoing.setdefault(edge.source, []).append(kept)
        if edge.source in reached and not is_back:
            incoming.setdefault(edge.target, []).append(kept)
    loops: dict[str, str] = {}
    bodies: dict[str, list[str]] = {node.id: [] for node in nodes if node.kind == LOOP and node.id in reached}
    for node, loop in zip(nodes, regions.loop_of, strict=True):
        if loop != TOP and node.id in reached:
            loops[node.id] = nodes[loop].id
            bodies[nodes[loop].id].append(node.id)
    return Workflow(
        nodes=draft.nodes,
        edges=edges,
        incoming={id_: incoming.get(id_, ()) for id_ in draft.nodes},
        outgoing={id_: outgoing.get(id_, ()) for id_ in draft.nodes},
        loops=loops,
        bodies=bodies,
        starts=[nodes[number].id for number in regions.starts],
        unreachable=frozenset(draft.nodes.keys() - reached),
        total_nodes=len(reached),
    )


def _starts(nodes: Sequence[Node]) -> frozenset[str]:
    """The ids of the start nodes: they run when the run begins, and only then."""
    return frozenset(node.id for node in nodes if node.kind == START)
