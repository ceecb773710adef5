// The camel dialect is the canonical spelling: what comes is checked as far as the client relies on it.

import { Unreadable } from "../errors.js";
import { SERVER_TYPES, type Json } from "../generated/messages.js";
import type { ClientMessage, JsonObject, Message } from "../messages.js";
import type { Dialect } from "./contract.js";
import { isObject } from "./keys.js";

const TYPES: ReadonlySet<Json | undefined> = new Set(SERVER_TYPES);

/** An envelope with a payload, camelCase keys, whole milliseconds. */
export const CAMEL: Dialect = {
  name: "camel",
  decode: (said) => (TYPES.has(said["type"]) ? checked(said) : broadcast(said)),
  encode: (command: ClientMessage) => command as unknown as JsonObject,
};

/** A canonical message, if it is one. */
export function checked(said: JsonObject): Message {
  const { type, seq, payload } = said;
  const wrong =
    !isObject(payload) ||
    (seq !== undefined && (!Number.isSafeInteger(seq) || (seq as number) < 1 || typeof said["runId"] !== "string")) ||
    (said["runId"] !== undefined && typeof said["runId"] !== "string") ||
    typeof said["workflowId"] !== "string";
  if (wrong) throw new Unreadable(`a message of the type ${String(type)} is not as the server writes it`);
  if (typeof seq === "number" && String(type).startsWith("node.") && typeof payload["nodeId"] !== "string") {
    throw new Unreadable("a node event names no node");
  }
  return said as unknown as Message;
}

/** What is of no known type was broadcast by somebody. */
export function broadcast(said: JsonObject): Message {
  return { id: "", type: "broadcast", timestamp: Date.now(), workflowId: "", payload: said };
}
