// The messages of a client on their way to one `for await`: in order, as many as there is room for.
//
// Bounds: `limit` messages may wait. Full means that what comes is left out; where the gap is, the iteration
// gets one `client.lagged` that says how many. What of it is still wanted can be asked for again:
// `client.subscribe` with `after`.

import type { LaggedMessage, Message } from "./messages.js";

/** One iteration over a client's messages. Ends when the client is closed, or by `return`. */
export class MessageStream implements AsyncIterableIterator<Message | LaggedMessage> {
  readonly #limit: number;
  readonly #closed: (stream: MessageStream) => void;
  readonly #waiting: ((result: IteratorResult<Message | LaggedMessage>) => void)[] = [];
  #items: (Message | LaggedMessage)[] = [];
  #next = 0;
  #dropped = 0;
  #over = false;

  constructor(limit: number, closed: (stream: MessageStream) => void) {
    this.#limit = limit;
    this.#closed = closed;
  }

  /** Let a message in; false: there was no room. For the client. */
  push(message: Message): boolean {
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) {
      waiter({ done: false, value: message });
      return true;
    }
    if (this.#items.length - this.#next >= this.#limit) {
      this.#dropped += 1;
      return false;
    }
    this.#flush();
    this.#items.push(message);
    return true;
  }

  /** Nothing follows what waits. For the client. */
  end(): void {
    this.#over = true;
    this.#flush();
    for (const waiter of this.#waiting.splice(0)) waiter({ done: true, value: undefined });
  }

  /** The next message. */
  next(): Promise<IteratorResult<Message | LaggedMessage>> {
    if (this.#next === this.#items.length) this.#flush();
    const value = this.#items[this.#next];
    if (value !== undefined) {
      this.#next += 1;
      if (this.#next > this.#limit || this.#next === this.#items.length) {
        this.#items = this.#items.slice(this.#next);
        this.#next = 0;
      }
      return Promise.resolve({ done: false, value });
    }
    if (this.#over) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The loop was left. */
  return(): Promise<IteratorResult<Message | LaggedMessage>> {
    this.#items = [];
    this.#next = this.#dropped = 0;
    this.end();
    this.#closed(this);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** What was left out is told where it is missing. */
  #flush(): void {
    if (this.#dropped === 0) return;
    const payload = { dropped: this.#dropped };
    this.#items.push({ id: "", type: "client.lagged", timestamp: Date.now(), workflowId: "", payload });
    this.#dropped = 0;
  }
}
