// A connection that is cut at random bytes: every event comes once and in order, every command is done once.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DialectName } from "../src/index.js";
import { Proxy, random } from "./proxy.js";
import { client, Site } from "./site.js";
import { agrees, chain, eventually, seqsOf, upTo } from "./watched.js";

const FAST = { seed: 7, defaultWaitTime: 0 };
const SEED = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1_000_000));

for (const dialect of ["camel", "snake", "flat"] as const satisfies readonly DialectName[]) {
  test(`${dialect}: cut at 20 random bytes and more during one run, every seq comes once and in order (seed ${SEED})`, async (t) => {
    const site = await Site.open(t, "--journal", "memory:");
    const next = random(SEED);
    const proxy = await Proxy.open(t, () => site.port);
    const it = client(t, proxy.url, { dialect, batch: next() < 0.5 });
    const seqs = seqsOf(it);
    const run = await it.startWorkflow(chain(200, 20), { config: FAST });
    proxy.plan = () => ({ up: 500 + 9_000 * next(), down: 300 + 2_500 * next() });
    proxy.cut();
    it.subscribe({ runId: run.runId }, { after: run.lastSeq, lossless: true });
    await run.until(({ status }) => status === "completed" || it.statistics().reconnects > 20);
    proxy.plan = null;
    const end = await run.wait();
    assert.ok(it.statistics().reconnects > 20, `${it.statistics().reconnects} reconnects`);
    await eventually(() => (seqs.get(run.runId) ?? []).length >= end.lastSeq);
    assert.deepEqual(seqs.get(run.runId), upTo(end.lastSeq));
    assert.equal(end.conflated, 0);
    await agrees(it, run);
    assert.equal(it.statistics().unreadable, 0);
  });
}

test(`commands that are cut are done once: six starts are six runs, each pause is one pause (seed ${SEED})`, async (t) => {
  const site = await Site.open(t, "--journal", "memory:");
  const next = random(SEED + 1);
  const proxy = await Proxy.open(
    t,
    () => site.port,
    () => ({ up: 2_000 + 12_000 * next(), down: 600 + 4_000 * next() }),
  );
  const it = client(t, proxy.url);
  const starts = Array.from({ length: 6 }, (_, n) => {
    return it.startWorkflow(chain(2, 60_000), { config: FAST, workflowId: `w${n}` });
  });
  const runs = await Promise.all(starts);
  assert.equal(new Set(runs.map(({ runId }) => runId)).size, 6);
  const direct = client(t, site.url);
  assert.equal((await direct.list()).runs.length, 6);
  await Promise.all(runs.map((run) => run.pause()));
  await Promise.all(runs.map((run) => run.until(({ status }) => status === "paused")));
  await Promise.all(runs.map((run) => run.resume()));
  await Promise.all(runs.map((run) => run.stop()));
  const ends = await Promise.all(runs.map((run) => run.wait()));
  assert.ok(proxy.cuts >= 5, `${proxy.cuts} cuts`);
  for (const end of ends) {
    const { events } = await direct.events(end.runId);
    const paused = events.filter(
      ({ type, payload }) => type === "workflow.pause" && "status" in payload && payload.status === "pausing",
    );
    assert.equal(paused.length, 1);
    assert.equal(events.filter(({ type }) => type === "workflow.start").length, 1);
    assert.equal(end.lastSeq, events.length);
  }
});
