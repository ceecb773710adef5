// Where the tests run: a real server process, and what can be done to it.

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestContext } from "node:test";
import { connect, type Client, type ConnectOptions, type WorkflowGraph } from "../src/index.js";

/** The checkout; compiled tests are in build/test. */
export const ROOT = fileURLToPath(new URL("../../../../", import.meta.url)).replace(/\/$/, "");

/** What starts the server, words apart by spaces. */
const COMMAND = (process.env["CALLBOARD"] ?? `${ROOT}/.venv/bin/callboard`).split(" ");

/** A server process. */
export class Site {
  url = "";
  port = 0;
  #process: ChildProcess | null = null;
  #errors = "";
  readonly #arguments: readonly string[];

  private constructor(args: readonly string[]) {
    this.#arguments = args;
  }

  /** Start a server; it ends with the test. */
  static async open(t: TestContext, ...args: string[]): Promise<Site> {
    const site = new Site(args);
    t.after(() => site.kill());
    await site.start(0);
    return site;
  }

  /** Start it, on a port; 0: any. */
  async start(port = this.port): Promise<void> {
    const [program = "", ...rest] = COMMAND;
    const args = [...rest, "serve", "--port", String(port), ...this.#arguments];
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    child.stderr.on(
      "data",
      (data: Buffer) => (this.#errors = (this.#errors + data.toString()).slice(-4_000)),
    );
    this.url = await new Promise<string>((resolve, reject) => {
      let said = "";
      child.stdout.on("data", (data: Buffer) => {
        said += data.toString();
        const found = /listening on (http:\/\/[\w.:]+)/.exec(said);
        if (found?.[1] !== undefined) resolve(found[1]);
      });
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${this.#errors}`)));
    });
    this.port = Number(new URL(this.url).port);
  }

  /** `kill -9`; returns when nothing of it is left. */
  kill(): Promise<void> {
    return this.#signal("SIGKILL");
  }

  /** Have it end in good order; returns when it has. */
  end(): Promise<void> {
    return this.#signal("SIGTERM");
  }

  async #signal(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await gone;
  }
}

/** A client that is closed with the test. */
export function client(t: TestContext, url: string, options: ConnectOptions = {}): Client {
  const made = connect(url, options);
  t.after(() => made.close());
  return made;
}

/** A folder that is removed with the test. */
export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "callboard-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** One of the graphs of tests/vectors/flows. */
export function flow(name: string): WorkflowGraph {
  return JSON.parse(readFileSync(`${ROOT}/tests/vectors/flows/${name}.json`, "utf8")) as WorkflowGraph;
}

/** A node as editors write it. */
export function node(id: string, kind: string, config: Record<string, unknown> = {}): object {
  return { id, type: kind, data: { config: { waitTime: 0, ...config } } };
}

/** An edge as editors write it. */
export function edge(source: string, target: string, sourceHandle?: string): object {
  return {
    id: `${source}-${sourceHandle ?? "out"}-${target}`,
    source,
    target,
    ...(sourceHandle && { sourceHandle }),
  };
}
