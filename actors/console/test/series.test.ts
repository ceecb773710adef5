import { expect, test } from "vitest";
import type { Connection } from "../src/connections/answer";
import { KEPT, keyOf, median, rates, remember, sparkline, TOTAL, type History } from "../src/connections/series";

const connection = (sessionId: string, figures: Partial<Connection> = {}): Connection => ({
  sessionId,
  connectedAt: 1,
  lastHeartbeat: null,
  subscriptions: [],
  clientInfo: {},
  dialect: "camel",
  rtt: null,
  sent: 0,
  received: 0,
  queued: 0,
  conflated: 0,
  ...figures,
});

const none: History = new Map();

test("rates are per second, between two looks", () => {
  let history = remember(none, [connection("a", { sent: 1000 })], 0);
  history = remember(history, [connection("a", { sent: 5000, received: 10 })], 2000);
  const samples = history.get(keyOf(connection("a")))!;
  expect(rates(samples, "sent")).toEqual([2000]);
  expect(rates(samples, "received")).toEqual([5]);
});

test("the total goes on when a connection goes, and counts what a new one had sent before it was seen", () => {
  let history = remember(none, [connection("a", { sent: 1000 }), connection("b", { sent: 10, queued: 3 })], 0);
  expect(history.get(TOTAL)!.at(-1)).toMatchObject({ sent: 0, queued: 3 });
  history = remember(history, [connection("b", { sent: 30 }), connection("c", { sent: 7 })], 2000);
  history = remember(history, [connection("c", { sent: 7 })], 4000);
  expect(rates(history.get(TOTAL)!, "sent")).toEqual([13.5, 0]);
  expect([...history.keys()]).toEqual([keyOf(connection("c")), TOTAL]);
});

test("one that comes back with its id is another connection", () => {
  const again = connection("a", { connectedAt: 2, sent: 5 });
  const history = remember(remember(none, [connection("a", { sent: 900 })], 0), [again], 2000);
  expect(history.get(keyOf(again))).toHaveLength(1);
});

test("only the newest looks are kept", () => {
  let history = none;
  for (let look = 0; look < KEPT + 20; look++) history = remember(history, [connection("a", { sent: look })], look * 2000);
  expect(history.get(TOTAL)).toHaveLength(KEPT);
  expect(history.get(keyOf(connection("a")))!.at(-1)!.sent).toBe(KEPT + 19);
});

test("the total's round trip is the middle of those that are known", () => {
  expect([median([]), median([3]), median([9, 1]), median([5, 1, 9])]).toEqual([null, 3, 5, 5]);
  const history = remember(none, [connection("a", { rtt: 4 }), connection("b"), connection("c", { rtt: 8 })], 0);
  expect(history.get(TOTAL)!.at(-1)!.rtt).toBe(6);
});

test("a line ends at the right edge, its greatest value at the top", () => {
  expect(sparkline([0, 5, 10], 100, 20, 3)).toBe("M0 20L50 10L100 0");
  expect(sparkline([10], 100, 20, 3)).toBe("M100 0");
  expect(sparkline([0, 0], 100, 20, 3)).toBe("M50 20L100 20");
  expect(sparkline([1, null, 1], 100, 20, 3)).toBe("M0 0M100 0");
  expect(sparkline([9, 9, 0, 1, 2], 100, 20, 3)).toBe("M0 20L50 10L100 0");
  expect(sparkline([], 100, 20)).toBe("");
});
