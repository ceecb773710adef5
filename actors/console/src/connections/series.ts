/** Figures over time: what was counted becomes rates, and rates become the line of a small chart. */
import type { Connection } from "./answer";

/** One look at a connection, or at all of them together. */
export interface Sample {
  /** When, in ms since the epoch. */
  readonly at: number;
  /** Bytes to it, since it connected. */
  readonly sent: number;
  /** Bytes from it, since it connected. */
  readonly received: number;
  /** Bytes that wait to be sent. */
  readonly queued: number;
  /** Events left out for it. */
  readonly conflated: number;
  /** Of the last ping, in ms; null: none was answered yet. */
  readonly rtt: number | null;
}

/** Of one connection, and of the whole server under "". */
export type History = ReadonlyMap<string, readonly Sample[]>;

/** Looks that are kept: two minutes at one each 2 s. */
export const KEPT = 60;

/** The key of the server's own history. A session's id is never empty. */
export const TOTAL = "";

/** One connection among those that share an id is told from the others by when it came. */
export function keyOf(connection: Connection): string {
  return `${connection.sessionId}@${connection.connectedAt}`;
}

/**
 * The history with one more look.
 *
 * A connection that is gone is forgotten. What it has counted stays in the total, which would fall otherwise.
 */
export function remember(history: History, connections: readonly Connection[], at: number): History {
  const next = new Map<string, readonly Sample[]>();
  const before = history.get(TOTAL)?.at(-1);
  let [sent, received, conflated, queued] = [before?.sent ?? 0, before?.received ?? 0, before?.conflated ?? 0, 0];
  const rtts: number[] = [];
  for (const connection of connections) {
    const key = keyOf(connection);
    const samples = history.get(key) ?? [];
    const last = samples.at(-1);
    next.set(key, [...samples, { at, ...figures(connection) }].slice(-KEPT));
    // One that was not here at the last look has counted all of it since, unless this is the first look.
    const known = last !== undefined || before !== undefined;
    sent += known ? connection.sent - (last?.sent ?? 0) : 0;
    received += known ? connection.received - (last?.received ?? 0) : 0;
    conflated += known ? connection.conflated - (last?.conflated ?? 0) : 0;
    queued += connection.queued;
    if (connection.rtt !== null) rtts.push(connection.rtt);
  }
  const total = { at, sent, received, conflated, queued, rtt: median(rtts) };
  next.set(TOTAL, [...(history.get(TOTAL) ?? []), total].slice(-KEPT));
  return next;
}

function figures(connection: Connection): Omit<Sample, "at"> {
  const { sent, received, queued, conflated, rtt } = connection;
  return { sent, received, queued, conflated, rtt };
}

/** The middle one; null of none. */
export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * How quickly a count grew between each look and the one before, per second.
 *
 * @returns one less than there are samples. A count that fell began anew: its rate is 0.
 */
export function rates(samples: readonly Sample[], counted: "sent" | "received" | "conflated"): readonly number[] {
  const found: number[] = [];
  for (let index = 1; index < samples.length; index++) {
    const [before, now] = [samples[index - 1]!, samples[index]!];
    const seconds = (now.at - before.at) / 1000;
    found.push(seconds > 0 ? Math.max(0, (now[counted] - before[counted]) / seconds) : 0);
  }
  return found;
}

/**
 * The line of a chart, as the `d` of an SVG path; the newest value is at the right edge.
 *
 * @param values oldest first; null: there is none, and the line has a gap.
 * @param width of the chart, and
 * @param height of it, in user units. 0 is at the bottom, the greatest value at the top.
 * @param slots how many values the whole width has room for; fewer begin further right.
 * @returns "" of no values.
 */
export function sparkline(
  values: readonly (number | null)[],
  width: number,
  height: number,
  slots: number = KEPT - 1,
): string {
  const shown = values.slice(-slots);
  const top = Math.max(...shown.map((value) => value ?? 0), 0);
  const step = width / Math.max(1, slots - 1);
  const left = width - (shown.length - 1) * step;
  let path = "";
  let drawing = false;
  shown.forEach((value, index) => {
    if (value === null) {
      drawing = false;
      return;
    }
    const y = top === 0 ? height : height - (value / top) * height;
    path += `${drawing ? "L" : "M"}${round(left + index * step)} ${round(y)}`;
    drawing = true;
  });
  return path;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
