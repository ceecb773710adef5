// The flat dialect: everything at the top level of a message, snake_case keys, ISO 8601 times, words of its
// own.
//
// It says less than the others: a node's result is always an object (`outputs`), so what is decoded as `data`
// is that object, and nothing tells `null` from `{}` or a value from the object around it.

import { Unreadable } from "../errors.js";
import type { Json } from "../generated/messages.js";
import type { ClientMessage, JsonObject, Message } from "../messages.js";
import { broadcast, checked } from "./camel.js";
import type { Dialect } from "./contract.js";
import { isObject, read, type Units } from "./keys.js";
import { snakeKeys } from "./snake.js";

/** Everything at the top level. */
export const FLAT: Dialect = { name: "flat", decode, encode };

// Maps, not objects: the names of strangers are looked up in them, and an object also has a `constructor`.
const STATUSES: ReadonlyMap<string, string> = new Map([
  ["completed", "success"],
  ["failed", "error"],
]);

const UNITS: Units = {
  time: (value) => {
    const at = typeof value === "string" ? Date.parse(value) : NaN;
    if (Number.isNaN(at)) throw new Unreadable(`not a time: ${JSON.stringify(value)}`);
    return at;
  },
  node: ({ outputs, status, ...node }) => ({
    ...node,
    status: STATUSES.get(String(status)) ?? status ?? null,
    data: outputs ?? null,
  }),
};

const CHANGES: ReadonlyMap<string, string> = new Map([
  ["pausing", "workflow.pause"],
  ["paused", "workflow.pause"],
  ["running", "workflow.resume"],
  ["stopping", "workflow.stop"],
  ["failing", "workflow.stop"],
]);

const CONTROLS: ReadonlyMap<string, string> = new Map([
  ["pause", "workflow.pause"],
  ["resume", "workflow.resume"],
  ["stop", "workflow.stop"],
  ["breakpoints", "workflow.breakpoints"],
]);

/** Type on the wire → canonical type, where the rest of the message is the payload as it stands. */
const PLAIN: ReadonlyMap<string, string> = new Map([
  ["connection_established", "connection_established"],
  ["execution_progress", "execution.progress"],
  ["execution_log", "execution.log"],
  ["error", "error"],
  ["node_input_response", "node.input"],
  ["subscription_confirmed", "workflow.subscribe"],
  ["subscription_updated", "workflow.unsubscribe"],
  ["workflow_list", "workflow.list"],
  ["workflow_snapshot", "workflow.snapshot"],
  ["workflow_validation", "workflow.validate"],
  ["heartbeat", "heartbeat"],
  ["system_status", "system.status"],
]);

/** What is read otherwise: payload → [canonical type, canonical payload]. */
const READERS: Readonly<Record<string, (payload: JsonObject, message: JsonObject) => [string, JsonObject]>> =
  {
    workflow_execution_started: (payload, message) => [
      "workflow.start",
      { runId: message["runId"] ?? null, ...payload },
    ],
    node_status_update: (payload) => {
      const node = UNITS.node(payload);
      // Progress of a node says neither a result nor its ports.
      const full = "progress" in node ? { ...node, data: null, fired: [] } : node;
      return [`node.${String(node["status"])}`, full];
    },
    workflow_status: (payload) => [CHANGES.get(String(payload["status"])) ?? "", payload],
    workflow_completed: ({ results, ...payload }) =>
      payload["status"] === "completed"
        ? ["execution.complete", { ...payload, results: results ?? {} }]
        : ["execution.complete", payload],
    workflow_failed: (payload) => ["execution.error", payload],
    workflow_validation_error: ({ problems, errors: _, ...payload }) => {
      const all = Array.isArray(problems) ? problems.filter(isObject) : [];
      return [
        "execution.error",
        {
          ...payload,
          errors: all.filter((problem) => problem["severity"] === "error"),
          warnings: all.filter((problem) => problem["severity"] === "warning"),
        },
      ];
    },
    workflow_execution_error: ({ error, ...payload }, message) => {
      if ("path" in payload) return ["error", { ...payload, message: error ?? "" }];
      const runId = message["runId"];
      if (runId !== undefined)
        return ["execution.log", { ...payload, message: error ?? "", runId, level: "warn" }];
      return ["execution.error", { ...payload, error: error ?? "", errors: [], warnings: [] }];
    },
    workflow_control_response: ({ action, status, runStatus, ...payload }) => {
      const type = CONTROLS.get(String(action));
      if (type === undefined || "path" in payload) {
        const { error, ...rest } = payload;
        return ["error", { ...rest, message: error ?? "" }];
      }
      const after: JsonObject = runStatus === undefined ? {} : { status: runStatus };
      return [type, { ...payload, ok: status === "acknowledged", ...after }];
    },
  };

const ENVELOPE: ReadonlySet<string> = new Set(["id", "timestamp", "workflowId", "seq", "conflated"]);
/** Replies carry the run's id in their payload; events and progress (`<run_id>:p<n>`) in their envelope. */
const OF_A_RUN: ReadonlySet<Json | undefined> = new Set(["node_status_update", "execution_progress"]);

function decode(said: JsonObject): Message {
  const { type, ...rest } = said;
  const name = String(type);
  const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
  const plain = PLAIN.get(name);
  if (reader === undefined && plain === undefined) return broadcast(said);
  const keys = read(rest, UNITS);
  const message: JsonObject = {};
  const payload: JsonObject = {};
  const ofRun = "seq" in keys || OF_A_RUN.has(type);
  for (const [key, value] of Object.entries(keys)) {
    (ENVELOPE.has(key) || (key === "runId" && ofRun) ? message : payload)[key] = value;
  }
  if (reader === undefined) return checked({ ...message, type: plain as string, payload });
  const { runId, ...body } = payload;
  const [canonical, spelled] = reader(body, { ...message, ...(runId === undefined ? {} : { runId }) });
  if (canonical === "") throw new Unreadable(`a message of the type ${name} has no known status`);
  const own: JsonObject = runId === undefined || ofRun || canonical === "error" ? {} : { runId };
  return checked({ ...message, type: canonical, payload: { ...own, ...spelled } });
}

/** Canonical type → type on the wire. */
const COMMANDS: ReadonlyMap<string, string> = new Map([
  ["workflow.start", "execute_workflow"],
  ["workflow.subscribe", "subscribe"],
  ["workflow.unsubscribe", "unsubscribe"],
  ["node.input", "node_input"],
  ["workflow.list", "list_workflows"],
  ["workflow.snapshot", "get_workflow"],
  ["workflow.validate", "validate_workflow"],
  ["heartbeat", "heartbeat_response"],
  ["system.status", "system_status"],
]);

const ACTIONS: ReadonlyMap<string, string> = new Map([...CONTROLS].map(([action, type]) => [type, action]));

const GRAPH: readonly string[] = ["nodes", "edges", "connections", "config"];

function encode(command: ClientMessage): JsonObject {
  const { id, type, timestamp, workflowId, payload } = command as unknown as JsonObject;
  const name = String(type);
  const action = ACTIONS.get(name);
  const fields = snakeKeys(payload as JsonObject);
  const message: JsonObject = {
    type: action === undefined ? (COMMANDS.get(name) ?? name) : "control_workflow",
    id: id ?? "",
    timestamp: new Date(timestamp as number).toISOString(),
  };
  if (workflowId) message["workflow_id"] = workflowId;
  if (action !== undefined) message["action"] = action;
  if (name === "workflow.start" || name === "workflow.validate") {
    const workflow: JsonObject = workflowId ? { id: workflowId } : {};
    for (const key of GRAPH) {
      const value = fields[key];
      if (value !== undefined) workflow[key] = value;
      delete fields[key];
    }
    message["workflow"] = workflow;
  }
  if ("types" in fields) {
    const { types } = fields;
    message["event_types"] = Array.isArray(types) ? [...new Set(types.map(groupOf))] : null;
    delete fields["types"];
  }
  return { ...message, ...fields };
}

/**
 * This dialect's subscriptions know groups only: a canonical type is asked for as the group that it is in.
 */
function groupOf(type: Json): Json {
  const name = String(type);
  if (name.startsWith("node.")) return "node_status";
  if (name === "execution.progress") return "progress";
  if (name === "execution.log") return "log";
  return name.startsWith("workflow.") || name.startsWith("execution.") ? "workflow_status" : type;
}
