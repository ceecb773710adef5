/**
 * What a person has entered so far, and the answer that it makes.
 *
 * Theory of operation: a draft is what the controls of a form hold, in the shape of the form: text for texts, numbers
 * and JSON, the position of a choice as text, a list of drafts, drafts by member. It is never changed in place. `read`
 * makes the answer of it: a member that is empty and not required is left out. `hints` says what the server would likely
 * refuse; an answer may be sent all the same, unless it can not even be read (`unreadable`).
 */
import type { Field, Json, Path } from "./schema";
import { isObject } from "./schema";

/** What the controls of a field hold. */
export type Draft = string | readonly Draft[] | { readonly [name: string]: Draft };

/** What is wrong with what was entered, in a word for the dictionaries, with the figure that it is about. */
export interface Hint {
  readonly path: Path;
  readonly what:
    | "needed"
    | "notJson"
    | "notNumber"
    | "notInteger"
    | "tooPrecise"
    | "tooSmall"
    | "tooLarge"
    | "notMultiple"
    | "tooShort"
    | "tooLong"
    | "pattern"
    | "notEmail"
    | "notDate"
    | "tooFew"
    | "tooMany";
  /** The bound, or the pattern. */
  readonly limit?: number | string;
  /** It can not be sent: there is no value to send. */
  readonly unreadable?: boolean;
}

/** The draft of a form that nobody has touched: its defaults. */
export function begin(field: Field, value: Json | undefined = field.default): Draft {
  switch (field.kind) {
    case "object": {
      const members = isObject(value) ? value : {};
      return Object.fromEntries(
        field.fields.map((inner) => {
          const name = String(inner.path[inner.path.length - 1]);
          return [name, begin(inner, Object.hasOwn(members, name) ? members[name] : inner.default)];
        }),
      );
    }
    case "list":
      return Array.isArray(value) ? value.map((each, index) => begin(field.item(index), each)) : [];
    case "choice": {
      if (value === undefined) return field.required && field.options.length === 1 ? "0" : "";
      const found = field.options.findIndex((option) => JSON.stringify(option.value) === JSON.stringify(value));
      return found < 0 ? "" : String(found);
    }
    case "json":
      return value === undefined ? "" : JSON.stringify(value, null, 2);
    case "any":
      return value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value, null, 2);
    case "text":
      if (typeof value !== "string") return "";
      return field.format === "date-time" ? localTime(value) : value;
    case "number":
      return typeof value === "number" ? String(value) : "";
    case "boolean":
      return typeof value === "boolean" ? String(value) : "";
  }
}

/** The draft with the part at a path replaced; the path has to be there. */
export function withPart(draft: Draft, path: Path, part: Draft): Draft {
  const [step, ...rest] = path;
  if (step === undefined) return part;
  if (Array.isArray(draft)) {
    return draft.map((each: Draft, index) => (index === step ? withPart(each, rest, part) : each));
  }
  const members = draft as { readonly [name: string]: Draft };
  return { ...members, [step]: withPart(members[step] ?? "", rest, part) };
}

/** The part of a draft at a path; "" if it is not there. */
export function partOf(draft: Draft, path: Path): Draft {
  let part: Draft | undefined = draft;
  for (const step of path) {
    if (typeof part !== "object") return "";
    part = Object.hasOwn(part, step) ? (part as { readonly [name: string]: Draft })[step] : undefined;
  }
  return part ?? "";
}

/**
 * The answer that a draft makes.
 *
 * @returns undefined: it is empty, and left out.
 * @throws SyntaxError: JSON text that is none; `hints` says where.
 */
export function read(field: Field, draft: Draft): Json | undefined {
  if (field.kind === "object") {
    // An object that need not be there, and in which nothing was entered, is not there.
    if (!field.required && isEmpty(draft)) return undefined;
    const answer: { [name: string]: Json } = {};
    for (const inner of field.fields) {
      const name = String(inner.path[inner.path.length - 1]);
      const value = read(inner, partOf(draft, [name]));
      if (value !== undefined) Object.defineProperty(answer, name, { value, enumerable: true, configurable: true });
    }
    return answer;
  }
  if (field.kind === "list") {
    const parts = Array.isArray(draft) ? (draft as readonly Draft[]) : [];
    if (parts.length === 0 && !field.required) return undefined;
    return parts.map((part, index) => read(field.item(index), part) ?? (field.item(index).kind === "text" ? "" : null));
  }
  const text = typeof draft === "string" ? draft : "";
  if (text === "") return emptyOf(field);
  switch (field.kind) {
    case "text":
      return field.format === "date-time" ? universalTime(text) : text;
    case "any":
      return text;
    case "number": {
      const number = numberIn(text);
      return number === undefined ? text : number;
    }
    case "boolean":
      return text === "true";
    case "choice":
      return field.options[Number(text)]?.value;
    case "json":
      return JSON.parse(text) as Json;
  }
}

function emptyOf(field: Field): Json | undefined {
  if (field.nullable) return null;
  const texts = (field.kind === "text" && (field.format === "line" || field.format === "multiline")) || field.kind === "any";
  return texts && field.required ? "" : undefined;
}

/** What the server would likely refuse in a draft, in the order of the form. */
export function hints(field: Field, draft: Draft): Hint[] {
  return [...hintsOf(field, draft)];
}

function* hintsOf(field: Field, draft: Draft): Generator<Hint> {
  const { path } = field;
  if (field.kind === "object") {
    // Nothing was entered in an object that need not be there.
    if (!field.required && isEmpty(draft)) return;
    for (const inner of field.fields) yield* hintsOf(inner, partOf(draft, [String(inner.path[inner.path.length - 1])]));
    return;
  }
  if (field.kind === "list") {
    const parts = Array.isArray(draft) ? (draft as readonly Draft[]) : [];
    if (parts.length === 0 && !field.required) return;
    if (field.minItems !== undefined && parts.length < field.minItems) yield { path, what: "tooFew", limit: field.minItems };
    if (field.maxItems !== undefined && parts.length > field.maxItems) yield { path, what: "tooMany", limit: field.maxItems };
    for (const [index, part] of parts.entries()) yield* hintsOf(field.item(index), part);
    return;
  }
  const text = typeof draft === "string" ? draft : "";
  if (text === "") {
    const absent = emptyOf(field) === undefined;
    if (field.required && (absent || (field.kind === "text" && (field.minLength ?? 0) > 0))) yield { path, what: "needed" };
    return;
  }
  switch (field.kind) {
    case "text": {
      const length = [...text].length;
      if (field.minLength !== undefined && length < field.minLength) yield { path, what: "tooShort", limit: field.minLength };
      if (field.maxLength !== undefined && length > field.maxLength) yield { path, what: "tooLong", limit: field.maxLength };
      if (field.format === "email" && !/^[^\s@]+@[^\s@]+$/.test(text)) yield { path, what: "notEmail" };
      if (field.format === "date" && !isDate(text)) yield { path, what: "notDate" };
      if (field.pattern !== undefined && !fits(text, field.pattern)) yield { path, what: "pattern", limit: field.pattern };
      return;
    }
    case "number": {
      const number = numberIn(text);
      if (number === undefined) {
        yield { path, what: "notNumber" };
        return;
      }
      // It would arrive as another number.
      if (/^\s*[+-]?\d+\s*$/.test(text) && !Number.isSafeInteger(number)) {
        yield { path, what: "tooPrecise", unreadable: true };
        return;
      }
      if (field.integer && !Number.isInteger(number)) yield { path, what: "notInteger" };
      const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = field;
      if (minimum !== undefined && number < minimum) yield { path, what: "tooSmall", limit: `≥ ${minimum}` };
      else if (exclusiveMinimum !== undefined && number <= exclusiveMinimum) {
        yield { path, what: "tooSmall", limit: `> ${exclusiveMinimum}` };
      }
      if (maximum !== undefined && number > maximum) yield { path, what: "tooLarge", limit: `≤ ${maximum}` };
      else if (exclusiveMaximum !== undefined && number >= exclusiveMaximum) {
        yield { path, what: "tooLarge", limit: `< ${exclusiveMaximum}` };
      }
      if (multipleOf !== undefined && multipleOf > 0) {
        const quotient = number / multipleOf;
        if (Math.abs(quotient - Math.round(quotient)) > 1e-9) yield { path, what: "notMultiple", limit: multipleOf };
      }
      return;
    }
    case "json":
      try {
        JSON.parse(text);
      } catch {
        yield { path, what: "notJson", unreadable: true };
      }
  }
}

function isEmpty(draft: Draft): boolean {
  if (typeof draft === "string") return draft === "";
  return Object.values(draft).every(isEmpty);
}

/** A number as JSON spells it, with spaces around it. */
function numberIn(text: string): number | undefined {
  const trimmed = text.trim();
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(trimmed)) return undefined;
  const number = Number(trimmed);
  return Number.isFinite(number) ? number : undefined;
}

/** A pattern that this browser can not read is left to the server, as is a text that is long enough to make it slow. */
function fits(text: string, pattern: string): boolean {
  if (text.length > 200) return true;
  try {
    return new RegExp(pattern, "u").test(text);
  } catch {
    return true;
  }
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

/** A time as `datetime-local` shows it; "" if it is none. */
function localTime(text: string): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return "";
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** The same moment in UTC, as JSON Schema wants a `date-time`; what is none stays as it is. */
function universalTime(text: string): string {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? text : time.toISOString();
}
