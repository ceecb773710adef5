/**
 * A workflow read for showing it: what the server understands of it, and where and how large its editor drew it.
 *
 * What a node is called, of which kind it is and which id an edge has is read by the client (`readGraph`), by the server's
 * own rules, so that what is told about a node or an edge finds it here. This adds what the server does not care for.
 */
import type { Graph as ReadGraph, GraphEdge as ReadEdge, GraphNode as ReadNode } from "callboard";

/** A node, as it is drawn. */
export interface GraphNode extends Pick<ReadNode, "id" | "kind" | "label" | "config" | "annotation"> {
  /** Where the editor had it, relative to its parent; null: nowhere. */
  readonly position: Point | null;
  /** How large the editor drew it; null: it does not say. */
  readonly size: Size | null;
  /** The node that it was drawn inside of. */
  readonly parent: string | null;
}

/** An edge, as it is drawn. */
export interface GraphEdge extends Pick<ReadEdge, "id" | "source" | "target" | "sourcePort"> {
  /** What the editor wrote on it; "" if nothing. */
  readonly label: string;
}

/** A workflow that can be drawn. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  /** Between nodes that there are. */
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

type Fields = Readonly<Record<string, unknown>>;

/** The picture of a graph; never throws, whatever an editor wrote. */
export function drawable(graph: ReadGraph): Graph {
  const nodes = graph.nodes.map(({ id, kind, label, config, annotation, sent }): GraphNode => ({
    id,
    kind,
    label,
    config,
    annotation,
    position: point(sent.position),
    size: size(sent),
    parent: name(sent.parentId) ?? name(sent.parentNode),
  }));
  const drawn = new Set(nodes.map((node) => node.id));
  const edges = graph.edges.filter(({ source, target }) => drawn.has(source) && drawn.has(target));
  return {
    nodes,
    edges: edges.map(({ id, source, target, sourcePort, sent }) => ({
      id,
      source,
      target,
      sourcePort,
      label: labelOf(sent),
    })),
  };
}

function labelOf(sent: Fields): string {
  const data = fields(sent.data);
  const label = [sent.label, data.label, data.edgeLabel].find(
    (word) => typeof word === "string" && word !== "",
  );
  return typeof label === "string" ? label : "";
}

/** The id of a parent; an integer is as good as its digits. */
function name(value: unknown): string | null {
  if (typeof value === "string") return value === "" ? null : value;
  return typeof value === "number" && Number.isInteger(value) ? String(value) : null;
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function point(value: unknown): Point | null {
  const { x, y } = fields(value);
  return isPixels(x) && isPixels(y) ? { x, y } : null;
}

function size(sent: Fields): Size | null {
  for (const said of [fields(sent.measured), sent, fields(sent.style)]) {
    const { width, height } = said;
    if (isPixels(width) && isPixels(height) && width > 0 && height > 0) return { width, height };
  }
  return null;
}

function isPixels(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && Math.abs(value) < 1e7;
}
