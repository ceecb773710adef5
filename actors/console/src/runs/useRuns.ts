/**
 * A page of runs that stays true: fetched once, then kept by what the server tells of all runs.
 *
 * Theory of operation: the list is asked for when the filter, the page or the connection changes. A subscription to all
 * runs (`*`, states and progress only) says what changed since: the state of a run on the page is changed in place; a
 * run that begins, or one whose new state no longer fits the filter, means that the list is asked for again, a moment
 * later, for many such events at once. What the page has stays in sight while it is asked for. Events are collected and
 * shown once per frame.
 */
import { ENDED, type Client, type Message, type RunStatus, type RunSummary } from "callboard";
import { useClientState } from "callboard/react";
import { useEffect, useRef, useState } from "react";

/** What is asked for. */
export interface Filter {
  /** "" is any. */
  readonly status: RunStatus | "";
  /** "" is any. */
  readonly workflowId: string;
  /** Where the page begins; "" at the newest run. */
  readonly cursor: string;
}

/** One run of the page, as it stands. */
export interface Row extends RunSummary {
  /** 0–100; absent while nothing was said. */
  readonly progress?: number;
}

/** The page. */
export interface Runs {
  /** null: not known yet. */
  readonly rows: readonly Row[] | null;
  readonly next: string | null;
  readonly problem: string | null;
}

const ROWS = 50;
const SETTLE_MS = 250;
/** What the server is asked to send of all runs. */
const TYPES = ["workflow_status", "progress"];

/** The runs that fit a filter. */
export function useRuns(client: Client, { status, workflowId, cursor }: Filter): Runs {
  const [runs, setRuns] = useState<Runs>({ rows: null, next: null, problem: null });
  const [version, setVersion] = useState(0);
  const live = useClientState(client).state === "live";
  const waiting = useRef<ReturnType<typeof setTimeout> | null>(null);

  useEffect(() => setRuns({ rows: null, next: null, problem: null }), [client, status, workflowId, cursor]);

  useEffect(() => {
    if (client.state === "closed") return;
    const asked = new AbortController();
    const filter = {
      ...(status && { status }),
      ...(workflowId && { workflowId }),
      ...(cursor && { cursor }),
    };
    client
      .list({ ...filter, limit: ROWS, signal: asked.signal })
      .then(({ runs: listed, nextCursor }) =>
        setRuns((before) => ({
          rows: listed.map((run) => kept(run, before.rows)),
          next: nextCursor ?? null,
          problem: null,
        })),
      )
      .catch((error: unknown) => {
        if (asked.signal.aborted) return;
        setRuns((before) => ({ ...before, problem: error instanceof Error ? error.message : String(error) }));
      });
    return () => asked.abort();
    // `live` and `version`: the same question, asked again.
  }, [client, status, workflowId, cursor, live, version]);

  useEffect(() => {
    if (client.state === "closed") return;
    const again = () => {
      waiting.current ??= setTimeout(() => {
        waiting.current = null;
        setVersion((before) => before + 1);
      }, SETTLE_MS);
    };
    const news = new Map<string, Partial<Row>>();
    let frame: number | null = null;
    const show = () => {
      frame = null;
      const told = new Map(news);
      news.clear();
      setRuns((before) => changed(before, told, status, again));
    };
    const subscription = client.subscribe("*", { types: TYPES });
    const off = client.on("*", (message) => {
      const said = newsOf(message);
      if (said === null) return;
      if (message.type === "workflow.start") {
        if (cursor === "" && (workflowId === "" || workflowId === message.workflowId)) again();
        return;
      }
      news.set(said.runId, { ...news.get(said.runId), ...said.row });
      frame ??= requestAnimationFrame(show);
    });
    return () => {
      subscription.close();
      off();
      if (frame !== null) cancelAnimationFrame(frame);
      if (waiting.current !== null) clearTimeout(waiting.current);
      waiting.current = null;
    };
  }, [client, status, workflowId, cursor]);

  return runs;
}

/** A run as it was listed; its progress is not part of a list. */
function kept(run: RunSummary, before: readonly Row[] | null): Row {
  const progress = before?.find((row) => row.runId === run.runId)?.progress;
  return progress === undefined ? run : { ...run, progress };
}

function changed(
  runs: Runs,
  news: ReadonlyMap<string, Partial<Row>>,
  status: Filter["status"],
  again: () => void,
): Runs {
  if (runs.rows === null) return runs;
  let some = false;
  const rows = runs.rows.map((row) => {
    const said = news.get(row.runId);
    // Events that are older than the list come with a subscription that catches up.
    if (said === undefined || (said.lastSeq !== undefined && said.lastSeq <= row.lastSeq)) return row;
    some = true;
    if (status !== "" && said.status !== undefined && said.status !== status) again();
    return { ...row, ...said };
  });
  const known = new Set(rows.map((row) => row.runId));
  if (status !== "") {
    for (const [runId, said] of news) if (!known.has(runId) && said.status === status) again();
  }
  return some ? { ...runs, rows } : runs;
}

/** What a message says of a run; null: nothing. */
function newsOf(message: Message): { readonly runId: string; readonly row: Partial<Row> } | null {
  if (!("runId" in message) || message.runId === undefined) return null;
  const { runId } = message;
  if (message.type === "execution.progress") return { runId, row: { progress: message.payload.progress } };
  if (!("seq" in message) || message.seq === undefined) return null;
  switch (message.type) {
    case "workflow.start":
    case "workflow.pause":
    case "workflow.resume":
    case "workflow.stop":
    case "execution.complete":
    case "execution.error": {
      const { status } = message.payload as { status?: RunStatus };
      if (status === undefined) return null;
      const ended = ENDED.has(status) ? { endedAt: message.timestamp } : {};
      return { runId, row: { status, lastSeq: message.seq, ...ended } };
    }
    default:
      return null;
  }
}
