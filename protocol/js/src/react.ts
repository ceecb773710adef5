// React hooks over a client: one component tree, one client, and as many live runs as are shown.
//
// Theory of operation: `useRun` opens the run when its component is shown and closes it when it is not; the
// state is the run's own immutable picture, read with `useSyncExternalStore`, and changes at most once per
// frame. Components that show one run share it.

import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from "react";
import type { ReactNode } from "react";
import type { Client } from "./client.js";
import type { ClientState, StateChange } from "./upkeep.js";
import { Fold, type RunState } from "./fold.js";
import type { Run } from "./run.js";

const ClientContext = createContext<Client | null>(null);

/** Gives its client to all hooks inside. It neither makes nor closes it. */
export function CallboardProvider(props: { client: Client; children?: ReactNode }): ReactNode {
  return createElement(ClientContext.Provider, { value: props.client }, props.children);
}

/**
 * The client of the provider around.
 *
 * @throws Error: there is none.
 */
export function useClient(client?: Client): Client {
  const around = useContext(ClientContext);
  const found = client ?? around;
  if (found === null)
    throw new Error("there is no <CallboardProvider client={…}> around, and no client was given");
  return found;
}

/**
 * The live state of a run: `{status, nodes, edges, progress, logs, …}`.
 *
 * @param runId the run; null: none, and the state is that of a run of which nothing was heard.
 * @param client default: that of the provider around.
 */
export function useRun(runId: string | null, client?: Client): RunState {
  const found = useClient(client);
  const [run, setRun] = useState<Run | null>(null);
  const nothing = useMemo(() => new Fold(runId ?? "").current, [runId]);
  useEffect(() => {
    if (runId === null || found.state === "closed") return;
    const opened = found.run(runId);
    setRun(opened);
    return () => {
      setRun(null);
      opened.close();
    };
  }, [found, runId]);
  const subscribe = useCallback(
    (listener: () => void) => run?.subscribe(listener) ?? (() => undefined),
    [run],
  );
  const current = useCallback(
    () => (run !== null && run.runId === runId ? run.current : nothing),
    [run, runId, nothing],
  );
  return useSyncExternalStore(subscribe, current, () => nothing);
}

/** How a client stands with its server, and why, if it is not live. */
export function useClientState(client?: Client): { state: ClientState; reason?: string; retryIn?: number } {
  const found = useClient(client);
  const [change, setChange] = useState<StateChange | null>(null);
  useEffect(() => {
    // It may have changed since it was drawn.
    setChange({ state: found.state, previous: found.state });
    return found.on("state", setChange);
  }, [found]);
  const { state } = found;
  return change !== null && change.state === state ? change : { state };
}
