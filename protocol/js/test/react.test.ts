// The hooks, in a real React over a real server.

import assert from "node:assert/strict";
import { createElement, useEffect, type ReactNode } from "react";
import { act, create, type ReactTestRenderer } from "react-test-renderer";
import { test } from "node:test";
import type { Client, RunState } from "../src/index.js";
import { CallboardProvider, useClientState, useRun } from "../src/react.js";
import { client, edge, node, Site } from "./site.js";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

const FAST = { seed: 7, defaultWaitTime: 0 };
const MANY = Array.from({ length: 200 }, (_, index) => `n${index}`);
const GRAPH = {
  nodes: [
    node("start", "start"),
    node("gate", "wait", { duration: 1 }),
    ...MANY.map((id) => node(id, "end")),
  ],
  edges: [edge("start", "gate"), ...MANY.map((id) => edge("gate", id))],
};

test("useRun shows a run live, in few renders, and lets it go when it is not shown any more", async (t) => {
  const site = await Site.open(t, "--journal", "memory:");
  const it = client(t, site.url);
  const run = await it.startWorkflow(GRAPH, { config: { ...FAST, breakpoints: ["gate"] } });
  await run.until(({ status }) => status === "paused");
  const seen: RunState[] = [];
  const Shown = ({ runId }: { runId: string | null }): ReactNode => {
    const state = useRun(runId);
    seen.push(state);
    return state.status;
  };
  const show = (runId: string | null): ReactNode =>
    createElement(CallboardProvider, { client: it }, createElement(Shown, { runId }));
  const tree = await rendered(show(run.runId));
  assert.equal(text(tree), "paused");
  const before = seen.length;
  await act(async () => {
    await run.resume();
    await run.wait();
    await new Promise((resolve) => setTimeout(resolve, 20));
  });
  assert.equal(text(tree), "completed");
  const last = seen.at(-1) as RunState;
  assert.equal(last, run.current);
  assert.deepEqual(
    [last.progress?.progress, Object.keys(last.nodes).length, last.logs.length > 0],
    [100, 202, true],
  );
  assert.ok(
    seen.length - before < last.lastSeq / 10,
    `${seen.length - before} renders of ${last.lastSeq} events`,
  );

  run.close();
  assert.equal(it.run(run.runId), run, "the component has it open still");
  run.close();
  await act(() => tree.update(show(null)));
  assert.equal(text(tree), "pending");
  const again = it.run(run.runId);
  assert.notEqual(again, run, "nobody had it open");
  again.close();
  await act(() => tree.unmount());
});

test("another run in the same component is another state at once, never the one before", async (t) => {
  const site = await Site.open(t, "--journal", "memory:");
  const it = client(t, site.url);
  const [one, other] = [
    await it.startWorkflow(GRAPH, { config: FAST }),
    await it.startWorkflow(GRAPH, { config: FAST }),
  ];
  await Promise.all([one.wait(), other.wait()]);
  const seen: [string, string][] = [];
  const Shown = ({ runId }: { runId: string }): ReactNode => {
    const state = useRun(runId, it);
    seen.push([runId, state.runId]);
    return state.status;
  };
  const tree = await rendered(createElement(Shown, { runId: one.runId }));
  await act(() => tree.update(createElement(Shown, { runId: other.runId })));
  assert.equal(text(tree), "completed");
  assert.deepEqual(
    seen.filter(([asked, shown]) => asked !== shown),
    [],
  );
  await act(() => tree.unmount());
});

test("useClientState tells away, and live again", async (t) => {
  const site = await Site.open(t, "--journal", "memory:");
  const it = client(t, site.url);
  await it.status();
  const Shown = (): ReactNode => {
    const { state, reason } = useClientState(it);
    return `${state}: ${reason ?? ""}`;
  };
  const tree = await rendered(createElement(Shown));
  assert.equal(text(tree), "live: ");
  await act(async () => {
    await site.kill();
    await changed(it, "away");
  });
  assert.match(text(tree), /^away: \S/);
  await act(async () => {
    await site.start();
    await changed(it, "live");
  });
  assert.equal(text(tree), "live: ");
  await act(async () => it.close());
  assert.match(text(tree), /^closed: /);
  await act(() => tree.unmount());
});

test("useClientState misses no change between drawing and listening", async (t) => {
  const site = await Site.open(t, "--journal", "memory:");
  const it = client(t, site.url);
  await it.status();
  // The effects of a child come before those of its parent.
  const Closing = (): ReactNode => {
    useEffect(() => it.close(), []);
    return null;
  };
  const Shown = (): ReactNode => [useClientState(it).state, createElement(Closing, { key: "closing" })];
  const tree = await rendered(createElement(Shown));
  assert.equal(text(tree), "closed");
  await act(() => tree.unmount());
});

test("without a client there is an error that says what to do", async () => {
  const Shown = (): ReactNode => useRun("r").status;
  await assert.rejects(rendered(createElement(Shown)), /CallboardProvider/);
});

async function rendered(element: ReactNode): Promise<ReactTestRenderer> {
  let tree: ReactTestRenderer | undefined;
  await act(async () => {
    tree = create(element);
    await new Promise((resolve) => setTimeout(resolve, 50));
  });
  return tree as ReactTestRenderer;
}

function text(tree: ReactTestRenderer): string {
  return String(tree.toJSON());
}

function changed(it: Client, state: string): Promise<void> {
  return new Promise((resolve) => {
    if (it.state === state) resolve();
    it.on("state", (change) => change.state === state && resolve());
  });
}
