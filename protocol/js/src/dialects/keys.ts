// Our own keys, from one spelling to another: which of them hold times, durations or parts, and which hold
// what is the user's and passes through untouched. The golden vectors (tests/vectors) prove every row.

import { Unreadable } from "../errors.js";
import type { Json } from "../generated/messages.js";
import type { JsonObject } from "../messages.js";

/** How a key's value is read and written. A key that is not here is copied. */
type Kind = "time" | "duration" | "part" | "parts" | "nodes";

/** By the name in snake_case. */
const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ["timestamp", "time"],
  ["started_at", "time"],
  ["ended_at", "time"],
  ["created_at", "time"],
  ["until", "time"],
  ["duration", "duration"],
  ["estimated_time_remaining", "duration"],
  ["uptime", "duration"],
  ["summary", "part"],
  ["waiting", "part"],
  ["warnings", "parts"],
  ["errors", "parts"],
  ["problems", "parts"],
  ["runs", "parts"],
  ["nodes", "nodes"],
]);

/** What a dialect with snake_case keys says its own way. Everything becomes milliseconds. */
export interface Units {
  /** A time as milliseconds since the epoch. */
  time(value: Json): number;
  /** A node (the payload of its event), after its keys were read. */
  node(node: JsonObject): JsonObject;
}

/** snake_case → camelCase; a name without an underscore between letters stays. */
export function camel(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** camelCase → snake_case. */
export function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The keys of a message or a part in snake_case with seconds, as camelCase with milliseconds. */
export function read(said: JsonObject, units: Units): JsonObject {
  // From entries: a key of a stranger may be `__proto__`.
  return Object.fromEntries(
    Object.entries(said).map(([name, value]) => [
      camel(name),
      value === null ? null : readValue(KINDS.get(name), value, units),
    ]),
  );
}

function readValue(kind: Kind | undefined, value: Json, units: Units): Json {
  switch (kind) {
    case undefined:
      return value;
    case "time":
      return units.time(value);
    case "duration":
      return milliseconds(value);
    case "part":
      return isObject(value) ? read(value, units) : value;
    case "parts":
      return Array.isArray(value) ? value.map((each) => (isObject(each) ? read(each, units) : each)) : value;
    case "nodes":
      if (!isObject(value)) return value;
      return Object.fromEntries(
        Object.entries(value).map(([id, node]) => [
          id,
          isObject(node) ? units.node(read(node, units)) : node,
        ]),
      );
  }
}

/** Seconds as whole milliseconds, rounded as the server rounds: halves to even. */
export function milliseconds(seconds: Json): number {
  if (typeof seconds !== "number") throw new Unreadable(`not a time: ${JSON.stringify(seconds)}`);
  const exact = seconds * 1000;
  const floor = Math.floor(exact);
  if (exact - floor !== 0.5) return Math.round(exact);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
