import type { LogLine } from "callboard";
import { expect, test } from "vitest";
import { asText, countLevels, highlight, LEVELS, select, turns } from "../src/logs/filter";

const line = (seq: number, level: LogLine["level"], message: string, more: Partial<LogLine> = {}): LogLine => ({
  seq,
  at: Date.UTC(2026, 0, 2, 3, 4, 5, 6) + seq,
  level,
  message,
  iteration: [],
  ...more,
});

const LINES = [
  line(1, "info", "Opened the Shop"),
  line(2, "debug", "cookie set", { context: { name: "Basket" } }),
  line(3, "error", "no such element", { nodeId: "login-1", iteration: [0, 2] }),
];
const ALL = new Set(LEVELS);

test("counts each level", () => {
  expect(countLevels(LINES)).toEqual({ debug: 1, info: 1, warn: 0, error: 1 });
});

test("finds plain text in message, node and context, in any case", () => {
  expect(select(LINES, ALL, "shop").map((each) => each.seq)).toEqual([1]);
  expect(select(LINES, ALL, "LOGIN-1").map((each) => each.seq)).toEqual([3]);
  expect(select(LINES, ALL, "basket").map((each) => each.seq)).toEqual([2]);
  expect(select(LINES, ALL, ".*")).toEqual([]);
});

test("keeps the levels that are wanted, and the same array when nothing is left out", () => {
  expect(select(LINES, new Set(["error"] as const), "").map((each) => each.seq)).toEqual([3]);
  expect(select(LINES, new Set(["info"] as const), "element")).toEqual([]);
  expect(select(LINES, ALL, "")).toBe(LINES);
});

test("marks every place where the search was found, and only that", () => {
  expect(highlight("a.b A.B", "a.b")).toEqual([
    { text: "a.b", hit: true },
    { text: " ", hit: false },
    { text: "A.B", hit: true },
  ]);
  expect(highlight("axb", "a.b")).toEqual([{ text: "axb", hit: false }]);
  expect(highlight("text", "")).toEqual([{ text: "text", hit: false }]);
  expect(highlight("", "x")).toEqual([{ text: "", hit: false }]);
  for (const odd of ["[", "\\", "(?:", "a-b/", "😀", "İ"]) {
    expect(highlight(`<${odd}>`, odd).map((part) => part.text)).toEqual(["<", odd, ">"]);
  }
});

test("as text each line has its time, level, node and context", () => {
  expect(asText(LINES.slice(1))).toBe(
    '2026-01-02T03:04:05.008Z DEBUG cookie set {"name":"Basket"}\n' +
      "2026-01-02T03:04:05.009Z ERROR [login-1 #1.3] no such element\n",
  );
});

test("turns are counted as people count", () => {
  expect([turns([]), turns(undefined), turns([0]), turns([1, 0])]).toEqual(["", "", " #1", " #2.1"]);
});
