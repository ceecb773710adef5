/**
 * The events of a run on the run's own clock: when each was, what is marked, and which one is newest at a moment.
 *
 * Theory of operation: a run's clock stands still while it is paused, so a run that was paused overnight is as long as
 * the time it ran. Events come in order of their seq and are only ever added, by the page of history. The position of an
 * event is ms on that clock since the first one; positions never fall, even where the wall clock was set back.
 */
import type { RunEvent } from "callboard";

/** What is marked on the slider. */
export interface Tick {
  /** Index of the event. */
  readonly index: number;
  /** In ms on the run's clock. */
  readonly position: number;
  readonly kind: "pause" | "breakpoint" | "error" | "warning" | "end";
  /** Of a pause that is over: how long it was, in ms of wall time. */
  readonly pausedFor?: number;
  /** The node it is about, if any. */
  readonly nodeId?: string;
}

/** Where the events of a run are in time. Grows; what was said stays true, but for the length of the last pause. */
export class Timeline {
  /** In ms on the run's clock, by index of the event. */
  readonly positions: number[] = [];
  readonly ticks: Tick[] = [];
  #paused: { at: number; tick: number } | null = null;
  /** Wall time minus the run's clock, in ms. */
  #offset = 0;

  /** How long the run took so far, in ms on its clock. */
  get duration(): number {
    return this.positions.at(-1) ?? 0;
  }

  /** Add the event that follows. */
  add(event: RunEvent): void {
    const index = this.positions.length;
    if (index === 0) this.#offset = event.timestamp;
    // The first event behind a pause that is not of the pause itself ends it: resumed, or stopped, or recovered.
    if (this.#paused !== null && endsPause(event)) {
      const length = Math.max(0, event.timestamp - this.#paused.at);
      this.#offset += length;
      const tick = this.ticks[this.#paused.tick];
      if (tick !== undefined) this.ticks[this.#paused.tick] = { ...tick, pausedFor: length };
      this.#paused = null;
    }
    const clock = (this.#paused?.at ?? event.timestamp) - this.#offset;
    const position = Math.max(this.duration, clock, 0);
    this.positions.push(position);
    const kind = tickOf(event);
    if (kind === undefined) return;
    const nodeId = "nodeId" in event.payload && typeof event.payload.nodeId === "string" ? event.payload.nodeId : undefined;
    this.ticks.push({ index, position, kind, ...(nodeId === undefined ? {} : { nodeId }) });
    if (event.type === "workflow.pause") this.#paused = { at: event.timestamp, tick: this.ticks.length - 1 };
  }

  /** The index of the newest event at a moment of the run's clock, in ms; the first one before all of them. */
  at(position: number): number {
    let [low, high] = [0, this.positions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.positions[middle]! <= position) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

function endsPause(event: RunEvent): boolean {
  switch (event.type) {
    case "workflow.resume":
    case "workflow.stop":
    case "execution.complete":
    case "execution.error":
      return true;
    default:
      return false;
  }
}

function tickOf(event: RunEvent): Tick["kind"] | undefined {
  switch (event.type) {
    case "workflow.pause":
      if (event.payload.status !== "paused") return undefined;
      return event.payload.reason === "breakpoint" ? "breakpoint" : "pause";
    case "node.error":
      return "error";
    case "execution.log":
      return event.payload.level === "error" ? "error" : event.payload.level === "warn" ? "warning" : undefined;
    case "execution.error":
      return "error";
    case "execution.complete":
      return "end";
    default:
      return undefined;
  }
}

/**
 * Ticks that would lie on each other are drawn as one: the most urgent of each pixel.
 *
 * @param duration of the whole slider, in ms.
 * @param width of the slider, in pixels.
 */
export function thin(ticks: readonly Tick[], duration: number, width: number): readonly Tick[] {
  const urgency: Record<Tick["kind"], number> = { end: 0, warning: 1, pause: 2, breakpoint: 3, error: 4 };
  const shown = new Map<number, Tick>();
  for (const tick of ticks) {
    const pixel = duration === 0 ? 0 : Math.round((tick.position / duration) * width);
    const there = shown.get(pixel);
    if (there === undefined || urgency[tick.kind] > urgency[there.kind]) shown.set(pixel, tick);
  }
  return [...shown.values()];
}

/** A time on the run's clock, in ms, as people read it: `4.207 s`, `2:04.207`, `1:02:04.207`. */
export function clock(position: number): string {
  const ms = Math.round(position);
  const [hours, minutes] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60];
  const seconds = `${Math.floor(ms / 1000) % 60}`;
  const rest = `${ms % 1000}`.padStart(3, "0");
  if (hours > 0) return `${hours}:${`${minutes}`.padStart(2, "0")}:${seconds.padStart(2, "0")}.${rest}`;
  if (minutes > 0) return `${minutes}:${seconds.padStart(2, "0")}.${rest}`;
  return `${seconds}.${rest} s`;
}
