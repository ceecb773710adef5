"""HTTP calls about the nodes of one run: what went in and came out, how long it took, the files it left.

Theory of operation: everything is folded from the journal when it is asked, page by page, so that it is the same for a
run that runs and one that ended long ago; nothing is kept between two calls.
"""

import mimetypes
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import attrs
import trio

from actors.call import MAX_PAGE, Call, bad_field
from actors.errors import NodeError, UnknownRun
from actors.http import HttpError, Response
from protocol.dialects.text import dumps
from protocol.graph import Workflow
from protocol.messages import Iteration, Json, NodeChanged
from protocol.states import NODE_ENDED, NodeStatus
from protocol.view import port_value

__all__ = ["artifact", "artifacts", "executions", "node", "profile", "result"]

MAX_EXECUTIONS: Final = 10_000
"""Of one node in one answer: the turns that a loop has at most, unless it is told otherwise."""

PAGE_EXECUTIONS: Final = 100
"""When no limit was said."""

SHOWN: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "text/plain", "application/json"})
"""What a browser may show on our origin; anything else (a page, a drawing with scripts) it saves."""


@attrs.define
class _Instance:
    """One execution of a node: its place in the loops around it, and what became of it."""

    newest: NodeChanged
    queued_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    attempts: int = 0

    def see(self, event: NodeChanged) -> None:
        self.newest = event
        if event.status is NodeStatus.PENDING:
            self.queued_at = event.at
        elif event.status is NodeStatus.RUNNING:
            self.started_at = self.started_at if self.started_at is not None else event.at
            self.attempts = max(self.attempts, event.attempt)
        elif event.status in NODE_ENDED:
            self.ended_at = event.at
            if self.started_at is not None:
                self.attempts = max(self.attempts, event.attempt)


_History = dict[tuple[str, Iteration], _Instance]


async def node(call: Call) -> Response:
    """A node's config, inputs, result, error, attempts and times; of its newest execution, or of `?iteration=`."""
    run_id, node_id = call.params["run_id"], call.params["node_id"]
    workflow_id, workflow = await call.runtime.plan(run_id)
    found = workflow.nodes.get(node_id)
    if found is None:
        raise _unknown_node(call)
    wanted = {node_id, *(edge.source for edge in workflow.incoming.get(node_id, ()))}
    history = await _history(call, wanted)
    instance = _pick(call, history, node_id)
    body: dict[str, Json] = {
        "run_id": run_id,
        "workflow_id": workflow_id,
        "node_id": node_id,
        "kind": found.kind,
        "label": found.label,
        "config": found.config,
        "status": "pending",
        "executions": sum(name == node_id for name, _ in history),
    }
    if instance is not None:
        newest = instance.newest
        body |= {
            "status": newest.status,
            "iteration": list(newest.iteration),
            "inputs": _inputs(workflow, node_id, newest.iteration, history),
            "result": newest.result,
            "fired": list(newest.fired),
            "message": newest.message,
            "error": newest.error,
            "code": newest.code,
            "reason": newest.reason,
            "attempts": instance.attempts,
            "started_at": instance.started_at,
            "ended_at": instance.ended_at,
            "duration": newest.duration,
        }
    return Response(body=dumps(body), content_type="application/json")


async def result(call: Call) -> Response:
    """A node's result, whole; of its newest execution, or of `?iteration=0,2`."""
    history = await _history(call, {call.params["node_id"]})
    instance = _pick(call, history, call.params["node_id"])
    if instance is None or instance.newest.status not in NODE_ENDED:
        raise HttpError(404, "no_result", f"node {call.params['node_id']!r} has no result (yet)")
    return Response(body=dumps(instance.newest.result), content_type="application/json")


async def executions(call: Call) -> Response:
    """The executions of a node, newest first: one, or one for each turn of the loops around it. `total`: how many."""
    run_id, node_id = call.params["run_id"], call.params["node_id"]
    _, workflow = await call.runtime.plan(run_id)
    if node_id not in workflow.nodes:
        raise _unknown_node(call)
    limit = max(1, call.number("limit", PAGE_EXECUTIONS, most=MAX_EXECUTIONS))
    history = await _history(call, {node_id})
    newest = sorted(history.values(), key=lambda instance: instance.newest.seq, reverse=True)
    rows = [
        {
            "iteration": list(instance.newest.iteration),
            "status": instance.newest.status,
            "attempts": instance.attempts,
            "started_at": instance.started_at,
            "ended_at": instance.ended_at,
            "duration": instance.newest.duration,
            "error": instance.newest.error,
            "reason": instance.newest.reason,
        }
        for instance in newest[:limit]
    ]
    return Response(body=dumps({"executions": rows, "total": len(newest)}), content_type="application/json")


async def profile(call: Call) -> Response:
    """Seconds per node, over all its executions: queued before it began, at work, and waiting after the work."""
    nodes: dict[str, dict[str, float]] = {}
    for (node_id, _), instance in (await _history(call, None)).items():
        row = nodes.setdefault(node_id, {"executions": 0, "attempts": 0, "queued": 0.0, "ran": 0.0, "waited": 0.0})
        if instance.started_at is None:
            continue
        row["executions"] += 1
        row["attempts"] += instance.attempts
        if instance.queued_at is not None and instance.queued_at < instance.started_at:
            row["queued"] += instance.started_at - instance.queued_at
        if instance.ended_at is not None:
            took = instance.ended_at - instance.started_at
            ran = min(took, instance.newest.duration if instance.newest.duration is not None else took)
            row["ran"] += ran
            row["waited"] += took - ran
    return Response(body=dumps({"run_id": call.params["run_id"], "nodes": nodes}), content_type="application/json")


async def artifacts(call: Call) -> Response:
    """The files that the run left so far, by name."""
    run_id = call.params["run_id"]
    if await call.runtime.look_up("", run_id) is None:
        raise UnknownRun(f"run {run_id!r} is not known here")
    left = call.runtime.artifacts
    rows = [
        {
            "name": file.name,
            "url": left.of(run_id).url(file.name),
            "size": file.size,
            "content_type": _content_type(file.name),
            "at": file.at,
        }
        for file in await left.listed(run_id)
    ]
    return Response(body=dumps({"artifacts": rows}), content_type="application/json")


async def artifact(call: Call) -> Response:
    """A file that the run left."""
    run_id, name = call.params["run_id"], call.params["name"]
    await trio.lowlevel.checkpoint()
    try:
        path = call.runtime.artifacts.find(run_id, name)
    except (NodeError, FileNotFoundError) as error:
        raise HttpError(404, "not_found", str(error)) from error
    content_type = _content_type(name)
    how = "inline" if content_type in SHOWN else "attachment"
    headers = {
        # RFC 6266: the name in the one spelling in which nothing can be smuggled.
        "Content-Disposition": f"{how}; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(body=trio.Path(path), content_type=content_type, headers=headers)


def _content_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


async def _history(call: Call, wanted: set[str] | None) -> _History:
    """Every execution of some nodes, or of all."""
    history: _History = {}
    after = 0
    while True:
        page = await call.runtime.journal.load(call.params["run_id"], after, MAX_PAGE)
        if not page.events:
            return history
        after = page.events[-1].seq
        for event in page.events:
            if isinstance(event, NodeChanged) and (wanted is None or event.node_id in wanted):
                key = (event.node_id, event.iteration)
                history.setdefault(key, _Instance(event)).see(event)


def _pick(call: Call, history: _History, node_id: str) -> _Instance | None:
    said = call.request.query.get("iteration")
    if said is None:
        mine = [instance for (name, _), instance in history.items() if name == node_id]
        return max(mine, key=lambda instance: instance.newest.seq, default=None)
    try:
        iteration = tuple(int(turn) for turn in said.split(",") if turn)
    except ValueError:
        bad_field("iteration", "must be turns from 0, outermost first, as in 0,2")
    instance = history.get((node_id, iteration))
    if instance is None:
        raise _unknown_node(call)
    return instance


def _inputs(workflow: Workflow, node_id: str, iteration: Iteration, history: _History) -> Mapping[str, Json]:
    """Input port → value: of several edges into one port the first that was taken."""
    inputs: dict[str, Json] = {}
    for edge in workflow.incoming.get(node_id, ()):
        # What a loop node hands into its body belongs to the turns around the loop.
        for place in (iteration, iteration[:-1]):
            source = history.get((edge.source, place))
            if source is not None and edge.source_port in source.newest.fired:
                inputs.setdefault(edge.target_port, port_value(source.newest, edge.source_port))
                break
    return inputs


def _unknown_node(call: Call) -> HttpError:
    return HttpError(404, "unknown_node", f"run {call.params['run_id']!r} has no node {call.params['node_id']!r} there")
