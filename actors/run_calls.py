"""HTTP calls about runs: start, list, look, steer. The same as the commands, bodies in snake spelling."""

from functools import partial
from typing import Final

import trio

from actors.call import MAX_PAGE, SNAKE, Call, bad_field, payload
from actors.errors import RunActive, UnknownRun
from actors.http import HttpError, Response
from actors.requests import owned
from actors.spec import Spec
from protocol.dialects.text import dumps
from protocol.draft import drawn_edges
from protocol.messages import Control, ControlReply, Event, Reply, RunList, StartRun
from protocol.requests import run_id_of
from protocol.states import RunStatus

__all__ = ["control", "events", "graph", "runs", "snapshot", "start"]

NO_SESSION: Final = ""
"""Request ids of HTTP are of no session: the same id is the same start, whoever posts it."""

PAGE_ROWS: Final = 50
"""Of a list, when no limit was said."""


async def start(call: Call) -> Response:
    """Start a run; 201 with its first event, once that is durable."""
    body = call.json()
    command = SNAKE.parse({"type": "workflow.start", "workflow_id": body.get("workflow_id"), "payload": body})
    assert isinstance(command, StartRun)  # noqa: S101  that is what this type is
    run_id = run_id_of(NO_SESSION, command.request_id) if command.request_id is not None else None
    needs_start = "connections" not in command.graph
    if await _is_there(call, command, run_id):
        return await _started(call, str(run_id), status=200)
    call.runtime.admit(command.workflow_id)
    found = await call.runtime.validate(command.graph, config=command.config, needs_start=needs_start)
    # Meanwhile it may have come once more, begun and ended; from here to the submit nothing is awaited.
    if await _is_there(call, command, run_id):
        return await _started(call, str(run_id), status=200)
    try:
        run = await call.runtime.start(
            command.graph,
            workflow_id=command.workflow_id,
            config=command.config,
            run_id=run_id,
            needs_start=needs_start,
            found=found,
        )
    except RunActive as active:
        if run_id is None or active.run_id != run_id:
            raise
        # The same request came twice at the same time.
        return await _started(call, run_id, status=200)
    return await _started(call, run.id, status=201)


async def _is_there(call: Call, command: StartRun, run_id: str | None) -> bool:
    """Whether the request was made before."""
    if run_id is None:
        return False  # noqa: ASYNC910  who names no request is not looked for
    return await call.runtime.look_up(command.workflow_id, run_id) is not None


async def _started(call: Call, run_id: str, *, status: int) -> Response:
    page = await call.runtime.journal.load(run_id, 0, 1)
    body = {"run_id": run_id, **(payload(page.events[0]) if page.events else {})}
    headers = {"Location": f"/api/runs/{run_id}"}
    return Response(status=status, body=dumps(body), content_type="application/json", headers=headers)


async def runs(call: Call) -> Response:
    """Runs, newest first."""
    query = call.request.query
    status = query.get("status") or None
    if status is not None and status not in set(RunStatus):
        bad_field("status", f"must be one of {', '.join(RunStatus)}")
    page = await call.runtime.list_runs(
        status=status,
        workflow_id=query.get("workflow_id") or None,
        limit=call.number("limit", PAGE_ROWS, most=MAX_PAGE),
        cursor=query.get("cursor") or None,
    )
    listed = payload(RunList(runs=tuple(page.runs), next_cursor=page.next_cursor))
    body = {"runs": listed["runs"], "next_cursor": page.next_cursor}
    return Response(body=dumps(body), content_type="application/json")


async def snapshot(call: Call) -> Response:
    """The state of a run."""
    found = await call.runtime.snapshot(call.params["run_id"])
    return Response(body=dumps(payload(found)), content_type="application/json")


async def graph(call: Call) -> Response:
    """What a run was started with, from the journal: to draw it, or to start it again.

    Nodes and config are as its starter sent them. `connections` are given as `edges`, each with the id under which the
    run speaks of it. `needs_start: false`: it may have no start node; sent as `connections` it starts again.
    """
    run_id = call.params["run_id"]
    workflow_id, workflow = await call.runtime.plan(run_id)
    spec = Spec.unpack(await call.runtime.journal.spec(run_id))
    body = {
        "run_id": run_id,
        "workflow_id": workflow_id,
        "nodes": spec.graph.get("nodes") or [],
        "edges": drawn_edges(spec.graph, {edge.index: edge.id for edge in workflow.edges}),
        "config": spec.config,
        "needs_start": spec.needs_start,
    }
    return Response(body=dumps(body), content_type="application/json")


async def events(call: Call) -> Response:
    """A run's events after a seq, as they are on the wire; `reset`: nobody was ever told of that seq, start over."""
    after = call.number("after", 0)
    page = await call.runtime.journal.load(
        call.params["run_id"], after, max(1, call.number("limit", MAX_PAGE, most=MAX_PAGE))
    )
    body = b'{"events":[%b],"last_seq":%d,"closed":%b,"reset":%b}' % (
        b",".join(map(_encode, page.events)),
        page.last_seq,
        dumps(page.closed),
        dumps(after > page.last_seq),
    )
    return Response(body=body, content_type="application/json")


def _encode(event: Event) -> bytes:
    return SNAKE.encode(event)


async def control(call: Call) -> Response:
    """Pause, resume, stop, set breakpoints; the reply says what was found and what comes, the events when it is so."""
    action = call.params["action"]
    run_id = call.params["run_id"]
    command = SNAKE.parse({"type": f"workflow.{action}", "payload": {**call.json(), "run_id": run_id}})
    assert isinstance(command, Control)  # noqa: S101  that is what this type is
    answered = trio.Event()
    replies: list[Reply] = []

    def answer(reply: Reply) -> None:
        replies.append(reply)
        answered.set()

    if await call.runtime.look_up("", run_id) is None:
        raise UnknownRun(f"run {run_id!r} is not known here")
    control = partial(call.runtime.control, owned(command, NO_SESSION))
    call.commands.once(command, control, session_id=NO_SESSION, reply=answer)
    await answered.wait()
    reply = replies[0]
    if not isinstance(reply, ControlReply):
        raise HttpError(409, "request_id_used", "this request id was used for another command")
    if reply.code == "busy":
        raise HttpError(503, "busy", reply.error or "busy", headers={"Retry-After": "1"})
    body = payload(reply)
    if not reply.ok:
        body["error"] = {"code": body.pop("code", "refused"), "message": body.get("error", "refused")}
    return Response(status=200 if reply.ok else 409, body=dumps(body), content_type="application/json")
