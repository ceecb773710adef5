// The canonical messages: what the server says in the camel dialect, whatever dialect is on the wire.
//
// Times are integer milliseconds since the epoch, durations milliseconds. Values of the user (`data`,
// `context`, `results`, `variables`, ids used as keys) pass through untouched.

import type {
  ClientMessages,
  Json,
  NodeChanged,
  NodeError,
  NodePending,
  NodeRunningEvent,
  NodeSkipped,
  NodeSuccess,
  RunStatus,
  ServerMessages,
} from "./generated/messages.js";

/** A JSON object. */
export type JsonObject = { [key: string]: Json };

/**
 * A message of no type that the server has: what somebody posted to `/api/broadcast`, verbatim in `payload`.
 */
export interface BroadcastMessage {
  id: string;
  type: "broadcast";
  /** When it was received, milliseconds since the epoch. */
  timestamp: number;
  workflowId: string;
  payload: JsonObject;
}

/**
 * Made by the client itself, for an async iteration that was too slow: so many messages were left out just
 * here.
 */
export interface LaggedMessage {
  id: string;
  type: "client.lagged";
  timestamp: number;
  workflowId: string;
  payload: { dropped: number };
}

/** Type → message, of everything that can be heard. */
export interface Messages extends ServerMessages {
  broadcast: BroadcastMessage;
}

/** A message that was heard. */
export type Message = Messages[keyof Messages];

/** A command as it is sent. */
export type ClientMessage = ClientMessages[keyof ClientMessages];

/** A fact of a run with a `seq`; a run's are gapless from 1. */
export type RunEvent = Extract<Message, { seq: number }>;

/** An event about a node. */
export type NodeEvent = NodePending | NodeRunningEvent | NodeSuccess | NodeError | NodeSkipped;

/** A message as far as every one is alike; for code that does not care which one it is. */
export interface Envelope {
  id: string;
  type: string;
  timestamp: number;
  workflowId: string;
  runId?: string;
  seq?: number;
  /** How many seqs were left out since the message before, to spare a slow client. */
  conflated?: number;
  payload: object;
}

/** The statuses in which a run is over. */
export const ENDED: ReadonlySet<RunStatus> = new Set<RunStatus>(["completed", "stopped", "failed"]);

/** Whether a message is an event of a run: it has a `seq`. */
export function isEvent(message: Message): message is RunEvent {
  return "seq" in message && typeof message.seq === "number";
}

/** Whether an event is about a node. */
export function isNodeEvent(event: RunEvent): event is NodeEvent {
  return event.type.startsWith("node.");
}

/** Whether an event is the ending of its run. */
export function isEnding(event: RunEvent): boolean {
  return event.type === "execution.complete" || event.type === "execution.error";
}

export type { NodeChanged };
