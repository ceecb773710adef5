/**
 * A refused answer: which of the server's words belong to which field.
 *
 * Theory of operation: the server says `the answer for node 'ask' does not fit: answer.age: "x" is not of type "integer";
 * answer: "name" is a required property` – for each fault its path, a colon, and words. A fault at a path that has a field, and a missing member that has one,
 * are shown at it; whatever is not understood is shown as it was said. Nothing is ever left out.
 */
import type { Field, Path } from "./schema";
import { fieldsOf } from "./schema";

/** A refusal, by place. */
export interface Refusal {
  /** Key of a path → the server's words about it. */
  readonly at: ReadonlyMap<string, string>;
  /** What belongs to no field. */
  readonly rest: readonly string[];
}

/** A path as a key of a map, and as part of an id. */
export function keyOf(path: Path): string {
  return JSON.stringify(path);
}

/**
 * The words of a refusal, each at its field.
 *
 * @param message the server's, of the code `bad_answer`.
 * @param form the form whose answer was refused.
 */
export function refusal(message: string, form: Field): Refusal {
  const at = new Map<string, string>();
  const rest: string[] = [];
  const known = new Set([...fieldsOf(form)].filter((field) => field.kind !== "object").map((field) => keyOf(field.path)));
  const lists = new Set([...fieldsOf(form)].filter((field) => field.kind === "list").map((field) => keyOf(field.path)));
  for (const fault of message.replace(/^.*? does not fit: (?=answer[.:[])/s, "").split(/; (?=answer[.:[])/)) {
    const parsed = faultIn(fault);
    const path = parsed && placeOf(parsed.path, parsed.words, known, lists);
    if (parsed === undefined || path === undefined) {
      rest.push(fault);
      continue;
    }
    const key = keyOf(path);
    const before = at.get(key);
    at.set(key, before === undefined ? parsed.words : `${before}; ${parsed.words}`);
  }
  return { at, rest };
}

function placeOf(path: Path, words: string, known: Set<string>, lists: Set<string>): Path | undefined {
  const missing = /^("(?:[^"\\]|\\.)*") is a required property$/.exec(words);
  if (missing?.[1] !== undefined) {
    const member = [...path, JSON.parse(missing[1]) as string];
    if (known.has(keyOf(member))) return member;
  }
  if (known.has(keyOf(path))) return path;
  // A member of a list has a field of its own; what is deeper in a field of JSON text is shown at that.
  if (typeof path[path.length - 1] === "number" && lists.has(keyOf(path.slice(0, -1)))) return path;
  for (let length = path.length - 1; length > 0; length--) {
    if (known.has(keyOf(path.slice(0, length)))) return path.slice(0, length);
  }
  return undefined;
}

const STEP = /^(?:\.([\p{ID_Start}_][\p{ID_Continue}]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\])/u;

function faultIn(fault: string): { path: Path; words: string } | undefined {
  if (!fault.startsWith("answer")) return undefined;
  const path: (string | number)[] = [];
  let left = fault.slice("answer".length);
  for (let step = STEP.exec(left); step !== null; step = STEP.exec(left)) {
    path.push(step[1] ?? (step[2] !== undefined ? Number(step[2]) : (JSON.parse(step[3] ?? '""') as string)));
    left = left.slice(step[0].length);
  }
  return left.startsWith(": ") ? { path, words: left.slice(2) } : undefined;
}
