// A WebSocket server on a real socket that says what a test has it say: what no callboard server would.

import type { TestContext } from "node:test";
import { WebSocketServer, type WebSocket } from "ws";

/** A server that takes the first subprotocol it is offered, and leaves each connection to `peer`; gone with the test. */
export async function serve(t: TestContext, peer: (socket: WebSocket) => void): Promise<WebSocketServer> {
  const server = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    handleProtocols: (offered) => [...offered][0] ?? false,
  });
  await new Promise((resolve) => server.once("listening", resolve));
  server.on("connection", peer);
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return server;
}
