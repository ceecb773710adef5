/**
 * A JSON Schema as the fields of a form.
 *
 * Theory of operation: the schema comes from whoever wrote the workflow, so nothing in it is trusted to be of any shape.
 * What is understood becomes a field of its own: text, numbers, yes or no, a choice, an object of known members, a list
 * of scalars. Everything else becomes a field for JSON text, so that every schema can be answered. The server alone
 * decides whether an answer fits; a form only makes a fitting one likely.
 */

/** Any value that JSON can say. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Where a value is in the answer: names of members and positions in lists, from the outside in. */
export type Path = readonly (string | number)[];

/** What every field says of itself. */
interface Described {
  readonly path: Path;
  /** The schema's title, else the name of the member; "" for the whole answer and for members of a list. */
  readonly title: string;
  readonly description?: string;
  /** Whether the object around it must have it. The whole answer is always required. */
  readonly required: boolean;
  /** Whether null is an answer too: an empty field then means null. */
  readonly nullable: boolean;
  readonly default?: Json;
}

/** How a text is asked for. */
export type TextFormat = "line" | "multiline" | "date" | "date-time" | "email" | "url" | "password";

export interface TextField extends Described {
  readonly kind: "text";
  readonly format: TextFormat;
  /** In code points. */
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

export interface NumberField extends Described {
  readonly kind: "number";
  readonly integer: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  /** The bounds themselves are not allowed. */
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly multipleOf?: number;
}

export interface BooleanField extends Described {
  readonly kind: "boolean";
}

export interface ChoiceField extends Described {
  readonly kind: "choice";
  readonly options: readonly { readonly value: Json; readonly label: string }[];
}

export interface ObjectField extends Described {
  readonly kind: "object";
  readonly fields: readonly Field[];
}

export interface ListField extends Described {
  readonly kind: "list";
  /** The field of the member at a position. */
  readonly item: (index: number) => ScalarField;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** JSON text. */
export interface JsonField extends Described {
  readonly kind: "json";
}

/** No schema at all: text, or JSON if the person says so. */
export interface AnyField extends Described {
  readonly kind: "any";
}

export type ScalarField = TextField | NumberField | BooleanField | ChoiceField;
export type Field = ScalarField | ObjectField | ListField | JsonField | AnyField;

/** Deeper objects are asked for as JSON text: nobody reads a form of nine levels. */
const MAX_DEPTH = 6;

/** A text that may be longer than this gets several lines. */
const LONG_TEXT = 200;

/** A longer list of titles is no choice that a person makes; and a page has to hold it. */
const MAX_OPTIONS = 1000;

type Schema = { readonly [keyword: string]: Json };

/** Keywords that narrow a value in ways a form does not show; a field with one of them is asked for as JSON text. */
const BEYOND_A_FORM = ["allOf", "anyOf", "oneOf", "not", "if", "$ref", "$dynamicRef"];

/**
 * The form of a schema.
 *
 * @param schema what `waiting.schema` is: a JSON Schema (2020-12), true, or null for "any answer will do".
 * @returns the field of the whole answer, with the fields of its members inside.
 */
export function formOf(schema: unknown): Field {
  const root: Described = { path: [], title: "", required: true, nullable: false };
  if (schema === null || schema === undefined || schema === true || (isObject(schema) && !says(schema))) {
    return { ...root, ...(isObject(schema) ? described(schema) : {}), kind: "any" };
  }
  return fieldOf(schema, root, 0);
}

/** Every field of a form with the path it is for, outermost first; members of lists are not known before the answer. */
export function* fieldsOf(field: Field): Generator<Field> {
  yield field;
  if (field.kind === "object") for (const inner of field.fields) yield* fieldsOf(inner);
}

function fieldOf(schema: unknown, place: Described, depth: number): Field {
  if (!isObject(schema)) return { ...place, kind: "json" };
  const { type, nullable } = typeOf(schema);
  const about: Described = { ...place, ...described(schema), nullable };
  const options = optionsOf(schema);
  if (options !== undefined) return { ...about, kind: "choice", options };
  if (BEYOND_A_FORM.some((keyword) => keyword in schema)) return { ...about, kind: "json" };
  switch (type) {
    case "string":
      return { ...about, kind: "text", format: textFormat(schema), ...bounds(schema, TEXT_BOUNDS), ...patternOf(schema) };
    case "integer":
    case "number":
      return { ...about, kind: "number", integer: type === "integer", ...bounds(schema, NUMBER_BOUNDS) };
    case "boolean":
      return { ...about, kind: "boolean" };
    case "object":
      return objectField(schema, about, depth);
    case "array":
      return listField(schema, about, depth);
    default:
      return { ...about, kind: "json" };
  }
}

function objectField(schema: Schema, about: Described, depth: number): Field {
  const properties = schema["properties"];
  // An object that may be absent or null as a whole has no spelling for that in a form of its members.
  const hard = !isObject(properties) || about.nullable || depth >= MAX_DEPTH || "patternProperties" in schema;
  if (hard || isObject(schema["additionalProperties"]) || Object.keys(properties).length === 0) {
    return { ...about, kind: "json" };
  }
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
  const fields = Object.entries(properties).map(([name, inner]) => {
    const place: Described = {
      path: [...about.path, name],
      title: name,
      required: required.has(name),
      nullable: false,
    };
    return fieldOf(inner, place, depth + 1);
  });
  return { ...about, kind: "object", fields };
}

function listField(schema: Schema, about: Described, depth: number): Field {
  const items = schema["items"];
  const place = (index: number): Described => ({
    path: [...about.path, index],
    title: "",
    required: true,
    nullable: false,
  });
  if (!isObject(items) || "prefixItems" in schema || "contains" in schema || about.nullable) {
    return { ...about, kind: "json" };
  }
  const sample = fieldOf(items, place(0), depth + 1);
  if (!isScalar(sample) || sample.nullable) return { ...about, kind: "json" };
  const item = (index: number): ScalarField => ({ ...sample, path: [...about.path, index] });
  return { ...about, kind: "list", item, ...bounds(schema, ["minItems", "maxItems"]) };
}

function isScalar(field: Field): field is ScalarField {
  return field.kind === "text" || field.kind === "number" || field.kind === "boolean" || field.kind === "choice";
}

const TEXT_BOUNDS = ["minLength", "maxLength"] as const;
const NUMBER_BOUNDS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"] as const;

function bounds<Name extends string>(schema: Schema, names: readonly Name[]): { [name in Name]?: number } {
  const found: { [name in Name]?: number } = {};
  for (const name of names) {
    const bound = schema[name];
    if (typeof bound === "number") found[name] = bound;
  }
  return found;
}

function patternOf(schema: Schema): { pattern?: string } {
  return typeof schema["pattern"] === "string" ? { pattern: schema["pattern"] } : {};
}

function described(schema: Schema): { title?: string; description?: string; default?: Json } {
  const { title, description } = schema;
  return {
    ...(typeof title === "string" && title !== "" ? { title } : {}),
    ...(typeof description === "string" ? { description } : {}),
    ...("default" in schema ? { default: schema["default"] } : {}),
  };
}

/** The one type besides null; undefined: none is named, or several are. */
function typeOf(schema: Schema): { type: string | undefined; nullable: boolean } {
  const type = schema["type"];
  if (typeof type === "string") return { type, nullable: false };
  if (!Array.isArray(type)) return { type: isObject(schema["properties"]) ? "object" : undefined, nullable: false };
  const others = type.filter((each) => each !== "null");
  const one = others.length === 1 && typeof others[0] === "string" ? others[0] : undefined;
  return { type: one, nullable: one !== undefined && others.length < type.length };
}

/** What there is to choose from: `enum`, `const`, or `oneOf` whose members are constants with titles. */
function optionsOf(schema: Schema): ChoiceField["options"] | undefined {
  const option = (value: Json, title?: Json) => ({ value, label: typeof title === "string" ? title : labelOf(value) });
  if ("const" in schema) return [option(schema["const"])];
  const members = schema["enum"];
  if (Array.isArray(members) && members.length > 0 && members.length <= MAX_OPTIONS) {
    return members.map((value) => option(value));
  }
  const oneOf = schema["oneOf"];
  if (!Array.isArray(oneOf) || oneOf.length === 0 || oneOf.length > MAX_OPTIONS) return undefined;
  const options = [];
  for (const each of oneOf) {
    if (!isObject(each) || !("const" in each)) return undefined;
    options.push(option(each["const"], each["title"]));
  }
  return options;
}

function labelOf(value: Json): string {
  return typeof value === "string" && value !== "" ? value : JSON.stringify(value);
}

function textFormat(schema: Schema): TextFormat {
  const { format, maxLength } = schema;
  switch (format) {
    case "date":
    case "date-time":
    case "email":
    case "password":
    case "multiline":
      return format;
    case "textarea":
      return "multiline";
    case "uri":
    case "url":
      return "url";
    default:
      return typeof maxLength === "number" && maxLength > LONG_TEXT ? "multiline" : "line";
  }
}

const SAYING_NOTHING = new Set(["title", "description", "default", "examples", "$schema", "$comment"]);

/** Whether a schema asks for anything in particular. */
function says(schema: Schema): boolean {
  return Object.keys(schema).some((keyword) => !SAYING_NOTHING.has(keyword));
}

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
