/**
 * What the canvas shows of each node and edge, and how a component hears of a change.
 *
 * Theory of operation: the canvas is given a `CanvasSource` – a `Run` of the client, or the replay's own – and a few
 * values of the page around it (which node is selected, where breakpoints are, what is wrong). A `CanvasStore` puts
 * both together. Every component has one subscription to it and takes the view of its own node; a view stays the same
 * object until something in it changes, so that of 1,000 nodes only those render that an event was about. Nothing here
 * moves a node: places are made once, by the layout.
 */
import type { NodeState } from "callboard";
import { createContext, useContext, useSyncExternalStore } from "react";

/** The part of a run's state that a canvas shows; a `Run` has it, and so may anything else. */
export interface CanvasSource {
  subscribe(listener: () => void): () => void;
  readonly current: {
    readonly nodes: Readonly<Record<string, NodeState>>;
    readonly edges: Readonly<Record<string, "taken" | "dead">>;
  };
}

/** Something wrong with a node or an edge, in the server's words. */
export interface CanvasProblem {
  readonly message: string;
  readonly severity: "error" | "warning";
}

/** What the page around a canvas says about its nodes. */
export interface Marks {
  /** The node that is looked at. */
  readonly selected: string | null;
  /** Where the run is to be paused. */
  readonly breakpoints: ReadonlySet<string>;
  /** The node whose breakpoint the run is paused at. */
  readonly held: string | null;
  readonly nodeProblems: ReadonlyMap<string, readonly CanvasProblem[]>;
  readonly edgeProblems: ReadonlyMap<string, readonly CanvasProblem[]>;
}

/** What is shown of one node. */
export interface NodeView {
  /** What was told of it last; undefined: nothing yet. */
  readonly state: NodeState | undefined;
  readonly selected: boolean;
  readonly breakpoint: boolean;
  readonly held: boolean;
  readonly problems: readonly CanvasProblem[] | undefined;
}

/** What is shown of one edge. */
export type EdgeState = "open" | "taken" | "dead";

/** Nothing was told of any node: the picture of a workflow that does not run. */
export const NOTHING_RUNS: CanvasSource = {
  subscribe: () => () => undefined,
  current: { nodes: {}, edges: {} },
};

/** Nothing is marked. */
export const NO_MARKS: Marks = {
  selected: null,
  breakpoints: new Set(),
  held: null,
  nodeProblems: new Map(),
  edgeProblems: new Map(),
};

/** A canvas' source and marks, as one thing to subscribe to. */
export class CanvasStore {
  readonly #source: CanvasSource;
  readonly #views = new Map<string, NodeView>();
  readonly #listeners = new Set<() => void>();
  #marks: Marks;
  #leave: (() => void) | null = null;

  constructor(source: CanvasSource, marks: Marks) {
    this.#source = source;
    this.#marks = marks;
  }

  /** Replaces what the page says. */
  mark(marks: Marks): void {
    this.#marks = marks;
    this.#tell();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    this.#leave ??= this.#source.subscribe(() => this.#tell());
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#leave?.();
      this.#leave = null;
    };
  };

  /** The view of a node; the same object while nothing in it changes. */
  node(id: string): NodeView {
    const state = ofOwn(this.#source.current.nodes, id);
    const selected = this.#marks.selected === id;
    const breakpoint = this.#marks.breakpoints.has(id);
    const held = this.#marks.held === id;
    const problems = this.#marks.nodeProblems.get(id);
    const known = this.#views.get(id);
    if (
      known !== undefined &&
      known.state === state &&
      known.selected === selected &&
      known.breakpoint === breakpoint &&
      known.held === held &&
      known.problems === problems
    ) {
      return known;
    }
    const view = { state, selected, breakpoint, held, problems };
    this.#views.set(id, view);
    return view;
  }

  /** What became of an edge. */
  edge(id: string): EdgeState {
    return ofOwn(this.#source.current.edges, id) ?? "open";
  }

  /** What is wrong with an edge. */
  edgeProblems(id: string): readonly CanvasProblem[] | undefined {
    return this.#marks.edgeProblems.get(id);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** A value by an id, which may be the name of what every object has: `constructor`. */
export function ofOwn<T>(values: Readonly<Record<string, T>>, id: string): T | undefined {
  return Object.hasOwn(values, id) ? values[id] : undefined;
}

/** The store of the canvas that a component is in. */
export const CanvasContext = createContext<CanvasStore | null>(null);

/** A node's view; renders again when it changes, and only then. */
export function useNodeView(id: string): NodeView {
  const store = useCanvasStore();
  return useSyncExternalStore(store.subscribe, () => store.node(id));
}

/** What became of an edge; renders again when it changes, and only then. */
export function useEdgeState(id: string): EdgeState {
  const store = useCanvasStore();
  return useSyncExternalStore(store.subscribe, () => store.edge(id));
}

/** The store around a component. */
export function useCanvasStore(): CanvasStore {
  const store = useContext(CanvasContext);
  if (store === null) throw new Error("this component belongs into a canvas");
  return store;
}
