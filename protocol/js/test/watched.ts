// What tests look at when a connection is lost: what was delivered, and whether it is what the server has.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, Run } from "../src/index.js";
import { edge, node } from "./site.js";

/** Nodes that wait, one behind the other. */
export function chain(length: number, duration: number): { nodes: object[]; edges: object[] } {
  const ids = Array.from({ length }, (_, index) => `w${index}`);
  return {
    nodes: [node("start", "start"), ...ids.map((id) => node(id, "wait", { duration }))],
    edges: ids.map((id, index) => edge(index === 0 ? "start" : `w${index - 1}`, id)),
  };
}

/** Run id → the seqs that a client delivers, from now on. */
export function seqsOf(it: Client): Map<string, number[]> {
  const seqs = new Map<string, number[]>();
  it.on("*", (message) => {
    if (!("seq" in message)) return;
    const known = seqs.get(message.runId) ?? [];
    seqs.set(message.runId, [...known, message.seq]);
  });
  return seqs;
}

export function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}

/** The run as the client shows it is the run as the server has it. */
export async function agrees(it: Client, run: Run): Promise<void> {
  const snapshot = await it.snapshot({ runId: run.runId });
  await run.until(({ lastSeq, graph }) => lastSeq >= snapshot.lastSeq && graph !== undefined);
  const { nodes, edges, status, lastSeq } = run.current;
  assert.deepEqual(
    { status, lastSeq, edges },
    { status: snapshot.status, lastSeq: snapshot.lastSeq, edges: snapshot.edges },
  );
  const brief = (
    all: Record<string, { status: string; attempt: number; iteration?: readonly number[]; reason?: string }>,
  ): object =>
    Object.fromEntries(
      Object.entries(all).map(([id, { status: is, attempt, iteration = [], reason }]) => [
        id,
        { is, attempt, iteration, reason },
      ]),
    );
  assert.deepEqual(brief(nodes), brief(snapshot.nodes));
}

/** Wait until something holds that nothing tells of. */
export async function eventually(holds: () => boolean): Promise<void> {
  const until = Date.now() + 15_000;
  while (!holds()) {
    assert.ok(Date.now() < until, "it never came");
    await sleep(5);
  }
}
