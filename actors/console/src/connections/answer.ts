/** What `GET /api/connections` answers, in the console's words. The call speaks snake and seconds. */

/** One connection of the server. Sizes in bytes, times in ms. */
export interface Connection {
  readonly sessionId: string;
  /** In ms since the epoch. */
  readonly connectedAt: number;
  /** The last sign of life, in ms since the epoch; null: none yet. */
  readonly lastHeartbeat: number | null;
  readonly subscriptions: readonly string[];
  /** What the client says of itself. */
  readonly clientInfo: unknown;
  /** null: it has not said anything yet that tells. */
  readonly dialect: string | null;
  /** In ms; null: no ping was answered yet. */
  readonly rtt: number | null;
  readonly sent: number;
  readonly received: number;
  readonly queued: number;
  /** Events left out because it is slow. */
  readonly conflated: number;
}

/** Who is connected. */
export interface Connections {
  readonly activeWorkflows: number;
  readonly connections: readonly Connection[];
}

interface Row {
  session_id: string;
  connected_at: number;
  last_heartbeat: number | null;
  subscriptions: string[];
  client_info: unknown;
  dialect: string | null;
  rtt: number | null;
  sent: number;
  received: number;
  queued: number;
  conflated: number;
}

/** The answer's body. */
export interface Answer {
  total_connections: number;
  active_workflows: number;
  connections: Row[];
}

/** The answer in the console's words. */
export function connectionsOf(answer: Answer): Connections {
  return {
    activeWorkflows: answer.active_workflows,
    connections: answer.connections.map((row) => ({
      sessionId: row.session_id,
      connectedAt: row.connected_at * 1000,
      lastHeartbeat: row.last_heartbeat === null ? null : row.last_heartbeat * 1000,
      subscriptions: row.subscriptions,
      clientInfo: row.client_info,
      dialect: row.dialect,
      rtt: row.rtt === null ? null : row.rtt * 1000,
      sent: row.sent,
      received: row.received,
      queued: row.queued,
      conflated: row.conflated,
    })),
  };
}

/** What a client says of itself, in one line. */
export function clientName(info: unknown): string {
  if (typeof info === "string") return info;
  if (typeof info !== "object" || info === null) return "";
  const { name, version, user_agent: agent } = info as { name?: unknown; version?: unknown; user_agent?: unknown };
  if (typeof name === "string") return typeof version === "string" ? `${name} ${version}` : name;
  return typeof agent === "string" ? browserName(agent) : JSON.stringify(info);
}

/** Newer browsers name the older ones that they are like, so the order tells. */
const BROWSERS: readonly [token: string, name: string][] = [
  ["Edg", "Edge"],
  ["OPR", "Opera"],
  ["Firefox", "Firefox"],
  ["Chrome", "Chrome"],
  ["Version", "Safari"],
];

function browserName(agent: string): string {
  if (!agent.startsWith("Mozilla/")) return agent;
  for (const [token, name] of BROWSERS) {
    const found = new RegExp(`\\b(?:Headless)?${token}/(\\d+)`).exec(agent);
    if (found !== null) return `${name} ${found[1]}`;
  }
  return agent;
}

/** What the rows can be sorted by. */
export const COLUMNS = [
  "sessionId",
  "dialect",
  "connectedAt",
  "client",
  "subscriptions",
  "rtt",
  "queued",
  "conflated",
  "sent",
  "received",
] as const;
export type Column = (typeof COLUMNS)[number];

/** An order of rows. */
export interface Order {
  readonly column: Column;
  readonly descending: boolean;
}

/** The rows in an order; what is not known comes last either way, and equals stay as they came. */
export function sorted(connections: readonly Connection[], order: Order): readonly Connection[] {
  const value = (connection: Connection): string | number | null => {
    switch (order.column) {
      case "client":
        return clientName(connection.clientInfo);
      case "subscriptions":
        return connection.subscriptions.length;
      default:
        return connection[order.column];
    }
  };
  const sign = order.descending ? -1 : 1;
  return [...connections].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) return (a === null ? 1 : 0) - (b === null ? 1 : 0);
    return sign * (typeof a === "string" && typeof b === "string" ? a.localeCompare(b) : Number(a) - Number(b));
  });
}
