/**
 * What the server keeps of one node of a run: `GET /api/runs/{run_id}/nodes/{node_id}` and its `executions`.
 *
 * Theory of operation: nothing is kept longer than it is shown. Details are asked for anew when the node has a newer seq
 * than the one they were asked with, and when the connection is back; what is there stays in sight meanwhile. An answer
 * that is overtaken by a newer question is dropped.
 */
import type { Client, Json, NodeStatus } from "callboard";
import { useClientState } from "callboard/react";
import { useCallback, useEffect, useState } from "react";
import { useSlowed } from "../slowed";

/** One execution of a node. Times in milliseconds. */
export interface Details {
  readonly config: Json;
  readonly executions: number;
  readonly iteration: readonly number[];
  /** By port. */
  readonly inputs: Readonly<Record<string, Json>>;
  /** Whole, however large. */
  readonly result: Json;
  readonly fired: readonly string[];
  readonly attempts: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly status: NodeStatus;
  readonly message: string;
  readonly error: string | null;
  readonly code: string | null;
  readonly reason: string | null;
  readonly duration: number | null;
}

/** One execution of a node in a list of them. */
export interface Execution {
  readonly iteration: readonly number[];
  readonly status: NodeStatus;
  readonly attempts: number;
  /** Milliseconds. */
  readonly duration: number | null;
  readonly error: string | null;
}

interface DetailsAnswer {
  readonly config: Json;
  readonly executions: number;
  readonly status: NodeStatus;
  readonly iteration?: readonly number[];
  readonly inputs?: Readonly<Record<string, Json>>;
  readonly result?: Json;
  readonly fired?: readonly string[];
  readonly message?: string;
  readonly error?: string | null;
  readonly code?: string | null;
  readonly reason?: string | null;
  readonly attempts?: number;
  readonly started_at?: number | null;
  readonly ended_at?: number | null;
  readonly duration?: number | null;
}

interface ExecutionsAnswer {
  readonly executions: readonly {
    readonly iteration: readonly number[];
    readonly status: NodeStatus;
    readonly attempts: number;
    readonly duration: number | null;
    readonly error: string | null;
  }[];
  readonly total: number;
}

/** A value that is being fetched, that is there, or that could not be had. */
export interface Fetched<T> {
  readonly value: T | null;
  readonly problem: string | null;
}

const PAGE = 100;
/** Between two questions about a node that changes all the time: the server reads the run's journal for each. */
const PAUSE_MS = 500;

/** The details of a node's execution; of its newest one if no iteration is said. Asked anew for another `version`. */
export function useDetails(
  client: Client,
  runId: string,
  nodeId: string,
  iteration: readonly number[] | null,
  version: number,
): Fetched<Details> {
  const path = `${nodePath(runId, nodeId)}${iteration === null ? "" : `?iteration=${iteration.join(",")}`}`;
  return useFetched(client, path, version, detailsOf);
}

/** The executions of a node, a page of them and on demand the next ones. */
export function useExecutions(
  client: Client,
  runId: string,
  nodeId: string,
  version: number,
): { readonly executions: readonly Execution[]; readonly more: (() => void) | null } {
  const [limit, setLimit] = useState(PAGE);
  const path = `${nodePath(runId, nodeId)}/executions?limit=${limit}`;
  const { value } = useFetched(client, path, version, (answer: ExecutionsAnswer) => ({
    executions: answer.executions.map((each) => ({ ...each, duration: milliseconds(each.duration) })),
    total: answer.total,
  }));
  const more = useCallback(() => setLimit((before) => before + PAGE), []);
  const executions = value?.executions ?? [];
  return { executions, more: value !== null && executions.length < value.total ? more : null };
}

function nodePath(runId: string, nodeId: string): string {
  return `/api/runs/${encodeURIComponent(runId)}/nodes/${encodeURIComponent(nodeId)}`;
}

function useFetched<Answer, T>(
  client: Client,
  path: string,
  version: number,
  read: (answer: Answer) => T,
): Fetched<T> {
  const [fetched, setFetched] = useState<Fetched<T> & { readonly path: string }>({
    path,
    value: null,
    problem: null,
  });
  const live = useClientState(client).state === "live";
  const slow = useSlowed(version, PAUSE_MS);
  useEffect(() => {
    const asked = new AbortController();
    client.http
      .get<Answer>(path, { signal: asked.signal })
      .then((answer) => setFetched({ path, value: read(answer), problem: null }))
      .catch((error: unknown) => {
        if (asked.signal.aborted) return;
        const problem = error instanceof Error ? error.message : String(error);
        setFetched((before) => ({ path, value: before.path === path ? before.value : null, problem }));
      });
    return () => asked.abort();
    // `read` is the same function each time, whatever its identity.
  }, [client, path, slow, live]);
  return fetched.path === path ? fetched : { value: null, problem: null };
}

function detailsOf(answer: DetailsAnswer): Details {
  return {
    config: answer.config,
    executions: answer.executions,
    iteration: answer.iteration ?? [],
    inputs: answer.inputs ?? {},
    result: answer.result ?? null,
    fired: answer.fired ?? [],
    attempts: answer.attempts ?? 0,
    startedAt: milliseconds(answer.started_at ?? null),
    endedAt: milliseconds(answer.ended_at ?? null),
    status: answer.status,
    message: answer.message ?? "",
    error: answer.error ?? null,
    code: answer.code ?? null,
    reason: answer.reason ?? null,
    duration: milliseconds(answer.duration ?? null),
  };
}

function milliseconds(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1000;
}
