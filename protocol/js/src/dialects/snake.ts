// The snake dialect: an envelope with a payload, snake_case keys, float seconds.

import { FORMS } from "../generated/messages.js";
import type { ClientMessage, JsonObject, Message } from "../messages.js";
import { broadcast, checked } from "./camel.js";
import type { Dialect } from "./contract.js";
import { isObject, milliseconds, read, snake, type Units } from "./keys.js";

const UNITS: Units = {
  time: milliseconds,
  node: ({ result, ...node }) => ({ ...node, data: result ?? null }),
};

/** An envelope with a payload, snake_case keys, float seconds. */
export const SNAKE: Dialect = { name: "snake", decode, encode };

function decode(said: JsonObject): Message {
  const { type, payload, ...envelope } = said;
  if (!FORMS.has(String(type))) return broadcast(said);
  const message = read(envelope, UNITS);
  const body = isObject(payload) ? read(payload, UNITS) : (payload ?? null);
  const node =
    isObject(body) && String(type).startsWith("node.") && "result" in body ? UNITS.node(body) : body;
  return checked({ ...message, type: type as string, payload: node });
}

function encode(command: ClientMessage): JsonObject {
  const { id, type, timestamp, workflowId, payload } = command as unknown as JsonObject;
  return {
    id: id ?? "",
    type: type as string,
    timestamp: (timestamp as number) / 1000,
    workflow_id: workflowId ?? "",
    payload: snakeKeys(payload as JsonObject),
  };
}

/** The keys of a command's payload; its values are the user's, or plain. */
export function snakeKeys(payload: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(payload).map(([name, value]) => [snake(name), value]));
}
