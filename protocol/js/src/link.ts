// One connection to the server: from the handshake to its end. It knows nothing of runs and commands.
//
// Theory of operation: a link is made, used up and thrown away; to reconnect is to make another one. It calls
// `opened` once, `heard` for each frame in order, and `parted` exactly once, at the end, after which it calls
// nothing any more. Whatever way it ends (the server's close, a broken socket, silence, `cut`, `close`),
// `parted` says why.
//
// A browser does not tell how a handshake was refused, so a link that never opened asks over HTTP: the same
// token and the same origin are refused there with a status and a reason. A peer cannot send pings either, so
// silence is found with a heartbeat of the protocol, sent by `ping`: any byte that comes is a sign of life.
//
// Bounds: a frame of more than MAX_FRAME_CHARS ends the link. What was posted waits in the platform's own
// buffer; the client bounds that, since it posts each unanswered command and each subscription once per link.

import type { Address } from "./address.js";
import type { Socket, SocketClass } from "./socket.js";

/** For the connection and its handshake. */
const OPEN_MS = 10_000;
const PING_INTERVAL_MS = 15_000;
/** For the answer, or any other frame: then nobody is there. */
const PING_TIMEOUT_MS = 10_000;
/** For what has come already, and was not read yet. */
const LATE_MS = 1_000;
/** For the other side to close as well. */
const CLOSE_MS = 1_000;
/** The server sends no message beyond 1 MiB; a batch of them may be larger. */
const MAX_FRAME_CHARS = 32 * 2 ** 20;

const ABNORMAL = 1006;
const NORMAL = 1000;
/** The largest of the commands was more than the server takes at once. */
export const TOO_LARGE = 1009;

/** Why a link is over. */
export interface Parting {
  /** For a person. */
  readonly text: string;
  /** The WebSocket's close code; 1006: there was none. */
  readonly code: number;
  /** Of HTTP: how the handshake was refused. */
  readonly status?: number;
}

/**
 * Whether the server does not want this client back: close codes 4400–4499, and refusals that will be the
 * same again.
 */
export function isFinal({ code, status = 0 }: Parting): boolean {
  return (
    (code >= 4400 && code < 4500) || (status >= 300 && status < 500 && ![408, 425, 429].includes(status))
  );
}

/** Who uses a link. */
export interface LinkUser {
  opened(): void;
  /** A frame has come. */
  heard(text: string): void;
  /** It is time for a sign of life. */
  ping(): void;
  parted(parting: Parting): void;
}

/** One connection; see the theory of operation above. */
export class Link {
  readonly #address: Address;
  readonly #user: LinkUser;
  readonly #token: string | undefined;
  #socket: Socket | null = null;
  #open = false;
  #over = false;
  /** The handshake failed, and it is asked why. */
  #refused = false;
  /** Nothing was heard since it was asked for a sign of life. */
  #silent = false;
  readonly #called = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(address: Address, options: { token?: string | undefined; user: LinkUser }) {
    this.#address = address;
    this.#token = options.token;
    this.#user = options.user;
  }

  /** Connect. Never throws: what goes wrong is a parting. */
  start(SocketOf: SocketClass): void {
    let socket: Socket;
    try {
      socket = new SocketOf(this.#address.socket, [...this.#address.subprotocols]);
    } catch (error) {
      this.#part({ text: String(error), code: ABNORMAL });
      return;
    }
    this.#socket = socket;
    this.#timer = setTimeout(() => this.cut(`no handshake within ${OPEN_MS / 1000} s`), OPEN_MS);
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = ({ data }) => this.#heard(data);
    // Node.js 22 and newer tell of a handshake that failed with this alone; everybody else closes as well.
    socket.onerror = () => {
      if (!this.#open) void this.#closed(ABNORMAL, "");
    };
    socket.onclose = ({ code, reason }) => void this.#closed(code, reason);
  }

  /** Send a text, if the link is open. */
  post(text: string): void {
    if (this.#open && !this.#over) this.#socket?.send(text);
  }

  /** Bytes that wait to be sent. */
  get waiting(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** End it because nobody is there, or the conversation makes no sense any more. */
  cut(text: string): void {
    this.#part({ text, code: ABNORMAL });
  }

  /** End it in good order. */
  close(): void {
    this.#part({ text: "closed", code: NORMAL });
  }

  #opened(socket: Socket): void {
    if (this.#over) return;
    if (socket.protocol !== this.#address.subprotocols[0]) {
      this.#part({ text: `no callboard server is at ${this.#address.name}`, code: ABNORMAL, status: 404 });
      return;
    }
    this.#open = true;
    this.#user.opened();
    this.#ping();
  }

  /** Ask for a sign of life, wait for it, and rest. */
  #ping(): void {
    clearTimeout(this.#timer);
    if (this.#over) return;
    this.#silent = true;
    this.#user.ping();
    const cut = (): void => this.cut(`nothing was heard for ${PING_TIMEOUT_MS / 1000} s`);
    const rest = (): void => {
      this.#timer = setTimeout(() => this.#ping(), PING_INTERVAL_MS - PING_TIMEOUT_MS);
    };
    this.#timer = setTimeout(() => {
      if (!this.#silent) rest();
      // Where nothing ran for a while (a slow handler, a frozen page) the answer is behind the timers.
      else this.#timer = setTimeout(() => (this.#silent ? cut() : rest()), LATE_MS);
    }, PING_TIMEOUT_MS);
  }

  #heard(data: unknown): void {
    if (this.#over) return;
    this.#silent = false;
    if (typeof data !== "string") this.cut("the server sent a frame that is no text");
    else if (data.length > MAX_FRAME_CHARS) this.cut(`the server sent a frame of ${data.length} characters`);
    else this.#user.heard(data);
  }

  async #closed(code: number, reason: string): Promise<void> {
    if (this.#over) return;
    if (this.#open || code !== ABNORMAL) {
      this.#part({ text: reason || "the connection broke", code });
      return;
    }
    if (this.#refused) return;
    this.#refused = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#called.abort(), OPEN_MS);
    this.#part(await refusal(this.#address, this.#token, this.#called.signal));
  }

  #part(parting: Parting): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#called.abort();
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      // `ws` throws what nobody listens to.
      socket.onerror = () => undefined;
      // What could not be said in good order is ended at once, where the platform lets us.
      if (parting.code === ABNORMAL && socket.terminate !== undefined) socket.terminate();
      else leave(socket);
    }
    this.#user.parted(parting);
  }
}

/** Close it in good order, but do not wait for ever: `ws` keeps the process alive for half a minute. */
function leave(socket: Socket): void {
  socket.close(NORMAL);
  if (socket.terminate === undefined) return;
  const timer = setTimeout(() => socket.terminate?.(), CLOSE_MS);
  socket.onclose = () => clearTimeout(timer);
}

/** Why the handshake failed, as far as HTTP tells. */
async function refusal(
  address: Address,
  token: string | undefined,
  signal: AbortSignal,
): Promise<Parting> {
  try {
    const response = await fetch(`${address.http}/health`, {
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
      signal,
    });
    // 503 is the server's own word that it cannot just now; anything else below 500 will be the same the next
    // time.
    if (response.ok) return { text: "the connection was refused", code: ABNORMAL };
    const said = (await response.json().catch(() => null)) as { error?: { message?: string } } | null;
    const text = said?.error?.message ?? `the server answered ${response.status}`;
    return { text, code: ABNORMAL, status: response.status };
  } catch {
    return { text: `nobody answers at ${address.name}`, code: ABNORMAL };
  }
}
