/** One run, followed for as long as a component shows it. */
import type { Client, Run, RunState } from "callboard";
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";

/** The run, once the component is there; the client shares one fold among all who follow the same run. */
export function useFollowed(client: Client, runId: string): Run | null {
  const [run, setRun] = useState<Run | null>(null);
  useEffect(() => {
    // Of a client that is over nothing more is heard; the shell says so.
    if (client.state === "closed") return;
    const followed = client.run(runId);
    setRun(followed);
    return () => followed.close();
  }, [client, runId]);
  return run?.current.runId === runId ? run : null;
}

/** Something of a run's state; renders again when that changes, and only then. It has to be the same value or object. */
export function useOfRun<T>(run: Run, select: (state: RunState) => T): T {
  const subscribe = useCallback((listener: () => void) => run.subscribe(listener), [run]);
  return useSyncExternalStore(subscribe, () => select(run.current));
}
