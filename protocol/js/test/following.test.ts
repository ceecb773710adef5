// What a client asks a server to send, and to send no more.

import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { before, test, type TestContext } from "node:test";
import type { Client, Message } from "../src/index.js";
import { Proxy } from "./proxy.js";
import { serve } from "./scripted.js";
import { client, edge, node, Site } from "./site.js";
import { chain, eventually, seqsOf, upTo } from "./watched.js";

const FAST = { seed: 7, defaultWaitTime: 0 };
const SHORT = { nodes: [node("start", "start"), node("end", "end")], edges: [edge("start", "end")] };

let site: Site;
before(async (t) => {
  site = await Site.open(t as TestContext, "--journal", "memory:");
});

for (const dialect of ["camel", "flat"] as const) {
  test(`${dialect}: a run that is opened and closed again and again is sent no more each time`, async (t) => {
    const it = client(t, site.url, { dialect });
    const run = await client(t, site.url).startWorkflow(chain(1, 600_000), { config: FAST });
    await run.until(({ nodes }) => nodes["w0"]?.status === "running");
    const onWire = wire(it);
    for (let n = 0; n < 3; n++) {
      const shown = it.run(run.runId);
      await shown.until(({ lastSeq }) => lastSeq >= run.current.lastSeq);
      shown.close();
      await it.status();
      const before = onWire.length;
      await run.pause();
      await run.until(({ status }) => status === "paused");
      await run.resume();
      await run.until(({ nodes }) => nodes["w0"]?.status === "running");
      await it.status();
      assert.deepEqual(onWire.slice(before), [], `after the ${n + 1}. time`);
    }
    await run.stop();
  });
}

test("a subscription to all runs that was closed while away is none when the client is back", async (t) => {
  const proxy = await Proxy.open(t, () => site.port);
  const it = client(t, proxy.url);
  const all = it.subscribe("*");
  await it.status();
  proxy.cut();
  await eventually(() => it.state === "away");
  all.close();
  await it.status();
  const starter = client(t, site.url);
  const onWire = wire(it);
  for (let n = 0; n < 2; n++) await (await starter.startWorkflow(SHORT, { config: FAST })).wait();
  await it.status();
  const before = onWire.length;
  const runs = [];
  for (let n = 0; n < 3; n++) runs.push(await (await starter.startWorkflow(SHORT, { config: FAST })).wait());
  await it.status();
  assert.deepEqual(onWire.slice(before), []);
});

test("runs that are over and closed leave no subscription behind", async (t) => {
  const it = client(t, site.url);
  const workflowId = "left-behind";
  const starter = client(t, site.url);
  const run = await starter.startWorkflow(SHORT, { config: FAST, workflowId });
  await run.wait();
  const shown = it.run(run.runId);
  await shown.wait();
  shown.close();
  await it.status();
  const onWire = wire(it);
  await (await starter.startWorkflow(SHORT, { config: FAST, workflowId })).wait();
  await it.status();
  assert.deepEqual(onWire, []);
});

test("while a run is being started, nothing of its workflow is called off", async (t) => {
  const said: string[] = [];
  const server = await serve(t, (socket) =>
    socket.on("message", (data) => {
      const command = JSON.parse(String(data)) as { id: string; type: string; workflowId: string };
      said.push(`${command.type} ${command.workflowId}`);
      if (command.type !== "workflow.start") return;
      // Of the run before; the server takes `unsubscribe` for the whole workflow.
      const payload = { nodeId: "a", status: "success", message: "", attempt: 1, data: null, fired: [] };
      const event = { id: "r:5", type: "node.success", timestamp: 1, workflowId: "w", runId: "r", seq: 5 };
      socket.send(JSON.stringify({ ...event, payload }));
      socket.send(JSON.stringify({ type: "broadcast" }));
    }),
  );
  const it = client(t, `ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const start = it.startWorkflow(SHORT, { workflowId: "w" });
  start.catch(() => undefined);
  await new Promise<void>((resolve) => it.on("broadcast", () => resolve()));
  await it.status({ signal: AbortSignal.timeout(50) }).catch(() => undefined);
  assert.ok(said.includes("workflow.start w"));
  assert.ok(!said.includes("workflow.unsubscribe w"), said.join());
});

test("a position is the id of an event, too", async (t) => {
  const starter = client(t, site.url);
  const run = await starter.startWorkflow(chain(3, 0), { config: FAST, workflowId: "from-here" });
  const { lastSeq } = await run.wait();
  for (const target of [{ runId: run.runId }, { workflowId: "from-here" }]) {
    const it = client(t, site.url);
    const seqs = seqsOf(it);
    it.subscribe(target, { after: `${run.runId}:3` });
    await eventually(() => seqs.get(run.runId)?.at(-1) === lastSeq);
    assert.deepEqual(seqs.get(run.runId), upTo(lastSeq).slice(3));
    // Further back than what was heard already.
    it.subscribe(target, { after: `${run.runId}:1` });
    await eventually(() => seqs.get(run.runId)?.length === 2 * lastSeq - 4);
    assert.deepEqual(seqs.get(run.runId)?.slice(lastSeq - 3), upTo(lastSeq).slice(1));
    assert.throws(() => it.subscribe(target, { after: "nonsense" }), TypeError);
  }
});

/** The events that come on the wire, wanted or not, from now on. */
function wire(it: Client): string[] {
  const ids: string[] = [];
  it.on("traffic", ({ direction, message }) => {
    if (direction === "in" && "seq" in message) ids.push((message as Message).id);
  });
  return ids;
}
