import type { LogEntry } from "callboard";
import { expect, test } from "vitest";
import { countTypes, EVERYTHING, gistOf, runOf, select } from "../src/messages/filter";

const entry = (number: number, direction: "in" | "out", type: string, more: object = {}): LogEntry =>
  ({
    number,
    at: number,
    direction,
    bytes: 10,
    message: { id: `${number}`, type, timestamp: 0, workflowId: "w", payload: {}, ...more },
  }) as unknown as LogEntry;

const ENTRIES = [
  entry(1, "out", "workflow.start", { payload: { nodes: [{ id: "Login" }] } }),
  entry(2, "in", "workflow.start", { runId: "r1", seq: 1 }),
  entry(3, "in", "node.error", { runId: "r1", payload: { nodeId: "login", status: "error", error: "no such element" } }),
];
const numbers = (entries: readonly LogEntry[]) => entries.map((each) => each.number);

test("lets through what fits all of the filter", () => {
  expect(numbers(select(ENTRIES, EVERYTHING))).toEqual([1, 2, 3]);
  expect(numbers(select(ENTRIES, { ...EVERYTHING, direction: "in" }))).toEqual([2, 3]);
  expect(numbers(select(ENTRIES, { ...EVERYTHING, type: "workflow.start" }))).toEqual([1, 2]);
  expect(numbers(select(ENTRIES, { ...EVERYTHING, text: "LOGIN" }))).toEqual([1, 3]);
  expect(numbers(select(ENTRIES, { direction: "out", type: "workflow.start", text: "login" }))).toEqual([1]);
});

test("counts the types by name", () => {
  expect([...countTypes(ENTRIES)]).toEqual([
    ["node.error", 1],
    ["workflow.start", 2],
  ]);
});

test("finds the run in the envelope, else in the payload", () => {
  expect(ENTRIES.map(runOf)).toEqual([undefined, "r1", "r1"]);
  expect(runOf(entry(4, "out", "node.input", { payload: { runId: "r2" } }))).toBe("r2");
});

test("says what a message is about", () => {
  expect(ENTRIES.map(gistOf)).toEqual(["", "", "login · error · no such element"]);
  expect(gistOf(entry(4, "in", "broadcast", { payload: { message: 3 } }))).toBe("");
});
