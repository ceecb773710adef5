import { foldEvents, readGraph, type JsonObject, type RunEvent } from "callboard";
import { describe, expect, test } from "vitest";
import { Recording } from "../src/replay/recording";

const GRAPH = readGraph({
  nodes: ["start", "a", "b", "c"].map((id) => ({ id, type: id === "start" ? "start" : "log" })),
  edges: [
    { id: "e1", source: "start", target: "a" },
    { id: "e2", source: "a", target: "b" },
    { id: "e3", source: "a", target: "c", sourceHandle: "error" },
  ],
} as JsonObject);

/** A run in which `a` succeeds, `b` fails after a pause, and everything is said in the log. */
function events(): RunEvent[] {
  const node = (nodeId: string, status: string, fired: string[] = []) => [
    `node.${status}`,
    { nodeId, status, message: "", attempt: 1, data: null, fired },
  ];
  const log = (level: string, message: string) => ["execution.log", { level, message }];
  const said = [
    ["workflow.start", { runId: "r", totalNodes: 4, status: "running", warnings: [] }],
    node("start", "running"),
    node("start", "success", ["out"]),
    log("info", "one"),
    node("a", "running"),
    log("warn", "two"),
    node("a", "success", ["out"]),
    ["workflow.pause", { status: "pausing", inFlight: [] }],
    ["workflow.pause", { status: "paused", reason: "breakpoint", nodeId: "b" }],
    ["workflow.resume", { status: "running" }],
    node("b", "running"),
    node("b", "error"),
    node("c", "skipped"),
    log("error", "three"),
    ["execution.error", { status: "failed", message: "", summary: { status: "failed", duration: 1 }, error: "no", code: "x" }],
  ];
  return said.map(([type, payload], index) => ({
    id: `r:${index + 1}`,
    type,
    timestamp: 1000 + 10 * index,
    workflowId: "w",
    runId: "r",
    seq: index + 1,
    payload,
  })) as unknown as RunEvent[];
}

function recordingOf(stride: number, ...pages: (readonly RunEvent[])[]): Recording {
  const recording = new Recording("r", GRAPH, stride);
  for (const page of pages) recording.add(page);
  return recording;
}

/** All of a state but its log, which a recording keeps apart. */
const withoutLog = ({ logs: _, ...state }: ReturnType<typeof foldEvents>) => state;

describe("a recording", () => {
  const all = events();

  test("has at every event the state that the client's fold has there, however it is moved to", () => {
    const recording = recordingOf(4, all);
    const indexes = all.map((_, index) => index);
    for (const order of [indexes, [...indexes].reverse(), [3, 14, 0, 8, 7, 9, 1]]) {
      for (const index of order) {
        expect(withoutLog(recording.state(index))).toEqual(withoutLog(foldEvents(all.slice(0, index + 1), GRAPH)));
      }
    }
  });

  test("is the same by whatever pages it came, repeats among them", () => {
    const whole = recordingOf(4, all);
    const pages = recordingOf(4, all.slice(0, 5), all.slice(3, 9), [], all.slice(9));
    expect(pages.length).toBe(all.length);
    expect(pages.state(14)).toEqual(whole.state(14));
    expect(pages.timeline.positions).toEqual(whole.timeline.positions);
  });

  test("has the log as it was", () => {
    const recording = recordingOf(4, all);
    const messages = (index: number) => recording.lines(index).map(({ seq, message }) => [seq, message]);
    expect(messages(2)).toEqual([]);
    expect(messages(3)).toEqual([[4, "one"]]);
    expect(messages(14).length).toBe(3);
    expect(recording.lines(5)).toBe(recording.lines(12));
    expect(recording.lines(13)[2]).toMatchObject({ seq: 14, at: 1130, level: "error", message: "three" });
  });

  test("finds an event by its seq, and the one before where it is not there", () => {
    const recording = recordingOf(4, all.slice(4));
    expect([5, 9, 15, 99, 1].map((seq) => recording.indexOf(seq))).toEqual([0, 4, 10, 10, 0]);
    expect([recording.lastSeq, new Recording("r", undefined).lastSeq]).toEqual([15, 0]);
  });

  test("of 10,000 nodes is ready, and moved in, at once", () => {
    const nodes = Array.from({ length: 10_000 }, (_, index) => ({ id: `n${index}`, type: "log" }));
    const edges = nodes.slice(1).map((node, index) => ({ source: `n${index}`, target: node.id }));
    const graph = readGraph({ nodes, edges } as unknown as JsonObject);
    const [first] = all;
    const many = nodes.flatMap(({ id }) => [all[1]!, all[2]!].map((event) => ({ ...event, payload: { ...event.payload, nodeId: id } })));
    const run = [first!, ...many].map((event, index) => ({ ...event, seq: index + 1 })) as RunEvent[];
    const recording = new Recording("r", graph);
    const begun = performance.now();
    recording.add(run);
    const built = performance.now() - begun;
    const moves = [19_999, 3, 12_345, 12_346, 12_345, 777, 20_000];
    const from = performance.now();
    for (const index of moves) expect(recording.state(index).lastSeq).toBe(index + 1);
    const moved = (performance.now() - from) / moves.length;
    console.log(`10,000 nodes, ${run.length} events: ready after ${built.toFixed(0)} ms, a move takes ${moved.toFixed(1)} ms`);
    expect(built).toBeLessThan(5000);
    expect(moved).toBeLessThan(250);
  });
});
