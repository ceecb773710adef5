import { describe, expect, test } from "vitest";
import { Checkpoints } from "../src/replay/checkpoints";
import type { RunEvent } from "callboard";
import { isEnd, placeAt, placeOn, play } from "../src/replay/player";
import { clock, thin, Timeline } from "../src/replay/timeline";

const event = (timestamp: number, type: string, payload: object = {}): RunEvent =>
  ({ id: "", type, timestamp, workflowId: "w", runId: "r", seq: 0, payload }) as unknown as RunEvent;

function timelineOf(...events: RunEvent[]): Timeline {
  const timeline = new Timeline();
  for (const each of events) timeline.add(each);
  return timeline;
}

describe("a run's own clock", () => {
  test("stands still while the run is paused", () => {
    const timeline = timelineOf(
      event(1000, "workflow.start"),
      event(1100, "workflow.pause", { status: "pausing" }),
      event(1200, "workflow.pause", { status: "paused" }),
      event(1250, "execution.log", { level: "info" }),
      event(61_200, "workflow.resume", { status: "running" }),
      event(61_500, "execution.complete", { status: "completed" }),
    );
    expect(timeline.positions).toEqual([0, 100, 200, 200, 200, 500]);
    expect(timeline.ticks).toEqual([
      { index: 2, position: 200, kind: "pause", pausedFor: 60_000 },
      { index: 5, position: 500, kind: "end" },
    ]);
  });

  test("never goes back, even if the wall clock did", () => {
    const timeline = timelineOf(event(1000, "workflow.start"), event(1500, "node.running"), event(900, "node.success"));
    expect(timeline.positions).toEqual([0, 500, 500]);
  });

  test("marks errors, warnings and breakpoints, with their node", () => {
    const timeline = timelineOf(
      event(0, "workflow.start"),
      event(1, "node.error", { nodeId: "a" }),
      event(2, "execution.log", { level: "warn" }),
      event(3, "execution.log", { level: "info" }),
      event(4, "workflow.pause", { status: "paused", reason: "breakpoint", nodeId: "b" }),
    );
    expect(timeline.ticks.map(({ kind, nodeId }) => [kind, nodeId])).toEqual([
      ["error", "a"],
      ["warning", undefined],
      ["breakpoint", "b"],
    ]);
  });

  test("finds the newest event at a moment", () => {
    const timeline = timelineOf(event(0, "a"), event(10, "b"), event(10, "c"), event(30, "d"));
    expect([-5, 0, 9, 10, 29, 30, 99].map((at) => timeline.at(at))).toEqual([0, 0, 0, 2, 2, 3, 3]);
    expect(new Timeline().at(5)).toBe(0);
  });

  test("is read in the largest unit that it needs", () => {
    expect([0, 4207, 124_207, 3_724_207].map(clock)).toEqual(["0.000 s", "4.207 s", "2:04.207", "1:02:04.207"]);
  });
});

test("of ticks that lie on each other the most urgent is drawn", () => {
  const ticks = [
    { index: 1, position: 10, kind: "warning" },
    { index: 2, position: 10.4, kind: "error" },
    { index: 3, position: 10.4, kind: "pause" },
    { index: 4, position: 90, kind: "end" },
  ] as const;
  expect(thin(ticks, 100, 100).map((tick) => tick.index)).toEqual([2, 4]);
  expect(thin(ticks, 0, 100).map((tick) => tick.index)).toEqual([2]);
});

describe("playing", () => {
  const timeline = timelineOf(...[0, 100, 200, 1000].map((at) => event(at, "node.running")));

  test("goes by the run's clock, as quickly as is asked", () => {
    let place = placeAt(timeline, 0);
    place = play(timeline, place, 1, 150);
    expect(place).toEqual({ index: 1, position: 150 });
    place = play(timeline, place, 4, 100);
    expect(place).toEqual({ index: 2, position: 550 });
    place = play(timeline, place, 16, 100);
    expect(place).toEqual({ index: 3, position: 1000 });
    expect(isEnd(timeline, place)).toBe(true);
  });

  test("at max goes by events, and comes to the end of a long run in seconds", () => {
    expect(play(timeline, placeAt(timeline, 1), "max", 0)).toEqual({ index: 2, position: 200 });
    const long = timelineOf(...Array.from({ length: 30_000 }, (_, at) => event(at, "node.running")));
    for (const frame of [16, 100]) {
      let took = 0;
      for (let place = placeAt(long, 0); !isEnd(long, place); place = play(long, place, "max", frame)) took += frame;
      expect(took).toBeGreaterThan(7000);
      expect(took).toBeLessThan(9000);
    }
  });

  test("stays within the run", () => {
    expect(placeAt(timeline, -1).index).toBe(0);
    expect(placeAt(timeline, 9)).toEqual({ index: 3, position: 1000 });
    expect(placeOn(timeline, 5000)).toEqual({ index: 3, position: 1000 });
    expect(placeAt(new Timeline(), 0)).toEqual({ index: 0, position: 0 });
  });
});

describe("checkpoints", () => {
  /** Sums, and counts how many steps were folded. */
  function summing(stride: number) {
    const folded = { steps: 0 };
    const begin = (from = 0) => ({
      current: from,
      apply(step: number) {
        folded.steps++;
        this.current += step;
      },
    });
    return { checkpoints: new Checkpoints<number, number>(begin, stride), folded };
  }

  test("give the state behind every step, forwards, backwards and at random", () => {
    const { checkpoints } = summing(10);
    for (let page = 0; page < 7; page++) checkpoints.add(Array.from({ length: 15 }, (_, index) => page * 15 + index + 1));
    const expected = (count: number) => (count * (count + 1)) / 2;
    const counts = [...Array(106).keys()];
    for (const order of [counts, [...counts].reverse(), [...counts].sort((a, b) => ((a * 37) % 106) - ((b * 37) % 106))]) {
      expect(order.map((count) => checkpoints.after(count))).toEqual(order.map(expected));
    }
    expect(checkpoints.after(9999)).toBe(expected(105));
    expect(checkpoints.after(-1)).toBe(0);
  });

  test("cost a stride at most, and a step to go on", () => {
    const { checkpoints, folded } = summing(100);
    checkpoints.add(Array.from({ length: 10_000 }, () => 1));
    expect(folded.steps).toBe(10_000);
    folded.steps = 0;
    checkpoints.after(7777);
    expect(folded.steps).toBe(77);
    folded.steps = 0;
    for (let count = 7778; count <= 8000; count++) checkpoints.after(count);
    expect(folded.steps).toBeLessThanOrEqual(223);
    folded.steps = 0;
    checkpoints.after(150);
    expect(folded.steps).toBe(50);
  });
});
