/** Where nodes are drawn: never on top of each other, soon, and where their editor had them. */
import { readdirSync, readFileSync } from "node:fs";
import { readGraph, type JsonObject } from "callboard";
import { describe, expect, test } from "vitest";
import { layOut, type Place } from "../src/graph/layout";
import { drawable } from "../src/graph/model";

const draw = (sent: JsonObject) => drawable(readGraph(sent));

function graphOf(pairs: readonly (readonly [number, number])[], count: number) {
  return draw({
    nodes: Array.from({ length: count }, (_, index) => ({ id: `n${index}`, type: "log" })),
    edges: pairs.map(([from, to]) => ({ source: `n${from}`, target: `n${to}` })),
  });
}

function overlaps(places: readonly Place[]): number {
  let found = 0;
  for (const [index, one] of places.entries()) {
    for (const other of places.slice(index + 1)) {
      const apart =
        one.x + one.width <= other.x ||
        other.x + other.width <= one.x ||
        one.y + one.height <= other.y ||
        other.y + other.height <= one.y;
      if (!apart) found += 1;
    }
  }
  return found;
}

const layers = (count: number) =>
  Array.from({ length: count - 10 }, (_, at) => at + 10).flatMap((to) =>
    [7, 13].map((prime) => [Math.floor(to / 10 - 1) * 10 + ((to * prime) % 10), to] as const),
  );
const fan = (count: number) => Array.from({ length: count - 1 }, (_, at) => [0, at + 1] as const);
const chain = (count: number) => Array.from({ length: count - 1 }, (_, at) => [at, at + 1] as const);

describe("a graph without places", () => {
  test.each([
    ["a chain", chain(1000)],
    ["a fan", fan(1000)],
    ["layers", layers(1000)],
  ])("of 1,000 nodes is laid out within a second, no node on another: %s", (name, pairs) => {
    const begun = performance.now();
    const { places } = layOut(graphOf(pairs, 1000));
    const took = performance.now() - begun;
    console.log(`${name}: 1,000 nodes, ${pairs.length} edges: ${took.toFixed(0)} ms`);
    expect(places.size).toBe(1000);
    expect(overlaps([...places.values()])).toBe(0);
    expect(took).toBeLessThan(1000);
  });

  test("leads to the right, a loop's way back apart", () => {
    const { places, direction } = layOut(
      graphOf(
        [
          [0, 1],
          [1, 2],
          [2, 1],
          [1, 3],
        ],
        4,
      ),
    );
    expect(direction).toBe("right");
    expect(places.get("n0")!.x).toBeLessThan(places.get("n1")!.x);
    expect(places.get("n1")!.x).toBeLessThan(places.get("n2")!.x);
  });

  test("that is very long is folded into bands, and an edge to the next one finds a gap between them", () => {
    const { places, gaps } = layOut(graphOf(chain(300), 300));
    expect(gaps.length).toBeGreaterThan(1);
    for (const { y, height } of places.values())
      for (const gap of gaps) expect(gap < y || gap > y + height).toBe(true);
    const widest = Math.max(...[...places.values()].map(({ x }) => x));
    const highest = Math.max(...[...places.values()].map(({ y }) => y));
    expect(widest / highest).toBeLessThan(4);
  });

  test("is laid out the same way each time", () => {
    const graph = graphOf(layers(400), 400);
    expect([...layOut(graph).places]).toEqual([...layOut(graph).places]);
  });

  test("that is nothing but a circle has all its nodes", () => {
    const circle = Array.from({ length: 300 }, (_, at) => [at, (at + 1) % 300] as const);
    expect(layOut(graphOf(circle, 300)).places.size).toBe(300);
  });
});

describe("a graph with the places of an editor", () => {
  test("keeps them in proportion, stretched until no node covers another", () => {
    const graph = draw({
      nodes: [
        { id: "a", type: "log", position: { x: 0, y: 0 } },
        { id: "b", type: "log", position: { x: 100, y: 0 } },
        { id: "c", type: "log", position: { x: 0, y: 300 } },
      ],
    });
    const { places } = layOut(graph);
    expect(overlaps([...places.values()])).toBe(0);
    expect(places.get("b")!.x / 100).toBeCloseTo(places.get("c")!.y / 300);
  });

  test("is laid out anew where they all are the same", () => {
    const nodes = ["a", "b"].map((id) => ({ id, type: "log", position: { x: 0, y: 0 } }));
    expect(overlaps([...layOut(draw({ nodes })).places.values()])).toBe(0);
  });

  test("that leads downwards is drawn downwards", () => {
    const nodes = [0, 1, 2].map((at) => ({
      id: `${at}`,
      type: "log",
      position: { x: at * 10, y: at * 200 },
    }));
    const edges = [0, 1].map((at) => ({ source: `${at}`, target: `${at + 1}` }));
    expect(layOut(draw({ nodes, edges })).direction).toBe("down");
  });

  const flows = new URL("../../../tests/vectors/flows/", import.meta.url);
  test.each(
    readdirSync(flows, { recursive: true })
      .map(String)
      .filter((file) => file.endsWith(".json")),
  )("of a real one: %s", (file) => {
    const graph = draw(JSON.parse(readFileSync(new URL(file, flows), "utf8")) as JsonObject);
    const { places, frames } = layOut(graph);
    const boxes = graph.nodes.filter((node) => !node.annotation && !frames.has(node.id));
    expect(boxes.length).toBeGreaterThan(0);
    expect(overlaps(boxes.map((node) => places.get(node.id)!))).toBe(0);
    for (const node of boxes) {
      const frame = places.get(node.parent ?? "");
      if (frame === undefined) continue;
      const place = places.get(node.id)!;
      expect(place.x).toBeGreaterThanOrEqual(frame.x);
      expect(place.x + place.width).toBeLessThanOrEqual(frame.x + frame.width);
    }
  });
});

test("whatever an editor wrote, it is drawn or left out", () => {
  const nodes = [
    null,
    {},
    { id: "a", position: { x: "1", y: NaN }, width: -3, parentId: "a" },
    { id: "b", parentId: "nobody" },
  ];
  const graph = draw({
    nodes,
    edges: [null, {}, { source: "a", target: "c" }, { source: "a", target: "b", data: { edgeLabel: "no" } }],
  } as JsonObject);
  expect(graph.nodes.map((node) => node.id)).toEqual(["a", "b"]);
  expect(graph.edges.map((edge) => edge.label)).toEqual(["no"]);
  expect(layOut(graph).places.size).toBe(2);
});
