/** The settings of a start: what came with a workflow is in the fields, and what is in the fields is sent. */
import { expect, test } from "vitest";
import { configOf, NO_SETTINGS, settingsOf } from "../src/start/settings";

test("what came is sent again, whatever has no field of its own as well", () => {
  const config = { dryRun: true, timeout: 1500, driver: "browser", seed: 7, variables: { a: [1] } };
  const settings = settingsOf("orders", { ...config, breakpoints: ["x"] });
  expect(settings).toMatchObject({ workflowId: "orders", dryRun: true, timeout: "1.5", driver: "browser" });
  expect(configOf(settings, ["y"])).toEqual({ config: { ...config, breakpoints: ["y"] } });
});

test("nothing set is nothing sent", () => {
  expect(configOf(NO_SETTINGS, [])).toEqual({ config: {} });
});

test.each(["0", "-1", "soon", "1e999"])("%j is no time limit", (timeout) => {
  expect(configOf({ ...NO_SETTINGS, timeout }, [])).toEqual({ bad: "timeout" });
});

test.each(["[]", "3", "{", "null"])("%j is no object of settings", (more) => {
  expect(configOf({ ...NO_SETTINGS, more }, [])).toEqual({ bad: "more" });
});
