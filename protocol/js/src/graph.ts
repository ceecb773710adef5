// The graph of a run as the server understands it: kinds, edge ids, ports, loops – the same rules, so the
// same names.
//
// Theory of operation: `readGraph` takes what a starter sent and never throws. It names the kind of each node
// (the first of `data.kind`, `type`, `data.type`, `data.name` that is registered), gives every edge its id
// and port, and finds which nodes a run can reach and in whose loop's body they are: in a graph that the
// server accepted every node's body is forced by the edges, so one walk finds it.

import { BUILT_IN_KINDS, type Json } from "./generated/messages.js";
import type { JsonObject } from "./messages.js";
import { isObject } from "./dialects/keys.js";

/** The port of an edge without a handle. */
const OUT = "out";
const IN = "in";
const START = "start";
const LOOP = "loop";
/** The port of a loop that begins its turns. */
export const BODY = "body";

const ANNOTATIONS: ReadonlySet<string> = new Set(["comment", "group", "note", "stickyNote"]);
/** What React Flow draws by itself as `type`. */
const VIEW_TYPES: ReadonlySet<string> = new Set(["default", "group", "input", "output"]);

/** Handle of an edge that leaves a loop → its port. */
const LOOP_PORTS: ReadonlyMap<string, string> = new Map([
  ["body", BODY],
  ["loop", BODY],
  ["item", BODY],
  ["done", "done"],
  ["exit", "done"],
  ["completed", "done"],
  [OUT, "done"],
]);

/** A node of a graph. */
export interface GraphNode {
  readonly id: string;
  /** As the server names it; "" if the node does not say one. */
  readonly kind: string;
  readonly label: string;
  readonly config: JsonObject;
  /** A note to people: it is no part of the run. */
  readonly annotation: boolean;
  /** As the starter sent it: position, data and all. */
  readonly sent: JsonObject;
}

/** An edge of a graph. */
export interface GraphEdge {
  /** Unique, whatever was sent; the key of `RunState.edges`. */
  readonly id: string;
  readonly source: string;
  readonly target: string;
  /** The handle, `out` where none was said; of a loop always `body`, `done` or `error`. */
  readonly sourcePort: string;
  readonly targetPort: string;
  /** False: a run ignores it (it leads to a start node, an annotation, or nowhere). */
  readonly used: boolean;
  readonly sent: JsonObject;
}

/** A graph as the server understands it. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  readonly config: JsonObject;
  /**
   * Node id → the innermost loop node whose body it is in; absent outside of loops, and for nodes out of
   * reach.
   */
  readonly loops: ReadonlyMap<string, string>;
  /** Nodes that a run can reach: what progress counts. */
  readonly reached: ReadonlySet<string>;
}

/**
 * Read a graph.
 *
 * @param sent `{nodes, edges | connections, config?}`.
 * @param kinds the names of the kinds that the server knows; default: the built-in ones.
 */
export function readGraph(sent: JsonObject, kinds: Iterable<string> = BUILT_IN_KINDS): Graph {
  const known = new Set(kinds);
  const nodes = new Map<string, GraphNode>();
  for (const entry of list(sent["nodes"])) {
    const node = isObject(entry) ? readNode(entry, known) : null;
    if (node !== null && !nodes.has(node.id)) nodes.set(node.id, node);
  }
  const key = list(sent["connections"]).length > 0 ? "connections" : "edges";
  const edges = readEdges(list(sent[key]), key, nodes);
  const config = isObject(sent["config"]) ? sent["config"] : {};
  return { nodes: [...nodes.values()], edges, config, ...walk(nodes, edges) };
}

function readNode(entry: JsonObject, known: ReadonlySet<string>): GraphNode | null {
  const id = name(entry["id"]);
  if (id === null) return null;
  const data = isObject(entry["data"]) ? entry["data"] : {};
  const kind = kindOf(entry, data, known);
  const label = [data["label"], entry["label"], entry["name"]].find((each) => each);
  const config = [data["config"], entry["config"], entry["parameters"]].find(
    (each) => each !== undefined && each !== null,
  );
  return {
    id,
    kind,
    label: typeof label === "string" ? label : id,
    config: isObject(config) ? config : {},
    annotation: ANNOTATIONS.has(kind) && !known.has(kind),
    sent: entry,
  };
}

function kindOf(entry: JsonObject, data: JsonObject, known: ReadonlySet<string>): string {
  const said: Record<string, string> = {};
  const places: [string, Json | undefined][] = [
    ["data.kind", data["kind"]],
    ["type", entry["type"]],
    ["data.type", data["type"]],
    ["data.name", data["name"]],
  ];
  for (const [place, kind] of places) {
    if (typeof kind !== "string" || kind === "") continue;
    if (place === "type" && "data.kind" in said && VIEW_TYPES.has(kind)) continue;
    if (known.has(kind) || ANNOTATIONS.has(kind)) return kind;
    said[place] = kind;
  }
  return said["data.kind"] ?? said["type"] ?? said["data.name"] ?? said["data.type"] ?? "";
}

const SPELLINGS = {
  edges: { source: "source", sourcePort: "sourceHandle", target: "target", targetPort: "targetHandle" },
  connections: { source: "from_node", sourcePort: "from_output", target: "to_node", targetPort: "to_input" },
} as const;

function readEdges(
  entries: readonly Json[],
  key: keyof typeof SPELLINGS,
  nodes: ReadonlyMap<string, GraphNode>,
): GraphEdge[] {
  const said = new Set(entries.map((entry) => (isObject(entry) ? name(entry["id"]) : null)));
  const taken = new Set<string>();
  const edges: GraphEdge[] = [];
  entries.forEach((entry, index) => {
    if (!isObject(entry)) return;
    const given = name(entry["id"]);
    let id = given ?? `e${index}`;
    if (taken.has(id) || (given === null && said.has(id))) {
      while (taken.has(id) || said.has(id)) id = `${id}#${index}`;
    }
    taken.add(id);
    const own = SPELLINGS[key];
    const keys =
      own.source in entry ? own : (Object.values(SPELLINGS).find(({ source }) => source in entry) ?? own);
    const [source, target] = [name(entry[keys.source]), name(entry[keys.target])];
    if (source === null || target === null) return;
    const from = nodes.get(source);
    const to = nodes.get(target);
    const handle = name(entry[keys.sourcePort]) ?? OUT;
    edges.push({
      id,
      source,
      target,
      sourcePort: from?.kind === LOOP ? (LOOP_PORTS.get(handle) ?? handle) : handle,
      targetPort: name(entry[keys.targetPort]) ?? IN,
      used: !!from && !!to && !from.annotation && !to.annotation && to.kind !== START,
      sent: entry,
    });
  });
  return edges;
}

function walk(
  nodes: ReadonlyMap<string, GraphNode>,
  edges: readonly GraphEdge[],
): { loops: Map<string, string>; reached: Set<string> } {
  const leaving = new Map<string, GraphEdge[]>();
  const entered = new Set<string>();
  for (const edge of edges) {
    if (!edge.used) continue;
    const list = leaving.get(edge.source);
    if (list === undefined) leaving.set(edge.source, [edge]);
    else list.push(edge);
    entered.add(edge.target);
  }
  const isBody = (edge: GraphEdge): boolean =>
    edge.sourcePort === BODY && nodes.get(edge.source)?.kind === LOOP;
  /** Node → the loop around it, or "" at the top. */
  const region = new Map<string, string>();
  const spread = (roots: readonly string[]): void => {
    const pending = [...roots];
    for (const root of pending) region.set(root, "");
    for (let source = pending.pop(); source !== undefined; source = pending.pop()) {
      for (const edge of leaving.get(source) ?? []) {
        if (region.has(edge.target)) continue;
        region.set(edge.target, isBody(edge) ? source : (region.get(source) ?? ""));
        pending.push(edge.target);
      }
    }
  };
  const real = [...nodes.values()].filter((node) => !node.annotation);
  const starts = real.filter((node) => node.kind === START).map((node) => node.id);
  if (starts.length > 0) {
    spread(starts);
  } else {
    spread(real.filter((node) => !entered.has(node.id)).map((node) => node.id));
    // What is left is led to from cycles alone; a cycle that a loop breaks begins at that loop.
    for (const node of real) if (node.kind === LOOP && !region.has(node.id)) spread([node.id]);
  }
  const loops = new Map([...region].filter(([, loop]) => loop !== ""));
  return { loops, reached: new Set(region.keys()) };
}

function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** An id or a handle; an integer is as good as its digits. */
function name(value: Json | undefined): string | null {
  if (typeof value === "string" && value !== "") return value;
  return typeof value === "number" && Number.isInteger(value) ? String(value) : null;
}
