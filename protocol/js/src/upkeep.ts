// Keeps a client connected: one link after another, with a pause in between that grows, until it is over.
//
// Theory of operation: an `Upkeep` owns the link there is (link.ts) and the timer of the next attempt, never
// both. It tells its user of each link that is up, and of every change of state. Its end is `close()`, a
// server that refuses (close codes 4400–4499, or 3xx and 4xx at the handshake), or `maxAttempts`; after that
// nothing is called any more.
//
// The pause between two attempts is doubled each time, up to LAST_DELAY_MS, and then cut by up to a half, so
// that clients do not come all at once. What was heard ends the doubling: a server that only breaks off, or
// talks nonsense, is asked more and more rarely. A browser that is online again tries at once.

import type { Address } from "./address.js";
import { CallboardError, ServerRefused, ServerUnreachable } from "./errors.js";
import { isFinal, Link, type Parting } from "./link.js";
import { platformSocket, type SocketClass } from "./socket.js";

const FIRST_DELAY_MS = 50;
const LAST_DELAY_MS = 5_000;

/** How a client stands with its server. */
export type ClientState =
  /** It was never connected yet. */
  | "connecting"
  /** It is connected, and events that it missed are still to come. */
  | "replaying"
  /** What happens is heard at once. */
  | "live"
  /** The connection was lost; it tries to come back. Commands are kept. */
  | "away"
  /** It was closed or has given up: `client.failure` says why. */
  | "closed";

/** What `on("state")` is told. */
export interface StateChange {
  readonly state: ClientState;
  readonly previous: ClientState;
  /** Why it is away or closed, for a person. */
  readonly reason?: string;
  /** The close code, or the HTTP status of a refused handshake. */
  readonly code?: number;
  /** Milliseconds until the next attempt. */
  readonly retryIn?: number;
}

/** Who is kept connected. */
export interface UpkeepUser {
  /** A link is up; it knows nothing of the one before. */
  opened(): void;
  heard(text: string): void;
  /** It is time for a sign of life. */
  ping(): void;
  /** A link is over. */
  parted(parting: Parting): void;
  changed(change: StateChange): void;
  /** It is over; told before the last change. */
  ended(failure: CallboardError): void;
}

/** See the theory of operation above. */
export class Upkeep {
  readonly #address: Address;
  readonly #token: string | undefined;
  readonly #maxAttempts: number;
  readonly #user: UpkeepUser;
  #socketClass: SocketClass | undefined;
  #state: ClientState = "connecting";
  #failure: CallboardError | null = null;
  #link: Link | null = null;
  #up = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** Attempts in a row on which nothing was heard, the present one included. */
  #failures = 0;
  /** Milliseconds that the next attempt has to wait at least. */
  #hold = 0;
  /** To connect, all of them. */
  attempts = 0;
  /** Attempts that succeeded. */
  links = 0;

  constructor(
    address: Address,
    options: {
      token?: string | undefined;
      maxAttempts?: number | undefined;
      WebSocket?: SocketClass | undefined;
    },
    user: UpkeepUser,
  ) {
    this.#address = address;
    this.#token = options.token;
    this.#maxAttempts = options.maxAttempts ?? Infinity;
    this.#socketClass = options.WebSocket;
    this.#user = user;
    globalThis.addEventListener?.("online", this.#hurry);
    void this.#dial();
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Why it is over; null: it is not. */
  get failure(): CallboardError | null {
    return this.#failure;
  }

  /** Send a text if a link is up; whether one is. */
  post(text: string): boolean {
    if (!this.#up || this.#link === null) return false;
    this.#link.post(text);
    return true;
  }

  /** Something was heard that makes sense as JSON. */
  understood(): void {
    this.#failures = 0;
  }

  /** The conversation makes no sense any more: begin again, at once or a little later. */
  startOver(reason: string, options: { later: boolean } = { later: false }): void {
    if (options.later) this.#hold = LAST_DELAY_MS;
    this.#link?.cut(reason);
  }

  /** Whether what was missed is still to come: replaying, or live. */
  settle(behind: boolean): void {
    if (this.#state === "replaying" && !behind) this.#change("live", {});
    else if (this.#state === "live" && behind) this.#change("replaying", {});
  }

  /** It is over. Idempotent. */
  end(failure: CallboardError, said: { reason?: string; code?: number } = {}): void {
    if (this.#failure !== null) return;
    this.#failure = failure;
    const link = this.#link;
    this.#link = null;
    this.#up = false;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    globalThis.removeEventListener?.("online", this.#hurry);
    link?.close();
    this.#user.ended(failure);
    this.#change("closed", { reason: failure.message, ...said });
  }

  readonly #hurry = (): void => {
    if (this.#retry === undefined) return;
    clearTimeout(this.#retry);
    void this.#dial();
  };

  async #dial(): Promise<void> {
    this.#retry = undefined;
    this.attempts += 1;
    this.#failures += 1;
    const link = new Link(this.#address, {
      token: this.#token,
      user: {
        opened: () => this.#opened(),
        heard: (text) => this.#user.heard(text),
        ping: () => this.#user.ping(),
        parted: (parting) => this.#parted(link, parting),
      },
    });
    this.#link = link;
    try {
      this.#socketClass ??= await platformSocket();
    } catch (error) {
      this.end(new CallboardError("no_websocket", (error as Error).message));
      return;
    }
    // It may have been closed meanwhile.
    if (this.#link === link) link.start(this.#socketClass);
  }

  #opened(): void {
    this.links += 1;
    this.#up = true;
    this.#user.opened();
    this.#change("replaying", {});
  }

  #parted(link: Link, parting: Parting): void {
    if (this.#link !== link) return;
    this.#link = null;
    this.#up = false;
    this.#user.parted(parting);
    const code = parting.status ?? parting.code;
    const said = { reason: parting.text, code };
    const text = `${this.#address.name}: ${parting.text}`;
    if (isFinal(parting)) {
      this.end(new ServerRefused(text, code), said);
    } else if (this.#failures >= this.#maxAttempts) {
      this.end(new ServerUnreachable(`${text} (${this.#failures} attempts)`), said);
    } else {
      const retryIn = this.#delay();
      this.#retry = setTimeout(() => void this.#dial(), retryIn);
      // Who was never there is not away; but whoever shows it wants to know why.
      this.#change(this.#state === "connecting" ? "connecting" : "away", { ...said, retryIn });
    }
  }

  /** Until the next attempt, in milliseconds. */
  #delay(): number {
    const doubled = Math.min(
      LAST_DELAY_MS,
      FIRST_DELAY_MS * 2 ** Math.min(Math.max(this.#failures - 1, 0), 30),
    );
    const hold = this.#hold;
    this.#hold = 0;
    return Math.round(Math.max(hold, doubled * (0.5 + 0.5 * Math.random())));
  }

  #change(state: ClientState, said: { reason?: string; code?: number; retryIn?: number }): void {
    const previous = this.#state;
    if (state === previous && said.retryIn === undefined) return;
    this.#state = state;
    this.#user.changed({ state, previous, ...said });
  }
}
