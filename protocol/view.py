"""The fold: the events and notes of one run, in order, become its state.

Theory of operation: a `View` is told every event and every note of its run, once, in order, and nothing else; so the
run actor (which is ahead of the journal), the hub (which is behind it), recovery and clients all come to the same
state. It never decides anything. `apply` and `note` return what became *due* by them: node instances whose join is
settled, to be run (an edge was taken) or skipped (all are dead). The run actor acts on that, everyone else ignores it.

A *region* holds the instances of one body: the root region those outside of loops, one more region for each loop turn
that is under way. An edge never leaves its region, except from a loop node down into its body and back. So a join is
one counter of unresolved edges in its region, and what became due costs O(out-degree) of the node that ended. When a
turn is over its region is collapsed to the turn's value.

Notes that mean something here: `var/<name>` a variable; `loop/<node>/<iteration>` = `{"turn": n, "item"?: …}` the turn
that begins; `breakpoints` the nodes before which the run stops, in the order of the graph. All others are kept for
whoever wrote them.

A journal keeps of each note the newest value only. So who reads a run from a journal folds all events first and the
notes then: a turn of which no note tells begins with the first event in it, and `due` says what is due in the end.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal, NamedTuple
from urllib.parse import quote

import attrs

from protocol.graph import ERROR, OUT, Edge, Node, Workflow
from protocol.messages import (
    Event,
    Iteration,
    Json,
    NodeChanged,
    Progress,
    RunChanged,
    RunEnded,
    RunStarted,
    Snapshot,
    Summary,
)
from protocol.states import ENDED, NODE_ENDED, NodeStatus, RunStatus

__all__ = ["BODY", "BREAKPOINTS", "DONE", "VAR", "Due", "Region", "View", "fires", "instance_key", "port_value"]

BODY: Final = "body"
DONE: Final = "done"
VAR: Final = "var/"
LOOP: Final = "loop/"
BREAKPOINTS: Final = "breakpoints"

_ROOT: Final[Iteration] = ()
_RESTING: Final = frozenset({RunStatus.PAUSING, RunStatus.PAUSED})
_ENDING: Final = frozenset({RunStatus.STOPPING, RunStatus.FAILING}) | ENDED
"""A run that is about to end, or has."""
_NOTHING_DUE: Final[tuple["Due", ...]] = ()


class Due(NamedTuple):
    """A node instance whose join is settled."""

    node_id: str
    region: "Region"
    taken: bool
    """False: every edge into it is dead, it is to be skipped."""


@attrs.define(eq=False)
class Region:
    """The instances of one body: the root, or one turn of a loop."""

    loop: str | None
    """The loop node; None: the root region."""
    iteration: Iteration
    waiting: dict[str, int]
    """Node id → edges into it that are neither taken nor dead; absent once its join is settled."""
    unresolved: int
    """Members that have no end status yet."""
    alive: set[str] = attrs.Factory(set)
    """Members with a taken edge whose join is not settled."""
    nodes: dict[str, NodeChanged] = attrs.Factory(dict)
    """Newest status of each member that has one."""
    item: Json = None
    """What the turn is about: of a forEach its item, else the number of the turn."""
    broken: bool = False
    """A `break` ended this turn: it gives no value."""

    @property
    def turn(self) -> int:
        """The number of the turn, from 0."""
        return self.iteration[-1]


@attrs.define(eq=False)
class _LoopState:
    """A loop node instance that is running."""

    region: Region | None = None
    results: list[Json] = attrs.Factory(list)


class View:
    """The state of one run.

    Args:
        workflow: the graph that the run was started with.
        run_id: the run.
        workflow_id: the client's key of the workflow.
    """

    def __init__(self, workflow: Workflow, *, run_id: str, workflow_id: str) -> None:
        self.workflow = workflow
        self.run_id = run_id
        self.workflow_id = workflow_id
        self.status = RunStatus.PENDING
        self.last_seq = 0
        self.nodes: dict[str, NodeChanged] = {}
        """Node id → its newest status, over all iterations."""
        self.notes: dict[str, Json] = {}
        """All notes but variables, newest value each."""
        self.variables: dict[str, Json] = {}
        self.breakpoints: frozenset[str] = frozenset()
        """Ids of the nodes before which it stops."""
        self.reason: str | None = None
        """Of pausing and paused: why, if nobody asked for it."""
        self.paused_at: str | None = None
        """With a reason: the node before, or behind, which it pauses."""
        self.summary: Summary | None = None
        self.ending: RunEnded | None = None
        self.completed = 0
        self.current_node = ""
        self.started_at: float | None = None
        self._active = 0.0
        self._active_since: float | None = None
        self._weights = _weights(workflow)
        self._loops: dict[tuple[str, Iteration], _LoopState] = {}
        self._regions: dict[tuple[str | None, Iteration], Region] = {}
        self.root_members = [n for n in workflow.nodes if n not in workflow.loops and n not in workflow.unreachable]
        """Nodes outside of loops that can be reached."""
        self.root = self._open(None, _ROOT)

    @property
    def total(self) -> int:
        """How many nodes progress counts."""
        return self.workflow.total_nodes

    @property
    def edges(self) -> dict[str, Literal["taken", "dead"]]:
        """Edge id → what became of it, by the newest status of its source; absent while that is open."""
        states: dict[str, Literal["taken", "dead"]] = {}
        for edge in self.workflow.edges:
            event = self.nodes.get(edge.source)
            if event is None:
                continue
            if edge.source_port == BODY and edge.source in self.workflow.bodies:
                if any(member in self.nodes for member in self.workflow.bodies[edge.source]):
                    states[edge.id] = "taken"
            elif event.status in NODE_ENDED:
                states[edge.id] = "taken" if edge.source_port in event.fired else "dead"
        return states

    def apply(self, event: Event) -> Sequence[Due]:
        """Take the next event of the run; returns what became due by it."""
        self.last_seq = event.seq
        match event:
            case NodeChanged():
                return self._node(event)
            case RunStarted():
                self.status = event.status
                self.started_at = self._active_since = event.at
            case RunChanged():
                self.status = event.status
                why = event if event.status in _RESTING else None
                self.reason, self.paused_at = (why.reason, why.node_id) if why is not None else (None, None)
                if event.status is RunStatus.PAUSED:
                    self._stand(event.at)
                elif self._active_since is None:
                    self._active_since = event.at
            case RunEnded():
                self.status = event.status
                self.reason = self.paused_at = None
                self.ending, self.summary = event, event.summary
                self._stand(event.at)
            case _:
                pass
        return _NOTHING_DUE

    def begin(self) -> Sequence[Due]:
        """What is due at the very beginning: the start nodes."""
        waiting = self.root.waiting
        return [
            Due(node_id, self.root, taken=True)
            for node_id in self.workflow.starts
            if waiting.pop(node_id, None) is not None
        ]

    def note(self, key: str, value: Json) -> Sequence[Due]:
        """Take a note; None deletes it. Returns what became due by it (a turn that begins)."""
        if key.startswith(VAR):
            if value is None:
                self.variables.pop(key[len(VAR) :], None)
            else:
                self.variables[key[len(VAR) :]] = value
            return _NOTHING_DUE
        if value is None:
            self.notes.pop(key, None)
            return _NOTHING_DUE
        self.notes[key] = value
        if key.startswith(LOOP):
            return self._turn(value)
        if key == BREAKPOINTS:
            self.breakpoints = frozenset(value)
        return _NOTHING_DUE

    def active(self, at: float) -> float:
        """Seconds that the run has been active, up to a time: those in `paused` do not count.

        Args:
            at: seconds since the epoch, not before the newest event.
        """
        return self._active + (max(0.0, at - self._active_since) if self._active_since is not None else 0.0)

    def due(self) -> list[Due]:
        """What is due now: instances whose join is settled and that have no end status, in document order.

        Loop nodes are among them; who acts on it looks at `nodes` of the region for what has begun already.
        """
        found: list[Due] = []
        if self.status is RunStatus.PENDING:
            return found
        for region in self._regions.values():
            members: Sequence[str] = self.workflow.bodies[region.loop] if region.loop is not None else self.root_members
            for node_id in members:
                event = region.nodes.get(node_id)
                if event is not None and event.status in NODE_ENDED:
                    continue
                if region.loop is None and node_id in self.workflow.starts:
                    region.waiting.pop(node_id, None)
                if node_id not in region.waiting:
                    found.append(Due(node_id, region, self._reached(node_id, region)))
        return found

    def region(self, node_id: str, iteration: Iteration) -> Region | None:
        """Where an instance lives; None if its turn is over."""
        return self._regions.get((self.workflow.loops.get(node_id), iteration))

    def newest(self, node_id: str, iteration: Iteration) -> NodeChanged | None:
        """The newest status of `node_id` as an instance in `iteration` sees it: in the same turns around."""
        loop = self.workflow.loops.get(node_id)
        for depth in range(len(iteration), -1, -1):
            region = self._regions.get((loop, iteration[:depth]))
            if region is not None:
                return region.nodes.get(node_id)
        return None

    def inputs(self, node_id: str, region: Region) -> dict[str, Json]:
        """Input port → value, of the first taken edge in document order."""
        found: dict[str, Json] = {}
        for edge in self.workflow.incoming.get(node_id, ()):
            if edge.target_port in found:
                continue
            if edge.source == region.loop:
                found[edge.target_port] = region.item
                continue
            event = region.nodes.get(edge.source)
            if event is not None and event.status in NODE_ENDED and edge.source_port in event.fired:
                found[edge.target_port] = port_value(event, edge.source_port)
        return found

    def turn(self, loop: str, iteration: Iteration) -> Region | None:
        """The turn of a loop node instance that is under way."""
        state = self._loops.get((loop, iteration))
        return state.region if state else None

    def results(self, loop: str, iteration: Iteration) -> list[Json]:
        """The values of the turns of a loop node instance, the one under way included if it is over."""
        state = self._loops.get((loop, iteration))
        if state is None:
            return []
        region = state.region
        if region is not None and region.unresolved == 0 and not region.broken:
            return [*state.results, self._turn_value(region)]
        return list(state.results)

    def open_instances(self, region: Region) -> list[tuple[str, Region]]:
        """Members of a region without an end status, those of nested turns before the loop node they belong to."""
        found: list[tuple[str, Region]] = []
        stack: list[tuple[Region, list[str]]] = [(region, self._open_members(region))]
        while stack:
            current, members = stack[-1]
            if not members:
                stack.pop()
                if stack and current.loop is not None:
                    found.append((current.loop, stack[-1][0]))
                continue
            node_id = members.pop(0)
            inner = self.turn(node_id, current.iteration)
            if inner is None:
                found.append((node_id, current))
            else:
                stack.append((inner, self._open_members(inner)))
        return found

    def counts(self) -> dict[NodeStatus, int]:
        """How many reachable nodes have which newest status."""
        tally = dict.fromkeys(NodeStatus, 0)
        for node_id, event in self.nodes.items():
            if node_id not in self.workflow.unreachable:
                tally[event.status] += 1
        return tally

    def outputs(self) -> dict[str, Json]:
        """The results of the successful nodes that nothing follows, by node id; of body nodes none."""
        workflow = self.workflow
        return {
            node_id: event.result
            for node_id, event in self.nodes.items()
            if event.status is NodeStatus.SUCCESS
            and node_id not in workflow.loops
            and all(edge.source_port in {ERROR, BODY} for edge in workflow.outgoing.get(node_id, ()))
        }

    def in_order(self, node_ids: Collection[str]) -> tuple[str, ...]:
        """Those of these ids that nodes have, each once, in the order of the graph."""
        wanted = frozenset(node_ids)
        return tuple(filter(wanted.__contains__, self.workflow.nodes)) if wanted else ()

    def snapshot(self) -> Snapshot:
        """The state as a message; copies, so it does not change afterwards."""
        return Snapshot(
            workflow_id=self.workflow_id,
            run_id=self.run_id,
            status=self.status,
            nodes=dict(self.nodes),
            edges=self.edges,
            variables=dict(self.variables),
            last_seq=self.last_seq,
            breakpoints=tuple(self.notes.get(BREAKPOINTS, ())),
            reason=self.reason,
            node_id=self.paused_at,
            summary=self.summary,
        )

    def progress(self, *, at: float, n: int) -> Progress:
        """How far the run is.

        Args:
            at: the time of the message, and up to which the run has been active, seconds since the epoch.
            n: counts the progress messages of the run.
        """
        total, completed = self.total, self.completed
        remaining = None
        if completed and self.status not in _ENDING:
            remaining = self.active(at) / completed * (total - completed)
        return Progress(
            run_id=self.run_id,
            workflow_id=self.workflow_id,
            at=at,
            n=n,
            total_nodes=total,
            completed_nodes=completed,
            current_node=self.current_node,
            progress=100.0 if completed >= total else round(100.0 * completed / total, 2),
            estimated_time_remaining=remaining,
        )

    def _node(self, event: NodeChanged) -> Sequence[Due]:
        node_id, status = event.node_id, event.status
        self.nodes[node_id] = event
        loop = self.workflow.loops.get(node_id)
        region = self.root if loop is None else self._turn_of(loop, event.iteration)
        if region is None or node_id in self.workflow.unreachable:
            return _NOTHING_DUE
        before = region.nodes.get(node_id)
        if status not in NODE_ENDED:
            region.nodes[node_id] = event
            if status is NodeStatus.RUNNING:
                region.waiting.pop(node_id, None)
                self.current_node = node_id
                # It may have been pending before. The next attempt of a loop begins from its first turn.
                if node_id in self.workflow.bodies and (
                    (node_id, event.iteration) not in self._loops or before is None or before.attempt < event.attempt
                ):
                    self._close_loop(node_id, event.iteration)
                    self._loops[node_id, event.iteration] = _LoopState()
            return _NOTHING_DUE
        if before is None or before.status not in NODE_ENDED:
            region.unresolved -= 1
            if loop is None and (status is not NodeStatus.ERROR or self._handled(event)):
                self.completed += self._weights.get(node_id, 1)
        region.nodes[node_id] = event
        region.waiting.pop(node_id, None)
        if node_id in self.workflow.bodies:
            self._close_loop(node_id, event.iteration)
        elif self.workflow.nodes[node_id].kind == "break" and status is NodeStatus.SUCCESS:
            region.broken = True
        return self._resolve(event, region)

    def _turn_of(self, loop: str, iteration: Iteration) -> Region | None:
        """The region of a body instance; None: its turn is over, or there was none."""
        region = self._regions.get((loop, iteration))
        state = self._loops.get((loop, iteration[:-1]))
        if region is not None or state is None or not iteration:
            return region
        if state.region is None or state.region.turn < iteration[-1]:
            self._begin_turn(loop, iteration[:-1], iteration[-1])
        return self._regions.get((loop, iteration))

    def _reached(self, node_id: str, region: Region) -> bool:
        """Whether an edge into an instance was taken."""
        if region.loop is None and node_id in self.workflow.starts:
            return True
        for edge in self.workflow.incoming.get(node_id, ()):
            if edge.source == region.loop:
                return True
            event = region.nodes.get(edge.source)
            if event is not None and event.status in NODE_ENDED and edge.source_port in event.fired:
                return True
        return False

    def _handled(self, event: NodeChanged) -> bool:
        return bool(event.fired) or self.workflow.nodes[event.node_id].settings.on_error == "continue"

    def _resolve(self, event: NodeChanged, region: Region) -> Sequence[Due]:
        """Each edge that leaves an ended node is now taken or dead."""
        waiting, due, fired = region.waiting, [], event.fired
        nodes = self.workflow.nodes
        body = event.node_id in self.workflow.bodies
        for edge in self.workflow.outgoing.get(event.node_id, ()):
            target = edge.target
            left = waiting.get(target)
            if left is None or edge.back or (body and edge.source_port == BODY):
                continue
            waiting[target] = left = left - 1
            if edge.source_port in fired:
                if left == 0 or nodes[target].settings.join == "any":
                    del waiting[target]
                    due.append(Due(target, region, taken=True))
                else:
                    region.alive.add(target)
            elif left == 0:
                del waiting[target]
                due.append(Due(target, region, target in region.alive))
        return due

    def _open(self, loop: str | None, iteration: Iteration) -> Region:
        workflow = self.workflow
        members: Sequence[str] = self.root_members if loop is None else workflow.bodies[loop]
        waiting = {node_id: len(workflow.incoming.get(node_id, ())) for node_id in members}
        region = Region(loop, iteration, waiting, len(members))
        self._regions[loop, iteration] = region
        return region

    def _turn(self, value: Mapping[str, Json]) -> Sequence[Due]:
        """A turn begins."""
        loop, iteration, turn = value["node"], tuple(value["iteration"]), value["turn"]
        state = self._loops.get((loop, iteration))
        if state is None:
            return _NOTHING_DUE
        # It began with an event of it already, if that was folded before the note; or is over, if the note is old.
        due = () if state.region and state.region.turn >= turn else self._begin_turn(loop, iteration, turn)
        region = self._regions.get((loop, (*iteration, turn)))
        if region is not None:
            region.item = value.get("item", turn)
        return due

    def _begin_turn(self, loop: str, iteration: Iteration, turn: int) -> Sequence[Due]:
        """Open the region of a turn: the one before it is collapsed to its value."""
        state = self._loops[loop, iteration]
        if state.region is not None:
            state.results = self.results(loop, iteration)
            self._drop(state.region)
        state.region = region = self._open(loop, (*iteration, turn))
        region.item = turn
        due = []
        for edge in self.workflow.outgoing.get(loop, ()):
            left = region.waiting.get(edge.target)
            if edge.source_port != BODY or left is None:
                continue
            if left == 1 or self.workflow.nodes[edge.target].settings.join == "any":
                del region.waiting[edge.target]
                due.append(Due(edge.target, region, taken=True))
            else:
                region.waiting[edge.target] = left - 1
                region.alive.add(edge.target)
        return due

    def _turn_value(self, region: Region) -> Json:
        """The value on the first taken back edge in document order, else the results of the leaves."""
        leaves: dict[str, Json] = {}
        back: Edge | None = None
        for node_id in self.workflow.bodies[region.loop or ""]:
            event = region.nodes.get(node_id)
            if event is None or event.status not in NODE_ENDED:
                continue
            edges = self.workflow.outgoing.get(node_id, ())
            for edge in edges:
                if edge.back and edge.source_port in event.fired and (back is None or edge.index < back.index):
                    back = edge
            if event.status is NodeStatus.SUCCESS and not edges:
                leaves[node_id] = event.result
        if back is not None:
            return port_value(region.nodes[back.source], back.source_port)
        return leaves

    def _close_loop(self, loop: str, iteration: Iteration) -> None:
        state = self._loops.pop((loop, iteration), None)
        if state is not None and state.region is not None:
            self._drop(state.region)
        self.notes.pop(LOOP + instance_key(loop, iteration), None)

    def _drop(self, region: Region) -> None:
        self._regions.pop((region.loop, region.iteration), None)

    def _open_members(self, region: Region) -> list[str]:
        members = self.workflow.bodies[region.loop] if region.loop is not None else self.workflow.nodes
        return [
            node_id
            for node_id in members
            if self.workflow.loops.get(node_id) == region.loop
            and node_id not in self.workflow.unreachable
            and ((event := region.nodes.get(node_id)) is None or event.status not in NODE_ENDED)
        ]

    def _stand(self, at: float) -> None:
        if self._active_since is not None:
            self._active += max(0.0, at - self._active_since)
            self._active_since = None


def port_value(event: NodeChanged, port: str) -> Json:
    """What an ended node passes on through a port that it fired."""
    if event.values is not None and port in event.values:
        return event.values[port]
    if event.status is NodeStatus.ERROR and event.values is None:
        return {"message": event.error, "type": event.code, "attempts": event.attempt}
    if isinstance(event.result, Mapping) and port in event.result:
        return event.result[port]
    return event.result


def instance_key(node_id: str, iteration: Iteration) -> str:
    """The name of a node instance in notes and idempotency keys: the node id, and the turns if it is in a loop.

    Two instances never have the same: slashes in a node id are escaped as in an URL.
    """
    if "/" in node_id or "%" in node_id:
        node_id = quote(node_id, safe="")
    return f"{node_id}/{'.'.join(map(str, iteration))}" if iteration else node_id


def fires(workflow: Workflow, node: Node) -> tuple[str, ...]:
    """The ports that a node without control ports fires: those that its edges name, `out` if there are none."""
    named = dict.fromkeys([edge.source_port for edge in workflow.outgoing.get(node.id, ())])
    named.pop(ERROR, None)
    return tuple(named) or (OUT,)


def _weights(workflow: Workflow) -> dict[str, int]:
    """Loop node id at the top → nodes that are complete when it is: itself and everything in its body."""
    weights: dict[str, int] = {}
    for node_id in workflow.loops:
        top = node_id
        while (outer := workflow.loops.get(top)) is not None:
            top = outer
        weights[top] = weights.get(top, 1) + 1
    return weights
