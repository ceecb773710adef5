/** Which lines of a log are shown, where in them the search was found, and what they are as text. */
import type { LogLine } from "callboard";
import { formatIteration } from "../iteration";

/** From the least to the most urgent. */
export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];

/** A part of a text; `hit`: it is what was searched for. */
export interface Part {
  readonly text: string;
  readonly hit: boolean;
}

/** How many lines there are of each level. */
export function countLevels(lines: readonly LogLine[]): Record<Level, number> {
  const counts: Record<Level, number> = { debug: 0, info: 0, warn: 0, error: 0 };
  for (const line of lines) counts[line.level]++;
  return counts;
}

/** What a search looks in, in lower case; kept for as long as the line is. */
const searched = new WeakMap<LogLine, string>();

function searchedText(line: LogLine): string {
  let text = searched.get(line);
  if (text === undefined) {
    const context = line.context === undefined || line.context === null ? "" : `\n${JSON.stringify(line.context)}`;
    text = `${line.message}\n${line.nodeId ?? ""}${context}`.toLowerCase();
    searched.set(line, text);
  }
  return text;
}

/**
 * The lines of some levels that contain a text.
 *
 * @param needle plain text, in any case; "": every line. Looked for in the message, the node's id and the context.
 */
export function select(lines: readonly LogLine[], levels: ReadonlySet<Level>, needle: string): readonly LogLine[] {
  const low = needle.toLowerCase();
  if (low === "" && levels.size === LEVELS.length) return lines;
  return lines.filter((line) => levels.has(line.level) && (low === "" || searchedText(line).includes(low)));
}

/**
 * A text cut where a search was found.
 *
 * @param needle plain text, in any case; "": the text is one part.
 */
export function highlight(text: string, needle: string): readonly Part[] {
  if (needle === "") return [{ text, hit: false }];
  const parts: Part[] = [];
  // Case is folded by the expression, not before: a folded text may be of another length.
  const pattern = new RegExp(needle.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "giu");
  let from = 0;
  for (const found of text.matchAll(pattern)) {
    if (found.index > from) parts.push({ text: text.slice(from, found.index), hit: false });
    parts.push({ text: found[0], hit: true });
    from = found.index + found[0].length;
  }
  if (from < text.length || parts.length === 0) parts.push({ text: text.slice(from), hit: false });
  return parts;
}

/** Lines as text, one for each, times in UTC: what is copied and downloaded. */
export function asText(lines: readonly LogLine[]): string {
  return lines
    .map((line) => {
      const node = line.nodeId === undefined ? "" : ` [${line.nodeId}${turns(line.iteration)}]`;
      const context = line.context === undefined || line.context === null ? "" : ` ${JSON.stringify(line.context)}`;
      return `${new Date(line.at).toISOString()} ${line.level.toUpperCase().padEnd(5)}${node} ${line.message}${context}\n`;
    })
    .join("");
}

/** The turns of the loops around a node, as people count them: ` #2` is the second turn, ` #2.1` the first one in it. */
export function turns(iteration: readonly number[] | undefined): string {
  return iteration === undefined || iteration.length === 0 ? "" : ` #${formatIteration(iteration)}`;
}
