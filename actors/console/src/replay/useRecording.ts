/**
 * The recording of a run, fetched by the page of its history, and for as long as the run goes on, kept up with it.
 *
 * Theory of operation: history comes over HTTP, a thousand events at a time. A run that turns out to go on is followed
 * by the client as well, which rings the bell: what has happened is fetched the same way, so there is one source and no
 * gap.
 */
import { HttpFailure, type Client, type Graph, type Run } from "callboard";
import { useEffect, useState } from "react";
import { Recording } from "./recording";

/** A recording as a component sees it; a new object whenever something was added. */
export interface Recorded {
  /** null: nothing is known yet. */
  readonly recording: Recording | null;
  readonly graph: Graph | undefined;
  /** Events that there are at the server, as far as is known. */
  readonly total: number;
  /** Everything that the server has is here. */
  readonly loaded: boolean;
  /** The run is over: nothing will be added. */
  readonly closed: boolean;
  /** Why the rest could not be fetched; null: it could. */
  readonly problem: { readonly code: string; readonly message: string } | null;
}

const NOTHING: Recorded = { recording: null, graph: undefined, total: 0, loaded: false, closed: false, problem: null };

/** The recording of a run, kept up with it. */
export function useRecording(client: Client, runId: string): Recorded {
  const [recorded, setRecorded] = useState(NOTHING);
  useEffect(() => {
    setRecorded(NOTHING);
    const leaving = new AbortController();
    const { signal } = leaving;
    let recording: Recording | null = null;
    let graph: Graph | undefined;
    let fetching = false;
    let again = false;
    let over = false;
    let bell: Run | null = null;

    const fetchPages = async () => {
      if (recording === null) {
        graph = await client.graph(runId).catch((error: unknown) => {
          // Of a run that was started before graphs were kept there is none: it is shown without its canvas.
          if (error instanceof HttpFailure) return undefined;
          throw error;
        });
        recording = new Recording(runId, graph);
      }
      for (;;) {
        const page = await client.events(runId, { after: recording.lastSeq, signal });
        if (signal.aborted) return;
        recording.add(page.events);
        const loaded = page.events.length === 0 || recording.lastSeq >= page.lastSeq;
        over = loaded && page.closed;
        setRecorded({ recording, graph, total: page.lastSeq, loaded, closed: over, problem: null });
        if (loaded) return;
      }
    };
    const fetchRest = async () => {
      if (fetching) {
        again = true;
        return;
      }
      fetching = true;
      try {
        do {
          again = false;
          await fetchPages();
        } while (again && !over && !signal.aborted);
        if (over) leave();
        else follow();
      } catch (error) {
        if (signal.aborted) return;
        const code = error instanceof Error && "code" in error ? String(error.code) : "";
        const message = error instanceof Error ? error.message : String(error);
        setRecorded((before) => ({ ...before, problem: { code, message } }));
      } finally {
        fetching = false;
      }
    };

    let off = () => {};
    const follow = () => {
      if (bell !== null || recording === null || signal.aborted || client.state === "closed") return;
      const run = client.run(runId);
      bell = run;
      off = run.subscribe(() => {
        if (run.current.lastSeq > (recording?.lastSeq ?? 0)) void fetchRest();
      });
    };
    const leave = () => {
      off();
      bell?.close();
      bell = null;
    };
    // What could not be fetched because the server was away is fetched when it is back.
    const offState = client.on("state", ({ state }) => {
      if (state === "live" && !over) void fetchRest();
    });
    void fetchRest();
    return () => {
      leaving.abort();
      offState();
      leave();
    };
  }, [client, runId]);
  return recorded;
}
