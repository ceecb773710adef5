// The client: starts, watches and steers runs on a server, whatever happens to the connection in between.
//
// Theory of operation: a client is kept connected (upkeep.ts), one link after another. Reconnecting is
// connecting: whenever a link is up, everything that has no answer yet is asked again, in order (asking.ts),
// and everything that is followed is subscribed again behind its newest event (following.ts). So nothing
// depends on what a server remembers of a connection: commands that do something carry a request id, and are
// done once in the client's session; the id of a new run follows from its request.
//
// What comes is decoded to the canonical message (dialects/), kept in the log, handed to what waits for it
// (commands, folds), and then to the user: handlers of `on` in the order of their registration, then async
// iterations. A handler that throws is reported and hurts nobody; one that takes long delays what is behind
// it, so the server notices in the end, and leaves out node statuses that have a newer one (`conflated`).
//
// Once it is over, whoever waits is told why, and so is everybody who asks later.

import { addressOf } from "./address.js";
import { Asking, randomName, replyTo, type Payload, type Spelled } from "./asking.js";
import { DIALECTS, type Dialect } from "./dialects/index.js";
import { isObject } from "./dialects/keys.js";
import { ClientClosed, Unreadable, type CallboardError } from "./errors.js";
import { Following, type Wish } from "./following.js";
import type { RunProgress, Snapshot } from "./fold.js";
import type { ClientMessages, Json, RunStatus, ServerMessages } from "./generated/messages.js";
import { readGraph, type Graph } from "./graph.js";
import { Http } from "./http.js";
import { TOO_LARGE } from "./link.js";
import { isEvent, type JsonObject, type LaggedMessage, type Message, type RunEvent } from "./messages.js";
import type {
  AskOptions,
  ClientEvents,
  ConnectOptions,
  SubscribeOptions,
  Subscription,
  Target,
  WorkflowGraph,
} from "./options.js";
import { Run, type ControlReply, type InputReply, type RunHome } from "./run.js";
import { MessageStream } from "./stream.js";
import { MessageLog, Traffic, type ClientStatistics } from "./traffic.js";
import { Upkeep, type ClientState } from "./upkeep.js";

/** A graph is asked for so often, and after twice the time each time; then again on the next link. */
const GRAPH_TRIES = 8;
const GRAPH_DELAY_MS = 50;
/** Messages that may wait for one async iteration. */
const STREAM_LIMIT = 1_024;

/**
 * A client of a server. Returns at once, also if the server is not there: commands wait until it is.
 *
 * @param url `ws://HOST:PORT`, `wss:`, or the same as `http:` or `https:`.
 * @throws TypeError: the URL is none.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Client {
  return new Client(url, options);
}

/**
 * A connection that is made again whenever it is lost; see the theory of operation above. Made by `connect`.
 */
export class Client implements AsyncIterable<Message | LaggedMessage> {
  /** Whose requests these are. */
  readonly sessionId: string;
  /** The newest messages that were sent and heard. */
  readonly log: MessageLog;
  /** Calls over HTTP to the same server, with the token. */
  readonly http: Http;
  readonly #options: ConnectOptions;
  readonly #dialect: Dialect;
  readonly #traffic = new Traffic();
  readonly #asking: Asking;
  readonly #following: Following;
  readonly #handlers = new Map<string, Set<(event: never) => void>>();
  readonly #streams = new Set<MessageStream>();
  readonly #runs = new Map<string, Run>();
  readonly #graphs = new Map<string, Promise<Graph>>();
  readonly #beats = new Map<string, number>();
  readonly #home: RunHome;
  readonly #upkeep: Upkeep;
  /** Run id → when its graph is asked for again. */
  readonly #again = new Map<string, ReturnType<typeof setTimeout>>();
  /** Calls off what the client itself asks over HTTP. */
  readonly #called = new AbortController();
  #kinds: Promise<string[]> | undefined;

  constructor(url: string | URL, options: ConnectOptions) {
    const { dialect = "camel", batch = true, token } = options;
    this.#options = options;
    this.sessionId = options.sessionId ?? randomName(24);
    const address = addressOf(url, { sessionId: this.sessionId, dialect, batch, token });
    this.#dialect = DIALECTS[dialect];
    this.log = new MessageLog(options.logLimit ?? 500, (error) => this.#report(error));
    this.http = new Http(address.http, address.token);
    this.#asking = new Asking(this.sessionId, {
      spell: (command) => JSON.stringify(this.#dialect.encode(command)),
      post: (spelled) => this.#post(spelled),
    });
    this.#following = new Following(this.#asking, {
      post: (spelled) => this.#post(spelled),
      deliver: (event, skipped) => this.#deliverEvent(event, skipped),
      newest: async (workflowId) => (await this.list({ workflowId })).runs,
      repeated: () => void (this.#traffic.repeats += 1),
      senseless: (reason) => this.#upkeep.startOver(reason, { later: true }),
    });
    this.#home = {
      pause: (runId, how) => this.pause(runId, how),
      resume: (runId, how) => this.resume(runId, how),
      stop: (runId, how) => this.stop(runId, how),
      setBreakpoints: (runId, nodeIds) => this.setBreakpoints(runId, nodeIds),
      sendInput: (runId, nodeId, value) => this.sendInput(runId, nodeId, value),
      forget: (run) => this.#forget(run),
      report: (error) => this.#report(error),
    };
    this.#upkeep = new Upkeep(address, { ...options, token: address.token }, {
      opened: () => this.#opened(),
      heard: (text) => this.#heard(text),
      ping: () => this.#beat(),
      parted: ({ code, text }) => code === TOO_LARGE && this.#asking.refuseLargest(text),
      changed: (change) => {
        this.#emit("state", change);
        if (change.state === "replaying") this.#settle();
      },
      ended: (failure) => this.#ended(failure),
    });
  }

  /** How it stands with its server now. */
  get state(): ClientState {
    return this.#upkeep.state;
  }

  /** Why it is closed; null while it is not. */
  get failure(): CallboardError | null {
    return this.#upkeep.failure;
  }

  /**
   * Hear messages of a type, `*` (every message), `state` or `traffic`. Handlers are called one after
   * another, as the messages come; what one of them throws is reported, and the others are called all the
   * same.
   *
   * @returns a function that ends it.
   */
  on<T extends keyof ClientEvents>(type: T, handler: (event: ClientEvents[T]) => void): () => void {
    const handlers = this.#handlers.get(type) ?? new Set();
    this.#handlers.set(type, handlers);
    // The same function may be registered twice.
    const own = (event: ClientEvents[T]): void => handler(event);
    handlers.add(own);
    return () => void handlers.delete(own);
  }

  /** Every message, for `for await`; ends when the client is closed. */
  [Symbol.asyncIterator](): MessageStream {
    return this.messages();
  }

  /**
   * The same with a limit of one's own.
   *
   * @param options.limit messages that may wait (default 1,024); what comes when they do is left out, and
   * told as one message of the type `client.lagged`.
   */
  messages(options: { limit?: number } = {}): MessageStream {
    const stream = new MessageStream(
      options.limit ?? STREAM_LIMIT,
      (over) => void this.#streams.delete(over),
    );
    if (this.state === "closed") stream.end();
    else this.#streams.add(stream);
    return stream;
  }

  /**
   * Start a run; returns when the server has it for sure. Its events are heard from the first one on.
   *
   * @param options.config the ExecutionConfig: camelCase, milliseconds.
   * @param options.workflowId one's own key of the workflow; absent: the server makes one.
   * @throws InvalidWorkflow, RunActive, Busy, CommandRefused; ServerRefused, ServerUnreachable, ClientClosed.
   */
  async startWorkflow(
    graph: WorkflowGraph,
    options: { config?: JsonObject; workflowId?: string } & AskOptions = {},
  ): Promise<Run> {
    this.#check();
    const { nodes, edges, connections } = graph as Required<WorkflowGraph>;
    const { config, workflowId = "", signal } = options;
    const start = this.#asking.number("workflow.start", workflowId, {
      nodes,
      ...(connections === undefined ? { edges: edges ?? [] } : { connections }),
      ...(config === undefined ? {} : { config }),
    } as unknown as Payload<"workflow.start">);
    const runId = this.#asking.runId(start);
    const run = this.#open(runId, { starting: true });
    try {
      await this.#asking.ask(start, { runId, signal });
    } catch (error) {
      run.close();
      throw error;
    }
    this.#loadGraph(run);
    return run;
  }

  /**
   * Pause a run: accepted at once; `paused` comes as an event when nothing is in flight.
   *
   * @param options.mode `now` cuts what may be cut, `drain` waits for it; absent: what the run's config says.
   * @throws CommandRefused (`refused`, `unknown_workflow`, …), Busy; ServerRefused, ServerUnreachable,
   * ClientClosed.
   */
  async pause(runId: string, options: { mode?: "now" | "drain" } & AskOptions = {}): Promise<ControlReply> {
    const { signal, ...payload } = options;
    return this.#control("workflow.pause", { runId, ...payload }, signal);
  }

  /** Go on after a pause; `step`: with one node, then pause again. Throws what `pause` throws. */
  async resume(runId: string, options: { step?: boolean } & AskOptions = {}): Promise<ControlReply> {
    const { signal, ...payload } = options;
    return this.#control("workflow.resume", { runId, ...payload }, signal);
  }

  /**
   * Stop it: accepted at once, the ending comes as an event; `force`: without grace. Throws what `pause`
   * throws.
   */
  async stop(runId: string, options: { force?: boolean } & AskOptions = {}): Promise<ControlReply> {
    const { signal, ...payload } = options;
    return this.#control("workflow.stop", { runId, ...payload }, signal);
  }

  /** Pause before these nodes from now on, and before no others. Throws what `pause` throws. */
  async setBreakpoints(
    runId: string,
    nodeIds: readonly string[],
    options: AskOptions = {},
  ): Promise<ControlReply> {
    return this.#control("workflow.breakpoints", { runId, nodeIds: [...nodeIds] }, options.signal);
  }

  /** Answer a node that waits for a person, or that will. Throws what `pause` throws. */
  async sendInput(runId: string, nodeId: string, value: Json, options: AskOptions = {}): Promise<InputReply> {
    const reply = await this.#ask("node.input", "", { runId, nodeId, value }, options.signal);
    return reply.payload as InputReply;
  }

  /** A page of runs, newest first. `nextCursor` asks for the next one. Throws what `pause` throws. */
  async list(
    options: { status?: RunStatus; workflowId?: string; limit?: number; cursor?: string } & AskOptions = {},
  ): Promise<ServerMessages["workflow.list"]["payload"]> {
    const { signal, workflowId = "", ...payload } = options;
    const reply = await this.#ask("workflow.list", workflowId, payload, signal);
    return reply.payload as ServerMessages["workflow.list"]["payload"];
  }

  /**
   * The state of a run, or of the latest one of a workflow; whole, however large. Throws what `pause` throws.
   */
  async snapshot(options: { runId?: string; workflowId?: string } & AskOptions): Promise<Snapshot> {
    const { signal, workflowId = "", ...payload } = options;
    return (await this.#ask("workflow.snapshot", workflowId, payload, signal)).payload as Snapshot;
  }

  /** What is wrong with a graph, without starting it. Throws what `pause` throws. */
  async validate(
    graph: WorkflowGraph,
    options: AskOptions = {},
  ): Promise<ServerMessages["workflow.validate"]["payload"]> {
    const { nodes, edges, connections } = graph;
    const payload = connections === undefined ? { nodes, edges: edges ?? [] } : { nodes, connections };
    const reply = await this.#ask(
      "workflow.validate",
      "",
      payload as unknown as Payload<"workflow.validate">,
      options.signal,
    );
    return reply.payload as ServerMessages["workflow.validate"]["payload"];
  }

  /** How the server does. Throws what `pause` throws. */
  async status(options: AskOptions = {}): Promise<ServerMessages["system.status"]["payload"]> {
    const reply = await this.#ask("system.status", "", {}, options.signal);
    return reply.payload as ServerMessages["system.status"]["payload"];
  }

  /**
   * Hear a run, a workflow or all runs: `on` and async iterations get its events, each once and in order of
   * seq, over every reconnect. A subscription to `*` begins live; away for longer than the server keeps
   * sessions, it goes on live.
   */
  subscribe(target: Target, options: SubscribeOptions = {}): Subscription {
    this.#check();
    const named = target === "*" ? { workflowId: "*" } : target;
    const wish: Wish = {
      runId: "runId" in named ? named.runId : undefined,
      workflowId: "workflowId" in named ? named.workflowId : undefined,
      types: options.types,
      lossless: options.lossless ?? false,
      after: options.after,
    };
    this.#following.add(wish);
    this.#settle();
    return { close: () => this.#following.remove(wish) };
  }

  /**
   * A run, live, from its first event on. One object per run, counted: `close()` it when it is not needed any
   * more.
   */
  run(runId: string): Run {
    this.#check();
    const run = this.#open(runId, { starting: false });
    this.#loadGraph(run);
    return run;
  }

  /** The graph that a run was started with. Throws what `http.get` throws. */
  graph(runId: string): Promise<Graph> {
    let graph = this.#graphs.get(runId);
    if (graph === undefined) {
      graph = this.#fetchGraph(runId);
      this.#graphs.set(runId, graph);
      const forget = (): unknown => this.#graphs.delete(runId);
      // It is kept for as long as somebody shows the run.
      graph.then(() => this.#runs.has(runId) || forget(), forget);
    }
    return graph;
  }

  /** A page of a run's events, over HTTP. Throws what `http.get` throws. */
  async events(
    runId: string,
    options: { after?: number; limit?: number; signal?: AbortSignal } = {},
  ): Promise<{ events: RunEvent[]; lastSeq: number; closed: boolean; reset: boolean }> {
    const { after = 0, limit = 1_000, signal } = options;
    const path = `/api/runs/${encodeURIComponent(runId)}/events?after=${after}&limit=${limit}`;
    const page = await this.http.get<{
      events: JsonObject[];
      last_seq: number;
      closed: boolean;
      reset: boolean;
    }>(path, {
      signal,
    });
    const events = page.events.map((event) => DIALECTS.snake.decode(event)).filter(isEvent);
    return { events, lastSeq: page.last_seq, closed: page.closed, reset: page.reset };
  }

  /**
   * A node's result, whole: what a `{"$ref": path}` stands for is fetched, anything else is returned as it
   * is.
   */
  async resolve(data: Json, options: { signal?: AbortSignal } = {}): Promise<Json> {
    const path = isObject(data) && Object.keys(data).length === 1 ? data["$ref"] : undefined;
    return typeof path === "string" && path.startsWith("/api/") ? this.http.get(path, options) : data;
  }

  /** What it did so far, and what waits in it. */
  statistics(): ClientStatistics {
    const { attempts, links } = this.#upkeep;
    return this.#traffic.statistics({
      attempts,
      reconnects: Math.max(0, links - 1),
      queued: this.#asking.size,
    });
  }

  /** End it. Runs go on without it. Idempotent. */
  close(): void {
    this.#upkeep.end(new ClientClosed());
  }

  // Its runs.

  #open(runId: string, options: { starting: boolean }): Run {
    let run = this.#runs.get(runId);
    if (run === undefined) {
      run = new Run(runId, this.#home, { logLimit: this.#options.runLogLimit ?? 5_000 });
      this.#runs.set(runId, run);
      this.#following.attach(runId, run, options);
      this.#settle();
    }
    return run.open();
  }

  #forget(run: Run): void {
    this.#runs.delete(run.runId);
    this.#graphs.delete(run.runId);
    clearTimeout(this.#again.get(run.runId));
    this.#again.delete(run.runId);
    if (this.state !== "closed") this.#following.detach(run.runId);
  }

  /** Where it cannot be had now the run is shown without edges, and it is tried again, a little later each time. */
  #loadGraph(run: Run, tries = 1): void {
    if (run.current.graph !== undefined || this.#runs.get(run.runId) !== run) return;
    this.graph(run.runId).then(
      (graph) => run.setGraph(graph),
      () => {
        if (tries < GRAPH_TRIES && this.failure === null && this.#runs.get(run.runId) === run) {
          const timer = setTimeout(() => this.#loadGraph(run, tries + 1), GRAPH_DELAY_MS * 2 ** tries);
          clearTimeout(this.#again.get(run.runId));
          this.#again.set(run.runId, timer);
        }
      },
    );
  }

  async #fetchGraph(runId: string): Promise<Graph> {
    const path = `/api/runs/${encodeURIComponent(runId)}/graph`;
    const { signal } = this.#called;
    const [sent, kinds] = await Promise.all([this.http.get<JsonObject>(path, { signal }), this.#kindNames()]);
    return readGraph(sent, kinds);
  }

  #kindNames(): Promise<string[]> {
    this.#kinds ??= this.http
      .get<{ kinds: Record<string, unknown> | { name: string }[] }>("/api/kinds", {
        signal: this.#called.signal,
      })
      .then(({ kinds }) => (Array.isArray(kinds) ? kinds.map(({ name }) => name) : Object.keys(kinds)));
    this.#kinds.catch(() => (this.#kinds = undefined));
    return this.#kinds;
  }

  // Its commands.

  async #control<T extends "workflow.pause" | "workflow.resume" | "workflow.stop" | "workflow.breakpoints">(
    type: T,
    payload: Payload<T>,
    signal: AbortSignal | undefined,
  ): Promise<ControlReply> {
    return (await this.#ask(type, "", payload, signal)).payload as ControlReply;
  }

  async #ask<T extends keyof ClientMessages>(
    type: T,
    workflowId: string,
    payload: Payload<T>,
    signal: AbortSignal | undefined,
  ): Promise<Message> {
    this.#check();
    return this.#asking.ask(this.#asking.number(type, workflowId, payload), { signal });
  }

  #check(): void {
    if (this.failure !== null) throw this.failure;
  }

  #post(spelled: Spelled): void {
    if (!this.#upkeep.post(spelled.text)) return;
    this.#traffic.sent += 1;
    this.#traffic.bytesSent += spelled.text.length;
    this.#emit("traffic", this.log.add("out", spelled.command, spelled.text.length));
  }

  // Its link.

  /** A link is up: everything that is open is said again. */
  #opened(): void {
    this.#beats.clear();
    this.#asking.postAll();
    this.#following.followAll();
    // One that is only being started has none yet.
    for (const run of this.#runs.values()) if (!this.#asking.starts(run.runId)) this.#loadGraph(run);
  }

  #ended(failure: CallboardError): void {
    this.#called.abort(failure);
    for (const timer of this.#again.values()) clearTimeout(timer);
    this.#again.clear();
    this.#asking.end(() => failure);
    for (const run of this.#runs.values()) run.end(failure);
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }

  /** What was missed has come, or is still to come. */
  #settle(): void {
    this.#upkeep.settle(this.#following.behind);
  }

  /** Ask for a sign of life. In the flat dialect a heartbeat is an answer, and has none. */
  #beat(): void {
    const spelled = this.#asking.number(
      this.#dialect.name === "flat" ? "system.status" : "heartbeat",
      "",
      {},
    );
    this.#beats.set(spelled.id, performance.now());
    this.#post(spelled);
  }

  // What it hears.

  #heard(text: string): void {
    let said: Json;
    try {
      said = JSON.parse(text) as Json;
    } catch {
      this.#upkeep.startOver("the server sent a frame that is not JSON");
      return;
    }
    this.#upkeep.understood();
    this.#traffic.bytesReceived += text.length;
    const messages = Array.isArray(said) ? said : [said];
    const bytes = Math.ceil(text.length / Math.max(1, messages.length));
    for (const each of messages) {
      if (this.failure !== null) return;
      this.#traffic.received += 1;
      try {
        if (!isObject(each)) throw new Unreadable("a message is an object");
        this.#hear(this.#dialect.decode(each), bytes);
      } catch (error) {
        this.#traffic.unreadable += 1;
        if (!(error instanceof Unreadable)) this.#report(error);
      }
    }
    this.#settle();
  }

  #hear(message: Message, bytes: number): void {
    this.#emit("traffic", this.log.add("in", message, bytes));
    this.#timeBeat(replyTo(message) ?? "");
    const answered = this.#asking.hear(message);
    if (isEvent(message)) {
      this.#following.hearEvent(message);
      return;
    }
    if (!answered) this.#following.hear(message);
    if (!answered && message.type === "error" && replyTo(message) === undefined) {
      // Something went wrong, and it does not say with what of ours: everything is asked again, a little
      // later.
      this.#upkeep.startOver(`${message.payload.code}: ${message.payload.message}`, { later: true });
    }
    this.#hearDerived(message);
    this.#deliver(message);
  }

  #timeBeat(id: string): void {
    const sentAt = this.#beats.get(id);
    if (sentAt === undefined) return;
    this.#beats.delete(id);
    this.#traffic.roundTrip(performance.now() - sentAt);
  }

  /** Progress, which has no seq. */
  #hearDerived(message: Message): void {
    const { runId } = message as { runId?: string };
    const run = runId === undefined ? undefined : this.#runs.get(runId);
    if (run === undefined) return;
    if (message.type === "execution.progress") run.hearProgress(message.payload as RunProgress);
    if (message.type === "node.running") {
      const {
        nodeId,
        progress,
        message: text,
      } = message.payload as { nodeId: string; progress?: number; message: string };
      if (progress !== undefined) run.hearNodeProgress(nodeId, progress, text);
    }
  }

  #deliverEvent(event: RunEvent, skipped: number): void {
    this.#traffic.events += 1;
    this.#traffic.conflated += skipped;
    this.#deliver(event);
  }

  #deliver(message: Message): void {
    this.#emit(message.type, message as never);
    this.#emit("*", message);
    for (const stream of this.#streams) if (!stream.push(message)) this.#traffic.dropped += 1;
  }

  #emit<T extends keyof ClientEvents>(type: T, event: ClientEvents[T]): void {
    const handlers = this.#handlers.get(type);
    if (handlers === undefined) return;
    for (const handler of [...handlers] as ((event: ClientEvents[T]) => void)[]) {
      try {
        handler(event);
      } catch (error) {
        this.#report(error);
      }
    }
  }

  #report(error: unknown): void {
    const report =
      this.#options.onError ?? ((thrown: unknown) => console.error("callboard: a handler failed", thrown));
    report(error);
  }
}
