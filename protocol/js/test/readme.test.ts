// The README's code is run: each block follows the one before it, as one program against a real server.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { ROOT, Site } from "./site.js";

const PACKAGE = `${ROOT}/protocol/js`;

test("the code blocks of the README do what it says", async (t) => {
  const site = await Site.open(t, "--journal", "memory:");
  const text = readFileSync(`${PACKAGE}/README.md`, "utf8");
  const [start, streams, react] = [...text.matchAll(/```js\n(.*?)```/gs)].map(([, code = ""]) => code);
  assert.ok(start && streams && react, "three blocks");
  // Where it is installed it is called `callboard`; here it is what was just built.
  const local = (code: string): string =>
    code
      .replace('"callboard"', JSON.stringify(`${PACKAGE}/build/src/index.js`))
      .replace('"callboard/react"', JSON.stringify(`${PACKAGE}/build/src/react.js`))
      .replaceAll("ws://127.0.0.1:8765", site.url);
  const renders = `
    import { act, create } from "react-test-renderer";
    globalThis.IS_REACT_ACT_ENVIRONMENT = true;
    let tree;
    await act(async () => { tree = create(page); await client.status(); });
    await act(() => run.until(({ status }) => status === "completed"));
    await act(() => new Promise((resolve) => setTimeout(resolve, 50)));
    console.log(tree.toJSON().children.join(""));
    client.close();
    other.close();`;
  const again = `
    const client = connect("${site.url}");
    const other = connect("${site.url}");
    await client.status();
    let run;
    setTimeout(async () => {
      const nodes = [{ id: "start", type: "start" }, { id: "bad", type: "fail", data: { config: { message: "no", onError: "continue" } } }];
      run = await other.startWorkflow({ nodes, edges: [{ source: "start", target: "bad" }] });
    }, 100);
    client.subscribe("*");`;
  const [imports = "", ...first] = local(start).split("\n");
  const [h = "", hooks = "", ...rest] = local(react).split("\n");
  const program = [
    ...[imports, h, hooks, "{", ...first, "}"],
    ...[again, streams, "run = client.run(run.runId);", ...rest],
    renders
      .replace("import { act, create } from", "const { act, create } = await import(")
      .replace('renderer";', 'renderer");'),
  ].join("\n");
  // Inside the package, so that `react` is found.
  const folder = mkdtempSync(join(PACKAGE, "build", "readme-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "program.mjs"), program);
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "program.mjs")], {
    timeout: 30_000,
  });
  const lines = stdout.trim().split("\n");
  assert.equal(lines[0], "completed");
  assert.ok(
    lines.some((line) => /^r-\w+ bad no$/.test(line)),
    stdout,
  );
  assert.equal(lines.at(-2), "live: completed, 100 %");
});
