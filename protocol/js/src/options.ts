// What a user may say to a client: how to connect, what to start, what to hear.

import type { DialectName } from "./dialects/index.js";
import type { Message, Messages } from "./messages.js";
import type { SocketClass } from "./socket.js";
import type { LogEntry } from "./traffic.js";
import type { StateChange } from "./upkeep.js";

/** Name → what a handler of it is told. */
export interface ClientEvents extends Messages {
  "*": Message;
  state: StateChange;
  traffic: LogEntry;
}

/** How to connect. */
export interface ConnectOptions {
  /** The spelling on the wire; a user does not notice. Default: camel. */
  dialect?: DialectName;
  /** What the server wants to be told, if it does. Default: the `token` in the query of the URL. */
  token?: string;
  /** Makes requests of this client those of an earlier one. Default: one that nobody can guess. */
  sessionId?: string;
  /** Whether a frame may hold many messages. Default: true. */
  batch?: boolean;
  /** Give up after so many attempts in a row on which nothing was heard. Default: never. */
  maxAttempts?: number;
  /** Messages in `client.log`. Default: 500. */
  logLimit?: number;
  /** Lines in `run.current.logs`. Default: 5,000. */
  runLogLimit?: number;
  /** Told what a handler or a listener threw. Default: `console.error`. */
  onError?: (error: unknown) => void;
  /** Instead of the platform's own WebSocket. */
  WebSocket?: SocketClass;
}

/** A graph to start: as a React Flow editor exports it. */
export interface WorkflowGraph {
  nodes: readonly unknown[];
  edges?: readonly unknown[];
  connections?: readonly unknown[];
}

/** What to hear: one run, one workflow, or (`"*"`) all runs. */
export type Target = { runId: string } | { workflowId: string } | "*";

/** How to hear it. */
export interface SubscribeOptions {
  /**
   * A seq of the run, or the id of the last event seen (`<runId>:<seq>`); absent: from now on, after a
   * snapshot.
   */
  after?: number | string;
  /** Message types or groups (`node_status`, `workflow_status`, `progress`, `log`); absent: all. */
  types?: readonly string[];
  /** Leave nothing out, however slow this client is. */
  lossless?: boolean;
}

/** A subscription; kept over reconnects until it is closed. */
export interface Subscription {
  close(): void;
}

/** Options of everything that awaits an answer. */
export interface AskOptions {
  /** Gives the answer up; whether the command is done is not known then. */
  signal?: AbortSignal;
}
