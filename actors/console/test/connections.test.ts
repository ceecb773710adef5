import { expect, test } from "vitest";
import { clientName, connectionsOf, sorted, type Connection } from "../src/connections/answer";

const ROW = {
  session_id: "s1",
  connected_at: 1.5,
  last_heartbeat: null,
  subscriptions: ["*"],
  client_info: { user_agent: "Firefox" },
  dialect: null,
  rtt: 0.25,
  sent: 1,
  received: 2,
  queued: 3,
  conflated: 4,
};

test("seconds become ms, and null stays unknown", () => {
  const { connections, activeWorkflows } = connectionsOf({ total_connections: 1, active_workflows: 7, connections: [ROW] });
  expect(activeWorkflows).toBe(7);
  expect(connections[0]).toMatchObject({ sessionId: "s1", connectedAt: 1500, lastHeartbeat: null, rtt: 250, dialect: null });
});

test("a client is called by its name, else by its browser, else by what it said", () => {
  expect(clientName({ name: "robot", version: "2" })).toBe("robot 2");
  const agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";
  expect(clientName({ user_agent: agent })).toBe("Chrome 141");
  expect(clientName({ user_agent: `${agent} Edg/140.1` })).toBe("Edge 140");
  expect(clientName({ user_agent: "python-websockets/15.0" })).toBe("python-websockets/15.0");
  expect(clientName({ odd: 1 })).toBe('{"odd":1}');
  expect(clientName(null)).toBe("");
});

test("rows are sorted either way, the unknown last both times", () => {
  const rows = [5, null, 1].map((rtt, index) => ({ ...(connectionsOf({ total_connections: 1, active_workflows: 0, connections: [ROW] }).connections[0] as Connection), rtt, sessionId: `s${index}` }));
  const rtts = (descending: boolean) => sorted(rows, { column: "rtt", descending }).map((row) => row.rtt);
  expect(rtts(false)).toEqual([1, 5, null]);
  expect(rtts(true)).toEqual([5, 1, null]);
  expect(sorted(rows, { column: "sessionId", descending: true })[0]?.sessionId).toBe("s2");
});
