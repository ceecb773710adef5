// The client's fold against the server's own snapshot, over real runs: every node, every edge, every reason.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { before, test, type TestContext } from "node:test";
import {
  Fold,
  foldEvents,
  isEvent,
  readGraph,
  type Client,
  type JsonObject,
  type Run,
  type RunEvent,
  type RunState,
} from "../src/index.js";
import type { Snapshot, WorkflowGraph } from "../src/index.js";
import { client, edge, flow, node, ROOT, Site } from "./site.js";

const FLOWS = readdirSync(`${ROOT}/tests/vectors/flows`).map((file) => file.replace(/\.json$/, ""));
const FAST = { seed: 7, defaultWaitTime: 0 };

let site: Site;
before(async (t) => {
  site = await Site.open(t as TestContext, "--journal", "memory:");
});

for (const name of FLOWS) {
  test(`${name}: the fold is the snapshot, its progress is the server's`, async (t) => {
    const it = client(t, site.url);
    const progress = recordProgress(it);
    const run = await it.startWorkflow(flow(name), { config: { ...FAST, dryRun: true } });
    await answered(it, run);
    await agree(it, run);
    const { totalNodes, completedNodes } = run.current.progress ?? {};
    assert.deepEqual({ totalNodes, completedNodes }, progress.at(-1));
  });
}

test("loops, inner loops and their edges: at every step of a stepped run the fold is the snapshot", async (t) => {
  const it = client(t, site.url);
  const run = await it.startWorkflow(LOOPS, { config: { ...FAST, breakpoints: ["outer"] } });
  let steps = 0;
  for (let seen = 0; run.current.status !== "completed"; steps += 1) {
    await run.until(
      ({ status, lastSeq }) => lastSeq > seen && (status === "paused" || status === "completed"),
    );
    await agree(it, run);
    seen = run.current.lastSeq;
    if (run.current.status === "paused") await run.resume({ step: true });
  }
  assert.ok(steps > 10, `${steps} steps`);
  assert.equal(run.current.edges["outer-body-inner"], "taken");
  assert.equal(run.current.edges["inner-done-leaf"], "taken");
  assert.deepEqual(run.current.nodes["work"]?.iteration, [1, 1]);
});

test("branches, joins and skipped nodes: dead edges are dead", async (t) => {
  const it = client(t, site.url);
  const run = await it.startWorkflow(BRANCHES, { config: FAST });
  await run.wait();
  await agree(it, run);
  const { edges, nodes } = run.current;
  assert.equal(edges["ask-true-yes"], "taken");
  assert.equal(edges["ask-false-no"], "dead");
  assert.equal(edges["no-out-join"], "dead");
  assert.equal(edges["yes-out-join"], "taken");
  assert.equal(nodes["no"]?.status, "skipped");
  assert.equal(nodes["lost"]?.reason, "unreachable");
  assert.equal(nodes["join"]?.status, "success");
});

test("retries, an error port, and onError: attempts, errors and handled failures are folded", async (t) => {
  const it = client(t, site.url);
  const attempts: number[] = [];
  it.on("node.running", ({ payload }) => void (payload.nodeId === "bad" && attempts.push(payload.attempt)));
  const run = await it.startWorkflow(FAILURES, { config: FAST });
  const end = await run.wait();
  await agree(it, run);
  assert.deepEqual(attempts, [1, 2, 3]);
  assert.equal(end.nodes["bad"]?.attempt, 3);
  assert.deepEqual(end.nodes["bad"]?.fired, ["error"]);
  assert.equal(end.edges["bad-error-mend"], "taken");
  assert.equal(end.edges["bad-out-never"], "dead");
  assert.equal(end.progress?.progress, 100);
  assert.ok(end.logs.some(({ level }) => level === "warn"));
});

test("a run that fails: the failure, its cause and what it took along", async (t) => {
  const it = client(t, site.url);
  const graph = {
    nodes: [
      node("start", "start"),
      node("bad", "fail", { message: "no" }),
      node("long", "wait", { duration: 60_000 }),
    ],
    edges: [edge("start", "bad"), edge("start", "long")],
  };
  const end = await (await it.startWorkflow(graph, { config: FAST })).wait();
  assert.equal(end.status, "failed");
  assert.equal(end.cancelledBy, "sibling_failed:bad");
  assert.equal(end.nodes["long"]?.reason, "cancelled");
  assert.equal(end.error, end.summary?.error);
});

test("pauses: what is in flight, why, where; and live breakpoints", async (t) => {
  const it = client(t, site.url);
  const graph = {
    nodes: [
      node("start", "start"),
      node("a", "wait", { duration: 60_000 }),
      node("b", "end"),
      node("c", "end"),
    ],
    edges: [edge("start", "a"), edge("a", "b"), edge("start", "c")],
  };
  const run = await it.startWorkflow(graph, { config: { ...FAST, breakpoints: ["c", "start"] } });
  await run.until(({ status }) => status === "paused");
  assert.equal(run.current.reason, "breakpoint");
  assert.equal(run.current.pausedAt, "start");
  await run.until(({ graph: known }) => known !== undefined);
  assert.deepEqual(run.current.breakpoints, ["start", "c"]);
  await agree(it, run);
  const reply = await run.setBreakpoints(["b", "a"]);
  assert.deepEqual(reply.breakpoints, ["a", "b"]);
  await run.until(({ breakpoints }) => breakpoints.join() === "a,b");
  await agree(it, run);
  await run.resume();
  await run.until(({ status, pausedAt }) => status === "paused" && pausedAt === "a");
  await agree(it, run);
  await run.setBreakpoints([]);
  await run.resume();
  await run.until(({ nodes }) => nodes["a"]?.status === "running");
  await run.pause();
  await run.until(({ status }) => status === "paused");
  assert.equal(run.current.reason, undefined);
  assert.equal(run.current.nodes["a"]?.reason, "paused");
  await agree(it, run);
  await run.stop();
  const end = await run.wait();
  assert.deepEqual([end.status, end.cancelledBy], ["stopped", "stop"]);
  await agree(it, run);
});

test("a node that waits for a person: its question, and its answer", async (t) => {
  const it = client(t, site.url);
  const schema = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] };
  const graph = {
    nodes: [node("start", "start"), node("ask", "input_request", { prompt: "Go?", schema })],
    edges: [edge("start", "ask")],
  };
  const run = await it.startWorkflow(graph, { config: FAST });
  await run.until(({ nodes }) => nodes["ask"]?.waiting !== undefined);
  assert.equal(run.current.nodes["ask"]?.waiting?.prompt, "Go?");
  assert.deepEqual(run.current.nodes["ask"]?.waiting?.schema, schema);
  await assert.rejects(run.sendInput("ask", { ok: "maybe" }), { name: "CommandRefused" });
  await agree(it, run);
  await run.sendInput("ask", { ok: true });
  const end = await run.wait();
  assert.deepEqual(end.nodes["ask"]?.data, { ok: true });
  assert.equal(end.nodes["ask"]?.waiting, undefined);
});

test("progress: at every message of the server the fold has come to the same figures", async (t) => {
  const it = client(t, site.url);
  const graph = chain(30, { duration: 30 });
  const run = await it.startWorkflow(graph, { config: FAST });
  await run.until(({ graph: known }) => known !== undefined);
  let compared = 0;
  it.on("execution.progress", ({ payload }) => {
    const { completedNodes, totalNodes, progress, currentNode, estimatedTimeRemaining } = payload;
    const own = run.current.progress;
    assert.deepEqual(own, {
      completedNodes,
      totalNodes,
      progress,
      currentNode,
      ...(estimatedTimeRemaining === undefined ? {} : { estimatedTimeRemaining }),
    });
    compared += 1;
  });
  await run.wait();
  assert.ok(compared > 5, `${compared} messages of progress`);
});

test("an edge that leads nowhere, twins and notes: edges and their ids are the server's", async (t) => {
  const it = client(t, site.url);
  const graph = {
    nodes: [
      node("start", "start"),
      node("a", "end"),
      { id: "again", type: "start", data: {} },
      { id: "n", type: "stickyNote", data: {} },
      { id: 7, type: "end" },
    ],
    edges: [
      { source: "start", target: "a" },
      { id: "e0", source: "start", target: "a", sourceHandle: "" },
      { id: "e0", source: "start", target: "a" },
      { source: "start", target: "n" },
      { source: "start", target: "nowhere" },
      { source: "start", target: 7 },
      { id: "to a start", source: "a", target: "again" },
    ],
  };
  const run = await it.startWorkflow(graph, { config: FAST });
  await run.wait();
  await agree(it, run);
  assert.deepEqual(Object.keys(run.current.edges).sort(), ["e0", "e0#0", "e0#2", "e5"]);
});

test("a replay folds the events that HTTP tells to the same state, and can go on from any of its states", async (t) => {
  const it = client(t, site.url);
  const run = await it.startWorkflow(LOOPS, { config: FAST });
  const end = await run.until(({ status, graph: known }) => status === "completed" && known !== undefined);
  const graph = await it.graph(run.runId);
  const { events, closed, lastSeq } = await it.events(run.runId);
  assert.ok(closed);
  assert.equal(lastSeq, end.lastSeq);
  const replayed = foldEvents(events, graph);
  for (const key of [
    "status",
    "lastSeq",
    "nodes",
    "edges",
    "logs",
    "summary",
    "results",
    "startedAt",
    "warnings",
  ] as const) {
    assert.deepEqual(replayed[key], end[key], key);
  }
  const half = Math.floor(events.length / 2);
  const fold = new Fold(run.runId, { from: foldEvents(events.slice(0, half), graph) });
  for (const event of events.slice(half)) fold.apply(event);
  assert.deepEqual(fold.current, replayed);
});

test("an unchanged part of a state is the same object as before, an unchanged state itself", () => {
  const fold = new Fold("r");
  fold.setGraph(
    readGraph({
      nodes: [
        { id: "a", type: "start" },
        { id: "b", type: "end" },
      ],
      edges: [],
    }),
  );
  for (const event of [started(1), changed(2, "a", "running")]) fold.apply(event);
  const before = fold.current;
  assert.equal(fold.current, before);
  fold.apply(logged(3, "still here"));
  const logs = fold.current;
  assert.deepEqual([logs.lastSeq, logs.logs.length], [3, 1]);
  assert.equal(logs.nodes, before.nodes);
  assert.equal(logs.edges, before.edges);
  assert.equal(logs.progress, before.progress);
  fold.apply(changed(4, "b", "running"));
  assert.notEqual(fold.current.nodes, before.nodes);
  assert.equal(fold.current.nodes["a"], before.nodes["a"]);
  assert.equal(fold.current.logs, logs.logs);
  assert.deepEqual(Object.keys(before.nodes), ["a"], "a picture does not change");
});

test("a run that is about to end has no time left to tell", async (t) => {
  const it = client(t, site.url);
  const run = await it.startWorkflow(chain(2, { duration: 60_000 }), { config: FAST });
  await run.until(({ nodes }) => nodes["w0"]?.status === "running");
  await run.stop();
  await run.wait();
  const { events } = await it.events(run.runId);
  for (const graph of [await it.graph(run.runId), undefined]) {
    const fold = new Fold(run.runId);
    if (graph !== undefined) fold.setGraph(graph);
    const told = new Map<string, number | undefined>();
    for (const event of events) {
      fold.apply(event);
      fold.setProgress({
        totalNodes: 3,
        completedNodes: 1,
        currentNode: "w0",
        progress: 33.33,
        estimatedTimeRemaining: 5_000,
      });
      told.set(fold.current.status, fold.current.progress?.estimatedTimeRemaining);
    }
    assert.deepEqual(Object.fromEntries(told), { running: 5_000, stopping: undefined, stopped: undefined });
  }
});

test("the log of a run keeps its newest lines", () => {
  const fold = new Fold("r", { logLimit: 10 });
  for (let seq = 1; seq <= 35; seq++) fold.apply(logged(seq, `line ${seq}`));
  assert.deepEqual(
    fold.current.logs.map((line) => line.seq),
    [26, 27, 28, 29, 30, 31, 32, 33, 34, 35],
  );
});

const LOOPS: WorkflowGraph = {
  nodes: [
    node("start", "start"),
    node("outer", "loop", { type: "count", count: 2 }),
    node("inner", "loop", { type: "forEach", items: ["x", "y"] }),
    node("work", "set", { done: true }),
    node("leaf", "end"),
    node("after", "end"),
  ],
  edges: [
    edge("start", "outer"),
    edge("outer", "inner", "body"),
    edge("inner", "work", "body"),
    edge("work", "inner"),
    edge("inner", "leaf", "done"),
    edge("outer", "after", "done"),
  ],
};

const BRANCHES: WorkflowGraph = {
  nodes: [
    node("start", "start"),
    node("ask", "condition", { left: 1, operator: "lt", right: 2 }),
    node("yes", "set", { a: 1 }),
    node("no", "set", { a: 2 }),
    node("join", "end"),
    node("lost", "end"),
  ],
  edges: [
    edge("start", "ask"),
    edge("ask", "yes", "true"),
    edge("ask", "no", "false"),
    edge("yes", "join"),
    edge("no", "join"),
  ],
};

const FAILURES: WorkflowGraph = {
  nodes: [
    node("start", "start"),
    node("bad", "fail", { message: "no", retry: { maxAttempts: 3, delay: 10 } }),
    node("mend", "end"),
    node("never", "end"),
    node("shrug", "fail", { message: "so what", onError: "continue" }),
    node("on", "end"),
  ],
  edges: [
    edge("start", "bad"),
    edge("bad", "mend", "error"),
    edge("bad", "never"),
    edge("start", "shrug"),
    edge("shrug", "on"),
  ],
};

/** Nodes that wait, one behind the other. */
function chain(length: number, config: JsonObject): WorkflowGraph {
  const ids = Array.from({ length }, (_, index) => `w${index}`);
  return {
    nodes: [node("start", "start"), ...ids.map((id) => node(id, "wait", config))],
    edges: ids.map((id, index) => edge(index === 0 ? "start" : `w${index - 1}`, id)),
  };
}

/** The fold and the snapshot of one moment. */
async function agree(it: Client, run: Run): Promise<void> {
  await run.until(({ graph }) => graph !== undefined);
  const snapshot = await it.snapshot({ runId: run.runId });
  await run.until(({ lastSeq }) => lastSeq >= snapshot.lastSeq);
  assert.equal(run.current.lastSeq, snapshot.lastSeq, "the run went on meanwhile");
  assert.deepEqual(asSnapshot(run.current, snapshot), snapshot);
}

/** A state in the words of a snapshot; what only a snapshot knows is taken from it. */
function asSnapshot(state: RunState, { variables, replyTo }: Snapshot): Snapshot {
  const nodes = Object.entries(state.nodes).map(([nodeId, known]) => {
    const {
      seq: _,
      at: __,
      iteration,
      progress: ___,
      activity: ____,
      data = null,
      fired = [],
      ...rest
    } = known;
    const turns = iteration.length > 0 ? { iteration: [...iteration] } : {};
    return [nodeId, { nodeId, ...rest, ...turns, data, fired: [...fired] }];
  });
  return {
    runId: state.runId,
    status: state.status,
    nodes: Object.fromEntries(nodes) as Snapshot["nodes"],
    edges: state.edges,
    variables,
    lastSeq: state.lastSeq,
    breakpoints: [...state.breakpoints],
    ...(state.reason === undefined ? {} : { reason: state.reason }),
    ...(state.pausedAt === undefined ? {} : { nodeId: state.pausedAt }),
    ...(state.summary === undefined ? {} : { summary: state.summary }),
    ...(replyTo === undefined ? {} : { replyTo }),
  };
}

/** Until it ends, whoever waits for a person gets an answer. */
async function answered(it: Client, run: Run): Promise<void> {
  const asked = new Set<string>();
  const off = run.subscribe(() => {
    for (const [id, { waiting }] of Object.entries(run.current.nodes)) {
      if (waiting === undefined || asked.has(id)) continue;
      asked.add(id);
      void it.sendInput(run.runId, id, {}).catch(() => undefined);
    }
  });
  await run.wait();
  off();
}

function recordProgress(it: Client): object[] {
  const seen: object[] = [];
  it.on(
    "execution.progress",
    ({ payload: { totalNodes, completedNodes } }) => void seen.push({ totalNodes, completedNodes }),
  );
  return seen;
}

function started(seq: number): RunEvent {
  const event = { id: `r:${seq}`, type: "workflow.start", timestamp: seq, workflowId: "w", runId: "r", seq };
  return {
    ...event,
    payload: { runId: "r", totalNodes: 2, status: "running", warnings: [] },
  } as unknown as RunEvent;
}

function logged(seq: number, message: string): RunEvent {
  const event = { id: `r:${seq}`, type: "execution.log", timestamp: seq, workflowId: "w", runId: "r", seq };
  return { ...event, payload: { level: "info", message } } as RunEvent;
}

function changed(seq: number, nodeId: string, status: string): RunEvent {
  const event = { id: `r:${seq}`, type: `node.${status}`, timestamp: seq, workflowId: "w", runId: "r", seq };
  const made = {
    ...event,
    payload: { nodeId, status, message: "", attempt: 1, data: null, fired: [] },
  } as unknown as RunEvent;
  assert.ok(isEvent(made));
  return made;
}
