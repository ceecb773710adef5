// What a client can ask of a real server, in all three dialects.

import assert from "node:assert/strict";
import { before, test, type TestContext } from "node:test";
import type { DialectName, InvalidWorkflow, Message, RunActive, StateChange } from "../src/index.js";
import { client, edge, node, Site } from "./site.js";
import { eventually } from "./watched.js";

const FAST = { seed: 7, defaultWaitTime: 0 };
const DIALECTS: readonly DialectName[] = ["camel", "snake", "flat"];

/** start → long, which runs until somebody stops it. */
const LONG = {
  nodes: [node("start", "start"), node("long", "wait", { duration: 600_000 })],
  edges: [edge("start", "long")],
};
const SHORT = { nodes: [node("start", "start"), node("end", "end")], edges: [edge("start", "end")] };

let site: Site;
before(async (t) => {
  site = await Site.open(t as TestContext, "--journal", "memory:");
});

for (const dialect of DIALECTS) {
  for (const batch of [true, false]) {
    test(`${dialect}, batch ${batch}: a run is started, steered and heard, each event once and in order`, async (t) => {
      const it = client(t, site.url, { dialect, batch });
      const heard: Message[] = [];
      it.on("*", (message) => void heard.push(message));
      const run = await it.startWorkflow(LONG, { config: FAST, workflowId: `${dialect}-${batch}` });
      await run.until(({ nodes }) => nodes["long"]?.status === "running");
      const paused = await it.pause(run.runId, { mode: "now" });
      assert.deepEqual([paused.ok, paused.was, paused.status], [true, "running", "pausing"]);
      await run.until(({ status }) => status === "paused");
      const resumed = await it.resume(run.runId);
      assert.deepEqual([resumed.was, resumed.status], ["paused", "running"]);
      await run.until(({ nodes }) => nodes["long"]?.status === "running");
      const stopped = await it.stop(run.runId, { force: true });
      assert.equal(stopped.ok, true);
      const end = await run.wait();
      assert.equal(end.status, "stopped");
      assert.equal(end.summary?.cancelledBy, "stop");
      assert.ok(Math.abs((end.startedAt ?? 0) - Date.now()) < 60_000, "times are milliseconds");
      const seqs = heard.flatMap((message) => ("seq" in message ? [message.seq] : []));
      assert.deepEqual(
        seqs,
        Array.from(seqs, (_, index) => index + 1),
      );
      assert.equal(heard.filter(({ type }) => type === "workflow.pause").length, 3, "a reply and two events");
    });
  }

  test(`${dialect}: what the server refuses is thrown, with its code and all of its problems`, async (t) => {
    const it = client(t, site.url, { dialect });
    const bad = {
      nodes: [node("start", "start"), node("x", "nonsense"), node("y", "wait", { duration: "no" })],
      edges: [],
    };
    const invalid = (await it.startWorkflow(bad).catch((error: unknown) => error)) as InvalidWorkflow;
    assert.equal(invalid.name, "InvalidWorkflow");
    const codes = invalid.problems.map(({ code, nodeId }) => `${code} ${nodeId}`);
    assert.ok(codes.includes("unknown_kind x") && codes.includes("bad_config y"), codes.join());

    const workflowId = `busy-${dialect}`;
    const run = await it.startWorkflow(LONG, { config: FAST, workflowId });
    const active = (await it
      .startWorkflow(LONG, { workflowId })
      .catch((error: unknown) => error)) as RunActive;
    assert.equal(active.name, "RunActive");
    assert.equal(active.runId, run.runId);

    await assert.rejects(it.resume(run.runId, { step: true }), { name: "CommandRefused", code: "refused" });
    await assert.rejects(it.pause("r-unknown"), { name: "CommandRefused", code: "unknown_workflow" });
    await assert.rejects(it.snapshot({ runId: "r-unknown" }), { name: "CommandRefused" });
    await assert.rejects(it.setBreakpoints(run.runId, ["nobody"]), { code: "unknown_node" });
    await assert.rejects(it.startWorkflow(SHORT, { config: { timeout: "soon" } }), { code: "bad_field" });
    await run.stop();
    await run.wait();
  });

  test(`${dialect}: lists, snapshots, validation and status`, async (t) => {
    const it = client(t, site.url, { dialect });
    const workflowId = `listed-${dialect}`;
    for (let n = 0; n < 3; n++) await (await it.startWorkflow(SHORT, { config: FAST, workflowId })).wait();
    const page = await it.list({ workflowId, limit: 2 });
    assert.equal(page.runs.length, 2);
    const rest = await it.list({ workflowId, limit: 2, cursor: page.nextCursor ?? "" });
    assert.equal(rest.runs.length, 1);
    assert.equal(rest.runs[0]?.status, "completed");
    assert.ok((rest.runs[0]?.createdAt ?? 0) > 1e12, "milliseconds");
    assert.deepEqual((await it.list({ workflowId, status: "failed" })).runs, []);

    const snapshot = await it.snapshot({ workflowId });
    assert.equal(snapshot.runId, page.runs[0]?.runId);
    assert.equal(snapshot.nodes["end"]?.status, "success");

    const found = await it.validate({ nodes: [node("start", "start"), node("lost", "end")], edges: [] });
    assert.equal(found.ok, true);
    assert.deepEqual(
      found.warnings.map(({ code, nodeId }) => [code, nodeId]),
      // In the flat dialect a graph begins where nothing leads in, but a start node is a start node there,
      // too.
      [["unreachable", "lost"]],
    );
    assert.equal((await it.validate({ nodes: [node("x", "nonsense")], edges: [] })).ok, false);

    const status = await it.status();
    assert.equal(status.status, "running");
    assert.equal(status.sessionId, it.sessionId);
  });
}

test("a run that somebody else started is shown from its first event on, with its logs", async (t) => {
  const [one, other] = [client(t, site.url), client(t, site.url, { dialect: "snake" })];
  const started = await one.startWorkflow(LONG, { config: FAST });
  await started.until(({ nodes }) => nodes["long"]?.status === "running");
  const run = other.run(started.runId);
  await run.until(({ lastSeq }) => lastSeq >= started.current.lastSeq);
  assert.deepEqual(run.current.logs, started.current.logs);
  assert.deepEqual(run.current.nodes, started.current.nodes);
  await other.stop(run.runId);
  assert.equal((await started.wait()).status, "stopped");
  assert.equal((await run.wait()).lastSeq, started.current.lastSeq);
});

test("one run is one object for as long as somebody has it open; then the server is asked to send no more", async (t) => {
  const it = client(t, site.url);
  const run = await it.startWorkflow(LONG, { config: FAST });
  assert.equal(it.run(run.runId), run);
  run.close();
  await it.pause(run.runId);
  await run.until(({ status }) => status === "paused");
  run.close();
  await new Promise<void>((resolve) => it.on("workflow.unsubscribe", () => resolve()));
  const heard: Message[] = [];
  it.on("*", (message) => void heard.push(message));
  await it.resume(run.runId);
  await it.stop(run.runId);
  await it.status();
  assert.deepEqual(
    heard.filter((message) => "seq" in message),
    [],
  );
  const again = it.run(run.runId);
  assert.notEqual(again, run);
  assert.equal((await again.wait()).status, "stopped");
});

test("a run that nobody knows says so", async (t) => {
  const it = client(t, site.url);
  const run = it.run("r-nobody");
  await run.until(({ problem }) => problem !== undefined);
  assert.equal(run.current.problem?.code, "unknown_workflow");
});

test("subscriptions: to a workflow's next runs, to all runs, to some types, from a place", async (t) => {
  const [starter, it] = [client(t, site.url), client(t, site.url)];
  const mine = it.subscribe({ workflowId: "watched" });
  await new Promise<void>((resolve) => it.on("workflow.subscribe", () => resolve()));
  const first: number[] = [];
  const off = it.on("*", (message) => void ("seq" in message && first.push(message.seq)));
  for (let n = 0; n < 2; n++) {
    const run = await starter.startWorkflow(SHORT, { config: FAST, workflowId: "watched" });
    await run.wait();
    await eventually(() => first.length === run.current.lastSeq * (n + 1));
  }
  const half = first.length / 2;
  assert.deepEqual(
    first,
    [...Array(half).keys(), ...Array(half).keys()].map((index) => index + 1),
  );
  off();
  mine.close();

  const all = it.subscribe("*", { types: ["execution.complete"] });
  await it.status();
  const endings: string[] = [];
  it.on("execution.complete", ({ runId, payload }) => void endings.push(`${runId} ${payload.status}`));
  const nodes: Message[] = [];
  it.on("node.success", (message) => void nodes.push(message));
  const run = await starter.startWorkflow(SHORT, { config: FAST });
  await run.wait();
  await eventually(() => endings.includes(`${run.runId} completed`));
  assert.deepEqual(nodes, []);
  all.close();

  const seqs: number[] = [];
  it.on("*", (message) => void ("seq" in message && message.runId === run.runId && seqs.push(message.seq)));
  it.subscribe({ runId: run.runId }, { after: 3 });
  await eventually(() => seqs.at(-1) === run.current.lastSeq);
  assert.deepEqual(
    seqs,
    Array.from(seqs, (_, index) => index + 4),
  );
});

test("async iteration: every message in order; full, it says how many are missing; it ends with the client", async (t) => {
  const it = client(t, site.url);
  const [quick, slow] = [it[Symbol.asyncIterator](), it.messages({ limit: 4 })];
  const run = await it.startWorkflow(SHORT, { config: FAST });
  await run.wait();
  it.close();
  const all = await collect(quick);
  const seqs = all.flatMap((message) => ("seq" in message ? [message.seq] : []));
  assert.deepEqual(
    seqs,
    Array.from({ length: run.current.lastSeq }, (_, index) => index + 1),
  );
  const kept = await collect(slow);
  assert.equal(kept.length, 5);
  const last = kept.at(-1);
  assert.equal(last?.type, "client.lagged");
  assert.deepEqual(last?.payload, { dropped: all.length - 4 });
  assert.equal(it.statistics().dropped, all.length - 4);
});

test("a handler that throws is reported, and hurts nobody", async (t) => {
  const thrown: unknown[] = [];
  const it = client(t, site.url, { onError: (error) => void thrown.push(error) });
  const types: string[] = [];
  it.on("workflow.start", () => {
    throw new Error("a bug of the user");
  });
  it.on("workflow.start", ({ type }) => void types.push(type));
  const run = await it.startWorkflow(SHORT, { config: FAST });
  run.subscribe(() => {
    throw new Error("another one");
  });
  await run.wait();
  await eventually(() => thrown.length >= 2);
  assert.deepEqual(types, ["workflow.start"]);
});

test("notifications of a run are batched: far fewer than its events", async (t) => {
  const it = client(t, site.url);
  const ids = Array.from({ length: 300 }, (_, index) => `n${index}`);
  const graph = {
    nodes: [node("start", "start"), ...ids.map((id) => node(id, "end"))],
    edges: ids.map((id) => edge("start", id)),
  };
  const run = await it.startWorkflow(graph, { config: FAST });
  let told = 0;
  run.subscribe(() => void (told += 1));
  const end = await run.wait();
  assert.ok(end.lastSeq > 600);
  assert.ok(told < end.lastSeq / 5, `${told} notifications of ${end.lastSeq} events`);
});

test("a large result is a reference on the wire, and whole when it is resolved", async (t) => {
  const it = client(t, site.url);
  const text = "x".repeat(400_000);
  const graph = {
    nodes: [node("start", "start"), node("big", "set", { text })],
    edges: [edge("start", "big")],
  };
  const run = await it.startWorkflow(graph, { config: FAST });
  const data = (await run.wait()).nodes["big"]?.data ?? null;
  assert.deepEqual(Object.keys(data as object), ["$ref"]);
  assert.deepEqual(await it.resolve(data), { text });
  assert.equal(await it.resolve("small"), "small");
});

test("HTTP calls carry the token; errors have the server's code", async (t) => {
  const guarded = await Site.open(t, "--journal", "memory:", "--token", "se/cret");
  const it = client(t, guarded.url, { token: "se/cret" });
  assert.equal((await it.status()).status, "running");
  const { kinds } = await it.http.get<{ kinds: object }>("/api/kinds");
  assert.ok(kinds);
  assert.ok((await it.http.blob("/api/schema")).size > 1_000);
  await assert.rejects(it.http.get("/api/runs/nobody"), { name: "HttpFailure", status: 404 });
  await assert.rejects(it.http.post("/api/runs", { nodes: [], edges: [] }), {
    name: "HttpFailure",
    status: 422,
  });
  const refused = await it.http.post("/api/runs", { nodes: [], edges: [] }).catch((error: unknown) => error);
  assert.ok(Array.isArray((refused as { details: { errors: unknown } }).details.errors));
});

test("the log keeps the newest messages both ways, and tells of each", async (t) => {
  const it = client(t, site.url, { logLimit: 10, dialect: "flat" });
  const traffic: string[] = [];
  it.on("traffic", ({ direction, message }) => void traffic.push(`${direction} ${message.type}`));
  const cleared: unknown[] = [];
  it.log.subscribe((entry) => void (entry === null && cleared.push(entry)));
  await (await it.startWorkflow(SHORT, { config: FAST })).wait();
  await eventually(() => it.statistics().rtt !== null);
  const entries = it.log.entries();
  assert.equal(entries.length, 10);
  assert.ok(
    traffic.includes("out workflow.start") && traffic.includes("in execution.complete"),
    "canonical names",
  );
  assert.deepEqual(
    entries.map(({ number }) => number),
    Array.from({ length: 10 }, (_, index) => traffic.length - 9 + index),
  );
  const statistics = it.statistics();
  assert.equal(statistics.sent + statistics.received, traffic.length);
  assert.ok(statistics.bytesReceived > 1_000 && statistics.bytesSent > 100);
  assert.ok((statistics.rtt?.last ?? 0) > 0);
  it.log.clear();
  assert.deepEqual(it.log.entries(), []);
  assert.equal(cleared.length, 1);
});

test("a command is given up by its signal, and a closed client says so to everybody", async (t) => {
  const nowhere = client(t, "ws://127.0.0.1:9");
  const states: StateChange[] = [];
  nowhere.on("state", (change) => void states.push(change));
  await assert.rejects(nowhere.status({ signal: AbortSignal.timeout(50) }), { name: "TimeoutError" });
  assert.equal(nowhere.statistics().queued, 0);
  const waiting = nowhere.status();
  assert.equal(nowhere.state, "connecting");
  assert.ok(states.some(({ retryIn, reason }) => (retryIn ?? 0) > 0 && /nobody answers/.test(reason ?? "")));
  nowhere.close();
  await assert.rejects(waiting, { code: "closed" });
  await assert.rejects(nowhere.list(), { code: "closed" });
  assert.throws(() => nowhere.run("r"), { code: "closed" });
  assert.equal(nowhere.state, "closed");
  nowhere.close();
});

test("no more than 256 commands wait; one more is Busy at once", async (t) => {
  const nowhere = client(t, "ws://127.0.0.1:9");
  const waiting = Promise.allSettled(Array.from({ length: 256 }, () => nowhere.status()));
  await assert.rejects(nowhere.status(), { name: "Busy" });
  nowhere.close();
  assert.ok((await waiting).every(({ status }) => status === "rejected"));
});

test("maxAttempts: it gives up, and says why", async (t) => {
  const it = client(t, "http://127.0.0.1:9", { maxAttempts: 2 });
  await assert.rejects(it.status(), { name: "ServerUnreachable" });
  assert.equal(it.statistics().attempts, 2);
  assert.throws(() => client(t, "ftp://x"), TypeError);
});

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of stream) all.push(message);
  return all;
}
