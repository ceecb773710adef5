// What is published is what can be imported.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { ROOT } from "./site.js";

test("the package has what its exports name", async () => {
  const cwd = `${ROOT}/protocol/js`;
  const pack = ["pack", "--dry-run", "--json", "--loglevel=error"];
  const { stdout } = await promisify(execFile)("npm", pack, { cwd });
  const [packed] = JSON.parse(stdout.slice(stdout.search(/^\[/m))) as { files: { path: string }[] }[];
  const paths = new Set(packed?.files.map(({ path }) => path));
  for (const path of ["dist/index.js", "dist/index.d.ts", "dist/react.js", "dist/react.d.ts", "README.md"]) {
    assert.ok(paths.has(path), `${path} is not in it`);
  }
});
