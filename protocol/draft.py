"""A graph as a client wrote it, read into nodes and edges while every problem on the way is noted.

Theory of operation: a draft is filled once, by `read()`, and belongs to one check (`protocol.graph`). It takes any JSON
and never raises. What can not be understood is noted and left out, and reading goes on, so that a person who draws sees
all problems at once. It looks at nodes and edges one by one; what they make together is not known here.

- A node's kind is the first of `data.kind`, `type`, `data.type`, `data.name` that is registered. Of a node that says
  `data.kind`, a `type` that React Flow draws by itself (`input`, `output`, `default`, `group`) is never the kind.
- Annotations (`note`, `stickyNote`, `comment`, `group`) and edges to or from them are as if they were not there.
- An integer is as good an id or handle as its digits; null and "" are as good as absent.
- Of two nodes with one id the second is an error. Of two edges with one id the second is called `<id>#<its index>`,
  with a warning: the state of edges is kept by id. An edge without an id is called `e<its index>`.
- An edge is spelled as its list is (`edges`: source, target; `connections`: from_node, to_node), or, entry by entry, as
  the other one is.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from protocol.node_settings import NodeSettings, read_settings
from protocol.workflow import ERROR, IN, MAX_ID_CHARS, OUT, Edge, Kind, Limits, Node, Problem, Severity

__all__ = ["ANNOTATIONS", "LOOP", "START", "SUBFLOW", "Draft", "drawn_edges", "quote"]

ANNOTATIONS: Final = frozenset({"comment", "group", "note", "stickyNote"})
"""Kinds that say something to people only."""
START: Final = "start"
LOOP: Final = "loop"
SUBFLOW: Final = "subflow"
"""Its config has a graph of its own, `workflow`."""

_VIEW_TYPES: Final = frozenset({"default", "group", "input", "output"})
"""What React Flow draws by itself as `type`."""

_LOOP_PORTS: Final = {
    "body": "body",
    "loop": "body",
    "item": "body",
    "done": "done",
    "exit": "done",
    "completed": "done",
    OUT: "done",
    ERROR: ERROR,
}
"""Handle of an edge that leaves a loop → its port."""

_WAIVED: Final = frozenset({"bad_config", "no_start", "unknown_kind"})
"""What a dry run does not mind."""

_PIECE: Final = 10
"""Entries that are read between two yields."""

# Looking for a near miss costs about a millisecond, and a graph may hold thousands of them.
_MAX_SUGGESTIONS: Final = 20
_MAX_COMPARED: Final = 200
_MAX_COMPARED_LENGTH: Final = 64
_MAX_QUOTED: Final = 80

# The integers that JSON readers keep as integers; `str()` refuses some that are longer.
_MIN_INT: Final = -(2**63)
_MAX_INT: Final = 2**64


@attrs.frozen
class Spelling:
    """The keys of an edge."""

    source: str
    source_port: str
    target: str
    target_port: str


_SPELLINGS: Final = {
    "edges": Spelling("source", "sourceHandle", "target", "targetHandle"),
    "connections": Spelling("from_node", "from_output", "to_node", "to_input"),
}
"""Key of the list of edges → how its entries are spelled."""

_DRAWN: Final = dict(zip(attrs.astuple(_SPELLINGS["connections"]), attrs.astuple(_SPELLINGS["edges"]), strict=True))
"""Key of a connection → the same of an edge."""


@attrs.define(eq=False)
class Draft:
    """What was understood of a graph, and what is wrong with it."""

    kinds: Mapping[str, Kind]
    dry_run: bool
    driver: str
    nodes: dict[str, Node] = attrs.Factory(dict)
    edges: list[Edge] = attrs.Factory(list)
    errors: list[Problem] = attrs.Factory(list)
    warnings: list[Problem] = attrs.Factory(list)
    list_key: str = "edges"
    """Where the edges were found; it begins their paths."""
    broken: bool = False
    """An edge was left out because of an error, so nobody knows what can be reached."""
    _annotations: set[str] = attrs.Factory(set)
    _unsound: set[str] = attrs.Factory(set)
    """The nodes that can not be asked for their ports, since their kind or their config is wrong."""
    _edge_ids: set[str] = attrs.Factory(set)
    _said_edge_ids: frozenset[str] = frozenset()
    _suggestions: int = 0

    def report(
        self,
        code: str,
        path: str,
        message: str,
        *,
        node: str | None = None,
        edge: str | None = None,
        severity: Severity = "error",
    ) -> None:
        """Note a problem, unless this is a dry run and does not mind it."""
        if self.dry_run and code in _WAIVED:
            return
        problem = Problem(code=code, message=message, path=path, node_id=node, edge_id=edge, severity=severity)
        (self.errors if severity == "error" else self.warnings).append(problem)

    def read(self, graph: Mapping[str, Any]) -> Iterator[None]:
        """Read all nodes, then all edges, of a graph that `fits`; yields now and then."""
        self.list_key = "connections" if graph.get("connections") else "edges"
        for index, entry in enumerate(graph.get("nodes") or ()):
            self._read_node(index, entry)
            if index % _PIECE == 0:
                yield
        entries = graph.get(self.list_key) or ()
        said = (_name(entry.get("id")) for entry in entries if isinstance(entry, dict))
        self._said_edge_ids = frozenset(id_ for id_ in said if id_ is not None)
        for index, entry in enumerate(entries):
            self._read_edge(index, entry)
            if index % _PIECE == 0:
                yield

    def fits(self, graph: Any, limits: Limits) -> bool:
        """Whether a graph as a whole has the shape and the size to be read."""
        if not isinstance(graph, dict):
            self.report("bad_field", "graph", "must be an object with `nodes` and `edges`")
            return False
        for key, most in (("nodes", limits.max_nodes), ("edges", limits.max_edges), ("connections", limits.max_edges)):
            entries = graph.get(key)
            if entries is not None and not isinstance(entries, list):
                self.report("bad_field", key, "must be an array")
            elif entries and len(entries) > most:
                self.report("too_large", key, f"has {len(entries)} entries; {most} are allowed")
        if not self.errors and graph.get("edges") and graph.get("connections"):
            self.report("bad_field", "connections", "must be absent where there are `edges`")
        # Around the data of a node there are three more: the graph, the list and the node.
        if not self.errors and _is_deeper(graph, limits.max_depth + 3):
            for key, value in graph.items():
                entries = value if key == "nodes" or key in _SPELLINGS else ()
                deep = [
                    f"{key}[{i}]" for i, entry in enumerate(entries or ()) if _is_deeper(entry, limits.max_depth + 1)
                ]
                if not deep and _is_deeper(value, limits.max_depth + 2):
                    deep = [key]
                for path in deep:
                    self.report("too_large", path, f"is nested more than {limits.max_depth} deep")
        return not self.errors

    def _read_node(self, index: int, entry: Any) -> None:
        where = f"nodes[{index}]"
        if not isinstance(entry, dict):
            self.report("bad_field", where, "must be an object")
            return
        data = entry.get("data")
        if not isinstance(data, dict):
            if data is not None:
                self.report("bad_field", f"{where}.data", "must be an object")
            data = {}
        kind, said = self._kind_of(entry, data)
        id_ = _name(entry.get("id"))
        if kind in ANNOTATIONS and kind not in self.kinds:
            self._annotations.add(id_ or "")
            return
        if id_ is None:
            self.report("bad_field", f"{where}.id", f"must be a string of 1 to {MAX_ID_CHARS} characters")
        if kind not in self.kinds:
            self._report_kind(where, said, id_)
        path, config = self._config_of(where, entry, data, id_)
        settings, sound = self._check_config(kind, config, path, id_)
        if id_ is None:
            return
        twin = self.nodes.get(id_)
        if twin is not None:
            message = f"{quote(id_)} is the id of nodes[{twin.index}] already"
            self.report("duplicate_node", f"{where}.id", message, node=id_)
            return
        if not sound:
            self._unsound.add(id_)
        label = data.get("label") or entry.get("label") or entry.get("name")
        self.nodes[id_] = Node(
            id=id_,
            index=index,
            kind=kind,
            label=label if isinstance(label, str) else id_,
            config=config,
            settings=settings,
            path=path,
        )

    def _kind_of(self, entry: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
        """The kind of a node and, if it is not known, all that the node says about it: path → name."""
        said: dict[str, str] = {}
        for path, holder, key in (
            ("data.kind", data, "kind"),
            ("type", entry, "type"),
            ("data.type", data, "type"),
            ("data.name", data, "name"),
        ):
            name = holder.get(key)
            if not isinstance(name, str) or not name:
                continue
            if path == "type" and "data.kind" in said and name in _VIEW_TYPES:
                continue
            if name in self.kinds or name in ANNOTATIONS:
                return name, {}
            said[path] = name
        # `data.type` comes last here: editors put the name of a class there.
        return next((said[path] for path in ("data.kind", "type", "data.name", "data.type") if path in said), ""), said

    def _report_kind(self, where: str, said: Mapping[str, str], id_: str | None) -> None:
        if self.dry_run:
            return
        names = list(dict.fromkeys(said.values()))
        near = next((found for name in names if (found := self._near(name, self.kinds))), "")
        match names:
            case []:
                message = "the node does not say its kind"
            case [name]:
                message = f"{quote(name)} is not a known kind{near}"
            case _:
                message = f"none of {', '.join(map(quote, names))} is a known kind{near}"
        self.report("unknown_kind", f"{where}.{next(iter(said), 'type')}", message, node=id_)

    def _config_of(
        self, where: str, entry: Mapping[str, Any], data: Mapping[str, Any], id_: str | None
    ) -> tuple[str, Mapping[str, Any]]:
        """Where the config of a node is, and the config."""
        for path, holder, key in (
            ("data.config", data, "config"),
            ("config", entry, "config"),
            ("parameters", entry, "parameters"),
        ):
            config = holder.get(key)
            if isinstance(config, dict):
                return f"{where}.{path}", config
            if config is not None:
                self.report("bad_config", f"{where}.{path}", "must be an object", node=id_)
                return f"{where}.{path}", {}
        return f"{where}.{'data.config' if data or self.list_key == 'edges' else 'config'}", {}

    def _check_config(
        self, name: str, config: Mapping[str, Any], path: str, id_: str | None
    ) -> tuple[NodeSettings, bool]:
        """The common settings in a config, and whether the node can be asked for its ports."""
        settings, faults = read_settings(config)
        kind = self.kinds.get(name)
        found = () if kind is None else kind.check(config, self.driver)
        if not faults and not found:
            return settings, kind is not None
        problems: list[tuple[str, str, str, Severity]] = [("bad_config", *fault) for fault in faults]
        # A key that is the kind's own as well is told once.
        told = {place for place, _, _ in faults}
        problems += [problem for problem in found if problem[1] not in told]
        for code, place, message, severity in problems:
            joint = "." if place and place[0] != "[" else ""
            self.report(code, f"{path}{joint}{place}", message, node=id_, severity=severity)
        return settings, kind is not None and all(severity != "error" for _, _, _, severity in problems)

    def _read_edge(self, index: int, entry: Any) -> None:
        where = f"{self.list_key}[{index}]"
        if not isinstance(entry, dict):
            self.broken = True
            self.report("bad_field", where, "must be an object")
            return
        keys = _spelling(entry, self.list_key)
        id_ = self._edge_id(where, index, entry)
        source, target = _name(entry.get(keys.source)), _name(entry.get(keys.target))
        if source is None or target is None:
            self.broken = True
            for key in [keys.source] * (source is None) + [keys.target] * (target is None):
                self.report("bad_field", f"{where}.{key}", "must be the id of a node", edge=id_)
        handle = self._handle(where, entry, keys.source_port, id_)
        target_port = self._handle(where, entry, keys.target_port, id_)
        if source is None or target is None or self._is_annotated(source) or self._is_annotated(target):
            return
        node = self.nodes.get(source)
        if node is None:
            self.broken = True
            self.report("dangling_edge", f"{where}.{keys.source}", f"there is no node {quote(source)}", edge=id_)
        if target not in self.nodes:
            message = f"there is no node {quote(target)}; the edge is ignored"
            self.report("dangling_edge", f"{where}.{keys.target}", message, edge=id_, severity="warning")
        if node is None:
            return
        port = self._port_of(node, handle, where, keys.source_port, id_)
        if port is None:
            self.broken = True
        elif target in self.nodes:
            self.edges.append(
                Edge(
                    id=id_,
                    index=index,
                    source=source,
                    target=target,
                    source_port=port,
                    target_port=IN if target_port is None else target_port,
                )
            )

    def _edge_id(self, where: str, index: int, entry: Mapping[str, Any]) -> str:
        """The id of an edge, made unique."""
        given = entry.get("id")
        said = _name(given)
        if said is None and given is not None and given != "":
            self.report("bad_field", f"{where}.id", f"must be a string of at most {MAX_ID_CHARS} characters")
        id_ = f"e{index}" if said is None else said
        if id_ in self._edge_ids or (said is None and id_ in self._said_edge_ids):
            while id_ in self._edge_ids or id_ in self._said_edge_ids:
                id_ = f"{id_}#{index}"
            if said is not None:
                message = f"{quote(said)} is the id of an edge before it; this one is called {quote(id_)}"
                self.report("duplicate_edge", f"{where}.id", message, edge=id_, severity="warning")
        self._edge_ids.add(id_)
        return id_

    def _handle(self, where: str, entry: Mapping[str, Any], key: str, edge: str) -> str | None:
        given = entry.get(key)
        if given is None:
            return None
        handle = _name(given)
        if handle is None and given != "":
            message = f"must be a string of at most {MAX_ID_CHARS} characters"
            self.report("bad_field", f"{where}.{key}", message, edge=edge)
        return handle

    def _port_of(self, node: Node, handle: str | None, where: str, key: str, edge: str) -> str | None:
        """The port that an edge leaves by, or None: its node has no such port."""
        ports: Iterable[str] | None = None
        if node.kind == LOOP:
            ports = _LOOP_PORTS
        elif node.id not in self._unsound:
            ports = self.kinds[node.kind].ports_of(node.config)
        port = OUT if handle is None else handle
        if ports is None or port == ERROR or port in ports:
            return _LOOP_PORTS[port] if node.kind == LOOP else port
        path = f"{where}.{key}"
        known = [known for known in ports if known != OUT]
        listed = ", ".join(map(quote, known[:_MAX_SUGGESTIONS])) or "none but `error`"
        if handle is None:
            message = f"the edge names no port and is never taken; {quote(node.id)} fires {listed}"
            self.report("dead_edge", path, message, node=node.id, edge=edge, severity="warning")
            return OUT
        near = self._near(handle, known) or f"; it has {listed}"
        message = f"{quote(node.id)} has no port {quote(handle)}{near}"
        self.report("unknown_port", path, message, node=node.id, edge=edge)
        return None

    def _is_annotated(self, id_: str) -> bool:
        return bool(self._annotations) and id_ in self._annotations and id_ not in self.nodes

    def _near(self, name: str, known: Iterable[str]) -> str:
        """`; did you mean …?`, if a known name is near."""
        if len(name) > _MAX_COMPARED_LENGTH or self._suggestions >= _MAX_SUGGESTIONS:
            return ""
        self._suggestions += 1
        names = {each.lower(): each for each in list(known)[:_MAX_COMPARED] if len(each) <= _MAX_COMPARED_LENGTH}
        near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.7)
        return f"; did you mean {quote(names[near[0]])}?" if near else ""


def drawn_edges(graph: Mapping[str, Any], ids: Mapping[int, str]) -> list[dict[str, Any]]:
    """The edges of a graph that was read without an error, for whoever draws it or starts it again.

    Each has an id, and `source`, `target`, `sourceHandle`, `targetHandle` however the client spelled them. All else is
    as it was sent, edges that the run ignores included.

    Args:
        graph: as the client sent it.
        ids: place of an edge → the id under which the run speaks of it; others keep theirs, or are `e<place>`.
    """
    list_key = "connections" if graph.get("connections") else "edges"
    drawn = []
    for index, entry in enumerate(graph.get(list_key) or ()):
        keys = _spelling(entry, list_key)
        said = {_DRAWN.get(key, key): value for key, value in entry.items()} if keys != _SPELLINGS["edges"] else entry
        drawn.append({**said, "id": ids.get(index) or _name(entry.get("id")) or f"e{index}"})
    return drawn


def _spelling(entry: Mapping[str, Any], list_key: str) -> Spelling:
    """As its list is spelled, or as the other one."""
    keys = _SPELLINGS[list_key]
    if keys.source in entry:
        return keys
    return next((other for other in _SPELLINGS.values() if other.source in entry), keys)


def quote(name: str) -> str:
    """A name as messages show it: in quotes, and not longer than a line."""
    return f'"{name}"' if len(name) <= _MAX_QUOTED else f'"{name[:_MAX_QUOTED]}…"'


def _name(value: Any) -> str | None:
    """An id or a handle, or None if there is none, or it is none."""
    if isinstance(value, str):
        return value if 0 < len(value) <= MAX_ID_CHARS else None
    if type(value) is int and _MIN_INT <= value < _MAX_INT:
        return str(value)
    return None


def _is_deeper(value: Any, depth: int) -> bool:
    """Whether arrays and objects are nested more than `depth` deep."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        if not level:
            return False
        level = [
            child
            for each in level
            for child in (each.values() if type(each) is dict else each)
            if type(child) is dict or type(child) is list
        ]
    return bool(level)
