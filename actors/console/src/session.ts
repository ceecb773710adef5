/**
 * The page's one client: which server, with which token, as which session.
 *
 * Theory of operation: `openSession` is called once, by `main.tsx`. It asks the server over HTTP whether it is let in,
 * because a browser does not tell a page why a WebSocket was refused. If a token is wanted, the page asks for one
 * (`SessionState` is "token") and keeps it in this tab's sessionStorage; else the client is made and stays for the life
 * of the page. Whenever the client is away the question is put again, for the server that comes back may want another
 * token.
 *
 * The session's id belongs to one tab. It is taken out of sessionStorage while the page lives and put back when it
 * goes, so that a reload goes on with the session and a duplicated tab begins one of its own.
 */
import { connect, type Client } from "callboard";
import { useSyncExternalStore } from "react";

/** Where the page stands: asking, refused for want of a (right) token, or with its client. */
export type SessionState =
  | { readonly is: "asking" }
  | { readonly is: "token"; readonly wrong: boolean }
  | { readonly is: "open"; readonly client: Client };

/** Lines of a run's log that are kept while it is followed; the replay has all of them. */
export const RUN_LOG_LIMIT = 10_000;

const TOKEN = "callboard.token";
const SESSION = "callboard.session";
/** What a server takes for a token; a header can not carry everything else, and asking without it says as much. */
const TOKENS = /^[!-~]+$/;

/** What this tab keeps; in a browser that keeps nothing, as some are told, for as long as the page lives. */
const kept = {
  read(name: string): string | null {
    try {
      return sessionStorage.getItem(name);
    } catch {
      return null;
    }
  },
  write(name: string, value: string | null): void {
    try {
      if (value === null) sessionStorage.removeItem(name);
      else sessionStorage.setItem(name, value);
    } catch {
      // The token is asked for after a reload, and the session is another one.
    }
  },
};

const listeners = new Set<() => void>();
let state: SessionState = { is: "asking" };
let token: string | undefined;

/** Where the page stands; renders again when that changes. */
export function useSession(): SessionState {
  return useSyncExternalStore(subscribe, () => state);
}

/** The page's client. For everything that is shown only while the session is open, so for all but `main.tsx`. */
export function useClient(): Client {
  const session = useSession();
  if (session.is !== "open") throw new Error("the session is not open yet");
  return session.client;
}

/** Asks the server in; the token is that of `?token=`, else the one this tab has kept. */
export async function openSession(): Promise<void> {
  const address = new URL(location.href);
  const given = address.searchParams.get("token");
  if (given !== null) {
    // Out of the address bar, the history and every screenshot.
    address.searchParams.delete("token");
    history.replaceState(history.state, "", address);
  }
  await enter(given ?? kept.read(TOKEN) ?? undefined);
}

/** Tries a token that the visitor typed. */
export async function submitToken(typed: string): Promise<void> {
  await enter(typed.trim());
}

async function enter(next: string | undefined): Promise<void> {
  if (await isRefused(next)) {
    closeClient();
    set({ is: "token", wrong: next !== undefined });
    return;
  }
  token = next;
  if (next !== undefined) kept.write(TOKEN, next);
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const client = connect(`${scheme}://${location.host}`, {
    dialect: "camel",
    batch: true,
    sessionId: sessionId(),
    runLogLimit: RUN_LOG_LIMIT,
    ...(next === undefined ? {} : { token: next }),
  });
  client.on("state", () => {
    // It is closed when it was the first to hear that the token is another one now.
    if (client.state === "away" || client.state === "closed") void askAgain(client);
  });
  set({ is: "open", client });
}

async function askAgain(client: Client): Promise<void> {
  if ((await isRefused(token)) && state.is === "open" && state.client === client) {
    closeClient();
    set({ is: "token", wrong: token !== undefined });
  }
}

/** Whether the server answers, and wants another token than this one. One that does not answer refuses nobody. */
async function isRefused(with_: string | undefined): Promise<boolean> {
  try {
    const headers: HeadersInit = with_ !== undefined && TOKENS.test(with_) ? { Authorization: `Bearer ${with_}` } : {};
    return (await fetch("/health", { headers })).status === 401;
  } catch {
    return false;
  }
}

function closeClient(): void {
  if (state.is === "open") state.client.close();
}

let id: string | undefined;

function sessionId(): string {
  id ??= kept.read(SESSION) ?? `console-${randomName()}`;
  kept.write(SESSION, null);
  return id;
}

/** 72 bits; not crypto.randomUUID, which pages of plain http have on localhost only. */
function randomName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

window.addEventListener("pagehide", () => {
  if (id !== undefined) kept.write(SESSION, id);
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) kept.write(SESSION, null);
});

function set(next: SessionState): void {
  state = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
