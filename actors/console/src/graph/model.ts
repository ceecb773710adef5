/**
 * A workflow as it was drawn, read for showing it: nodes, edges, groups and notes, each with its place.
 *
 * Theory of operation: the server alone decides what a graph means and whether it may run (`workflow.validate`). This
 * only reads as much as it takes to draw it, under the server's names – the same kind, the same label, the same ids of
 * edges – so that what is told about a node or an edge finds it here. It takes any JSON and never throws: what can not
 * be drawn is left out, and the server says what is wrong with it.
 */

/** A node, as it is drawn. */
export interface GraphNode {
  readonly id: string;
  /** Its place in the list of nodes, as in `nodes[3]` of a problem's path. */
  readonly index: number;
  readonly kind: string;
  readonly label: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Where the editor had it, relative to its parent; null: nowhere. */
  readonly position: Point | null;
  /** How large the editor drew it; null: it does not say. */
  readonly size: Size | null;
  /** The node that it was drawn inside of. */
  readonly parent: string | null;
  /** Something said to people only: a note, or a frame around nodes. It never runs. */
  readonly annotation: boolean;
}

/** An edge, as it is drawn. */
export interface GraphEdge {
  /** As the server calls it: what the editor said, else `e<index>`. */
  readonly id: string;
  readonly index: number;
  readonly source: string;
  readonly target: string;
  /** The port that it leaves by; "" names none. */
  readonly sourcePort: string;
  /** The port that it arrives at; "" names none. */
  readonly targetPort: string;
  /** What the editor wrote on it. */
  readonly label: string;
}

/** A workflow that can be drawn. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

/** Pixels of the canvas. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Pixels of the canvas. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** What says something to people only, as the server has it. */
const ANNOTATIONS = new Set(["comment", "group", "note", "stickyNote"]);
/** What React Flow draws by itself as `type`; of a node that says its kind elsewhere it is not the kind. */
const VIEW_TYPES = new Set(["default", "group", "input", "output"]);

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads a workflow in any of the shapes the server takes: `edges` or `connections`.
 *
 * @param raw whatever was dropped, pasted, or told by the server.
 * @param kinds the kinds that the server knows; the first one that a node names is its kind.
 */
export function readGraph(raw: unknown, kinds: ReadonlySet<string>): Graph {
  const graph = fields(raw);
  const nodes: GraphNode[] = [];
  const seen = new Set<string>();
  for (const [index, entry] of list(graph.nodes).entries()) {
    const node = readNode(fields(entry), index, kinds);
    if (node === null || seen.has(node.id)) continue;
    seen.add(node.id);
    nodes.push(node);
  }
  const connections = list(graph.connections);
  return { nodes, edges: readEdges(connections.length > 0 ? connections : list(graph.edges), seen) };
}

function readNode(entry: Fields, index: number, kinds: ReadonlySet<string>): GraphNode | null {
  const id = name(entry.id);
  if (id === null) return null;
  const data = fields(entry.data);
  const kind = kindOf(entry, data, kinds);
  const label = [data.label, entry.label, entry.name].find((said) => Boolean(said));
  const config = [data.config, entry.config, entry.parameters].find((said) => said !== undefined && said !== null);
  return {
    id,
    index,
    kind,
    label: typeof label === "string" ? label : id,
    config: fields(config),
    position: point(entry.position),
    size: size(entry),
    parent: name(entry.parentId) ?? name(entry.parentNode),
    annotation: ANNOTATIONS.has(kind) && !kinds.has(kind),
  };
}

function kindOf(entry: Fields, data: Fields, kinds: ReadonlySet<string>): string {
  const said: Record<string, string> = {};
  const places = [
    ["data.kind", data.kind],
    ["type", entry.type],
    ["data.type", data.type],
    ["data.name", data.name],
  ] as const;
  for (const [place, value] of places) {
    if (typeof value !== "string" || value === "") continue;
    if (place === "type" && said["data.kind"] !== undefined && VIEW_TYPES.has(value)) continue;
    if (kinds.has(value) || ANNOTATIONS.has(value)) return value;
    said[place] = value;
  }
  return said["data.kind"] ?? said["type"] ?? said["data.name"] ?? said["data.type"] ?? "";
}

function readEdges(entries: readonly unknown[], nodes: ReadonlySet<string>): GraphEdge[] {
  const edges: GraphEdge[] = [];
  const said = new Set(entries.map((entry) => name(fields(entry).id)));
  const used = new Set<string>();
  for (const [index, raw] of entries.entries()) {
    const entry = fields(raw);
    const given = name(entry.id);
    let id = given ?? `e${index}`;
    if (used.has(id) || (given === null && said.has(id))) {
      while (used.has(id) || said.has(id)) id = `${id}#${index}`;
    }
    used.add(id);
    const connection = "from_node" in entry && !("source" in entry);
    const source = name(connection ? entry.from_node : entry.source);
    const target = name(connection ? entry.to_node : entry.target);
    if (source === null || target === null || !nodes.has(source) || !nodes.has(target)) continue;
    const data = fields(entry.data);
    const label = [entry.label, data.label, data.edgeLabel].find((word) => typeof word === "string" && word !== "");
    edges.push({
      id,
      index,
      source,
      target,
      sourcePort: name(connection ? entry.from_output : entry.sourceHandle) ?? "",
      targetPort: name(connection ? entry.to_input : entry.targetHandle) ?? "",
      label: typeof label === "string" ? label : "",
    });
  }
  return edges;
}

/** An id or a handle; an integer is as good as its digits. */
function name(value: unknown): string | null {
  if (typeof value === "string") return value === "" ? null : value;
  return typeof value === "number" && Number.isInteger(value) ? String(value) : null;
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function point(value: unknown): Point | null {
  const { x, y } = fields(value);
  return isPixels(x) && isPixels(y) ? { x, y } : null;
}

function size(entry: Fields): Size | null {
  for (const said of [fields(entry.measured), entry, fields(entry.style)]) {
    const { width, height } = said;
    if (isPixels(width) && isPixels(height) && width > 0 && height > 0) return { width, height };
  }
  return null;
}

function isPixels(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && Math.abs(value) < 1e7;
}
