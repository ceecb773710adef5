// How a client does: what it sent and heard, how long an answer takes, and the newest messages for whoever
// debugs.
//
// Bounds: the log is a ring of `limit` entries and LOG_CHARS characters; the oldest go first. The round trips
// are the newest SAMPLES.

import type { ClientMessage, Message } from "./messages.js";

/** Of all messages in the log. */
const LOG_CHARS = 8 * 2 ** 20;
const SAMPLES = 128;

/** A message that was sent or heard. */
export interface LogEntry {
  /** Counts from 1, also over what was dropped. */
  readonly number: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly direction: "in" | "out";
  /** Its length on the wire, without the frame. */
  readonly bytes: number;
  /** In its canonical form, whatever the dialect. */
  readonly message: Message | ClientMessage;
}

/** The newest messages. */
export class MessageLog {
  readonly #limit: number;
  readonly #listeners = new Set<(entry: LogEntry | null) => void>();
  #entries: LogEntry[] = [];
  #first = 0;
  #chars = 0;
  #number = 0;

  readonly #report: (error: unknown) => void;

  /**
   * @param limit entries at most.
   * @param report told what a listener threw.
   */
  constructor(limit: number, report: (error: unknown) => void = console.error) {
    this.#limit = limit;
    this.#report = report;
  }

  /** What is kept, oldest first; a copy. */
  entries(): LogEntry[] {
    return this.#entries.slice(this.#first);
  }

  /** Forget all of it. */
  clear(): void {
    this.#entries = [];
    this.#first = this.#chars = 0;
    this.#tell(null);
  }

  /**
   * Hear of each new entry, and with `null` that the log was cleared.
   *
   * @returns a function that ends it.
   */
  subscribe(listener: (entry: LogEntry | null) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Keep a message. For the client. */
  add(direction: "in" | "out", message: Message | ClientMessage, bytes: number): LogEntry {
    const entry: LogEntry = { number: ++this.#number, at: Date.now(), direction, bytes, message };
    this.#entries.push(entry);
    this.#chars += bytes;
    while (this.#entries.length - this.#first > this.#limit || this.#chars > LOG_CHARS) {
      const oldest = this.#entries[this.#first];
      if (oldest === undefined) break;
      this.#chars -= oldest.bytes;
      this.#first += 1;
    }
    // Cut off what was dropped, now and then: a shift for each entry would cost as much as the log is long.
    if (2 * this.#first > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
    this.#tell(entry);
    return entry;
  }

  #tell(entry: LogEntry | null): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(entry);
      } catch (error) {
        this.#report(error);
      }
    }
  }
}

/** What a client did so far, and what waits in it. */
export interface ClientStatistics {
  /** Of a heartbeat and its answer, in milliseconds; of the newest 128. Absent before the first. */
  readonly rtt: { readonly last: number; readonly p50: number; readonly p95: number } | null;
  /** Messages. */
  readonly sent: number;
  readonly received: number;
  /** Of text on the wire, without frames. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Connections that were made after the first. */
  readonly reconnects: number;
  /** Attempts to connect, all of them. */
  readonly attempts: number;
  /** Commands without an answer now. */
  readonly queued: number;
  /** Events that the server left out to spare this client. */
  readonly conflated: number;
  /** Messages that slow async iterations left out. */
  readonly dropped: number;
  /** Events that were delivered, each once. */
  readonly events: number;
  /** Events that came again and were not delivered. */
  readonly repeats: number;
  /** Messages that made no sense and were left out. */
  readonly unreadable: number;
}

/** The counters behind the statistics. */
export class Traffic {
  sent = 0;
  received = 0;
  bytesSent = 0;
  bytesReceived = 0;
  conflated = 0;
  dropped = 0;
  events = 0;
  repeats = 0;
  unreadable = 0;
  readonly #samples: number[] = [];
  #next = 0;

  /** A heartbeat was answered after so many milliseconds. */
  roundTrip(milliseconds: number): void {
    this.#samples[this.#next % SAMPLES] = milliseconds;
    this.#next += 1;
  }

  /** The figures now, with those that others count. */
  statistics(others: { attempts: number; reconnects: number; queued: number }): ClientStatistics {
    const { sent, received, bytesSent, bytesReceived, conflated, dropped, events, repeats, unreadable } =
      this;
    const own = { sent, received, bytesSent, bytesReceived, conflated, dropped, events, repeats, unreadable };
    return { rtt: this.#rtt(), ...own, ...others };
  }

  #rtt(): ClientStatistics["rtt"] {
    const last = this.#samples[(this.#next - 1) % SAMPLES];
    if (last === undefined) return null;
    const sorted = [...this.#samples].sort((one, other) => one - other);
    const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? last;
    return { last, p50: at(0.5), p95: at(0.95) };
  }
}
