// What a client keeps does not grow with what it has seen, and what its user does wrong hurts only that user.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { before, test, type TestContext } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Http, MessageLog, type Message } from "../src/index.js";
import { serve } from "./scripted.js";
import { client, edge, node, Site } from "./site.js";
import { chain } from "./watched.js";

const FAST = { seed: 7, defaultWaitTime: 0 };
const SHORT = { nodes: [node("start", "start"), node("end", "end")], edges: [edge("start", "end")] };

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

let site: Site;
before(async (t) => {
  site = await Site.open(t as TestContext, "--journal", "memory:");
});

test("what the message log drops is free, also when its messages are large and few", async () => {
  const log = new MessageLog(500);
  const dropped: WeakRef<object>[] = [];
  for (let n = 0; n < 40; n++) {
    const message = { type: "broadcast", payload: {} } as unknown as Message;
    dropped.push(new WeakRef(message));
    log.add("in", message, 2 ** 20);
  }
  assert.equal(log.entries().length, 8);
  // A WeakRef holds what it was made of until the job is over.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  const kept = dropped.filter((each) => each.deref() !== undefined).length;
  assert.ok(kept <= 16, `${kept} of 40 are kept`);
});

test("the graph of a run that nobody shows is not kept", async (t) => {
  const it = client(t, site.url);
  const run = await it.startWorkflow(SHORT, { config: FAST });
  const shown = await it.graph(run.runId);
  assert.equal(await it.graph(run.runId), shown);
  await run.wait();
  run.close();
  const graph = new WeakRef(await it.graph(run.runId));
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  assert.equal(graph.deref(), undefined);
});

test("a run is asked for its graph when the server has it, not while it is being started", async (t) => {
  const asked: string[] = [];
  const { fetch } = globalThis;
  t.mock.method(globalThis, "fetch", (url: string, init: RequestInit) => {
    asked.push(url);
    return fetch(url, init);
  });
  const it = client(t, site.url);
  const before = new Promise<string[]>((resolve) => it.on("workflow.start", () => resolve([...asked])));
  const run = await it.startWorkflow(SHORT, { config: FAST });
  assert.deepEqual(await before, []);
  await run.until(({ graph }) => graph !== undefined);
});

test("runs that were heard of and never ended are forgotten, the oldest first", async (t) => {
  const line = (run: number): object => ({
    id: `r${run}:2`,
    type: "execution.log",
    timestamp: 1,
    workflowId: `w${run}`,
    runId: `r${run}`,
    seq: 2,
    payload: { level: "info", message: "" },
  });
  const server = await serve(t, (socket) => {
    socket.send(JSON.stringify(Array.from({ length: 5_000 }, (_, run) => line(run))));
    socket.send(JSON.stringify([line(4_999), line(0), { type: "last" }]));
  });
  const it = client(t, `ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  it.subscribe("*", { types: ["log"] });
  await new Promise<void>((resolve) => it.on("broadcast", () => resolve()));
  assert.equal(it.statistics().repeats, 1, "the newest is known");
  assert.equal(it.statistics().events, 5_001, "the oldest is as good as new");
});

test("a listener of the log that throws is reported, and hurts nobody", async (t) => {
  const thrown: unknown[] = [];
  const it = client(t, site.url, { onError: (error) => void thrown.push(error) });
  it.log.subscribe(() => {
    throw new Error("a bug of the user");
  });
  await (await it.startWorkflow(SHORT, { config: FAST })).wait();
  assert.equal(it.statistics().unreadable, 0);
  assert.ok(thrown.length > 5);
});

test("no lines at all are kept where none are wanted", async (t) => {
  const it = client(t, site.url, { runLogLimit: 0 });
  const end = await (await it.startWorkflow(SHORT, { config: FAST })).wait();
  assert.deepEqual(end.logs, []);
});

test("who waits for a run is told when it is closed, and when the question itself fails", async (t) => {
  const it = client(t, site.url);
  const run = await it.startWorkflow(chain(1, 600_000), { config: FAST });
  const failing = run.until(({ nodes }) => {
    if (nodes["w0"]?.status === "running") throw new Error("a bug of the user");
    return false;
  });
  await assert.rejects(failing, /a bug of the user/);
  const waiting = run.wait();
  run.close();
  await assert.rejects(waiting, { code: "closed" });
  await assert.rejects(run.wait(), { code: "closed" });
  await it.stop(run.runId);
});

test("a token in the URL is the token, of HTTP too, and no part of the address any more", async (t) => {
  const guarded = await Site.open(t, "--journal", "memory:", "--token", "secret");
  const urls: string[] = [];
  const it = client(t, `${guarded.url}/?token=secret&client=%7B%7D`);
  const { fetch } = globalThis;
  t.mock.method(globalThis, "fetch", (url: string, init: RequestInit) => {
    urls.push(url);
    return fetch(url, init);
  });
  const run = await it.startWorkflow(SHORT, { config: FAST });
  await run.until(({ graph }) => graph !== undefined);
  assert.ok(urls.length > 0 && urls.every((url) => !url.includes("secret")));
});

test("an answer over HTTP that breaks off, or is none, is an error with a code", async (t) => {
  const server = createServer((request, response) => {
    if (request.url === "/html") return void response.end("<html>");
    response.writeHead(200, { "Content-Length": "100" }).write("{");
    setTimeout(() => response.destroy(), 20);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const http = new Http(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, undefined);
  await assert.rejects(http.get("/cut"), { code: "unreachable" });
  await assert.rejects(http.blob("/cut"), { code: "unreachable" });
  await assert.rejects(http.get("/html"), { code: "unreadable" });
  await assert.rejects(http.get("/cut", { signal: AbortSignal.timeout(1) }), { name: "TimeoutError" });
});
