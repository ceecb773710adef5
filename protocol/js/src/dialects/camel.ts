// The camel dialect is the canonical spelling: what comes is checked as far as the client relies on it.

import { Unreadable } from "../errors.js";
import { FORMS, type Form } from "../generated/messages.js";
import type { ClientMessage, JsonObject, Message } from "../messages.js";
import type { Dialect } from "./contract.js";
import { isObject } from "./keys.js";

/** An envelope with a payload, camelCase keys, whole milliseconds. */
export const CAMEL: Dialect = {
  name: "camel",
  decode: (said) => (FORMS.has(String(said["type"])) ? checked(said) : broadcast(said)),
  encode: (command: ClientMessage) => command as unknown as JsonObject,
};

/** A canonical message, if it is one: nothing that the client relies on is missing or of another kind. */
export function checked(said: JsonObject): Message {
  const { type, seq, runId, payload } = said;
  const event = seq !== undefined;
  const forms = FORMS.get(String(type)) ?? [];
  const sound =
    isObject(payload) &&
    typeof said["workflowId"] === "string" &&
    typeof said["timestamp"] === "number" &&
    (runId === undefined || typeof runId === "string") &&
    (!event || (Number.isSafeInteger(seq) && (seq as number) >= 1 && typeof runId === "string")) &&
    forms.some((form) => form.event === event && fits(form, payload));
  if (!sound) throw new Unreadable(`a message of the type ${String(type)} is not as the server writes it`);
  return said as unknown as Message;
}

function fits(form: Form, payload: JsonObject): boolean {
  for (const key in form.payload) {
    const [kind, value] = [form.payload[key], payload[key]];
    if (value === undefined) return false;
    if (
      kind === "array"
        ? !Array.isArray(value)
        : kind === "object"
          ? !isObject(value)
          : kind !== "any" && typeof value !== kind
    ) {
      return false;
    }
  }
  return true;
}

/** What is of no known type was broadcast by somebody. */
export function broadcast(said: JsonObject): Message {
  return { id: "", type: "broadcast", timestamp: Date.now(), workflowId: "", payload: said };
}
