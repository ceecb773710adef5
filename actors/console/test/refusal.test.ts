import { expect, test } from "vitest";
import { keyOf, refusal } from "../src/input/refusal";
import { formOf } from "../src/input/schema";

const FORM = formOf({
  type: "object",
  properties: {
    age: { type: "integer" },
    "e-mail": { type: "string" },
    to: { type: "object", properties: { street: { type: "string" } } },
    tags: { type: "array", items: { type: "integer" } },
    more: {},
  },
});

const said = (faults: string) => refusal(`the answer for node 'ask' does not fit: ${faults}`, FORM);

test("each fault is at its field", () => {
  const { at, rest } = said('answer.age: "x" is not of type "integer"; answer["e-mail"]: "y" is not a "email"; answer.to.street: 3 is not of type "string"');
  expect(at.get(keyOf(["age"]))).toBe('"x" is not of type "integer"');
  expect(at.get(keyOf(["e-mail"]))).toBe('"y" is not a "email"');
  expect(at.get(keyOf(["to", "street"]))).toBe('3 is not of type "string"');
  expect(rest).toEqual([]);
});

test("what is missing is at the field that it is missing from, and its object's when there is none", () => {
  const { at, rest } = said('answer: "age" is a required property; answer.to: "street" is a required property; answer: "other" is a required property');
  expect([...at.keys()]).toEqual([keyOf(["age"]), keyOf(["to", "street"])]);
  expect(rest).toEqual(['answer: "other" is a required property']);
});

test("members of lists and the inside of JSON text have places too", () => {
  const { at } = said('answer.tags[2]: "x" is not of type "integer"; answer.more.deep[0]: no');
  expect([...at.keys()]).toEqual([keyOf(["tags", 2]), keyOf(["more"])]);
});

test("two faults at one field are both said, and a semicolon in the words parts nothing", () => {
  const { at } = said('answer.age: "a; b" is odd; answer.age: and wrong');
  expect(at.get(keyOf(["age"]))).toBe('"a; b" is odd; and wrong');
});

test("whatever is not understood is said as it is", () => {
  expect(refusal("nobody waits", FORM)).toEqual({ at: new Map(), rest: ["nobody waits"] });
  expect(said("answer: it has 9 bytes; 5 are allowed with this schema").rest).toEqual(["answer: it has 9 bytes; 5 are allowed with this schema"]);
});
