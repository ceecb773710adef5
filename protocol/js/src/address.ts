// Where a server is: its WebSocket, its HTTP, and what a connection says of itself.

import type { DialectName } from "./dialects/index.js";

const SCHEMES: Readonly<Record<string, "ws" | "wss">> = {
  "ws:": "ws",
  "wss:": "wss",
  "http:": "ws",
  "https:": "wss",
};

/** What may stand in a subprotocol (RFC 7230, token); any other token goes into the query. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** The addresses of one server for one session. */
export interface Address {
  /** Of the WebSocket, the token in its query if it cannot be a subprotocol. */
  readonly socket: string;
  /** What is offered at the handshake; the first is what the server has to answer. */
  readonly subprotocols: readonly string[];
  /** Of HTTP, without a slash at its end; the server's own paths are put behind it. */
  readonly http: string;
  /** For people: host and port. */
  readonly name: string;
  readonly token: string | undefined;
}

/**
 * The addresses that a URL means.
 *
 * @param url `ws:`, `wss:`, `http:` or `https:`; its path is what the server's own paths are put behind. A
 * `token` in its query is taken out of it, and counts if there is no other.
 * @throws TypeError: it is none of these.
 */
export function addressOf(
  url: string | URL,
  options: { sessionId: string; dialect: DialectName; batch: boolean; token?: string | undefined },
): Address {
  const parts = new URL(url);
  const scheme = SCHEMES[parts.protocol];
  if (scheme === undefined) {
    throw new TypeError(`${parts.protocol} is no address of a server; one looks like ws://127.0.0.1:8765`);
  }
  const base = `${parts.host}${parts.pathname.replace(/\/+$/, "")}`;
  const query = new URLSearchParams(parts.search);
  const { token = query.get("token") ?? undefined } = options;
  query.delete("token");
  const subprotocols = [`callboard.${options.dialect}.v1${options.batch ? ".batch" : ""}`];
  if (token !== undefined && TOKEN.test(token)) subprotocols.push(`callboard.token.${token}`);
  else if (token !== undefined) query.set("token", token);
  const said = query.size > 0 ? `?${query.toString()}` : "";
  return {
    socket: `${scheme}://${base}/ws/${encodeURIComponent(options.sessionId)}${said}`,
    subprotocols,
    http: `${scheme === "wss" ? "https" : "http"}://${base}`,
    name: parts.host,
    token,
  };
}
