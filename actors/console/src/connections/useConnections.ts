/** Who is connected, asked every two seconds while the page can be seen, and how it went in the last two minutes. */
import type { Client, ClientStatistics } from "callboard";
import { useEffect, useState } from "react";
import { connectionsOf, type Answer, type Connection } from "./answer";
import { KEPT, remember, type History, type Sample } from "./series";

/** Between the answer to one look and the next look. */
const PERIOD_MS = 2000;

/** What the last look found. */
export interface Look {
  /** null: nothing was found yet. */
  readonly connections: readonly Connection[] | null;
  readonly activeWorkflows: number;
  readonly history: History;
  /** How this page's own client did at each look. */
  readonly own: readonly Sample[];
  readonly statistics: ClientStatistics;
  /** Why the last look found nothing; null: it did. */
  readonly problem: string | null;
}

/** Looks again and again for as long as the component is there and the page can be seen. */
export function useConnections(client: Client): Look {
  const [look, setLook] = useState<Look>(() => ({
    connections: null,
    activeWorkflows: 0,
    history: new Map(),
    own: [],
    statistics: client.statistics(),
    problem: null,
  }));
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asking = false;
    const leaving = new AbortController();
    const ask = async () => {
      if (asking || document.hidden) return;
      asking = true;
      clearTimeout(timer);
      try {
        const answer = await client.http.get<Answer>("/api/connections", { signal: leaving.signal });
        const { connections, activeWorkflows } = connectionsOf(answer);
        const at = Date.now();
        if (!leaving.signal.aborted) {
          setLook((before) => ({
            connections,
            activeWorkflows,
            history: remember(before.history, connections, at),
            ...ownLook(before.own, client.statistics(), at),
            problem: null,
          }));
        }
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        if (!leaving.signal.aborted) setLook((before) => ({ ...before, statistics: client.statistics(), problem }));
      } finally {
        asking = false;
        if (!leaving.signal.aborted) timer = setTimeout(() => void ask(), PERIOD_MS);
      }
    };
    const seen = () => void ask();
    document.addEventListener("visibilitychange", seen);
    void ask();
    return () => {
      leaving.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [client]);
  return look;
}

function ownLook(own: readonly Sample[], statistics: ClientStatistics, at: number) {
  const { bytesSent: sent, bytesReceived: received, queued, conflated, rtt } = statistics;
  return { statistics, own: [...own, { at, sent, received, queued, conflated, rtt: rtt?.last ?? null }].slice(-KEPT) };
}
