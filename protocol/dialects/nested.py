"""The spelling with an envelope and a payload, which the snake and the camel dialect share.

They differ by their keys and units alone, so both are made here, from the same rows.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import attrs

from protocol.dialects.shapes import ByField, CommandShape, Extra, Shape, Spelling
from protocol.dialects.units import Unit, words
from protocol.dialects.values import GRAPH
from protocol.errors import BadField
from protocol.graph import Problem
from protocol.messages import (
    Control,
    ControlReply,
    ErrorReply,
    GetSnapshot,
    GetStatus,
    Heartbeat,
    HeartbeatReply,
    Hello,
    InputReply,
    Json,
    ListRuns,
    Logged,
    NodeChanged,
    NodeInput,
    NodeProgress,
    Progress,
    RunChanged,
    RunEnded,
    RunList,
    RunStarted,
    Snapshot,
    StartRefused,
    StartRun,
    Subscribe,
    Subscribed,
    SystemStatus,
    Unsubscribe,
    Unsubscribed,
    Validate,
    Validated,
)
from protocol.states import NodeStatus, RunStatus

__all__ = ["nested"]

_CONTROLS: Final = {action: f"workflow.{action}" for action in ("pause", "resume", "stop", "breakpoints")}

_CHANGES: Final = {
    RunStatus.PAUSING: "workflow.pause",
    RunStatus.PAUSED: "workflow.pause",
    RunStatus.RUNNING: "workflow.resume",
    RunStatus.STOPPING: "workflow.stop",
    RunStatus.FAILING: "workflow.stop",
}

_ENDINGS: Final = {
    RunStatus.COMPLETED: "execution.complete",
    RunStatus.STOPPED: "execution.complete",
    RunStatus.FAILED: "execution.error",
}

_SHAPES: Final = (
    Shape(cls=Hello, type="connection_established"),
    Shape(cls=RunStarted, type="workflow.start"),
    Shape(cls=NodeChanged, type=ByField(field="status", types={status: f"node.{status}" for status in NodeStatus})),
    Shape(
        cls=NodeProgress,
        type="node.running",
        extras={
            "status": Extra(spell=lambda _: "running", type=Literal["running"]),
            "result": Extra(spell=lambda _: None, type=None),
            "fired": Extra(spell=lambda _: (), type=tuple[str, ...]),
        },
    ),
    Shape(cls=Progress, type="execution.progress"),
    Shape(cls=Logged, type="execution.log"),
    Shape(cls=RunChanged, type=ByField(field="status", types=_CHANGES)),
    Shape(cls=RunEnded, type=ByField(field="status", types=_ENDINGS)),
    # Who starts what runs already is told in the log, and goes on hearing the run: no client takes that for its end.
    Shape(
        cls=StartRefused,
        type="execution.log",
        fits=lambda refused: refused.run_id is not None,
        rename={"error": "message"},
        omit=frozenset({"problems"}),
        extras={"level": Extra(spell=lambda _: "warn", type=Literal["warn"])},
    ),
    Shape(
        cls=StartRefused,
        type="execution.error",
        omit=frozenset({"problems", "run_id"}),
        extras={
            "errors": Extra(spell=lambda refused: _of(refused, "error"), type=tuple[Problem, ...]),
            "warnings": Extra(spell=lambda refused: _of(refused, "warning"), type=tuple[Problem, ...]),
        },
        restore=lambda keys: {"problems": [*keys.get("errors", ()), *keys.get("warnings", ())]},
    ),
    Shape(
        cls=ControlReply,
        type=ByField(field="action", types=_CONTROLS),
        omit=frozenset({"action"}),
        restore=lambda keys: {"action": keys["type"].removeprefix("workflow.")},
    ),
    Shape(cls=InputReply, type="node.input"),
    Shape(cls=Subscribed, type="workflow.subscribe", optional=frozenset({"subscriptions"})),
    Shape(cls=Unsubscribed, type="workflow.unsubscribe", optional=frozenset({"subscriptions"})),
    Shape(cls=RunList, type="workflow.list"),
    Shape(cls=Snapshot, type="workflow.snapshot"),
    Shape(cls=Validated, type="workflow.validate"),
    Shape(cls=HeartbeatReply, type="heartbeat"),
    Shape(cls=SystemStatus, type="system.status"),
    Shape(cls=ErrorReply, type="error", omit=frozenset({"answers", "action"})),
)

_COMMANDS: Final = (
    CommandShape(cls=StartRun, type="workflow.start"),
    *(CommandShape(cls=Control, type=type_, says={"action": action}) for action, type_ in _CONTROLS.items()),
    CommandShape(cls=Subscribe, type="workflow.subscribe"),
    CommandShape(cls=Unsubscribe, type="workflow.unsubscribe"),
    CommandShape(cls=NodeInput, type="node.input"),
    CommandShape(cls=ListRuns, type="workflow.list"),
    CommandShape(cls=GetSnapshot, type="workflow.snapshot"),
    CommandShape(cls=Validate, type="workflow.validate"),
    CommandShape(cls=Heartbeat, type="heartbeat"),
    CommandShape(cls=GetStatus, type="system.status"),
)


@attrs.frozen(kw_only=True)
class _Nested:
    """`{id, type, timestamp, workflow_id, payload}`; events also `run_id` and `seq`."""

    workflow_id: str
    """This spelling's key of the workflow id."""
    other_workflow_id: str
    """The sister's; it is understood as well."""
    run_id: str

    def wrap(  # noqa: PLR0917  # the hot path: by place
        self,
        fields: dict[str, Json],
        type: str,
        id: str,
        timestamp: Json,
        workflow_id: str,
        run_id: str | None,
        seq: int | None,
        conflated: int,
        /,
    ) -> dict[str, Json]:
        message: dict[str, Json] = {"id": id, "type": type, "timestamp": timestamp, self.workflow_id: workflow_id}
        if run_id is not None:
            message[self.run_id] = run_id
        if seq is not None:
            message["seq"] = seq
        if conflated:
            message["conflated"] = conflated
        message["payload"] = fields
        return message

    def unwrap(self, message: Mapping[str, Json]) -> dict[str, Json]:
        payload = message.get("payload")
        if payload is None:
            payload = {}
        elif not isinstance(payload, dict):
            raise BadField([("payload", "must be an object")])
        keys = {key: value for key, value in payload.items() if value is not None}
        for key in ("id", "type", "timestamp", self.other_workflow_id, self.workflow_id, self.run_id, "seq"):
            if (value := message.get(key)) is not None:
                keys[self.workflow_id if key == self.other_workflow_id else key] = value
        return keys

    def open(self, fields: dict[str, Json]) -> dict[str, Json]:
        return {**fields, "graph": {key: fields[key] for key in GRAPH if key in fields}}

    def path(self, key: str, *, graph: bool) -> str:
        if key == "graph" and graph:
            return "payload"
        return key if key in {"id", "timestamp", "seq", self.workflow_id} else f"payload.{key}"

    def seal(
        self, fields: dict[str, Json], *, type: str, id: str, timestamp: Json, workflow_id: str
    ) -> dict[str, Json]:
        payload = {**fields.pop("graph", {}), **fields}
        return {"id": id, "type": type, "timestamp": timestamp, self.workflow_id: workflow_id, "payload": payload}


def nested(
    name: str,
    *,
    key: Callable[[str], str],
    result: str,
    time: Unit,
    duration: Unit,
) -> Spelling:
    """A spelling with an envelope and a payload.

    Args:
        name: of the dialect.
        key: canonical field → key.
        result: the key of a node's result.
        time: how a time is written.
        duration: how a duration is written.
    """
    other = "workflowId" if key("workflow_id") == "workflow_id" else "workflow_id"
    return Spelling(
        name=name,
        key=key,
        rename={NodeChanged: {"result": result}, NodeProgress: {"result": result}},
        time=time,
        duration=duration,
        statuses=words({status: str(status) for status in NodeStatus}),
        envelope=_Nested(workflow_id=key("workflow_id"), other_workflow_id=other, run_id=key("run_id")),
        shapes=_SHAPES,
        commands=_COMMANDS,
        matches_types=True,
    )


def _of(refused: StartRefused, severity: str) -> tuple[Problem, ...]:
    return tuple(problem for problem in refused.problems if problem.severity == severity)
