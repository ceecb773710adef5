import { describe, expect, test } from "vitest";
import { begin, hints, partOf, read, withPart, type Draft } from "../src/input/answer";
import { formOf } from "../src/input/schema";

const ORDER = {
  type: "object",
  required: ["name", "count"],
  properties: {
    name: { type: "string", minLength: 2 },
    count: { type: "integer", minimum: 1, maximum: 9, default: 2 },
    gift: { type: "boolean" },
    size: { enum: ["S", 3, null] },
    to: { type: "object", required: ["street"], properties: { street: { type: "string", minLength: 1 }, no: { type: "integer" } } },
    tags: { type: "array", items: { type: "string" } },
    more: {},
  },
} as const;

/** The draft of a form after somebody entered things. */
function entered(schema: unknown, entries: readonly [path: (string | number)[], part: Draft][]): Draft {
  return entries.reduce((draft, [path, part]) => withPart(draft, path, part), begin(formOf(schema)));
}

describe("an answer", () => {
  test("begins with the defaults, and leaves out what is empty and not required", () => {
    const form = formOf(ORDER);
    expect(read(form, begin(form))).toEqual({ name: "", count: 2 });
  });

  test("has the types of its schema", () => {
    const draft = entered(ORDER, [
      [["name"], "Ada"],
      [["count"], " 7 "],
      [["gift"], "false"],
      [["size"], "1"],
      [["to", "street"], "High Street"],
      [["tags"], ["a", "b"]],
      [["more"], '{"any": [1, null]}'],
    ]);
    expect(read(formOf(ORDER), draft)).toEqual({
      name: "Ada",
      count: 7,
      gift: false,
      size: 3,
      to: { street: "High Street" },
      tags: ["a", "b"],
      more: { any: [1, null] },
    });
    expect(hints(formOf(ORDER), draft)).toEqual([]);
  });

  test("defaults of an object go before those of its members", () => {
    const schema = { type: "object", default: { a: "outer" }, properties: { a: { type: "string", default: "inner" }, b: { type: "string", default: "own" } } };
    expect(read(formOf(schema), begin(formOf(schema)))).toEqual({ a: "outer", b: "own" });
  });

  test("a default may be anything, fitting or not", () => {
    for (const value of [null, 3, "x", [1, {}], { a: { b: 1 } }]) {
      for (const type of ["string", "integer", "boolean", "object", "array"]) {
        const form = formOf({ type, default: value, properties: { a: { type } }, items: { type: "string" } });
        expect(() => read(form, begin(form))).not.toThrow();
      }
    }
  });

  test("names that objects have by themselves are names like others", () => {
    const schema = JSON.parse('{"type":"object","required":["constructor"],"properties":{"constructor":{"type":"string"},"__proto__":{"type":"string"}}}');
    const form = formOf(schema);
    expect(read(form, begin(form))).toEqual({ constructor: "" });
    const draft = withPart(begin(form), ["__proto__"], "x");
    expect(JSON.stringify(read(form, draft))).toBe('{"constructor":"","__proto__":"x"}');
  });

  test("empty is null where null is allowed", () => {
    const form = formOf({ type: ["integer", "null"] });
    expect(read(form, begin(form))).toBeNull();
    expect(hints(form, begin(form))).toEqual([]);
  });

  test("a moment is sent in UTC, and shown in local time", () => {
    const form = formOf({ type: "string", format: "date-time", default: "2026-03-04T05:06:07Z" });
    expect(read(form, begin(form))).toBe("2026-03-04T05:06:07.000Z");
  });

  test("a number that is none is sent as it was entered, for the server to refuse", () => {
    expect(read(formOf({ type: "number" }), "many")).toBe("many");
    expect(read(formOf({ type: "number" }), "1e3")).toBe(1000);
  });

  test("text stays text where any answer will do", () => {
    expect(read(formOf(null), "42")).toBe("42");
    expect(read(formOf(null), "")).toBe("");
  });
});

describe("hints", () => {
  test.each<[string, object, Draft, object]>([
    ["a required text that is empty", { type: "string", minLength: 1 }, "", { what: "needed" }],
    ["a required number that is empty", { type: "number" }, "", { what: "needed" }],
    ["too short, in code points", { type: "string", minLength: 3 }, "😀😀", { what: "tooShort", limit: 3 }],
    ["too long", { type: "string", maxLength: 1 }, "ab", { what: "tooLong", limit: 1 }],
    ["no number", { type: "number" }, "1,5", { what: "notNumber" }],
    ["no integer", { type: "integer" }, "1.5", { what: "notInteger" }],
    ["longer than a browser can count", { type: "integer" }, "9007199254740993", { what: "tooPrecise", unreadable: true }],
    ["too small", { type: "integer", minimum: 3 }, "2", { what: "tooSmall", limit: "≥ 3" }],
    ["at a bound that is excluded", { type: "number", exclusiveMaximum: 1 }, "1", { what: "tooLarge", limit: "< 1" }],
    ["no multiple", { type: "number", multipleOf: 0.1 }, "0.35", { what: "notMultiple", limit: 0.1 }],
    ["not of the pattern", { type: "string", pattern: "^a+$" }, "b", { what: "pattern", limit: "^a+$" }],
    ["no address", { type: "string", format: "email" }, "ada", { what: "notEmail" }],
    ["no date", { type: "string", format: "date" }, "2026-02-30", { what: "notDate" }],
    ["too few", { type: "array", items: { type: "string" }, minItems: 2 }, ["a"], { what: "tooFew", limit: 2 }],
    ["too many", { type: "array", items: { type: "string" }, maxItems: 1 }, ["a", "b"], { what: "tooMany", limit: 1 }],
    ["no JSON", { type: "object" }, "{", { what: "notJson", unreadable: true }],
  ])("%s", (_, schema, draft, expected) => {
    expect(hints(formOf(schema), draft)).toMatchObject([expected]);
  });

  test.each<[string, object, Draft]>([
    ["a multiple with a fraction", { type: "number", multipleOf: 0.1 }, "0.3"],
    ["a pattern that this browser can not read", { type: "string", pattern: "(?P<x>a)" }, "b"],
    ["an empty text without a shortest length", { type: "string" }, ""],
    ["an object that need not be there", { type: "object", properties: { in: { type: "object", required: ["a"], properties: { a: { type: "integer" } } } } }, { in: { a: "" } }],
  ])("none for %s", (_, schema, draft) => {
    expect(hints(formOf(schema), draft)).toEqual([]);
  });

  test("name the place, in lists too", () => {
    const form = formOf({ type: "object", properties: { n: { type: "array", items: { type: "integer" } } } });
    expect(hints(form, { n: ["1", "x"] })).toEqual([{ path: ["n", 1], what: "notNumber" }]);
  });
});

test("a draft is never changed in place", () => {
  const draft: Draft = { a: ["x", "y"], b: "z" };
  const next = withPart(draft, ["a", 1], "!");
  expect(draft).toEqual({ a: ["x", "y"], b: "z" });
  expect(next).toEqual({ a: ["x", "!"], b: "z" });
  expect(partOf(next, ["a", 1])).toBe("!");
  expect(partOf(next, ["a", "toString"])).toBe("");
  expect(partOf(next, ["b", 0])).toBe("");
});
