// One run on a server, as a client holds it: its state, live, and the commands that steer it.
//
// Theory of operation: a `Run` owns the fold of its run. The client hands it every event, once and in order;
// listeners are told once for many changes (one notification per frame of the screen, per macrotask
// elsewhere). There is one `Run` per run id and client, however often it is asked for; each `client.run()`
// and `startWorkflow()` is one reference, and the last `close()` ends the subscription. The graph is fetched
// over HTTP, once; until it is there, edges are absent.

import { ClientClosed, CommandRefused } from "./errors.js";
import type { Json, ServerMessages } from "./generated/messages.js";
import { Fold, type RunProgress, type RunState, type Snapshot } from "./fold.js";
import type { Graph } from "./graph.js";
import { ENDED, type RunEvent } from "./messages.js";
import { soon } from "./soon.js";

/** The reply to a control: the state it found, and the state after; to breakpoints, those that hold now. */
export type ControlReply = ServerMessages["workflow.breakpoints"]["payload"];

/** The reply to an input for a waiting node. */
export type InputReply = ServerMessages["node.input"]["payload"];

/** The client that a run is of. */
export interface RunHome {
  pause(runId: string, options?: { mode?: "now" | "drain" }): Promise<ControlReply>;
  resume(runId: string, options?: { step?: boolean }): Promise<ControlReply>;
  stop(runId: string, options?: { force?: boolean }): Promise<ControlReply>;
  setBreakpoints(runId: string, nodeIds: readonly string[]): Promise<ControlReply>;
  sendInput(runId: string, nodeId: string, value: Json): Promise<InputReply>;
  /** The last reference is gone. */
  forget(run: Run): void;
  /** A listener has thrown. */
  report(error: unknown): void;
}

/** A run; made by `client.run` and `client.startWorkflow`. */
export class Run {
  readonly runId: string;
  readonly #home: RunHome;
  readonly #fold: Fold;
  readonly #listeners = new Set<() => void>();
  #references = 0;
  #told: (() => void) | null = null;
  #over: Error | null = null;

  constructor(runId: string, home: RunHome, options: { logLimit: number }) {
    this.runId = runId;
    this.#home = home;
    this.#fold = new Fold(runId, options);
  }

  /** The state now, an immutable picture; the same object until something changes. */
  get current(): RunState {
    return this.#fold.current;
  }

  /**
   * Hear of changes, batched.
   *
   * @returns a function that ends it. The run stays open: see `close`.
   */
  subscribe(listener: () => void): () => void {
    // The same function may listen twice.
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /**
   * Wait for its ending; returns its last state.
   *
   * @throws CommandRefused: nothing is heard of the run (`unknown_workflow`); ClientClosed: the run was closed;
   * the client's error, if that is over before; `options.signal`'s reason.
   */
  wait(options: { signal?: AbortSignal } = {}): Promise<RunState> {
    return this.until((state) => ENDED.has(state.status), options);
  }

  /** Wait for a state of it; throws what `wait` throws. */
  until(holds: (state: RunState) => boolean, options: { signal?: AbortSignal } = {}): Promise<RunState> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const { problem } = this.current;
        const lost = problem === undefined ? null : new CommandRefused(problem.code, problem.message);
        let over: Error | null | undefined = null;
        try {
          over = holds(this.current)
            ? undefined
            : (this.#over ?? lost ?? (signal?.aborted ? (signal.reason as Error) : null));
        } catch (error) {
          over = error as Error;
        }
        if (over === null) return;
        off();
        signal?.removeEventListener("abort", look);
        if (over === undefined) resolve(this.current);
        else reject(over);
      };
      const off = this.subscribe(look);
      signal?.addEventListener("abort", look);
      look();
    });
  }

  /** See `Client.pause`. */
  pause(options?: { mode?: "now" | "drain" }): Promise<ControlReply> {
    return this.#home.pause(this.runId, options);
  }

  /** See `Client.resume`. */
  resume(options?: { step?: boolean }): Promise<ControlReply> {
    return this.#home.resume(this.runId, options);
  }

  /** See `Client.stop`. */
  stop(options?: { force?: boolean }): Promise<ControlReply> {
    return this.#home.stop(this.runId, options);
  }

  /** See `Client.setBreakpoints`. */
  setBreakpoints(nodeIds: readonly string[]): Promise<ControlReply> {
    return this.#home.setBreakpoints(this.runId, nodeIds);
  }

  /** See `Client.sendInput`. */
  sendInput(nodeId: string, value: Json): Promise<InputReply> {
    return this.#home.sendInput(this.runId, nodeId, value);
  }

  /** Give one reference back; the last one ends the subscription. The run itself goes on. */
  close(): void {
    if (this.#references === 0) return;
    this.#references -= 1;
    if (this.#references > 0) return;
    this.#home.forget(this);
    this.end(this.#over ?? new ClientClosed("the run was closed, and nothing is heard of it any more"));
  }

  // For its client.

  /** One more reference. */
  open(): this {
    this.#references += 1;
    return this;
  }

  get lastSeq(): number {
    return this.#fold.lastSeq;
  }

  hear(event: RunEvent, skipped: number): void {
    this.#fold.apply(event, skipped);
    this.#changed();
  }

  hearProgress(progress: RunProgress): void {
    this.#fold.setProgress(progress);
    this.#changed();
  }

  hearNodeProgress(nodeId: string, progress: number, message: string): void {
    this.#fold.setNodeProgress(nodeId, progress, message);
    this.#changed();
  }

  setGraph(graph: Graph): void {
    this.#fold.setGraph(graph);
    this.#changed();
  }

  reset(snapshot: Snapshot): void {
    this.#fold.reset(snapshot);
    this.#changed();
  }

  fail(problem: { code: string; message: string } | undefined): void {
    this.#fold.fail(problem);
    this.#changed();
  }

  /** Nothing is heard any more: the client is over, or the run was closed. */
  end(error: Error): void {
    this.#over = error;
    this.#changed();
  }

  #changed(): void {
    this.#told ??= soon(() => {
      this.#told = null;
      for (const listener of [...this.#listeners]) {
        try {
          listener();
        } catch (error) {
          this.#home.report(error);
        }
      }
    });
  }
}
