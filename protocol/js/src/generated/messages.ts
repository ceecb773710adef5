// Made by `npm run generate` from the server's JSON Schema. Do not edit.

/** Whatever JSON can say: a value of the user, passed through untouched. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** One form of a message: whether it is an event, and what its payload must hold. */
export interface Form {
  readonly event: boolean;
  readonly payload: Readonly<Record<string, "string" | "number" | "boolean" | "array" | "object" | "any">>;
}

/** The state of a run. */
export type RunStatus = "pending" | "running" | "pausing" | "paused" | "stopping" | "failing" | "completed" | "stopped" | "failed";

/** The state of a node. */
export type NodeStatus = "pending" | "running" | "success" | "error" | "skipped";

/** One thing that is wrong with a graph. */
export interface Problem {
  code: string;
  message: string;
  path: string;
  nodeId?: string;
  edgeId?: string;
  severity: "error" | "warning";
}

/** What a node asks of a person. */
export interface Waiting {
  prompt: string;
  schema: Json;
  until?: number;
}

/** How a run ended, in figures. */
export interface Summary {
  status: RunStatus;
  duration: number;
  totalNodes: number;
  succeeded: number;
  failed: number;
  skipped: number;
  notBegun: number;
  startedAt: number;
  endedAt: number;
  error?: string;
  code?: string;
  nodeId?: string;
  cancelledBy?: string;
  abandoned?: string[];
}

/** One row of a list of runs. */
export interface RunSummary {
  runId: string;
  workflowId: string;
  status: RunStatus;
  createdAt: number;
  totalNodes: number;
  lastSeq: number;
  endedAt?: number;
  error?: string;
}

/** A node instance got a status. */
export interface NodeChanged {
  nodeId: string;
  status: NodeStatus;
  message: string;
  attempt: number;
  iteration?: number[];
  duration?: number;
  data: Json;
  fired: string[];
  error?: string;
  code?: string;
  reason?: string;
  waiting?: Waiting;
}

/** A connection is up (flat and undecided only). */
export interface ConnectionEstablished {
  id: string;
  type: "connection_established";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    sessionId: string;
    message: string;
    resumed?: boolean;
  };
}

/** The accepted start: seq 1. */
export interface WorkflowStart {
  id: string;
  type: "workflow.start";
  timestamp: number;
  workflowId: string;
  runId: string;
  seq: number;
  conflated?: number;
  payload: {
    runId: string;
    totalNodes: number;
    status: RunStatus;
    warnings: Problem[];
  };
}

/** A node instance got a status. */
export interface NodePending {
  id: string;
  type: "node.pending";
  timestamp: number;
  workflowId: string;
  runId: string;
  seq: number;
  conflated?: number;
  payload: {
    nodeId: string;
    status: NodeStatus;
    message: string;
    attempt: number;
    iteration?: number[];
    duration?: number;
    data: Json;
    fired: string[];
    error?: string;
    code?: string;
    reason?: string;
    waiting?: Waiting;
  };
}

/** A node instance got a status. */
export interface NodeRunningEvent {
  id: string;
  type: "node.running";
  timestamp: number;
  workflowId: string;
  runId: string;
  seq: number;
  conflated?: number;
  payload: {
    nodeId: string;
    status: NodeStatus;
    message: string;
    attempt: number;
    iteration?: number[];
    duration?: number;
    data: Json;
    fired: string[];
    error?: string;
    code?: string;
    reason?: string;
    waiting?: Waiting;
  };
}

/** How far a running node is: on the wire its `running` status, without a seq; `id` is `<run_id>:p<n>`. */
export interface NodeRunningProgress {
  id: string;
  type: "node.running";
  timestamp: number;
  workflowId: string;
  runId: string;
  conflated?: number;
  payload: {
    nodeId: string;
    progress: number;
    message: string;
    attempt: number;
    iteration?: number[];
    status: "running";
    data: null;
    fired: string[];
  };
}

/** Any message of the type `node.running`. */
export type NodeRunning = NodeRunningEvent | NodeRunningProgress;

/** A node instance got a status. */
export interface NodeSuccess {
  id: string;
  type: "node.success";
  timestamp: number;
  workflowId: string;
  runId: string;
  seq: number;
  conflated?: number;
  payload: {
    nodeId: string;
    status: NodeStatus;
    message: string;
    attempt: number;
    iteration?: number[];
    duration?: number;
    data: Json;
    fired: string[];
    error?: string;
    code?: string;
    reason?: string;
    waiting?: Waiting;
  };
}

/** A node instance got a status. */
export interface NodeError {
  id: string;
  type: "node.error";
  timestamp: number;
  workflowId: string;
  runId: string;
  seq: number;
  conflated?: number;
  payload: {
    nodeId: string;
    status: NodeStatus;
    message: string;
    attempt: number;
    iteration?: number[];
    duration?: number;
    data: Json;
    fired: string[];
    error?: string;
    code?: string;
    reason?: string;
    waiting?: Waiting;
  };
}

/** A node instance got a status. */
export interface NodeSkipped {
  id: string;
  type: "node.skipped";
  timestamp: number;
  workflowId: string;
  runId: string;
  seq: number;
  conflated?: number;
  payload: {
    nodeId: string;
    status: NodeStatus;
    message: string;
    attempt: number;
    iteration?: number[];
    duration?: number;
    data: Json;
    fired: string[];
    error?: string;
    code?: string;
    reason?: string;
    waiting?: Waiting;
  };
}

/** How far a run is. Derived from its events; without a seq; `id` on the wire is `<run_id>:p<n>`. */
export interface ExecutionProgress {
  id: string;
  type: "execution.progress";
  timestamp: number;
  workflowId: string;
  runId: string;
  conflated?: number;
  payload: {
    totalNodes: number;
    completedNodes: number;
    currentNode: string;
    progress: number;
    estimatedTimeRemaining?: number;
  };
}

/** A line of the run's log. */
export interface ExecutionLogEvent {
  id: string;
  type: "execution.log";
  timestamp: number;
  workflowId: string;
  runId: string;
  seq: number;
  conflated?: number;
  payload: {
    level: "debug" | "info" | "warn" | "error";
    message: string;
    nodeId?: string;
    iteration?: number[];
    context?: Json;
  };
}

/** A start that gave no run: an invalid graph (`problems`), or one that runs already (`run_id`). */
export interface ExecutionLogReply {
  id: string;
  type: "execution.log";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    code: string;
    message: string;
    runId?: string;
    level: "warn";
  };
}

/** Any message of the type `execution.log`. */
export type ExecutionLog = ExecutionLogEvent | ExecutionLogReply;

/** The run's state changed: pausing, paused, running (resumed), stopping, failing. */
export interface WorkflowPauseEvent {
  id: string;
  type: "workflow.pause";
  timestamp: number;
  workflowId: string;
  runId: string;
  seq: number;
  conflated?: number;
  payload: {
    status: RunStatus;
    inFlight?: string[];
    cancelledBy?: string;
    error?: string;
    code?: string;
    nodeId?: string;
    reason?: string;
  };
}

/** The one answer to a control: accepted or not, the state it found, the state after. */
export interface WorkflowPauseReply {
  id: string;
  type: "workflow.pause";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    ok: boolean;
    runId?: string;
    was?: RunStatus;
    status?: RunStatus;
    error?: string;
    code?: string;
    summary?: Summary;
    breakpoints?: string[];
  };
}

/** Any message of the type `workflow.pause`. */
export type WorkflowPause = WorkflowPauseEvent | WorkflowPauseReply;

/** The run's state changed: pausing, paused, running (resumed), stopping, failing. */
export interface WorkflowResumeEvent {
  id: string;
  type: "workflow.resume";
  timestamp: number;
  workflowId: string;
  runId: string;
  seq: number;
  conflated?: number;
  payload: {
    status: RunStatus;
    inFlight?: string[];
    cancelledBy?: string;
    error?: string;
    code?: string;
    nodeId?: string;
    reason?: string;
  };
}

/** The one answer to a control: accepted or not, the state it found, the state after. */
export interface WorkflowResumeReply {
  id: string;
  type: "workflow.resume";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    ok: boolean;
    runId?: string;
    was?: RunStatus;
    status?: RunStatus;
    error?: string;
    code?: string;
    summary?: Summary;
    breakpoints?: string[];
  };
}

/** Any message of the type `workflow.resume`. */
export type WorkflowResume = WorkflowResumeEvent | WorkflowResumeReply;

/** The run's state changed: pausing, paused, running (resumed), stopping, failing. */
export interface WorkflowStopEvent {
  id: string;
  type: "workflow.stop";
  timestamp: number;
  workflowId: string;
  runId: string;
  seq: number;
  conflated?: number;
  payload: {
    status: RunStatus;
    inFlight?: string[];
    cancelledBy?: string;
    error?: string;
    code?: string;
    nodeId?: string;
    reason?: string;
  };
}

/** The one answer to a control: accepted or not, the state it found, the state after. */
export interface WorkflowStopReply {
  id: string;
  type: "workflow.stop";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    ok: boolean;
    runId?: string;
    was?: RunStatus;
    status?: RunStatus;
    error?: string;
    code?: string;
    summary?: Summary;
    breakpoints?: string[];
  };
}

/** Any message of the type `workflow.stop`. */
export type WorkflowStop = WorkflowStopEvent | WorkflowStopReply;

/** The one ending of a run; its last event. `status` is completed, stopped or failed. */
export interface ExecutionComplete {
  id: string;
  type: "execution.complete";
  timestamp: number;
  workflowId: string;
  runId: string;
  seq: number;
  conflated?: number;
  payload: {
    status: RunStatus;
    message: string;
    summary: Summary;
    results?: Record<string, Json>;
    error?: string;
    code?: string;
    nodeId?: string;
  };
}

/** The one ending of a run; its last event. `status` is completed, stopped or failed. */
export interface ExecutionErrorEvent {
  id: string;
  type: "execution.error";
  timestamp: number;
  workflowId: string;
  runId: string;
  seq: number;
  conflated?: number;
  payload: {
    status: RunStatus;
    message: string;
    summary: Summary;
    results?: Record<string, Json>;
    error?: string;
    code?: string;
    nodeId?: string;
  };
}

/** A start that gave no run: an invalid graph (`problems`), or one that runs already (`run_id`). */
export interface ExecutionErrorReply {
  id: string;
  type: "execution.error";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    code: string;
    error: string;
    errors: Problem[];
    warnings: Problem[];
  };
}

/** Any message of the type `execution.error`. */
export type ExecutionError = ExecutionErrorEvent | ExecutionErrorReply;

/** The one answer to a control: accepted or not, the state it found, the state after. */
export interface WorkflowBreakpoints {
  id: string;
  type: "workflow.breakpoints";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    ok: boolean;
    runId?: string;
    was?: RunStatus;
    status?: RunStatus;
    error?: string;
    code?: string;
    summary?: Summary;
    breakpoints?: string[];
  };
}

/** The one answer to a `node.input`. */
export interface NodeInput {
  id: string;
  type: "node.input";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    ok: boolean;
    nodeId: string;
    runId?: string;
    was?: RunStatus;
    status?: RunStatus;
    error?: string;
    code?: string;
  };
}

/** A subscription holds from now on. */
export interface WorkflowSubscribe {
  id: string;
  type: "workflow.subscribe";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    ok: boolean;
    runId?: string;
    lastSeq?: number;
    fromSeq?: number;
    reset: boolean;
    subscriptions?: string[];
  };
}

/** A subscription is gone. */
export interface WorkflowUnsubscribe {
  id: string;
  type: "workflow.unsubscribe";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    ok: boolean;
    subscriptions?: string[];
  };
}

/** A page of runs, newest first. */
export interface WorkflowList {
  id: string;
  type: "workflow.list";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    runs: RunSummary[];
    nextCursor: string | null;
  };
}

/** The state of a run at `last_seq`; a large one comes in parts (`part` of `parts`, from 1). */
export interface WorkflowSnapshot {
  id: string;
  type: "workflow.snapshot";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    runId: string;
    status: RunStatus;
    nodes: Record<string, NodeChanged>;
    edges: Record<string, "taken" | "dead">;
    variables: Record<string, Json>;
    lastSeq: number;
    breakpoints: string[];
    reason?: string;
    nodeId?: string;
    summary?: Summary;
    part?: number;
    parts?: number;
  };
}

/** What is wrong with a graph. */
export interface WorkflowValidate {
  id: string;
  type: "workflow.validate";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    ok: boolean;
    errors: Problem[];
    warnings: Problem[];
  };
}

/** A sign of life of the server. */
export interface Heartbeat {
  id: string;
  type: "heartbeat";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    status: string;
  };
}

/** How the server does. */
export interface SystemStatus {
  id: string;
  type: "system.status";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    status: string;
    version: string;
    uptime: number;
    sessionId: string;
    connections: number;
    runs: number;
    message?: string;
  };
}

/** A mistake in the conversation. Exactly one answers each bad message. */
export interface Error {
  id: string;
  type: "error";
  timestamp: number;
  workflowId: string;
  conflated?: number;
  payload: {
    replyTo?: string;
    code: string;
    message: string;
    path?: string;
  };
}

/** Start a run of a graph. */
export interface WorkflowStartCommand {
  id?: string | number | null;
  type: "workflow.start";
  timestamp?: Json;
  workflowId?: string | null;
  payload?: {
    nodes?: Json[] | null;
    edges?: Json[] | null;
    connections?: Json[] | null;
    runId?: string | null;
    requestId?: string | null;
    config?: Record<string, Json> | null;
  };
}

/** Pause, resume or stop a run, or say before which of its nodes it stops. */
export interface WorkflowPauseCommand {
  id?: string | number | null;
  type: "workflow.pause";
  timestamp?: Json;
  workflowId?: string | null;
  payload?: {
    runId?: string | null;
    requestId?: string | null;
    mode?: "now" | "drain" | null;
    step?: boolean | null;
    force?: boolean | null;
    nodeIds?: string[] | null;
  };
}

/** Pause, resume or stop a run, or say before which of its nodes it stops. */
export interface WorkflowResumeCommand {
  id?: string | number | null;
  type: "workflow.resume";
  timestamp?: Json;
  workflowId?: string | null;
  payload?: {
    runId?: string | null;
    requestId?: string | null;
    mode?: "now" | "drain" | null;
    step?: boolean | null;
    force?: boolean | null;
    nodeIds?: string[] | null;
  };
}

/** Pause, resume or stop a run, or say before which of its nodes it stops. */
export interface WorkflowStopCommand {
  id?: string | number | null;
  type: "workflow.stop";
  timestamp?: Json;
  workflowId?: string | null;
  payload?: {
    runId?: string | null;
    requestId?: string | null;
    mode?: "now" | "drain" | null;
    step?: boolean | null;
    force?: boolean | null;
    nodeIds?: string[] | null;
  };
}

/** Pause, resume or stop a run, or say before which of its nodes it stops. */
export interface WorkflowBreakpointsCommand {
  id?: string | number | null;
  type: "workflow.breakpoints";
  timestamp?: Json;
  workflowId?: string | null;
  payload: {
    runId?: string | null;
    requestId?: string | null;
    mode?: "now" | "drain" | null;
    step?: boolean | null;
    force?: boolean | null;
    nodeIds: string[];
  };
}

/** Hear a run, a workflow, or all runs. */
export interface WorkflowSubscribeCommand {
  id?: string | number | null;
  type: "workflow.subscribe";
  timestamp?: Json;
  workflowId?: string | null;
  payload?: {
    runId?: string | null;
    requestId?: string | null;
    after?: string | null;
    afterSeq?: number | null;
    types?: string[] | null;
    snapshot?: boolean | null;
    lossless?: boolean | null;
  };
}

/** Stop hearing a workflow (or, with `*` or "", the types over all runs). */
export interface WorkflowUnsubscribeCommand {
  id?: string | number | null;
  type: "workflow.unsubscribe";
  timestamp?: Json;
  workflowId?: string | null;
  payload?: {
    runId?: string | null;
    requestId?: string | null;
    types?: string[] | null;
  };
}

/** The answer for a node that waits for a person. */
export interface NodeInputCommand {
  id?: string | number | null;
  type: "node.input";
  timestamp?: Json;
  workflowId?: string | null;
  payload: {
    runId?: string | null;
    requestId?: string | null;
    nodeId: string;
    value?: Json;
  };
}

/** List runs, newest first. */
export interface WorkflowListCommand {
  id?: string | number | null;
  type: "workflow.list";
  timestamp?: Json;
  workflowId?: string | null;
  payload?: {
    runId?: string | null;
    requestId?: string | null;
    status?: RunStatus | null;
    limit?: number | null;
    cursor?: string | null;
  };
}

/** The state of one run. */
export interface WorkflowSnapshotCommand {
  id?: string | number | null;
  type: "workflow.snapshot";
  timestamp?: Json;
  workflowId?: string | null;
  payload?: {
    runId?: string | null;
    requestId?: string | null;
  };
}

/** Check a graph without starting it. */
export interface WorkflowValidateCommand {
  id?: string | number | null;
  type: "workflow.validate";
  timestamp?: Json;
  workflowId?: string | null;
  payload?: {
    nodes?: Json[] | null;
    edges?: Json[] | null;
    connections?: Json[] | null;
    runId?: string | null;
    requestId?: string | null;
  };
}

/** A sign of life; in the flat dialect the answer to ours, elsewhere a question. */
export interface HeartbeatCommand {
  id?: string | number | null;
  type: "heartbeat";
  timestamp?: Json;
  workflowId?: string | null;
  payload?: {
    runId?: string | null;
    requestId?: string | null;
  };
}

/** How the server does. */
export interface SystemStatusCommand {
  id?: string | number | null;
  type: "system.status";
  timestamp?: Json;
  workflowId?: string | null;
  payload?: {
    runId?: string | null;
    requestId?: string | null;
  };
}

/** Type → what the server sends. */
export interface ServerMessages {
  "connection_established": ConnectionEstablished;
  "workflow.start": WorkflowStart;
  "node.pending": NodePending;
  "node.running": NodeRunning;
  "node.success": NodeSuccess;
  "node.error": NodeError;
  "node.skipped": NodeSkipped;
  "execution.progress": ExecutionProgress;
  "execution.log": ExecutionLog;
  "workflow.pause": WorkflowPause;
  "workflow.resume": WorkflowResume;
  "workflow.stop": WorkflowStop;
  "execution.complete": ExecutionComplete;
  "execution.error": ExecutionError;
  "workflow.breakpoints": WorkflowBreakpoints;
  "node.input": NodeInput;
  "workflow.subscribe": WorkflowSubscribe;
  "workflow.unsubscribe": WorkflowUnsubscribe;
  "workflow.list": WorkflowList;
  "workflow.snapshot": WorkflowSnapshot;
  "workflow.validate": WorkflowValidate;
  "heartbeat": Heartbeat;
  "system.status": SystemStatus;
  "error": Error;
}

/** Type → what a client sends. */
export interface ClientMessages {
  "workflow.start": WorkflowStartCommand;
  "workflow.pause": WorkflowPauseCommand;
  "workflow.resume": WorkflowResumeCommand;
  "workflow.stop": WorkflowStopCommand;
  "workflow.breakpoints": WorkflowBreakpointsCommand;
  "workflow.subscribe": WorkflowSubscribeCommand;
  "workflow.unsubscribe": WorkflowUnsubscribeCommand;
  "node.input": NodeInputCommand;
  "workflow.list": WorkflowListCommand;
  "workflow.snapshot": WorkflowSnapshotCommand;
  "workflow.validate": WorkflowValidateCommand;
  "heartbeat": HeartbeatCommand;
  "system.status": SystemStatusCommand;
}

/** Every type that the server sends. */
export const SERVER_TYPES = [
  "connection_established",
  "workflow.start",
  "node.pending",
  "node.running",
  "node.success",
  "node.error",
  "node.skipped",
  "execution.progress",
  "execution.log",
  "workflow.pause",
  "workflow.resume",
  "workflow.stop",
  "execution.complete",
  "execution.error",
  "workflow.breakpoints",
  "node.input",
  "workflow.subscribe",
  "workflow.unsubscribe",
  "workflow.list",
  "workflow.snapshot",
  "workflow.validate",
  "heartbeat",
  "system.status",
  "error",
] as const;

/** What the payload of a message must hold to be one: type → its forms. */
export const FORMS: ReadonlyMap<string, readonly Form[]> = new Map<string, readonly Form[]>([
  ["connection_established", [
    { event: false, payload: { sessionId: "string", message: "string" } },
  ]],
  ["workflow.start", [
    { event: true, payload: { runId: "string", totalNodes: "number", status: "string", warnings: "array" } },
  ]],
  ["node.pending", [
    { event: true, payload: { nodeId: "string", status: "string", message: "string", attempt: "number", data: "any", fired: "array" } },
  ]],
  ["node.running", [
    { event: true, payload: { nodeId: "string", status: "string", message: "string", attempt: "number", data: "any", fired: "array" } },
    { event: false, payload: { nodeId: "string", progress: "number", message: "string", attempt: "number", status: "string", data: "any", fired: "array" } },
  ]],
  ["node.success", [
    { event: true, payload: { nodeId: "string", status: "string", message: "string", attempt: "number", data: "any", fired: "array" } },
  ]],
  ["node.error", [
    { event: true, payload: { nodeId: "string", status: "string", message: "string", attempt: "number", data: "any", fired: "array" } },
  ]],
  ["node.skipped", [
    { event: true, payload: { nodeId: "string", status: "string", message: "string", attempt: "number", data: "any", fired: "array" } },
  ]],
  ["execution.progress", [
    { event: false, payload: { totalNodes: "number", completedNodes: "number", currentNode: "string", progress: "number" } },
  ]],
  ["execution.log", [
    { event: true, payload: { level: "string", message: "string" } },
    { event: false, payload: { code: "string", message: "string", level: "string" } },
  ]],
  ["workflow.pause", [
    { event: true, payload: { status: "string" } },
    { event: false, payload: { ok: "boolean" } },
  ]],
  ["workflow.resume", [
    { event: true, payload: { status: "string" } },
    { event: false, payload: { ok: "boolean" } },
  ]],
  ["workflow.stop", [
    { event: true, payload: { status: "string" } },
    { event: false, payload: { ok: "boolean" } },
  ]],
  ["execution.complete", [
    { event: true, payload: { status: "string", message: "string", summary: "object" } },
  ]],
  ["execution.error", [
    { event: true, payload: { status: "string", message: "string", summary: "object" } },
    { event: false, payload: { code: "string", error: "string", errors: "array", warnings: "array" } },
  ]],
  ["workflow.breakpoints", [
    { event: false, payload: { ok: "boolean" } },
  ]],
  ["node.input", [
    { event: false, payload: { ok: "boolean", nodeId: "string" } },
  ]],
  ["workflow.subscribe", [
    { event: false, payload: { ok: "boolean", reset: "boolean" } },
  ]],
  ["workflow.unsubscribe", [
    { event: false, payload: { ok: "boolean" } },
  ]],
  ["workflow.list", [
    { event: false, payload: { runs: "array", nextCursor: "any" } },
  ]],
  ["workflow.snapshot", [
    { event: false, payload: { runId: "string", status: "string", nodes: "object", edges: "object", variables: "object", lastSeq: "number", breakpoints: "array" } },
  ]],
  ["workflow.validate", [
    { event: false, payload: { ok: "boolean", errors: "array", warnings: "array" } },
  ]],
  ["heartbeat", [
    { event: false, payload: { status: "string" } },
  ]],
  ["system.status", [
    { event: false, payload: { status: "string", version: "string", uptime: "number", sessionId: "string", connections: "number", runs: "number" } },
  ]],
  ["error", [
    { event: false, payload: { code: "string", message: "string" } },
  ]],
]);

/** The kinds of nodes that a server knows without plug-ins. */
export const BUILT_IN_KINDS: readonly string[] = [
  "break",
  "click",
  "command",
  "condition",
  "continue",
  "end",
  "fail",
  "http",
  "input",
  "input_request",
  "log",
  "loop",
  "screenshot",
  "set",
  "start",
  "subflow",
  "switch",
  "wait",
];
