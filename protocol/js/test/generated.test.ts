// The generated types are those of the server's schema.

import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { ROOT } from "./site.js";

test("src/generated/messages.ts is what the server's schema says", () => {
  execFileSync(process.execPath, [`${ROOT}/protocol/js/scripts/generate.mjs`, "--check"], { stdio: "pipe" });
});
