/**
 * Where the nodes of a workflow are drawn: where their editor had them, else where a layout puts them.
 *
 * Theory of operation: a layout is made once for a graph, before it is shown, and never for an event. Places from an
 * editor are kept, in proportion: nodes here may be larger or smaller than they were there, so all distances are
 * multiplied by one factor, such that none covers another. A graph without (different) places is laid out in layers: by dagre while that is
 * quick, and by `layered` beyond, since dagre takes 30 s for 1,000 nodes with 2,000 edges where `layered` takes
 * milliseconds.
 */
import dagre from "@dagrejs/dagre";
import { layered } from "./layered";
import type { Graph, GraphNode, Point, Size } from "./model";
import { LAYER_GAP, NODE_GAP, NODE_SIZE } from "./sizes";

/** Which way the edges of a graph mostly lead. */
export type Direction = "right" | "down";

/** Where a node is drawn, in pixels of the canvas. */
export interface Place extends Point, Size {}

/** Where everything is drawn. */
export interface Layout {
  readonly places: ReadonlyMap<string, Place>;
  readonly direction: Direction;
  /** The nodes that others are drawn inside of. */
  readonly frames: ReadonlySet<string>;
  /** Heights at which an edge can go back without crossing nodes, from above. */
  readonly gaps: readonly number[];
}

/** Between nodes at an editor's places: room for the head and the label of an edge. */
const LEAST_GAP: Point = { x: 48, y: 20 };
const NOTE_SIZE: Size = { width: 200, height: 90 };
/** Above what is inside of a frame: its title. */
const FRAME_TITLE = 40;
const FRAME_PADDING = 16;

/** Beyond this dagre takes longer than anybody wants to wait for a picture: about 0.3 s. */
const MOST_DAGRE_EDGES = 120;
/** More stretching than this, and the editor's places are no places. */
const MOST_STRETCH = 6;
/** Editors whose nodes are larger leave room that only keeps the words from being read here. */
const LEAST_STRETCH = 0.4;
/** As close as can be is closer than an editor's picture should become. */
const LOOSE = 1.2;
const MOST_NODES_COMPARED = 3000;

/** Places every node of a graph. */
export function layOut(graph: Graph): Layout {
  const frames = framesOf(graph);
  const kept = keptPlaces(graph, frames);
  if (kept !== null) return { places: kept, direction: directionOf(graph, kept), frames, gaps: [] };
  return { ...madePlaces(graph), direction: "right", frames: new Set() };
}

/** The nodes that others name as their parent. */
function framesOf(graph: Graph): Set<string> {
  const ids = new Set(graph.nodes.map((node) => node.id));
  const frames = new Set<string>();
  for (const node of graph.nodes)
    if (node.parent !== null && node.parent !== node.id && ids.has(node.parent)) frames.add(node.parent);
  return frames;
}

/** The editor's places, stretched; null: there are none, or they are on top of each other. */
function keptPlaces(graph: Graph, frames: ReadonlySet<string>): Map<string, Place> | null {
  if (graph.nodes.length === 0 || graph.nodes.some((node) => node.position === null)) return null;
  const byId = new Map(graph.nodes.map((node) => [node.id, node]));
  const absolute = new Map(graph.nodes.map((node) => [node.id, absolutePoint(node, byId)]));
  const boxes = graph.nodes.filter((node) => !frames.has(node.id) && !node.annotation);
  const stretch = stretchFor(boxes.map((node) => absolute.get(node.id)!));
  if (stretch === null) return null;
  const places = new Map<string, Place>();
  for (const node of graph.nodes) {
    const { x, y } = absolute.get(node.id)!;
    const size = node.annotation ? scaled(node.size ?? NOTE_SIZE, stretch) : NODE_SIZE;
    places.set(node.id, { x: x * stretch, y: y * stretch, ...size });
  }
  // A frame is as large as what is inside of it, the innermost first.
  const depth = (node: GraphNode) => ancestors(node, byId).length;
  const inwards = graph.nodes.filter((node) => frames.has(node.id)).sort((a, b) => depth(b) - depth(a));
  for (const frame of inwards) places.set(frame.id, frameAround(graph.nodes, frame, places));
  return places;
}

function frameAround(
  nodes: readonly GraphNode[],
  frame: GraphNode,
  places: ReadonlyMap<string, Place>,
): Place {
  const inside = nodes
    .filter((node) => node.parent === frame.id && node.id !== frame.id)
    .map((node) => places.get(node.id)!);
  const left = Math.min(...inside.map((place) => place.x)) - FRAME_PADDING;
  const top = Math.min(...inside.map((place) => place.y)) - FRAME_PADDING - FRAME_TITLE;
  const right = Math.max(...inside.map((place) => place.x + place.width)) + FRAME_PADDING;
  const bottom = Math.max(...inside.map((place) => place.y + place.height)) + FRAME_PADDING;
  return { x: left, y: top, width: Math.max(right - left, NODE_SIZE.width), height: bottom - top };
}

function ancestors(node: GraphNode, byId: ReadonlyMap<string, GraphNode>): GraphNode[] {
  const found: GraphNode[] = [];
  let next = node.parent === null ? undefined : byId.get(node.parent);
  while (next !== undefined && next !== node && !found.includes(next)) {
    found.push(next);
    next = next.parent === null ? undefined : byId.get(next.parent);
  }
  return found;
}

function absolutePoint(node: GraphNode, byId: ReadonlyMap<string, GraphNode>): Point {
  let { x, y } = node.position!;
  for (const around of ancestors(node, byId)) {
    x += around.position!.x;
    y += around.position!.y;
  }
  return { x, y };
}

function scaled(size: Size, by: number): Size {
  return { width: size.width * by, height: size.height * by };
}

/** The factor that keeps nodes apart, and not too far; null: there is none that is reasonable. */
function stretchFor(points: readonly Point[]): number | null {
  if (points.length > MOST_NODES_COMPARED) return null;
  let stretch = LEAST_STRETCH;
  for (const [index, one] of points.entries()) {
    for (let other = index + 1; other < points.length; other += 1) {
      const dx = Math.abs(one.x - points[other]!.x);
      const dy = Math.abs(one.y - points[other]!.y);
      // Far enough apart in one of both directions is enough.
      const wanted = Math.min((NODE_SIZE.width + LEAST_GAP.x) / dx, (NODE_SIZE.height + LEAST_GAP.y) / dy);
      if (!(wanted <= MOST_STRETCH)) return null;
      stretch = Math.max(stretch, wanted);
    }
  }
  return stretch < 1 ? Math.min(1, stretch * LOOSE) : stretch;
}

function directionOf(graph: Graph, places: ReadonlyMap<string, Place>): Direction {
  let across = 0;
  let along = 0;
  for (const edge of graph.edges) {
    const from = places.get(edge.source)!;
    const to = places.get(edge.target)!;
    across += Math.abs(to.x - from.x);
    along += Math.abs(to.y - from.y);
  }
  return along > across ? "down" : "right";
}

function madePlaces(graph: Graph): Pick<Layout, "places" | "gaps"> {
  const nodes = graph.nodes.filter((node) => !node.annotation);
  const drawn = new Set(nodes.map((node) => node.id));
  const edges = graph.edges.filter(
    (edge) => drawn.has(edge.source) && drawn.has(edge.target) && edge.source !== edge.target,
  );
  const ids = nodes.map((node) => node.id);
  const pairs = edges.map((edge) => [edge.source, edge.target] as const);
  const many = edges.length > MOST_DAGRE_EDGES || nodes.length > MOST_DAGRE_EDGES;
  const { points, gaps } = many ? layered(ids, pairs) : { points: byDagre(ids, pairs), gaps: [] };
  const places = new Map<string, Place>();
  for (const [id, point] of points) places.set(id, { ...point, ...NODE_SIZE });
  // Notes without a place stand in a row above.
  let x = 0;
  for (const note of graph.nodes.filter((node) => node.annotation)) {
    places.set(note.id, { x, y: -NOTE_SIZE.height - NODE_GAP, ...NOTE_SIZE });
    x += NOTE_SIZE.width + NODE_GAP;
  }
  return { places, gaps };
}

function byDagre(ids: readonly string[], pairs: readonly (readonly [string, string])[]): Map<string, Point> {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: NODE_GAP, ranksep: LAYER_GAP });
  graph.setDefaultEdgeLabel(() => ({}));
  // By names of our own: dagre keeps nodes in plain objects, where a `constructor` is already.
  const names = new Map(ids.map((id, index) => [id, `n${index}`]));
  for (const name of names.values()) graph.setNode(name, { ...NODE_SIZE });
  for (const [from, to] of pairs) graph.setEdge(names.get(from)!, names.get(to)!);
  dagre.layout(graph);
  return new Map(
    ids.map((id) => {
      const { x, y } = graph.node(names.get(id)!) as unknown as Point;
      return [id, { x: x - NODE_SIZE.width / 2, y: y - NODE_SIZE.height / 2 }];
    }),
  );
}
