// A TCP proxy between a client and its server, which cuts connections wherever it is told to, or holds what
// comes.

import { createServer, connect, type AddressInfo, type Server, type Socket } from "node:net";
import type { TestContext } from "node:test";

/** How many bytes pass from the client and from the server before a connection is cut. */
type Plan = () => { up: number; down: number };

const UNCUT: Plan = () => ({ up: Infinity, down: Infinity });

/** A proxy in front of one port. */
export class Proxy {
  readonly #server: Server;
  readonly #pairs = new Set<[Socket, Socket]>();
  #plan: Plan;
  #held = false;
  cuts = 0;

  private constructor(target: () => number, plan: Plan) {
    this.#plan = plan;
    this.#server = createServer((near) => {
      const far = connect(target(), "127.0.0.1");
      const pair: [Socket, Socket] = [near, far];
      this.#pairs.add(pair);
      const { up, down } = this.#plan();
      const end = (): void => {
        this.#pairs.delete(pair);
        near.destroy();
        far.destroy();
      };
      const pass = (to: Socket, left: number) => (data: Buffer) => {
        // The first `left` bytes still pass: a frame is cut anywhere.
        to.write(data.subarray(0, Math.min(left, data.length)));
        left -= data.length;
        if (left <= 0) {
          this.cuts += 1;
          to.end();
          setImmediate(end);
        }
      };
      near.on("data", pass(far, up));
      far.on("data", pass(near, down));
      for (const socket of pair) socket.on("error", end).on("close", end);
      if (this.#held) far.pause();
    });
  }

  /** A proxy in front of a port, which may change; it ends with the test. */
  static async open(t: TestContext, target: () => number, plan: Plan = UNCUT): Promise<Proxy> {
    const proxy = new Proxy(target, plan);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    t.after(() => {
      proxy.#server.close();
      proxy.cut();
    });
    return proxy;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What later connections may pass; null: everything. */
  set plan(plan: Plan | null) {
    this.#plan = plan ?? UNCUT;
  }

  /**
   * Take nothing from the server any more, so that it cannot get rid of what it has to say; or take it again.
   */
  hold(held: boolean): void {
    this.#held = held;
    for (const [, far] of this.#pairs) {
      if (held) far.pause();
      else far.resume();
    }
  }

  /** Cut all connections now. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#pairs.clear();
  }
}

/**
 * Numbers that look random, the same for the same seed (a linear congruential generator); each is in [0, 1).
 */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
