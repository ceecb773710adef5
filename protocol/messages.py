"""The canonical messages: what peers and server say to each other, before any dialect spells it.

Theory of operation: three families. A *command* is imperative and comes from a peer; a *reply* answers one peer and
has no `seq`; an *event* is a public fact of a run, past tense, with a `seq` that counts from 1 without a gap.
`Progress` and `NodeProgress` are derived facts: about a run, without a seq. Times are float seconds since the epoch,
durations are float seconds, in every class here; fields that hold them say so in their metadata (`TIME`, `DURATION`),
and a dialect converts them. Values of the user (`config`, `result`, `value`, `context`, `variables`, ids used as
keys) are plain JSON and pass through untouched. A field that is None is left out on the wire, except where the
dialect's page says otherwise.

Events are `attrs.define`, not frozen, because they are made on the hot path (a frozen init costs twice as much); nobody
changes one after it was made.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import attrs

from protocol.graph import Problem
from protocol.states import NodeStatus, RunStatus

__all__ = [
    "DURATION",
    "TIME",
    "AnyEvent",
    "Broadcast",
    "Command",
    "Control",
    "ControlReply",
    "ErrorReply",
    "Event",
    "GetSnapshot",
    "GetStatus",
    "Heartbeat",
    "HeartbeatReply",
    "Hello",
    "InputReply",
    "Iteration",
    "Json",
    "Level",
    "ListRuns",
    "Logged",
    "NodeChanged",
    "NodeInput",
    "NodeProgress",
    "Progress",
    "Reply",
    "RunChanged",
    "RunEnded",
    "RunList",
    "RunStarted",
    "RunSummary",
    "ServerMessage",
    "Snapshot",
    "StartRefused",
    "StartRun",
    "Subscribe",
    "Subscribed",
    "Summary",
    "SystemStatus",
    "Unsubscribe",
    "Unsubscribed",
    "Validate",
    "Validated",
    "Waiting",
]

Json: TypeAlias = Any
"""Whatever JSON can say: a value of the user, passed through untouched."""

TIME: Final = {"unit": "time"}
"""Metadata of a field in float seconds since the epoch."""
DURATION: Final = {"unit": "duration"}
"""Metadata of a field in float seconds."""

Iteration: TypeAlias = tuple[int, ...]
"""The turns of the loops around a node instance, outermost first, from 0; `()` outside of loops."""

Level: TypeAlias = Literal["debug", "info", "warn", "error"]


@attrs.frozen(kw_only=True)
class Command:
    """What every command carries."""

    id: str = ""
    """The peer's id of this message; a reply names it as `reply_to`. Never used to de-duplicate."""
    workflow_id: str = ""
    """The client's key of the workflow; `*` in a subscription means all runs; "" where none was said."""
    run_id: str | None = None
    """One run of the workflow; None means its latest."""
    request_id: str | None = None
    """The same command twice with the same request_id is answered the same and done once (per session, 10 minutes)."""


@attrs.frozen(kw_only=True)
class StartRun(Command):
    """Start a run of a graph."""

    graph: Mapping[str, Json]
    """`{"nodes": [...], "edges": [...]}`, or `"connections"` instead of `"edges"`, as the peer spelled it."""
    config: Mapping[str, Json] = attrs.field(factory=dict)
    """The ExecutionConfig, camelCase keys and milliseconds in every dialect."""


@attrs.frozen(kw_only=True)
class Control(Command):
    """Pause, resume or stop a run, or say before which of its nodes it stops."""

    action: Literal["pause", "resume", "stop", "breakpoints"]
    mode: Literal["now", "drain"] | None = None
    """Of a pause; None: what the run's config says."""
    step: bool = False
    """Of a resume: start one node, then pause again."""
    force: bool = False
    """Of a stop: drop the grace."""
    node_ids: tuple[str, ...] | None = None
    """Of breakpoints: all that hold from now on; then it is not None."""


@attrs.frozen(kw_only=True)
class NodeInput(Command):
    """The answer for a node that waits for a person."""

    node_id: str
    value: Json = None


@attrs.frozen(kw_only=True)
class Subscribe(Command):
    """Hear a run, a workflow, or all runs."""

    after: str | None = None
    """The id of the last event seen, `<run_id>:<seq>`."""
    after_seq: int | None = None
    types: tuple[str, ...] | None = None
    """Message types or groups as the peer's dialect names them; None: all of them."""
    snapshot: bool = False
    lossless: bool = False
    """Never conflate: lag by the journal instead."""


@attrs.frozen(kw_only=True)
class Unsubscribe(Command):
    """Stop hearing a workflow (or, with `*` or "", the types over all runs)."""

    types: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class ListRuns(Command):
    """List runs, newest first."""

    status: RunStatus | None = None
    limit: int | None = None
    cursor: str | None = None


@attrs.frozen(kw_only=True)
class GetSnapshot(Command):
    """The state of one run."""


@attrs.frozen(kw_only=True)
class Validate(Command):
    """Check a graph without starting it."""

    graph: Mapping[str, Json]


@attrs.frozen(kw_only=True)
class Heartbeat(Command):
    """A sign of life; in the flat dialect the answer to ours, elsewhere a question."""


@attrs.frozen(kw_only=True)
class GetStatus(Command):
    """How the server does."""


@attrs.define(kw_only=True)
class Event:
    """A public fact of a run. `id` on the wire is `<run_id>:<seq>`."""

    run_id: str
    workflow_id: str
    seq: int
    at: float = attrs.field(metadata=TIME)


@attrs.define(kw_only=True)
class RunStarted(Event):
    """The accepted start: seq 1."""

    total_nodes: int
    """Nodes that can be reached; what progress counts."""
    status: RunStatus = RunStatus.RUNNING
    warnings: tuple[Problem, ...] = ()


@attrs.define
class Waiting:
    """What a node asks of a person."""

    prompt: str
    schema: Json = None
    until: float | None = attrs.field(default=None, metadata=TIME)


@attrs.define(kw_only=True)
class NodeChanged(Event):
    """A node instance got a status."""

    node_id: str
    status: NodeStatus
    message: str = ""
    attempt: int = 1
    iteration: Iteration = ()
    duration: float | None = attrs.field(default=None, metadata=DURATION)
    """Of success and error: from the first attempt's begin to the last one's end."""
    result: Json = None
    fired: tuple[str, ...] = ()
    values: Mapping[str, Json] | None = None
    """Port → value where it is not the result or a member of it. Kept in the journal; never on the wire."""
    error: str | None = None
    code: str | None = None
    reason: str | None = None
    """Of skipped: unreachable, branch, cancelled, break, no_iteration, disabled; of pending: paused, recovered,
    concurrency, breakpoint."""
    waiting: Waiting | None = None


@attrs.define(kw_only=True)
class Logged(Event):
    """A line of the run's log."""

    level: Level
    message: str
    node_id: str | None = None
    iteration: Iteration = ()
    context: Json = None


@attrs.define(kw_only=True)
class RunChanged(Event):
    """The run's state changed: pausing, paused, running (resumed), stopping, failing."""

    status: RunStatus
    in_flight: tuple[str, ...] | None = None
    """Of pausing: the nodes that have not come to rest."""
    cancelled_by: str | None = None
    """Of stopping and failing: stop, timeout, sibling_failed:<id>, shutdown, parent_stopped."""
    error: str | None = None
    code: str | None = None
    node_id: str | None = None
    """Of failing: the node that failed; of a pause with a reason: the node before, or behind, which it pauses."""
    reason: str | None = None
    """Of pausing and paused: breakpoint, step; None: somebody asked for it. Of running: step."""


@attrs.define(kw_only=True)
class Summary:
    """How a run ended, in figures."""

    status: RunStatus
    duration: float = attrs.field(metadata=DURATION)
    """On the run's clock: time spent in `paused` does not count."""
    total_nodes: int
    succeeded: int
    failed: int
    skipped: int
    not_begun: int
    started_at: float = attrs.field(metadata=TIME)
    ended_at: float = attrs.field(metadata=TIME)
    error: str | None = None
    code: str | None = None
    node_id: str | None = None
    cancelled_by: str | None = None
    abandoned: tuple[str, ...] | None = None
    """Threads that could not be ended, by node."""


@attrs.define(kw_only=True)
class RunEnded(Event):
    """The one ending of a run; its last event. `status` is completed, stopped or failed."""

    status: RunStatus
    message: str
    summary: Summary
    results: Mapping[str, Json] | None = None
    """Of completed: the outputs of the nodes that nothing follows, by node id."""
    error: str | None = None
    code: str | None = None
    node_id: str | None = None


@attrs.define(kw_only=True)
class Progress:
    """How far a run is. Derived from its events; without a seq; `id` on the wire is `<run_id>:p<n>`."""

    run_id: str
    workflow_id: str
    at: float = attrs.field(metadata=TIME)
    n: int
    total_nodes: int
    completed_nodes: int
    current_node: str
    progress: float
    """0–100."""
    estimated_time_remaining: float | None = attrs.field(default=None, metadata=DURATION)


@attrs.define(kw_only=True)
class NodeProgress:
    """How far a running node is: on the wire its `running` status, without a seq; `id` is `<run_id>:p<n>`."""

    run_id: str
    workflow_id: str
    at: float = attrs.field(metadata=TIME)
    n: int
    node_id: str
    progress: float
    """0–100."""
    message: str = ""
    attempt: int = 1
    iteration: Iteration = ()


@attrs.frozen(kw_only=True)
class Reply:
    """What every reply carries. The session gives it `id` and `timestamp`."""

    workflow_id: str = ""
    reply_to: str | None = None


@attrs.frozen(kw_only=True)
class Hello(Reply):
    """A connection is up (flat and undecided only)."""

    session_id: str
    message: str = "Connected to callboard"
    resumed: bool | None = None


@attrs.frozen(kw_only=True)
class StartRefused(Reply):
    """A start that gave no run: an invalid graph (`problems`), or one that runs already (`run_id`)."""

    code: str
    error: str
    problems: tuple[Problem, ...] = ()
    run_id: str | None = None


@attrs.frozen(kw_only=True)
class ControlReply(Reply):
    """The one answer to a control: accepted or not, the state it found, the state after."""

    action: Literal["pause", "resume", "stop", "breakpoints"]
    ok: bool
    run_id: str | None = None
    was: RunStatus | None = None
    status: RunStatus | None = None
    error: str | None = None
    code: str | None = None
    summary: Summary | None = None
    breakpoints: tuple[str, ...] | None = None
    """To breakpoints, of a run that has not ended: those that hold from now on, in the order of the graph."""


@attrs.frozen(kw_only=True)
class InputReply(Reply):
    """The one answer to a `node.input`."""

    ok: bool
    node_id: str
    run_id: str | None = None
    was: RunStatus | None = None
    status: RunStatus | None = None
    error: str | None = None
    code: str | None = None


@attrs.frozen(kw_only=True)
class Subscribed(Reply):
    """A subscription holds from now on."""

    ok: bool = True
    run_id: str | None = None
    last_seq: int | None = None
    """The newest seq of the run; 0: there is none yet; None: over all runs."""
    from_seq: int | None = None
    """The first seq that will follow."""
    reset: bool = False
    """The position could not be honoured: the snapshot that follows replaces what the peer knew."""
    subscriptions: tuple[str, ...] = ()
    """All types asked for so far, in the order of first asking (shown by the flat dialect)."""


@attrs.frozen(kw_only=True)
class Unsubscribed(Reply):
    """A subscription is gone."""

    ok: bool = True
    subscriptions: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class RunSummary:
    """One row of a list of runs."""

    run_id: str
    workflow_id: str
    status: RunStatus
    created_at: float = attrs.field(metadata=TIME)
    total_nodes: int
    last_seq: int
    ended_at: float | None = attrs.field(default=None, metadata=TIME)
    error: str | None = None


@attrs.frozen(kw_only=True)
class RunList(Reply):
    """A page of runs, newest first."""

    runs: tuple[RunSummary, ...]
    next_cursor: str | None = None


@attrs.frozen(kw_only=True)
class Snapshot(Reply):
    """The state of a run at `last_seq`; a large one comes in parts (`part` of `parts`, from 1)."""

    run_id: str
    status: RunStatus
    nodes: Mapping[str, NodeChanged]
    """Node id → its newest status, spelled as the payload of that event."""
    edges: Mapping[str, Literal["taken", "dead"]]
    variables: Mapping[str, Json]
    last_seq: int
    breakpoints: tuple[str, ...] = ()
    """Ids of the nodes before which it stops, in the order of the graph."""
    reason: str | None = None
    """Of pausing and paused: breakpoint, step; None: somebody asked for it."""
    node_id: str | None = None
    """With a reason: the node before, or behind, which it pauses."""
    summary: Summary | None = None
    """Of a run that ended."""
    part: int | None = None
    parts: int | None = None


@attrs.frozen(kw_only=True)
class Validated(Reply):
    """What is wrong with a graph."""

    ok: bool
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


@attrs.frozen(kw_only=True)
class HeartbeatReply(Reply):
    """A sign of life of the server."""

    status: str = "alive"


@attrs.frozen(kw_only=True)
class SystemStatus(Reply):
    """How the server does."""

    status: str
    """running; degraded: the journal can not write, and `message` says why; shutting_down."""
    version: str
    uptime: float = attrs.field(metadata=DURATION)
    session_id: str = ""
    connections: int = 0
    runs: int = 0
    """Unfinished ones."""
    message: str | None = None


@attrs.frozen(kw_only=True)
class ErrorReply(Reply):
    """A mistake in the conversation. Exactly one answers each bad message."""

    code: str
    message: str
    path: str | None = None
    """The first bad field in the peer's spelling; the message names all of them."""
    answers: Literal["start", "control"] | None = None
    """The flat dialect answers a bad start or control in that command's own form."""
    action: str | None = None
    """Of a bad control: what was asked for."""


@attrs.frozen
class Broadcast:
    """A JSON object that goes to every connection verbatim."""

    body: Mapping[str, Json]


AnyEvent: TypeAlias = RunStarted | NodeChanged | Logged | RunChanged | RunEnded
ServerMessage: TypeAlias = Event | Progress | NodeProgress | Reply | Broadcast
Events: TypeAlias = Sequence[Event]
