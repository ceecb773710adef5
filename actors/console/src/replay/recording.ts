/**
 * A run as it was: its events, where they are on its clock, its log, and its state behind any of them.
 *
 * Theory of operation: events are added page by page, in order of seq, and kept. The fold is the client's own, so what a
 * replay shows behind the last event is what the page of the run shows. Lines of the log are kept apart from the states:
 * a run may have many, and no checkpoint needs them.
 */
import { Fold, type Graph, type LogLine, type RunEvent, type RunState } from "callboard";
import { Checkpoints } from "./checkpoints";
import { Timeline } from "./timeline";

/** Events between two states that are kept: a jump costs some ms, and 10,000 nodes some MB. */
const STRIDE = 1000;

/** What is known of a run so far. Grows. */
export class Recording {
  readonly timeline = new Timeline();
  readonly #states: Checkpoints<RunState, RunEvent>;
  readonly #lines: LogLine[] = [];
  /** Index of the event of each line. */
  readonly #lineIndexes: number[] = [];
  #shown: { count: number; lines: readonly LogLine[] } = { count: 0, lines: [] };

  /**
   * @param graph what the run was started with; without it there are no edges.
   * @param stride events between two states that are kept.
   */
  constructor(runId: string, graph: Graph | undefined, stride: number = STRIDE) {
    const begin = (from?: RunState): Fold => {
      // Lines are kept here; a fold has to keep one at least.
      const fold = new Fold(runId, { logLimit: 1, from });
      if (from === undefined && graph !== undefined) fold.setGraph(graph);
      return fold;
    };
    this.#states = new Checkpoints(begin, stride);
  }

  /** How many events there are. */
  get length(): number {
    return this.#states.length;
  }

  /** The seq of the newest event; 0: there is none. */
  get lastSeq(): number {
    return this.event(this.length - 1)?.seq ?? 0;
  }

  /** An event, by its index. */
  event(index: number): RunEvent | undefined {
    return this.#states.step(index);
  }

  /** The index of the event with a seq, or of the one before where that is not there. */
  indexOf(seq: number): number {
    return Math.max(0, lessOrEqual(this.length, (index) => this.event(index)!.seq, seq) - 1);
  }

  /** Add the events that follow; what was added before is left out. */
  add(events: readonly RunEvent[]): void {
    const fresh = events.filter((event) => event.seq > this.lastSeq);
    for (const [offset, event] of fresh.entries()) {
      this.timeline.add(event);
      if (event.type !== "execution.log") continue;
      this.#lineIndexes.push(this.length + offset);
      this.#lines.push({ ...(event.payload as Omit<LogLine, "seq" | "at">), seq: event.seq, at: event.timestamp });
    }
    this.#states.add(fresh);
  }

  /** The state of the run right behind an event. */
  state(index: number): RunState {
    return this.#states.after(index + 1);
  }

  /** The log as it was right behind an event; the same array while no line came. */
  lines(index: number): readonly LogLine[] {
    const count = lessOrEqual(this.#lines.length, (at) => this.#lineIndexes[at]!, index);
    if (this.#shown.count !== count) this.#shown = { count, lines: this.#lines.slice(0, count) };
    return this.#shown.lines;
  }
}

/** How many of some ascending values are not greater than a limit. */
function lessOrEqual(count: number, value: (index: number) => number, limit: number): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value(middle) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
