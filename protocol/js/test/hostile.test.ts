// A server that makes no sense, or means harm: it must not kill the client, nor make it believe anything.

import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { WebSocketServer, type WebSocket } from "ws";
import { connect, type Client, type DialectName, type Message, type StateChange } from "../src/index.js";
import { serve } from "./scripted.js";
import { eventually } from "./watched.js";

const EVENT = { id: "r:1", type: "node.success", timestamp: 1, workflowId: "w", runId: "r", seq: 1 };
const NODE = { nodeId: "a", status: "success", message: "", attempt: 1, data: null, fired: [] };

const SENSELESS: readonly unknown[] = [
  null,
  [],
  7,
  "text",
  {},
  { type: null },
  { type: 5, payload: [] },
  { type: "constructor" },
  { type: "__proto__", payload: {} },
  { type: "node.success" },
  { ...EVENT, payload: null },
  { ...EVENT, payload: { ...NODE, nodeId: 5 } },
  { ...EVENT, payload: { ...NODE, fired: "out" } },
  { ...EVENT, seq: -1, payload: NODE },
  { ...EVENT, seq: 1.5, payload: NODE },
  { ...EVENT, seq: "1", payload: NODE },
  { ...EVENT, runId: null, payload: NODE },
  { ...EVENT, timestamp: "yesterday", payload: NODE },
  { ...EVENT, type: "workflow.snapshot", seq: undefined, payload: { runId: "r", nodes: [], edges: null } },
  { ...EVENT, type: "execution.complete", payload: { status: "completed" } },
  {
    type: "workflow.subscribe",
    id: "",
    timestamp: 1,
    workflowId: "",
    payload: { ok: true, reset: true, runId: "r", replyTo: {} },
  },
  { type: "node_status_update", timestamp: "never", seq: 1 },
  { type: "workflow_status", status: "flying", timestamp: "2026-01-01T00:00:00.000Z", workflow_id: "" },
];

for (const dialect of ["camel", "snake", "flat"] as const satisfies readonly DialectName[]) {
  test(`${dialect}: messages that are none are left out and counted; what follows is heard`, async (t) => {
    const { it, peer } = await pair(t, dialect);
    const events: Message[] = [];
    it.on("*", (message) => void ("seq" in message && events.push(message)));
    const run = it.run("r");
    for (const each of SENSELESS) peer.send(JSON.stringify(each));
    peer.send(JSON.stringify([...SENSELESS, ...SENSELESS]));
    peer.send(JSON.stringify({ type: "notice", hello: "world" }));
    const notice = await new Promise<Message>((resolve) =>
      it.on("broadcast", (message) => {
        if (message.payload["type"] === "notice") resolve(message);
      }),
    );
    assert.deepEqual(notice.payload, { type: "notice", hello: "world" });
    assert.equal(it.state === "live" || it.state === "replaying", true);
    assert.ok(it.statistics().unreadable > 15, `${it.statistics().unreadable} were unreadable`);
    assert.equal(it.statistics().reconnects, 0);
    assert.deepEqual(events, []);
    assert.deepEqual(run.current.nodes, {});
  });
}

test("a node called __proto__, and one called constructor, are nodes like any other", async (t) => {
  const { it, peer } = await pair(t, "camel");
  const run = it.run("r");
  peer.send(
    JSON.stringify({
      ...EVENT,
      type: "workflow.start",
      payload: { runId: "r", totalNodes: 2, status: "running", warnings: [] },
    }),
  );
  peer.send(
    `{"id":"r:2","type":"node.success","timestamp":1,"workflowId":"w","runId":"r","seq":2,"payload":${JSON.stringify({ ...NODE, nodeId: "__proto__" })}}`,
  );
  peer.send(JSON.stringify({ ...EVENT, seq: 3, payload: { ...NODE, nodeId: "constructor" } }));
  await run.until(({ lastSeq }) => lastSeq === 3);
  assert.deepEqual(Object.keys(run.current.nodes), ["__proto__", "constructor"]);
  assert.equal((Object.prototype as { status?: string }).status, undefined);
});

for (const [what, frame] of [
  ["a frame that is not JSON", "{"],
  ["a binary frame", Buffer.from("{}")],
  ["a frame of 33 MiB", "x".repeat(33 * 2 ** 20)],
] as const) {
  test(`${what} ends the link, and the client comes back, more slowly each time`, async (t) => {
    const times: number[] = [];
    const server = await serve(t, (socket) => {
      times.push(performance.now());
      socket.send(frame);
    });
    const it = client(t, server);
    await eventually(() => times.length >= 4);
    it.close();
    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    assert.ok(
      (pauses[2] ?? 0) > 90,
      `${pauses.join(", ")} ms: each pause may be twice the one before, less a half`,
    );
    assert.equal(it.statistics().received, 0);
  });
}

test("whoever answers with another subprotocol is no callboard server: refused for good", async (t) => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "something.else" });
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => server.close());
  const it = client(t, server);
  await eventually(() => it.state === "closed");
  assert.match(it.failure?.message ?? "", /the server answered 426/, "which is what HTTP says there");
});

test("close codes: 4000–4099 and breaks are come back from, 4400–4499 are not", async (t) => {
  for (const [code, back] of [
    [1001, true],
    [1011, true],
    [4008, true],
    [4401, false],
    [4429, false],
  ] as const) {
    let links = 0;
    const server = await serve(t, (socket) => {
      links += 1;
      if (links === 1) socket.close(code, "because");
    });
    const it = client(t, server);
    await eventually(() => (back ? links === 2 : it.state === "closed"));
    assert.equal(links, back ? 2 : 1, String(code));
    if (!back) assert.match(it.failure?.message ?? "", /because/);
    it.close();
  }
});

test("a command that is too large for the server is refused, and the others are asked again", async (t) => {
  const server = await serve(t, (socket) => {
    socket.on("message", (data) => {
      const command = JSON.parse(String(data)) as { id: string; type: string };
      if (String(data).length > 10_000) socket.close(1009, "too large");
      else if (command.type === "workflow.list") {
        const message = { id: "", type: "workflow.list", timestamp: 1, workflowId: "" };
        setTimeout(
          () =>
            socket.send(
              JSON.stringify({ ...message, payload: { runs: [], nextCursor: null, replyTo: command.id } }),
            ),
          50,
        );
      }
    });
  });
  const it = client(t, server);
  const list = it.list();
  await assert.rejects(it.sendInput("r", "n", "x".repeat(20_000)), { code: "too_large" });
  assert.deepEqual((await list).runs, []);
});

test("a gap is asked for again, three times, and then for a snapshot", async (t) => {
  const asked: { afterSeq?: number }[] = [];
  const start = {
    ...EVENT,
    type: "workflow.start",
    payload: { runId: "r", totalNodes: 2, status: "running", warnings: [] },
  };
  const server = await serve(t, (socket) => {
    socket.on("message", (data) => {
      const { id, type, payload } = JSON.parse(String(data)) as {
        id: string;
        type: string;
        payload: { afterSeq?: number };
      };
      if (type !== "workflow.subscribe") return;
      asked.push(payload);
      const reset = (payload.afterSeq ?? 0) > 100;
      const said = { id: "", timestamp: 1, workflowId: "w" };
      const reply = { ok: true, reset, replyTo: id, runId: "r", lastSeq: 9, fromSeq: 1, subscriptions: [] };
      socket.send(JSON.stringify({ ...said, type: "workflow.subscribe", payload: reply }));
      if (reset) {
        const parts = ["a", "b"].map((nodeId, index) => ({
          runId: "r",
          status: "running",
          nodes: { [nodeId]: { ...NODE, nodeId } },
          edges: { [nodeId]: "taken" },
          variables: {},
          lastSeq: 9,
          breakpoints: [nodeId],
          part: index + 1,
          parts: 2,
        }));
        for (const part of parts)
          socket.send(JSON.stringify({ ...said, type: "workflow.snapshot", payload: part }));
        socket.send(JSON.stringify({ ...EVENT, seq: 10, payload: { ...NODE, nodeId: "c" } }));
      } else {
        // Seq 3 never comes.
        socket.send(JSON.stringify(start));
        socket.send(JSON.stringify({ ...EVENT, seq: 2, payload: NODE }));
        socket.send(JSON.stringify({ ...EVENT, seq: 4, payload: NODE }));
      }
    });
  });
  const it = client(t, server);
  const seqs: number[] = [];
  it.on("*", (message) => void ("seq" in message && seqs.push(message.seq)));
  const run = it.run("r");
  await run.until(({ lastSeq }) => lastSeq === 10);
  assert.deepEqual(
    asked.map(({ afterSeq = 0 }) => Math.min(afterSeq, 100)),
    [0, 2, 2, 2, 100],
  );
  assert.deepEqual(Object.keys(run.current.nodes), ["a", "b", "c"]);
  assert.deepEqual(run.current.edges, { a: "taken", b: "taken" });
  assert.deepEqual(seqs, [1, 2, 10]);
  assert.equal(it.state, "live");
});

test("a server that neither sends what is missing nor resets is left alone for a while", async (t) => {
  let asked = 0;
  const server = await serve(t, (socket) => {
    socket.on("message", (data) => {
      const { id, type } = JSON.parse(String(data)) as { id: string; type: string };
      if (type !== "workflow.subscribe") return;
      asked += 1;
      const reply = {
        ok: true,
        reset: false,
        replyTo: id,
        runId: "r",
        lastSeq: 9,
        fromSeq: 1,
        subscriptions: [],
      };
      socket.send(
        JSON.stringify({ id: "", timestamp: 1, workflowId: "w", type: "workflow.subscribe", payload: reply }),
      );
      socket.send(JSON.stringify({ ...EVENT, seq: 5, payload: NODE }));
    });
  });
  const it = client(t, server);
  const run = it.run("r");
  const change = await new Promise<StateChange>((resolve) => {
    it.on("state", (told) => told.state === "away" && resolve(told));
  });
  assert.match(change.reason ?? "", /leaves out what follows seq 0/);
  assert.ok((change.retryIn ?? 0) >= 5_000, `${change.retryIn} ms`);
  assert.equal(asked, 5);
  assert.equal(run.current.lastSeq, 0);
});

function client(t: TestContext, server: WebSocketServer, dialect: DialectName = "camel"): Client {
  const it = connect(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    dialect,
    onError: (error) => assert.fail(String(error)),
  });
  t.after(() => it.close());
  return it;
}

async function pair(t: TestContext, dialect: DialectName): Promise<{ it: Client; peer: WebSocket }> {
  let it: Client | undefined;
  const peer = await new Promise<WebSocket>((resolve) => {
    void serve(t, resolve).then((server) => (it = client(t, server, dialect)));
  });
  return { it: it as Client, peer };
}
