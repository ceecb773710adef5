// Writes src/generated/messages.ts from the server's own JSON Schema, so that no type is written down twice.
//
// The schema is what `GET /api/schema` answers; it is asked of the Python package, so no server has to run. PYTHON names
// the interpreter (default: the checkout's .venv). With --check nothing is written: exit 1 says that the file is stale.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const OUT = fileURLToPath(new URL("../src/generated/messages.ts", import.meta.url));
const PYTHON = process.env.PYTHON ?? `${ROOT}.venv/bin/python`;
const ASK = `
import json, sys
from actors.registry import Registry
from protocol.schema import schema
json.dump({"schema": schema(), "kinds": sorted(Registry.builtin().kinds)}, sys.stdout)
`;

const DIALECT = "camel";
const RUN_STATUS = [
  "pending",
  "running",
  "pausing",
  "paused",
  "stopping",
  "failing",
  "completed",
  "stopped",
  "failed",
];
const NODE_STATUS = ["pending", "running", "success", "error", "skipped"];

const { schema, kinds } = JSON.parse(execFileSync(PYTHON, ["-c", ASK], { cwd: ROOT, encoding: "utf8" }));
const definitions = schema.$defs;
const text = write();

if (process.argv.includes("--check")) {
  if (readFileSync(OUT, "utf8") !== text) {
    console.error("src/generated/messages.ts is not what the server's schema says; run: npm run generate");
    process.exit(1);
  }
} else {
  writeFileSync(OUT, text);
}

function write() {
  const parts = Object.keys(definitions).filter((name) => /^camel\.[A-Z]/.test(name));
  const server = messages("server");
  const client = messages("client");
  return [
    "// Made by `npm run generate` from the server's JSON Schema. Do not edit.\n",
    "/** Whatever JSON can say: a value of the user, passed through untouched. */",
    "export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };\n",
    "/** One form of a message: whether it is an event, and what its payload must hold. */",
    "export interface Form {\n  readonly event: boolean;",
    '  readonly payload: Readonly<Record<string, "string" | "number" | "boolean" | "array" | "object" | "any">>;\n}\n',
    "/** The state of a run. */",
    `export type RunStatus = ${union(RUN_STATUS)};\n`,
    "/** The state of a node. */",
    `export type NodeStatus = ${union(NODE_STATUS)};\n`,
    ...parts.map((name) => interfaceOf(part(name), definitions[name])),
    ...server.flatMap((message) => message.text),
    ...client.flatMap((message) => message.text),
    table("ServerMessages", "Type → what the server sends.", server),
    table("ClientMessages", "Type → what a client sends.", client),
    "/** Every type that the server sends. */",
    `export const SERVER_TYPES = [\n${server.map(({ type }) => `  ${JSON.stringify(type)},\n`).join("")}] as const;\n`,
    "/** What the payload of a message must hold to be one: type → its forms. */",
    `export const FORMS: ReadonlyMap<string, readonly Form[]> = new Map<string, readonly Form[]>([\n${server.map(formsOf).join("")}]);\n`,
    "/** The kinds of nodes that a server knows without plug-ins. */",
    `export const BUILT_IN_KINDS: readonly string[] = [\n${kinds.map((kind) => `  ${JSON.stringify(kind)},\n`).join("")}];`,
    "",
  ].join("\n");
}

function messages(end) {
  const prefix = `${DIALECT}.${end}.`;
  return Object.entries(definitions)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, definition]) => {
      const type = name.slice(prefix.length);
      const base = pascal(type) + (end === "client" ? "Command" : "");
      if (!definition.anyOf) return { type, name: base, text: [interfaceOf(base, definition)] };
      const forms = definition.anyOf.map((form) => [base + suffix(form), form]);
      if (new Set(forms.map(([name]) => name)).size < forms.length)
        throw new Error(`two forms of ${type} are alike`);
      const either = `/** Any message of the type \`${type}\`. */\nexport type ${base} = ${forms.map(([name]) => name).join(" | ")};\n`;
      return { type, name: base, text: [...forms.map(([name, form]) => interfaceOf(name, form)), either] };
    });
}

function formsOf({ type }) {
  const definition = definitions[`${DIALECT}.server.${type}`];
  const forms = (definition.anyOf ?? [definition]).map((form) => {
    const { properties, required = [] } = form.properties.payload;
    const keys = required.map((key) => `${key}: ${JSON.stringify(kindOf(properties[key]))}`);
    return `{ event: ${form.required.includes("seq")}, payload: { ${keys.join(", ")} } }`;
  });
  return `  [${JSON.stringify(type)}, [\n${forms.map((form) => `    ${form},\n`).join("")}  ]],\n`;
}

/** What `typeof` has to say of a value. */
function kindOf(value) {
  if (value.$ref) return kindOf(definitions[value.$ref.slice("#/$defs/".length)]);
  if ("const" in value) return value.const === null ? "any" : typeof value.const;
  if (value.enum) return typeof value.enum[0];
  if (typeof value.type !== "string" || value.type === "null") return "any";
  return value.type === "integer" ? "number" : value.type;
}

/** Forms of one type are told apart by what they are: an event, progress of a run, or a reply. */
function suffix(form) {
  if (form.required.includes("seq")) return "Event";
  return form.required.includes("runId") ? "Progress" : "Reply";
}

function table(name, description, rows) {
  const lines = rows.map((row) => `  ${JSON.stringify(row.type)}: ${row.name};\n`).join("");
  return `/** ${description} */\nexport interface ${name} {\n${lines}}\n`;
}

function interfaceOf(name, definition) {
  return `/** ${definition.description} */\nexport interface ${name} ${object(definition, "")}\n`;
}

function object(definition, indent) {
  const required = new Set(definition.required ?? []);
  const inner = `${indent}  `;
  const lines = Object.entries(definition.properties).map(([key, value]) => {
    const written = typeOf(value, inner);
    return `${inner}${key}${required.has(key) ? "" : "?"}: ${written};\n`;
  });
  return lines.length ? `{\n${lines.join("")}${indent}}` : "Record<string, never>";
}

function typeOf(value, indent) {
  if (value.$ref) return part(value.$ref.slice("#/$defs/".length));
  if ("const" in value) return JSON.stringify(value.const);
  if (value.enum) {
    const said = JSON.stringify(value.enum);
    if (said === JSON.stringify(RUN_STATUS)) return "RunStatus";
    if (said === JSON.stringify(NODE_STATUS)) return "NodeStatus";
    return union(value.enum);
  }
  if (value.anyOf) return value.anyOf.map((each) => typeOf(each, indent)).join(" | ");
  if (Array.isArray(value.type)) return value.type.map((type) => typeOf({ type }, indent)).join(" | ");
  switch (value.type) {
    case "string":
    case "boolean":
    case "null":
      return value.type;
    case "integer":
    case "number":
      return "number";
    case "array": {
      const item = typeOf(value.items ?? {}, indent);
      return /[ |]/.test(item) ? `(${item})[]` : `${item}[]`;
    }
    case "object":
      if (value.properties) return object(value, indent);
      return `Record<string, ${typeOf(typeof value.additionalProperties === "object" ? value.additionalProperties : {}, indent)}>`;
    case undefined:
      return "Json";
    default:
      throw new Error(`no type is known for ${JSON.stringify(value)}`);
  }
}

function part(name) {
  return name.slice(DIALECT.length + 1);
}

function pascal(type) {
  return type.replace(/(^|[._])([a-z])/g, (_, __, letter) => letter.toUpperCase());
}

function union(words) {
  return words.map((word) => JSON.stringify(word)).join(" | ");
}
