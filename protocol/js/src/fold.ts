// The fold: the events of one run, in order, become its state – the same state as the server's own snapshot.
//
// Theory of operation: a `Fold` is told every event of its run, once, in order of seq, and what is derived
// (progress); it decides nothing and asks nobody. `current` is an immutable picture, made when it is asked
// for after a change; parts that did not change are the same objects as in the picture before, so that who
// compares by identity draws little.
//
// The state of edges follows from the graph and the newest status of their sources, by the server's rule: an
// edge that leaves a loop by `body` is taken as soon as a node of the body has a status; any other one is
// taken or dead once its source has ended, by whether its port fired. Without the graph there are no edges,
// except after a reset.
//
// Bounds: `logs` keeps the newest lines, `logLimit` of them; `nodes` and `edges` are as many as the graph
// has.

import type {
  Json,
  NodeStatus,
  Problem,
  RunStatus,
  ServerMessages,
  Summary,
  Waiting,
} from "./generated/messages.js";
import { BODY, type Graph } from "./graph.js";
import { isObject } from "./dialects/keys.js";
import { isNodeEvent, type NodeEvent, type RunEvent } from "./messages.js";

/** A snapshot as the server sends it, all parts joined. */
export type Snapshot = ServerMessages["workflow.snapshot"]["payload"];

/** How a node stands. */
export interface NodeState {
  readonly status: NodeStatus;
  readonly message: string;
  readonly attempt: number;
  /** The turns of the loops around it, outermost first, from 0; [] outside of loops. */
  readonly iteration: readonly number[];
  /** Milliseconds, from the first attempt's begin to the last one's end. */
  readonly duration?: number;
  /** Its result, or `{"$ref": path}` of one that is large: `client.resolve` fetches it. */
  readonly data?: Json;
  /** The ports that it fired. */
  readonly fired?: readonly string[];
  readonly error?: string;
  readonly code?: string;
  /** Why it is pending or skipped: paused, recovered, branch, unreachable, cancelled, … */
  readonly reason?: string;
  /** What it asks of a person. */
  readonly waiting?: Waiting;
  /** 0–100, while it runs. */
  readonly progress?: number;
  /** What it says of itself while it runs, e.g. `turn 2 of 5`. */
  readonly activity?: string;
  /** When it got this status, milliseconds since the epoch; absent if only a snapshot told. */
  readonly at?: number;
  readonly seq: number;
}

/** A line of a run's log. */
export interface LogLine {
  readonly seq: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly nodeId?: string;
  readonly iteration?: readonly number[];
  readonly context?: Json;
}

/** How far a run is. */
export interface RunProgress {
  readonly totalNodes: number;
  readonly completedNodes: number;
  /** The latest that started, "" before. */
  readonly currentNode: string;
  /** 0–100. */
  readonly progress: number;
  /** Milliseconds; absent while nothing is known. */
  readonly estimatedTimeRemaining?: number;
}

/** The state of a run, as of `lastSeq`. Immutable. */
export interface RunState {
  readonly runId: string;
  readonly workflowId: string;
  /** `pending` until something was heard. */
  readonly status: RunStatus;
  /** Why it is pausing or paused: breakpoint, step; absent: somebody asked for it. */
  readonly reason?: string;
  /** The node before which (breakpoint), or behind which (step), it is pausing or paused. */
  readonly pausedAt?: string;
  /** What is still in flight while it is pausing. */
  readonly inFlight?: readonly string[];
  /** Who stopped it: stop, timeout, sibling_failed:<id>, shutdown, parent_stopped. */
  readonly cancelledBy?: string;
  /** Why it fails, or failed. */
  readonly error?: string;
  readonly lastSeq: number;
  /** Newest status of each node that has one. */
  readonly nodes: Readonly<Record<string, NodeState>>;
  /** By edge id; absent while it is open. */
  readonly edges: Readonly<Record<string, "taken" | "dead">>;
  readonly progress?: RunProgress;
  readonly logs: readonly LogLine[];
  /** The nodes before which it will pause, in the order of the graph. */
  readonly breakpoints: readonly string[];
  readonly summary?: Summary;
  /** Of a run that completed: the outputs of the nodes that nothing follows. */
  readonly results?: Readonly<Record<string, Json>>;
  readonly warnings: readonly Problem[];
  readonly graph?: Graph;
  /** Events that were left out to spare a slow client; the newest status of each node is never among them. */
  readonly conflated: number;
  /** Milliseconds since the epoch. */
  readonly startedAt?: number;
  /** Why nothing is heard of it: e.g. `unknown_workflow`. */
  readonly problem?: { readonly code: string; readonly message: string };
}

const NODE_ENDED: ReadonlySet<NodeStatus> = new Set<NodeStatus>(["success", "error", "skipped"]);

/** The state of one run; see the theory of operation above. */
export class Fold {
  readonly #logLimit: number;
  readonly #nodes: Map<string, NodeState> = new Map();
  #logs: LogLine[] = [];
  #state: RunState;
  #edges: Readonly<Record<string, "taken" | "dead">> | null = null;
  #currentNode = "";
  /** Whether the server said what the breakpoints are; until then those of the start hold. */
  #told = false;
  #progress: RunProgress | undefined;
  #nodesChanged = false;
  #logsChanged = false;
  #changed = false;

  /**
   * @param options.logLimit lines that `logs` keeps; default: 5,000.
   * @param options.from goes on from this state instead of the beginning.
   */
  constructor(runId: string, options: { logLimit?: number; from?: RunState | undefined } = {}) {
    const { logLimit = 5_000, from } = options;
    this.#logLimit = logLimit;
    if (from !== undefined) {
      this.#state = from;
      this.#nodes = new Map(Object.entries(from.nodes));
      this.#logs = [...from.logs];
      this.#edges = from.edges;
      this.#progress = from.progress;
      this.#currentNode = from.progress?.currentNode ?? "";
      this.#told = from.breakpoints.length > 0 || from.graph !== undefined;
      return;
    }
    this.#state = {
      runId,
      workflowId: "",
      status: "pending",
      lastSeq: 0,
      nodes: {},
      edges: {},
      logs: [],
      breakpoints: [],
      warnings: [],
      conflated: 0,
    };
  }

  /** The state now. The same object until something changes. */
  get current(): RunState {
    if (this.#nodesChanged || this.#logsChanged || this.#changed) this.#picture();
    return this.#state;
  }

  /** The newest seq that went in. */
  get lastSeq(): number {
    return this.#state.lastSeq;
  }

  /**
   * Take the next event.
   *
   * @param skipped how many seqs before it were left out.
   */
  apply(event: RunEvent, skipped = 0): void {
    this.#set({
      lastSeq: event.seq,
      workflowId: event.workflowId,
      conflated: this.#state.conflated + skipped,
    });
    if (isNodeEvent(event)) this.#node(event);
    else this.#run(event);
  }

  /** Take the progress of the run. */
  setProgress(progress: RunProgress): void {
    this.#progress = progress;
    this.#changed = true;
  }

  /** Take the progress of a running node. */
  setNodeProgress(nodeId: string, progress: number, activity: string): void {
    const node = this.#nodes.get(nodeId);
    if (node?.status !== "running") return;
    this.#nodes.set(nodeId, { ...node, progress, activity });
    this.#nodesChanged = true;
  }

  /** The graph is known: edges and derived progress follow. */
  setGraph(graph: Graph): void {
    this.#set(this.#told ? { graph } : { graph, breakpoints: breakpointsOf(graph) });
    this.#nodesChanged = true;
  }

  /** Nothing is heard of the run, and why. */
  fail(problem: { code: string; message: string } | undefined): void {
    const { problem: _, ...rest } = this.#state;
    this.#state = problem === undefined ? rest : { ...rest, problem };
    this.#changed = true;
  }

  /** What was known is replaced by a snapshot; logs stay. */
  reset(snapshot: Snapshot): void {
    const { lastSeq, status, nodes, edges } = snapshot;
    this.#nodes.clear();
    for (const [id, node] of Object.entries(nodes)) this.#nodes.set(id, nodeState(node, lastSeq));
    this.#edges = edges;
    this.#told = true;
    this.#clearCauses();
    this.#set({
      lastSeq,
      status,
      breakpoints: snapshot.breakpoints,
      ...(snapshot.summary === undefined ? {} : { summary: snapshot.summary }),
      ...(snapshot.reason === undefined ? {} : { reason: snapshot.reason }),
      ...(snapshot.nodeId === undefined ? {} : { pausedAt: snapshot.nodeId }),
    });
    this.#nodesChanged = true;
  }

  #node(event: NodeEvent): void {
    this.#nodes.set(event.payload.nodeId, { ...nodeState(event.payload, event.seq), at: event.timestamp });
    if (event.payload.status === "running") this.#currentNode = event.payload.nodeId;
    this.#nodesChanged = true;
  }

  #run(event: RunEvent): void {
    switch (event.type) {
      case "workflow.start":
        this.#set({
          status: event.payload.status,
          startedAt: event.timestamp,
          warnings: event.payload.warnings,
        });
        break;
      case "execution.log":
        this.#log(event.seq, event.timestamp, event.payload);
        break;
      case "workflow.pause":
      case "workflow.resume":
      case "workflow.stop": {
        const { status, reason, nodeId, inFlight, cancelledBy, error } = event.payload;
        this.#clearCauses();
        const rests = status === "pausing" || status === "paused";
        this.#set({
          status,
          ...(rests && reason !== undefined ? { reason } : {}),
          ...(rests && nodeId !== undefined ? { pausedAt: nodeId } : {}),
          ...(inFlight === undefined ? {} : { inFlight }),
          ...(cancelledBy === undefined ? {} : { cancelledBy }),
          ...(error === undefined ? {} : { error }),
        });
        break;
      }
      case "execution.complete":
      case "execution.error": {
        const { status, summary, results, error } = event.payload;
        this.#clearCauses();
        this.#set({
          status,
          summary,
          ...(results === undefined ? {} : { results }),
          ...(error === undefined ? {} : { error }),
          ...(summary.cancelledBy === undefined ? {} : { cancelledBy: summary.cancelledBy }),
        });
        break;
      }
    }
  }

  #log(seq: number, at: number, payload: Omit<LogLine, "seq" | "at">): void {
    const { level, message, nodeId, iteration, context } = payload;
    this.#logs.push({
      seq,
      at,
      level,
      message,
      ...(nodeId === undefined ? {} : { nodeId }),
      ...(iteration === undefined ? {} : { iteration }),
      ...(context === undefined ? {} : { context }),
    });
    // Cut by halves: to shift each time would cost as much as the log is long.
    if (this.#logs.length > 2 * this.#logLimit) this.#logs = newest(this.#logs, this.#logLimit);
    this.#logsChanged = true;
    // Of the run itself: its breakpoints were set.
    if (nodeId === undefined && isObject(context) && Array.isArray(context["breakpoints"])) {
      this.#told = true;
      this.#set({ breakpoints: context["breakpoints"].map(String) });
    }
  }

  #clearCauses(): void {
    const { reason: _, pausedAt: __, inFlight: ___, ...rest } = this.#state;
    this.#state = rest;
  }

  #set(change: Partial<RunState>): void {
    this.#state = { ...this.#state, ...change };
    this.#changed = true;
  }

  #picture(): void {
    const change: { -readonly [key in keyof RunState]?: RunState[key] } = {};
    if (this.#nodesChanged) {
      change.nodes = Object.fromEntries(this.#nodes);
      change.edges = this.#state.graph ? edgesOf(this.#state.graph, this.#nodes) : (this.#edges ?? {});
    }
    if (this.#logsChanged) change.logs = newest(this.#logs, this.#logLimit);
    if (this.#nodesChanged || this.#changed) {
      const progress = this.#state.graph ? this.#derived(this.#state.graph) : this.#said();
      if (progress !== undefined && !isSame(progress, this.#state.progress)) change.progress = progress;
    }
    this.#state = { ...this.#state, ...change };
    this.#nodesChanged = this.#logsChanged = this.#changed = false;
  }

  /** What the server said last; a run that is about to end, or over, has no time left. */
  #said(): RunProgress | undefined {
    const { status, summary } = this.#state;
    if (this.#progress === undefined || (summary === undefined && status !== "stopping" && status !== "failing"))
      return this.#progress;
    const { estimatedTimeRemaining: _, ...rest } = this.#progress;
    return rest;
  }

  /** Progress by the server's rule, with the time remaining that the server said last. */
  #derived(graph: Graph): RunProgress {
    const totalNodes = graph.reached.size;
    const completedNodes = completed(graph, this.#nodes);
    const said = this.#said()?.estimatedTimeRemaining;
    return {
      totalNodes,
      completedNodes,
      currentNode: this.#currentNode || (this.#progress?.currentNode ?? ""),
      progress: completedNodes >= totalNodes ? 100 : Math.round((10_000 * completedNodes) / totalNodes) / 100,
      ...(said === undefined ? {} : { estimatedTimeRemaining: said }),
    };
  }
}

/**
 * The state of a run after some of its events: what a replay shows.
 *
 * @param events from seq 1 on, in order.
 * @param graph what `client.graph(runId)` gives; without it there are no edges.
 */
export function foldEvents(events: Iterable<RunEvent>, graph?: Graph): RunState {
  let fold: Fold | undefined;
  for (const event of events) {
    fold ??= new Fold(event.runId, { logLimit: Infinity });
    fold.apply(event);
  }
  fold ??= new Fold("");
  if (graph !== undefined) fold.setGraph(graph);
  return fold.current;
}

function nodeState(node: NodeEvent["payload"], seq: number): NodeState {
  const {
    status,
    message,
    attempt,
    iteration = [],
    duration,
    data,
    fired,
    error,
    code,
    reason,
    waiting,
  } = node;
  return {
    status,
    message,
    attempt,
    iteration,
    ...(duration === undefined ? {} : { duration }),
    ...(data === null ? {} : { data }),
    ...(fired.length === 0 ? {} : { fired }),
    ...(error === undefined ? {} : { error }),
    ...(code === undefined ? {} : { code }),
    ...(reason === undefined ? {} : { reason }),
    ...(waiting === undefined ? {} : { waiting }),
    seq,
  };
}

/** The last so many; of 0, `slice` would make all. */
function newest<T>(all: readonly T[], limit: number): T[] {
  return all.slice(Math.max(0, all.length - limit));
}

function edgesOf(graph: Graph, nodes: ReadonlyMap<string, NodeState>): Record<string, "taken" | "dead"> {
  const begun = new Set<string>();
  for (const [member, loop] of graph.loops) if (nodes.has(member)) begun.add(loop);
  const edges: [string, "taken" | "dead"][] = [];
  const loops = new Set(graph.loops.values());
  for (const edge of graph.edges) {
    const source = nodes.get(edge.source);
    if (source === undefined || !edge.used) continue;
    if (edge.sourcePort === BODY && loops.has(edge.source)) {
      if (begun.has(edge.source)) edges.push([edge.id, "taken"]);
    } else if (NODE_ENDED.has(source.status)) {
      edges.push([edge.id, source.fired?.includes(edge.sourcePort) ? "taken" : "dead"]);
    }
  }
  return Object.fromEntries(edges);
}

/** Nodes outside of loops that are done; a loop counts with its whole body. */
function completed(graph: Graph, nodes: ReadonlyMap<string, NodeState>): number {
  const weights = weightsOf(graph);
  let sum = 0;
  for (const node of graph.nodes) {
    if (!graph.reached.has(node.id) || graph.loops.has(node.id)) continue;
    const state = nodes.get(node.id);
    if (state === undefined || !NODE_ENDED.has(state.status)) continue;
    const handled = state.fired !== undefined || node.config["onError"] === "continue";
    if (state.status !== "error" || handled) sum += weights.get(node.id) ?? 1;
  }
  return sum;
}

/** Whether nothing of it is different. */
function isSame(one: RunProgress, other: RunProgress | undefined): boolean {
  const keys = ["totalNodes", "completedNodes", "currentNode", "progress", "estimatedTimeRemaining"] as const;
  return other !== undefined && keys.every((key) => one[key] === other[key]);
}

/** The breakpoints that a run was started with. */
function breakpointsOf(graph: Graph): string[] {
  const { breakpoints } = graph.config;
  if (!Array.isArray(breakpoints)) return [];
  return graph.nodes
    .filter((node) => !node.annotation && breakpoints.includes(node.id))
    .map((node) => node.id);
}

const WEIGHTS = new WeakMap<Graph, ReadonlyMap<string, number>>();

/** Loop at the top → nodes that are done when it is: itself and everything in its body. */
function weightsOf(graph: Graph): ReadonlyMap<string, number> {
  const known = WEIGHTS.get(graph);
  if (known !== undefined) return known;
  const weights = new Map<string, number>();
  for (const member of graph.loops.keys()) {
    let top = member;
    for (let outer = graph.loops.get(top); outer !== undefined; outer = graph.loops.get(top)) top = outer;
    weights.set(top, (weights.get(top) ?? 1) + 1);
  }
  WEIGHTS.set(graph, weights);
  return weights;
}
