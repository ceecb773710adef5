// The golden vectors: each is one message in three spellings. What the Python tests read is read here.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DIALECTS, SERVER_TYPES, type ClientMessage, type JsonObject } from "../src/index.js";
import { ROOT } from "./site.js";

interface Vector {
  name: string;
  class: string;
  message: JsonObject;
  snake: JsonObject;
  camel: JsonObject;
  flat: JsonObject;
}

const SERVER = vectors("server.json");
const COMMANDS = vectors("commands.json");

for (const vector of SERVER) {
  const canonical = vector.class === "Broadcast" ? null : vector.camel;

  for (const name of ["camel", "snake"] as const) {
    test(`${name}: ${vector.name} is decoded to the canonical message`, () => {
      const decoded = DIALECTS[name].decode(structuredClone(vector[name]));
      assert.deepEqual(decoded, canonical ?? { ...decoded, type: "broadcast", payload: vector[name] });
    });
  }

  test(`flat: ${vector.name} is decoded to the canonical message, as far as flat tells`, () => {
    const decoded = DIALECTS.flat.decode(structuredClone(vector.flat));
    assert.deepEqual(decoded, canonical === null ? { ...decoded, type: "broadcast" } : asFlatTells(vector));
  });
}

for (const vector of COMMANDS) {
  for (const name of ["camel", "snake", "flat"] as const) {
    test(`${name}: the command "${vector.name}" is spelled as its vector`, () => {
      const spelled = DIALECTS[name].encode(structuredClone(vector.camel) as unknown as ClientMessage);
      assert.deepEqual(JSON.parse(JSON.stringify(spelled)), vector[name]);
    });
  }
}

test("the vectors hold every type of message that the schema has", () => {
  const types = new Set(SERVER.map(({ camel }) => camel["type"]));
  assert.deepEqual(
    SERVER_TYPES.filter((type) => !types.has(type)),
    [],
  );
});

test("a time that is none, and a payload that is none, are unreadable and not believed", () => {
  const event = SERVER.find(({ name }) => name === "a node that runs") as Vector;
  assert.throws(() => DIALECTS.flat.decode({ ...event.flat, timestamp: "yesterday" }), {
    code: "unreadable",
  });
  assert.throws(() => DIALECTS.camel.decode({ ...event.camel, payload: null }), { code: "unreadable" });
  assert.throws(() => DIALECTS.snake.decode({ ...event.snake, seq: "5" }), { code: "unreadable" });
  assert.throws(() => DIALECTS.camel.decode({ ...event.camel, seq: 0 }), { code: "unreadable" });
});

test("what a user wrote passes through, whatever its keys look like", () => {
  const data = { snake_case: { started_at: 1, duration: 2 }, camelCase: [{ node_id: "x" }], nodes: { a: 1 } };
  const event = SERVER.find(({ name }) => name === "a node that succeeded with an object") as Vector;
  const snake = { ...event.snake, payload: { ...(event.snake["payload"] as JsonObject), result: data } };
  assert.deepEqual((DIALECTS.snake.decode(snake).payload as { data: unknown }).data, data);
  assert.deepEqual(
    (DIALECTS.flat.decode({ ...event.flat, outputs: data }).payload as { data: unknown }).data,
    data,
  );
});

/** The canonical message without what the flat dialect has no words for. */
function asFlatTells({ camel, flat }: Vector): JsonObject {
  const payload = { ...(camel["payload"] as JsonObject) };
  // A result is always an object there.
  if ("data" in payload && "seq" in flat) payload["data"] = flat["outputs"] ?? null;
  return { ...camel, payload };
}

function vectors(file: string): Vector[] {
  return JSON.parse(readFileSync(`${ROOT}/tests/vectors/${file}`, "utf8")) as Vector[];
}
