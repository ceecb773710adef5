// What a client promises when its connection, or the server, is lost: every event once, in order; every
// command done once.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { ServerRefused, Socket, StateChange } from "../src/index.js";
import { Proxy } from "./proxy.js";
import { client, edge, folder, node, Site } from "./site.js";
import { agrees, chain, eventually, seqsOf, upTo } from "./watched.js";

const FAST = { seed: 7, defaultWaitTime: 0 };

test("kill -9 in mid-run, three times, with a SQLite journal: the run goes on, and the client with it", async (t) => {
  const site = await Site.open(t, "--journal", `sqlite:${join(folder(t), "runs.db")}`);
  const it = client(t, site.url);
  const seqs = seqsOf(it);
  const states: StateChange[] = [];
  it.on("state", (change) => void states.push(change));
  const run = await it.startWorkflow(chain(40, 60), { config: FAST });
  for (const completed of [8, 16, 24]) {
    await run.until(({ nodes }) => nodes[`w${completed}`] !== undefined);
    await site.kill();
    await eventually(() => it.state === "away");
    const asked = it.status();
    await site.start();
    assert.equal((await asked).status, "running");
  }
  const end = await run.wait();
  assert.equal(end.status, "completed");
  assert.deepEqual(seqs.get(run.runId), upTo(end.lastSeq));
  assert.ok(states.filter(({ state }) => state === "away").length >= 3);
  await eventually(() => states.at(-1)?.state === "live");
  await agrees(it, run);
});

test("a workflow's runs are followed over a restart: the next one is heard from its first event", async (t) => {
  const site = await Site.open(t, "--journal", `sqlite:${join(folder(t), "runs.db")}`);
  const it = client(t, site.url);
  const seqs = seqsOf(it);
  it.subscribe({ workflowId: "w" });
  await it.status();
  const other = client(t, site.url);
  const first = await (await other.startWorkflow(chain(1, 0), { config: FAST, workflowId: "w" })).wait();
  await eventually(() => seqs.get(first.runId)?.at(-1) === first.lastSeq);
  await site.kill();
  await eventually(() => it.state === "away");
  await site.start();
  // It may have begun and ended before the follower is back.
  const second = await (await other.startWorkflow(chain(1, 0), { config: FAST, workflowId: "w" })).wait();
  await eventually(() => seqs.get(second.runId)?.at(-1) === second.lastSeq);
  assert.deepEqual(seqs.get(first.runId), upTo(first.lastSeq));
  assert.deepEqual(seqs.get(second.runId), upTo(second.lastSeq));
});

test("all runs: cut in the middle of one, a subscription to `*` misses nothing of it", async (t) => {
  const site = await Site.open(t, "--journal", "memory:");
  const proxy = await Proxy.open(t, () => site.port);
  const it = client(t, proxy.url);
  const seqs = seqsOf(it);
  it.subscribe("*");
  await it.status();
  const run = await client(t, site.url).startWorkflow(chain(30, 30), { config: FAST });
  for (let n = 1; n <= 3; n++) {
    await run.until(({ nodes }) => nodes[`w${8 * n}`] !== undefined);
    proxy.cut();
  }
  const end = await run.wait();
  await eventually(() => seqs.get(run.runId)?.at(-1) === end.lastSeq);
  assert.deepEqual(seqs.get(run.runId), upTo(end.lastSeq));
});

test("all runs: away until the server has forgotten the session, it asks for what is missing of a run that it heard", async (t) => {
  const site = await Site.open(t, "--journal", "memory:", "--resume-window", "1ms");
  const proxy = await Proxy.open(t, () => site.port);
  const it = client(t, proxy.url);
  const seqs = seqsOf(it);
  it.subscribe("*");
  await it.status();
  const starter = client(t, site.url);
  const run = await starter.startWorkflow(chain(10, 10), { config: { ...FAST, breakpoints: ["w2", "w8"] } });
  await run.until(({ status }) => status === "paused");
  await eventually(() => seqs.get(run.runId)?.at(-1) === run.lastSeq);
  proxy.plan = () => ({ up: 0, down: 0 });
  proxy.cut();
  await run.resume();
  await run.until(({ pausedAt, status }) => pausedAt === "w8" && status === "paused");
  proxy.plan = null;
  await eventually(() => it.state === "live");
  assert.ok((seqs.get(run.runId)?.at(-1) ?? 0) < run.lastSeq, "nothing has told it yet");
  await run.resume();
  const end = await run.wait();
  await eventually(() => seqs.get(run.runId)?.at(-1) === end.lastSeq);
  assert.deepEqual(seqs.get(run.runId), upTo(end.lastSeq));
});

test("a server whose journal is gone: the run is unknown, and what was seen of it stays", async (t) => {
  const site = await Site.open(t, "--journal", "memory:");
  const it = client(t, site.url);
  const run = await it.startWorkflow(chain(1, 600_000), { config: FAST });
  await run.until(({ nodes }) => nodes["w0"]?.status === "running");
  await site.kill();
  await site.start();
  await run.until(({ problem }) => problem !== undefined);
  assert.equal(run.current.problem?.code, "unknown_workflow");
  assert.equal(run.current.nodes["w0"]?.status, "running");
  await assert.rejects(run.pause(), { code: "unknown_workflow" });
});

test("a position that the server does not know is answered with a reset: on it goes behind the snapshot", async (t) => {
  const site = await Site.open(t, "--journal", "memory:");
  const run = await client(t, site.url).startWorkflow(chain(3, 600_000), { config: FAST });
  await run.until(({ nodes }) => nodes["w0"] !== undefined);
  const it = client(t, site.url);
  const seqs = seqsOf(it);
  const snapshots: number[] = [];
  it.on("workflow.snapshot", ({ payload }) => void snapshots.push(payload.lastSeq));
  it.subscribe({ runId: run.runId }, { after: 9_999 });
  await eventually(() => snapshots.length === 1);
  await run.pause();
  const { lastSeq } = await run.until(({ status }) => status === "paused");
  await eventually(() => seqs.get(run.runId)?.at(-1) === lastSeq);
  assert.deepEqual(seqs.get(run.runId), upTo(lastSeq).slice(snapshots[0]));
  await run.stop();
});

test("who shows a run and claims a position that nobody has goes on with what follows", async (t) => {
  const site = await Site.open(t, "--journal", "memory:");
  const it = client(t, site.url);
  const run = await it.startWorkflow(chain(3, 600_000), { config: FAST });
  await run.until(({ nodes }) => nodes["w0"] !== undefined);
  const before = run.lastSeq;
  const seqs = seqsOf(it);
  it.subscribe({ runId: run.runId }, { after: 9_999 });
  await it.status();
  await run.pause();
  const { lastSeq } = await run.until(({ status }) => status === "paused");
  assert.deepEqual(seqs.get(run.runId), upTo(lastSeq).slice(before));
  await agrees(it, run);
  await run.stop();
});

test("a slow client: what it is spared is counted, its state is right, and the run does not wait for it", async (t) => {
  const site = await Site.open(t, "--journal", "memory:");
  const proxy = await Proxy.open(t, () => site.port);
  const [slow, quick] = [client(t, proxy.url), client(t, site.url)];
  const text = "x".repeat(3_000);
  const ids = Array.from({ length: 60 }, (_, index) => `n${index}`);
  const graph = {
    nodes: [
      node("start", "start"),
      node("loop", "loop", { type: "count", count: 60 }),
      ...ids.map((id) => node(id, "set", { [id]: text })),
    ],
    edges: [
      edge("start", "loop"),
      ...ids.map((id, index) =>
        edge(index === 0 ? "loop" : `n${index - 1}`, id, index === 0 ? "body" : undefined),
      ),
    ],
  };
  const paused = { ...FAST, breakpoints: ["loop"] };
  const started = await quick.startWorkflow(graph, { config: paused });
  const run = slow.run(started.runId);
  let [delivered, last, gaps] = [0, 0, 0];
  slow.on("*", (message) => {
    if (!("seq" in message) || message.runId !== run.runId) return;
    delivered += 1;
    const skipped = message.seq - last - 1;
    gaps += skipped;
    assert.ok(skipped <= ((message as { conflated?: number }).conflated ?? 0), "a gap is said to be one");
    last = message.seq;
    const until = performance.now() + 0.5;
    while (performance.now() < until);
  });
  await run.until(({ status }) => status === "paused");
  proxy.hold(true);
  await started.resume();
  const end = await started.wait();
  proxy.hold(false);
  const own = await run.wait();
  await agrees(quick, run);
  assert.deepEqual(own.nodes, end.nodes);
  assert.equal(delivered + gaps, end.lastSeq);
  assert.equal(own.conflated, gaps);
  assert.equal(slow.statistics().conflated, gaps);
  assert.ok(gaps > 100, `${gaps} of ${end.lastSeq} were left out`);
});

test("a wrong token is refused for good, and the error says so", async (t) => {
  const site = await Site.open(t, "--journal", "memory:", "--token", "right");
  for (const token of ["wrong", undefined]) {
    const it = client(t, site.url, token === undefined ? {} : { token });
    const error = (await it.status().catch((thrown: unknown) => thrown)) as ServerRefused;
    assert.deepEqual([error.name, error.reason], ["ServerRefused", 401]);
    assert.equal(it.state, "closed");
    assert.equal(it.failure, error);
    assert.equal(it.statistics().attempts, 1);
  }
});

test("a platform that tells of a failed handshake by an error alone, as Node.js 22 does, is understood", async (t) => {
  const site = await Site.open(t, "--journal", "memory:", "--token", "right");
  class ErrorAlone implements Socket {
    readonly readyState = 0;
    readonly protocol = "";
    readonly bufferedAmount = 0;
    onopen = null;
    onmessage = null;
    onclose = null;
    onerror: ((event: unknown) => void) | null = null;

    constructor() {
      setTimeout(() => this.onerror?.({}), 1);
    }

    send(): void {}
    close(): void {}
  }
  const it = client(t, site.url, { WebSocket: ErrorAlone });
  await assert.rejects(it.status(), { name: "ServerRefused", reason: 401 });
});

test("a second client with the same session takes it over: the first is closed with 4409 and stays away", async (t) => {
  const site = await Site.open(t, "--journal", "memory:");
  const one = client(t, site.url, { sessionId: "tab" });
  await one.status();
  const other = client(t, site.url, { sessionId: "tab" });
  await eventually(() => one.state === "closed");
  assert.equal((one.failure as ServerRefused).reason, 4409);
  assert.equal((await other.status()).sessionId, "tab");
  await assert.rejects(one.status(), { name: "ServerRefused" });
});

test("a server that goes away in good order is waited for", async (t) => {
  const site = await Site.open(t, "--journal", "memory:");
  const it = client(t, site.url);
  await it.status();
  const said: string[] = [];
  it.on("system.status", ({ payload }) => void said.push(payload.status));
  const away = new Promise<StateChange>((resolve) =>
    it.on("state", (change) => change.state === "away" && resolve(change)),
  );
  await site.end();
  assert.equal((await away).code, 1001);
  assert.deepEqual(said, ["shutting_down"]);
  await site.start();
  assert.equal((await it.status()).status, "running");
});
