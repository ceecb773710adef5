import { expect, test } from "vitest";
import { indexAt, rangeOf, topOf, type Taller } from "../src/window/range";

const ROW = 20;

/** Where each row begins, the slow way. */
function tops(count: number, taller: readonly Taller[]): number[] {
  const found = [0];
  for (let index = 0; index < count; index++) {
    const extra = taller.find((each) => each.index === index)?.extra ?? 0;
    found.push(found[index]! + ROW + extra);
  }
  return found;
}

test("a row is found at every pixel of it, whichever rows are unfolded", () => {
  for (const taller of [[], [{ index: 0, extra: 35 }], [{ index: 2, extra: 7 }, { index: 3, extra: 100 }, { index: 9, extra: 1 }]]) {
    const edges = tops(10, taller);
    for (let index = 0; index < 10; index++) {
      expect(topOf(index, ROW, taller)).toBe(edges[index]);
      expect(indexAt(10, ROW, taller, edges[index]!)).toBe(index);
      expect(indexAt(10, ROW, taller, edges[index + 1]! - 1)).toBe(index);
    }
    expect(topOf(10, ROW, taller)).toBe(edges[10]);
  }
});

test("before the first and behind the last row are the first and the last", () => {
  expect(indexAt(10, ROW, [], -50)).toBe(0);
  expect(indexAt(10, ROW, [], 5000)).toBe(9);
  expect(indexAt(3, ROW, [{ index: 2, extra: 10 }], 5000)).toBe(2);
  expect(indexAt(0, ROW, [], 0)).toBe(0);
});

test("only what can be seen, and a little around it, is in the page", () => {
  const range = rangeOf(10_000, ROW, [], 100_000, 400);
  expect(range.first).toBeLessThanOrEqual(5000);
  expect(range.end).toBeGreaterThan(5020);
  expect(range.end - range.first).toBeLessThan(60);
  expect(range).toMatchObject({ above: range.first * ROW, total: 200_000 });
});

test("an empty list has no rows and no height", () => {
  expect(rangeOf(0, ROW, [], 0, 400)).toEqual({ first: 0, end: 0, above: 0, total: 0 });
});
