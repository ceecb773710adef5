import { describe, expect, test } from "vitest";
import { formOf, type Field, type ObjectField } from "../src/input/schema";

const members = (field: Field): readonly Field[] => (field as ObjectField).fields;

describe("a schema as a form", () => {
  test("asks for each member by its kind, with its title and its bounds", () => {
    const form = formOf({
      type: "object",
      title: "Order",
      required: ["name", "count"],
      properties: {
        name: { type: "string", title: "Name", description: "As on the parcel", minLength: 1, maxLength: 40 },
        count: { type: "integer", minimum: 1, maximum: 9, default: 2 },
        price: { type: "number", exclusiveMinimum: 0, multipleOf: 0.5 },
        gift: { type: "boolean" },
        size: { enum: ["S", "M", 3] },
        when: { type: "string", format: "date" },
        mail: { type: "string", format: "email" },
        note: { type: "string", format: "multiline" },
        code: { type: "string", pattern: "^[A-Z]{3}$" },
      },
    });
    expect(form).toMatchObject({ kind: "object", title: "Order", required: true });
    expect(members(form)).toMatchObject([
      { kind: "text", format: "line", title: "Name", description: "As on the parcel", required: true, maxLength: 40 },
      { kind: "number", integer: true, title: "count", required: true, minimum: 1, maximum: 9, default: 2 },
      { kind: "number", integer: false, required: false, exclusiveMinimum: 0, multipleOf: 0.5 },
      { kind: "boolean", required: false },
      { kind: "choice", options: [{ value: "S", label: "S" }, { label: "M" }, { value: 3, label: "3" }] },
      { kind: "text", format: "date" },
      { kind: "text", format: "email" },
      { kind: "text", format: "multiline" },
      { kind: "text", pattern: "^[A-Z]{3}$" },
    ]);
    expect(members(form)[0]?.path).toEqual(["name"]);
  });

  test("goes into objects and lists of scalars", () => {
    const form = formOf({
      type: "object",
      properties: {
        to: { type: "object", required: ["street"], properties: { street: { type: "string" } } },
        tags: { type: "array", items: { type: "string", maxLength: 5 }, minItems: 1 },
      },
    });
    const [to, tags] = members(form);
    expect(members(to!)[0]).toMatchObject({ kind: "text", path: ["to", "street"], required: true });
    if (tags?.kind !== "list") throw new Error("tags is no list");
    expect(tags).toMatchObject({ minItems: 1 });
    expect(tags.item(3)).toMatchObject({ kind: "text", path: ["tags", 3], maxLength: 5 });
  });

  test.each([
    ["an object of unknown members", { type: "object" }],
    ["an object whose further members have a schema", { type: "object", properties: { a: {} }, additionalProperties: { type: "string" } }],
    ["a list of objects", { type: "array", items: { type: "object", properties: { a: { type: "string" } } } }],
    ["a list of lists", { type: "array", items: { type: "array", items: { type: "string" } } }],
    ["several types", { type: ["string", "integer"] }],
    ["a choice of schemas", { type: "string", anyOf: [{ minLength: 3 }, { const: "" }] }],
    ["a condition", { type: "object", properties: { a: { type: "string" } }, if: {}, then: {} }],
    ["a schema that nothing fits", false],
  ])("asks for JSON text for %s", (_, schema) => {
    expect(formOf(schema).kind).toBe("json");
  });

  test("a member that may be anything is asked for as JSON text", () => {
    const form = formOf({ type: "object", properties: { a: {}, b: true } });
    expect(members(form).map((field) => field.kind)).toEqual(["json", "json"]);
  });

  test.each([[null], [undefined], [true], [{}], [{ title: "Say something" }]])("%j takes any answer", (schema) => {
    expect(formOf(schema).kind).toBe("any");
  });

  test("constants with titles are a choice, and null beside a type makes a field nullable", () => {
    expect(formOf({ oneOf: [{ const: 1, title: "One" }, { const: 2 }] })).toMatchObject({
      kind: "choice",
      options: [
        { value: 1, label: "One" },
        { value: 2, label: "2" },
      ],
    });
    expect(formOf({ type: ["string", "null"] })).toMatchObject({ kind: "text", nullable: true });
  });

  test("nests only as deep as a person reads", () => {
    let schema: object = { type: "string" };
    for (let depth = 0; depth < 9; depth++) schema = { type: "object", properties: { inner: schema } };
    let field = formOf(schema);
    let depth = 0;
    for (; field.kind === "object"; depth++) field = field.fields[0]!;
    expect([depth, field.kind]).toEqual([6, "json"]);
  });

  test("nonsense where a keyword should be is passed over", () => {
    const form = formOf({ type: "object", required: "name", properties: { name: { type: "string", title: 3, minLength: "x" } } });
    expect(members(form)[0]).toMatchObject({ kind: "text", title: "name", required: false });
    expect(members(form)[0]).not.toHaveProperty("minLength");
  });
});
