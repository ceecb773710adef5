/**
 * Where a replay that plays is, one frame after another.
 *
 * Theory of operation: a place is an index and a position on the run's clock, which is at or behind that event and before
 * the next. A speed moves the position, and the index follows; `max` leaves the run's clock out and moves the index, so
 * that the whole takes some seconds.
 */
import type { Timeline } from "./timeline";

export const SPEEDS = [1, 4, 16, "max"] as const;
export type Speed = (typeof SPEEDS)[number];

/** Where a replay is. */
export interface Place {
  /** Of the newest event that happened. */
  readonly index: number;
  /** In ms on the run's clock. */
  readonly position: number;
}

/** How long `max` takes for everything, if a frame for each event takes longer. */
const MAX_MS = 8000;

/** The place right at an event; one beyond the ends is the end. */
export function placeAt(timeline: Timeline, index: number): Place {
  const bounded = Math.max(0, Math.min(index, timeline.positions.length - 1));
  return { index: bounded, position: timeline.positions[bounded] ?? 0 };
}

/** The place at a moment of the run's clock, in ms. */
export function placeOn(timeline: Timeline, position: number): Place {
  const bounded = Math.max(0, Math.min(position, timeline.duration));
  return { index: timeline.at(bounded), position: bounded };
}

/**
 * The place one frame later.
 *
 * @param elapsed since the frame before, in ms.
 */
export function play(timeline: Timeline, place: Place, speed: Speed, elapsed: number): Place {
  if (speed === "max") {
    return placeAt(timeline, place.index + Math.max(1, Math.ceil((timeline.positions.length * elapsed) / MAX_MS)));
  }
  return placeOn(timeline, place.position + elapsed * speed);
}

/** Whether nothing follows. */
export function isEnd(timeline: Timeline, place: Place): boolean {
  return place.index >= timeline.positions.length - 1;
}
