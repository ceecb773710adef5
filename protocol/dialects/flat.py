"""The flat dialect: everything at the top level of a message, snake_case keys, ISO 8601 times.

Theory of operation: this origin has words of its own for most messages, and some of them say less than the canonical
ones: a node's result is always an object (`outputs`), and a bad start or control is answered in that command's own
form. What is read back from those is the plainer class; spelled again, it is the same message.
"""

from collections.abc import Mapping
from typing import Final, Literal

from protocol.dialects.shapes import CommandShape, Extra, Shape, Spelling
from protocol.dialects.tables import TableDialect
from protocol.dialects.units import ISO, SECONDS, words
from protocol.dialects.values import GRAPH
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

__all__ = ["FLAT"]


def _outputs(node: NodeChanged) -> Mapping[str, Json]:
    """A node's result as an object: itself if it is one, else the value of each port that fired."""
    if isinstance(node.result, Mapping):
        return node.result
    if node.result is None:
        return {}
    values = node.values or {}
    return {port: values.get(port, node.result) for port in node.fired or ("out",)}


_ACTIONS: Final = frozenset({"pause", "resume", "stop", "breakpoints"})

_SHAPES: Final = (
    Shape(cls=Hello, type="connection_established"),
    Shape(cls=RunStarted, type="workflow_execution_started"),
    Shape(
        cls=NodeChanged,
        type="node_status_update",
        omit=frozenset({"result"}),
        extras={"outputs": Extra(spell=_outputs, type=Mapping[str, Json])},
        restore=lambda keys: {"result": keys.get("outputs")},
    ),
    Shape(
        cls=NodeProgress,
        type="node_status_update",
        extras={
            "status": Extra(spell=lambda _: "running", type=Literal["running"]),
            "outputs": Extra(spell=lambda _: {}, type=Mapping[str, Json]),
        },
    ),
    Shape(cls=Progress, type="execution_progress"),
    Shape(cls=Logged, type="execution_log"),
    Shape(cls=RunChanged, type="workflow_status"),
    Shape(cls=RunEnded, type="workflow_failed", fits=lambda ended: ended.status is RunStatus.FAILED),
    Shape(
        cls=RunEnded,
        type="workflow_completed",
        omit=frozenset({"results"}),
        extras={"results": Extra(spell=lambda ended: ended.results or {}, type=Mapping[str, Json])},
        restore=lambda keys: {"results": keys.get("results") if keys.get("status") == "completed" else None},
    ),
    # The three forms of an error come before what shares their types, because only they are told apart by a key.
    Shape(
        cls=ErrorReply,
        type="workflow_execution_error",
        fits=lambda reply: reply.answers == "start",
        rename={"message": "error"},
        omit=frozenset({"answers", "action"}),
        reads=lambda keys: "path" in keys,
        restore=lambda _: {"answers": "start"},
    ),
    Shape(
        cls=ErrorReply,
        type="workflow_control_response",
        fits=lambda reply: reply.answers == "control",
        rename={"message": "error"},
        omit=frozenset({"answers"}),
        extras={"status": Extra(spell=lambda _: "rejected", type=Literal["rejected"])},
        reads=lambda keys: "path" in keys or keys.get("action") not in _ACTIONS,
        restore=lambda _: {"answers": "control"},
    ),
    Shape(cls=ErrorReply, type="error", omit=frozenset({"answers", "action"})),
    Shape(
        cls=StartRefused,
        type="workflow_validation_error",
        fits=lambda refused: bool(refused.problems),
        extras={
            "errors": Extra(
                spell=lambda refused: [
                    f"{problem.path}: {problem.message}" for problem in refused.problems if problem.severity == "error"
                ],
                type=tuple[str, ...],
            )
        },
    ),
    Shape(cls=StartRefused, type="workflow_execution_error", omit=frozenset({"problems"})),
    Shape(
        cls=ControlReply,
        type="workflow_control_response",
        rename={"ok": "status", "status": "run_status"},
        units={"ok": words({True: "acknowledged", False: "rejected"})},
    ),
    Shape(cls=InputReply, type="node_input_response"),
    Shape(cls=Subscribed, type="subscription_confirmed"),
    Shape(cls=Unsubscribed, type="subscription_updated"),
    Shape(cls=RunList, type="workflow_list"),
    Shape(cls=Snapshot, type="workflow_snapshot"),
    Shape(cls=Validated, type="workflow_validation"),
    Shape(cls=HeartbeatReply, type="heartbeat"),
    Shape(cls=SystemStatus, type="system_status"),
)

_COMMANDS: Final = (
    CommandShape(cls=StartRun, type="execute_workflow"),
    CommandShape(cls=Control, type="control_workflow"),
    CommandShape(cls=Subscribe, type="subscribe", rename={"types": "event_types"}),
    CommandShape(cls=Unsubscribe, type="unsubscribe", rename={"types": "event_types"}),
    CommandShape(cls=NodeInput, type="node_input"),
    CommandShape(cls=ListRuns, type="list_workflows"),
    CommandShape(cls=GetSnapshot, type="get_workflow"),
    CommandShape(cls=Validate, type="validate_workflow"),
    CommandShape(cls=Heartbeat, type="heartbeat_response"),
    CommandShape(cls=GetStatus, type="system_status"),
)


class _Flat:
    """`{type, id, timestamp, workflow_id, …}`; events also `run_id` and `seq`. A command's graph is in `workflow`."""

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
        message: dict[str, Json] = {"type": type, "id": id, "timestamp": timestamp, "workflow_id": workflow_id}
        if run_id is not None:
            message["run_id"] = run_id
        if seq is not None:
            message["seq"] = seq
        if conflated:
            message["conflated"] = conflated
        message.update(fields)
        return message

    def unwrap(self, message: Mapping[str, Json]) -> dict[str, Json]:
        keys = {key: value for key, value in message.items() if value is not None}
        if "workflow_id" not in keys and "workflowId" in keys:
            keys["workflow_id"] = keys["workflowId"]
        return keys

    def open(self, fields: dict[str, Json]) -> dict[str, Json]:
        if "workflow" not in fields:
            return fields
        workflow = fields["workflow"]
        if not isinstance(workflow, dict):
            return {**fields, "graph": workflow}
        opened = {**fields, "graph": {key: workflow[key] for key in GRAPH if workflow.get(key) is not None}}
        for key, inner in (("workflow_id", "id"), ("config", "config")):
            if workflow.get(inner) is not None:
                opened[key] = workflow[inner]
        return opened

    def path(self, key: str, *, graph: bool) -> str:
        places = {"graph": "workflow", "workflow_id": "workflow.id", "config": "workflow.config"}
        return places.get(key, key) if graph else key

    def seal(
        self, fields: dict[str, Json], *, type: str, id: str, timestamp: Json, workflow_id: str
    ) -> dict[str, Json]:
        message: dict[str, Json] = {"type": type, "id": id, "timestamp": timestamp}
        if workflow_id:
            message["workflow_id"] = workflow_id
        if "graph" in fields:
            workflow = {"id": workflow_id} if workflow_id else {}
            message["workflow"] = workflow | fields.pop("graph")
            if "config" in fields:
                message["workflow"]["config"] = fields.pop("config")
        return message | fields


FLAT: Final = TableDialect(
    Spelling(
        name="flat",
        key=str,
        time=ISO,
        duration=SECONDS,
        statuses=words(
            {
                NodeStatus.PENDING: "pending",
                NodeStatus.RUNNING: "running",
                NodeStatus.SUCCESS: "completed",
                NodeStatus.ERROR: "failed",
                NodeStatus.SKIPPED: "skipped",
            }
        ),
        envelope=_Flat(),
        shapes=_SHAPES,
        commands=_COMMANDS,
        matches_types=False,
    )
)
