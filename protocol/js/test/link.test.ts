// When a connection is cut, when it is not, and what is left of it when its client is closed: nothing.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { WebSocket } from "ws";
import { addressOf } from "../src/address.js";
import type { Socket, SocketClass } from "../src/index.js";
import { Link } from "../src/link.js";
import { serve } from "./scripted.js";
import { client } from "./site.js";
import { eventually } from "./watched.js";

const ADDRESS = addressOf("ws://127.0.0.1:9", { sessionId: "s", dialect: "camel", batch: true });

/** A socket whose peer is the test. */
class Wire implements Socket {
  static newest: Wire;
  readonly readyState = 1;
  readonly bufferedAmount = 0;
  readonly protocol = ADDRESS.subprotocols[0] ?? "";
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;

  constructor() {
    Wire.newest = this;
  }

  send(): void {}
  close(): void {}
}

test("a live connection is not cut by timers that come late, nor by a clock that is set back", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const partings: string[] = [];
  const user = {
    opened: () => undefined,
    heard: () => undefined,
    ping: () => undefined,
    parted: ({ text }: { text: string }) => void partings.push(text),
  };
  const link = new Link(ADDRESS, { user });
  link.start(Wire as unknown as SocketClass);
  Wire.newest.onopen?.({});
  t.mock.method(Date, "now", () => 0);
  Wire.newest.onmessage?.({ data: "{}" });
  for (let second = 0; second < 15; second++) t.mock.timers.tick(1_000);
  // It was asked again, and for ten seconds nothing ran; the answer is there, and is read behind the timers.
  t.mock.timers.tick(10_000);
  Wire.newest.onmessage?.({ data: "{}" });
  t.mock.timers.tick(1_000);
  assert.deepEqual(partings, []);
  for (let second = 0; second < 30; second++) t.mock.timers.tick(1_000);
  assert.deepEqual(partings, ["nothing was heard for 10 s"]);
});

test("a closed client waits for no server that does not answer its closing", async (t) => {
  const server = await serve(t, (socket) => socket.pause());
  let made: WebSocket | undefined;
  class Watched extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      made = this;
    }
  }
  const it = client(t, urlOf(server), { WebSocket: Watched as unknown as SocketClass });
  await eventually(() => made?.readyState === WebSocket.OPEN);
  it.close();
  const closedAt = performance.now();
  await eventually(() => made?.readyState === WebSocket.CLOSED);
  assert.ok(performance.now() - closedAt < 5_000);
});

test("a closed client calls its own questions over HTTP off", async (t) => {
  const asked = new Map<string, IncomingMessage>();
  const server = createServer((request) => void asked.set(request.url ?? "", request));
  server.on("upgrade", (_, socket) => socket.destroy());
  await listen(t, server);
  const it = client(t, urlOf(server));
  const run = it.run("r");
  await eventually(() => asked.has("/health") && asked.has("/api/runs/r/graph"));
  it.close();
  await eventually(() => [...asked.values()].every(({ socket }) => socket.destroyed));
  assert.equal(run.current.graph, undefined);
});

test("nothing of a closed client keeps a process alive", async () => {
  const script = `
    import { connect } from ${JSON.stringify(new URL("../src/index.js", import.meta.url).href)};
    const client = connect("ws://127.0.0.1:9");
    client.run("r").subscribe(() => undefined);
    client.status().catch(() => undefined);
    setTimeout(() => { client.close(); console.log(performance.now()); }, 1_000);
    process.on("exit", () => console.log(performance.now()));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  const [closedAt = 0, endedAt = Infinity] = stdout.trim().split("\n").map(Number);
  assert.ok(endedAt - closedAt < 500, `${endedAt - closedAt} ms`);
});

async function listen(t: TestContext, server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
}

function urlOf(server: { address(): unknown }): string {
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
