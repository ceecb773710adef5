// The digest is that of the platform, whatever the length.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { sha256 } from "../src/sha256.js";

test("it is the digest that everybody else computes, at every length around a block, and beyond ASCII", () => {
  const texts = Array.from({ length: 200 }, (_, length) => "x".repeat(length));
  for (const text of [...texts, "\0", "session\0request", "日本語 🎭", "é".repeat(1_000)]) {
    assert.equal(sha256(text), createHash("sha256").update(text, "utf8").digest("hex"), JSON.stringify(text));
  }
});
