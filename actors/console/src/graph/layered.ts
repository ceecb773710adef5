/**
 * A layout in layers that stays quick at thousands of nodes, where dagre does not.
 *
 * Theory of operation: (1) edges that lead back, found by a depth-first walk, are set aside; (2) the layer of a node is
 * its longest way from a beginning; (3) within a layer nodes are put near the middle of their neighbours, in a few
 * sweeps there and back, which takes most crossings out (the barycentre heuristic of Sugiyama, Tagawa and Toda, 1981);
 * (4) a layer of very many nodes becomes several columns, and very many layers several bands below each other, so that
 * a whole graph has the shape of a screen rather than that of a thread. It is linear but for the sorting in (3), and
 * gives the same picture for the same graph.
 */
import type { Point } from "./model";
import { LAYER_GAP, NODE_GAP, NODE_SIZE } from "./sizes";

const SWEEPS = 6;
/** Nodes on top of each other in one column. */
const MOST_IN_COLUMN = 40;
/** Columns beside each other before a second band is worth its trouble. */
const FEWEST_IN_BAND = 24;
/** Width to height of the whole. */
const SHAPE = 1.7;

const COLUMN = NODE_SIZE.width + LAYER_GAP;
const ROW = NODE_SIZE.height + NODE_GAP;

type Pair = readonly [from: string, to: string];

/** Where everything is. */
export interface Layered {
  /** The upper left corner of every node. */
  readonly points: ReadonlyMap<string, Point>;
  /** The middles of the gaps between bands, from above: there an edge can go back to the left without crossing nodes. */
  readonly gaps: readonly number[];
}

/** Lays a graph out. */
export function layered(ids: readonly string[], pairs: readonly Pair[]): Layered {
  const index = new Map(ids.map((id, place) => [id, place]));
  const outgoing: number[][] = ids.map(() => []);
  const incoming: number[][] = ids.map(() => []);
  for (const [from, to] of forwards(
    ids.length,
    pairs.map(([a, b]) => [index.get(a)!, index.get(b)!]),
  )) {
    outgoing[from]!.push(to);
    incoming[to]!.push(from);
  }
  const columns = toColumns(ordered(layersOf(outgoing, incoming), outgoing, incoming));
  return place(ids, columns, incoming);
}

/** The edges without those that lead back. */
function forwards(
  count: number,
  edges: readonly (readonly [number, number])[],
): (readonly [number, number])[] {
  const outgoing: number[][] = Array.from({ length: count }, () => []);
  const begun = new Uint8Array(count);
  const entered = new Uint8Array(count);
  for (const [from, to] of edges) {
    outgoing[from]!.push(to);
    entered[to] = 1;
  }
  const back = new Set<number>();
  const ended = new Uint8Array(count);
  // First from where nothing leads, so that an edge back into a loop is found as what it is.
  const roots = [...Array(count).keys()].sort((a, b) => entered[a]! - entered[b]!);
  for (const root of roots) {
    if (begun[root]) continue;
    const way: { node: number; next: number }[] = [{ node: root, next: 0 }];
    begun[root] = 1;
    while (way.length > 0) {
      const top = way.at(-1)!;
      const to = outgoing[top.node]![top.next];
      top.next += 1;
      if (to === undefined) {
        ended[top.node] = 1;
        way.pop();
      } else if (!begun[to]) {
        begun[to] = 1;
        way.push({ node: to, next: 0 });
      } else if (!ended[to]) {
        back.add(top.node * count + to);
      }
    }
  }
  return edges.filter(([from, to]) => !back.has(from * count + to));
}

function layersOf(outgoing: readonly number[][], incoming: readonly number[][]): number[][] {
  const open = incoming.map((edges) => edges.length);
  const layer = new Int32Array(outgoing.length);
  const ready = [...open.keys()].filter((node) => open[node] === 0);
  for (let at = 0; at < ready.length; at += 1) {
    const node = ready[at]!;
    for (const to of outgoing[node]!) {
      layer[to] = Math.max(layer[to]!, layer[node]! + 1);
      open[to]! -= 1;
      if (open[to] === 0) ready.push(to);
    }
  }
  const layers: number[][] = [];
  for (const node of ready) (layers[layer[node]!] ??= []).push(node);
  return layers;
}

function ordered(
  layers: number[][],
  outgoing: readonly number[][],
  incoming: readonly number[][],
): number[][] {
  const rank = new Float64Array(outgoing.length);
  const number = (layer: readonly number[]) =>
    layer.forEach((node, place) => (rank[node] = (place + 0.5) / layer.length));
  layers.forEach(number);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const forth = sweep % 2 === 0;
    const neighbours = forth ? incoming : outgoing;
    for (const layer of forth ? layers : [...layers].reverse()) {
      const middle = new Map(
        layer.map((node) => [
          node,
          mean(
            neighbours[node]!.map((other) => rank[other]!),
            rank[node]!,
          ),
        ]),
      );
      layer.sort((a, b) => middle.get(a)! - middle.get(b)! || rank[a]! - rank[b]!);
      number(layer);
    }
  }
  return layers;
}

function toColumns(layers: readonly number[][]): number[][] {
  return layers.flatMap((layer) => {
    const parts = Math.ceil(layer.length / MOST_IN_COLUMN);
    const height = Math.ceil(layer.length / parts);
    return Array.from({ length: parts }, (_, part) => layer.slice(part * height, (part + 1) * height));
  });
}

function place(ids: readonly string[], columns: readonly number[][], incoming: readonly number[][]): Layered {
  const perBand = bandLength(columns);
  const points = new Map<string, Point>();
  const gaps: number[] = [];
  const y = new Float64Array(ids.length);
  let top = 0;
  for (let from = 0; from < columns.length; from += perBand) {
    const band = columns.slice(from, from + perBand);
    const inBand = new Set(band.flat());
    for (const column of band) {
      const wanted = column.map((node) =>
        mean(
          incoming[node]!.filter((other) => inBand.has(other)).map((other) => y[other]!),
          NaN,
        ),
      );
      apart(column, wanted, y);
    }
    const least = Math.min(...band.map((column) => Math.min(...column.map((node) => y[node]!))));
    let bottom = top;
    for (const [number, column] of band.entries()) {
      for (const node of column) {
        const down = y[node]! - least + top;
        bottom = Math.max(bottom, down + ROW);
        points.set(ids[node]!, { x: number * COLUMN, y: down });
      }
    }
    gaps.push(bottom - NODE_GAP + (ROW + NODE_GAP) / 2);
    top = bottom + ROW;
  }
  return { points, gaps: gaps.slice(0, -1) };
}

function bandLength(columns: readonly number[][]): number {
  if (columns.length <= FEWEST_IN_BAND) return Math.max(1, columns.length);
  const height = Math.max(...columns.map((column) => column.length)) * ROW + ROW;
  // n bands of c/n columns: (c/n · COLUMN) / (n · height) = SHAPE.
  const bands = Math.max(1, Math.round(Math.sqrt((columns.length * COLUMN) / (height * SHAPE))));
  return Math.max(FEWEST_IN_BAND, Math.ceil(columns.length / bands));
}

/** Puts the nodes of a column as near to where they want to be as they fit without covering each other. */
function apart(column: readonly number[], wanted: readonly number[], y: Float64Array): void {
  const middle = mean(
    wanted.filter((value) => !Number.isNaN(value)),
    0,
  );
  const first = middle - ((column.length - 1) * ROW) / 2;
  // Runs of nodes that touch, each at the mean of what its nodes want.
  const runs: { from: number; length: number; sum: number }[] = [];
  for (const [at] of column.entries()) {
    const want = Number.isNaN(wanted[at]!) ? first + at * ROW : wanted[at]!;
    let run = { from: at, length: 1, sum: want };
    for (
      let above = runs.at(-1);
      above !== undefined && topOf(above) + above.length * ROW > topOf(run);
      above = runs.at(-1)
    ) {
      runs.pop();
      run = {
        from: above.from,
        length: above.length + run.length,
        sum: above.sum + run.sum - above.length * run.length * ROW,
      };
    }
    runs.push(run);
  }
  for (const run of runs)
    for (let at = 0; at < run.length; at += 1) y[column[run.from + at]!] = topOf(run) + at * ROW;
}

/** Where a run begins: `sum` is of what its nodes want, each less its distance from the run's first. */
function topOf(run: { readonly length: number; readonly sum: number }): number {
  return run.sum / run.length;
}

function mean(values: readonly number[], otherwise: number): number {
  return values.length === 0 ? otherwise : values.reduce((sum, value) => sum + value, 0) / values.length;
}
