/** Addresses of pages: what is written is read, whatever an id is made of. */
import { expect, test } from "vitest";
import { parseRoute, replayAddress, runAddress } from "../src/route";

test.each(["r1", "a/b", "ä ö", "100%", "?x#y"])("a run called %j has a page and a replay", (runId) => {
  expect(parseRoute(runAddress(runId))).toMatchObject({ page: "run", runId });
  expect(parseRoute(replayAddress(runId))).toMatchObject({ page: "replay", runId });
});

test("a node that is looked at is part of the address", () => {
  const route = parseRoute("#/runs/r1?node=a%20b");
  expect(route.page === "run" && route.query.get("node")).toBe("a b");
});

test.each([
  ["", "runs"],
  ["#/", "runs"],
  ["#/runs?status=failed", "runs"],
  ["#/new", "new"],
  ["#/connections", "connections"],
  ["#/messages", "messages"],
  ["#/nothing", "unknown"],
  ["#/runs/r1/nothing", "unknown"],
  ["#/runs/%zz", "run"],
])("%j is the page %s", (hash, page) => {
  expect(parseRoute(hash).page).toBe(page);
});
