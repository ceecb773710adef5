/** Which messages of the client's log are shown. */
import type { LogEntry } from "callboard";

/** What is looked for. */
export interface Filter {
  /** "": both. */
  readonly direction: "" | "in" | "out";
  /** "": all of them. */
  readonly type: string;
  /** Plain text, in any case, in the whole message. "": all of them. */
  readonly text: string;
}

/** A filter that lets everything through. */
export const EVERYTHING: Filter = { direction: "", type: "", text: "" };

/** What a search looks in, in lower case; kept for as long as the entry is. */
const searched = new WeakMap<LogEntry, string>();

function searchedText(entry: LogEntry): string {
  let text = searched.get(entry);
  if (text === undefined) {
    text = JSON.stringify(entry.message).toLowerCase();
    searched.set(entry, text);
  }
  return text;
}

/** The entries that a filter lets through. */
export function select(entries: readonly LogEntry[], filter: Filter): readonly LogEntry[] {
  const text = filter.text.toLowerCase();
  return entries.filter(
    (entry) =>
      (filter.direction === "" || entry.direction === filter.direction) &&
      (filter.type === "" || entry.message.type === filter.type) &&
      (text === "" || searchedText(entry).includes(text)),
  );
}

/** How many messages there are of each type, by the name of the type. */
export function countTypes(entries: readonly LogEntry[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { message } of entries) counts.set(message.type, (counts.get(message.type) ?? 0) + 1);
  return new Map([...counts].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** The run that a message is about; undefined: none, or it does not say. */
export function runOf(entry: LogEntry): string | undefined {
  const { runId, payload } = entry.message as { runId?: unknown; payload?: { runId?: unknown } };
  const said = runId ?? payload?.runId;
  return typeof said === "string" ? said : undefined;
}

/** The most telling thing about a message besides its type, in some words; "" if there is none. */
export function gistOf(entry: LogEntry): string {
  const payload = (entry.message.payload ?? {}) as Record<string, unknown>;
  const words = [payload["nodeId"], payload["status"], payload["error"] ?? payload["message"] ?? payload["prompt"]];
  return words.filter((word) => typeof word === "string" && word !== "").join(" · ");
}
