import type { Client } from "callboard";
import { expect, test } from "vitest";
import { draftOf, keepDraft } from "../src/input/drafts";

test("a draft is kept until it was sent, for its own client and question", () => {
  const [client, other] = [{}, {}] as [Client, Client];
  keepDraft(client, "q", { name: "Ada" });
  keepDraft(client, "p", "x");
  expect([draftOf(client, "q"), draftOf(client, "p"), draftOf(other, "q")]).toEqual([{ name: "Ada" }, "x", undefined]);
  keepDraft(client, "q", null);
  expect([draftOf(client, "q"), draftOf(client, "p")]).toEqual([undefined, "x"]);
});

test("of very many drafts the oldest are forgotten, never the one at hand", () => {
  const client = {} as Client;
  keepDraft(client, "first", "1");
  for (let index = 0; index < 99; index++) keepDraft(client, `q${index}`, "x");
  keepDraft(client, "first", "2");
  keepDraft(client, "last", "3");
  expect([draftOf(client, "first"), draftOf(client, "q0"), draftOf(client, "q1"), draftOf(client, "last")]).toEqual([
    "2",
    undefined,
    "x",
    "3",
  ]);
});
