/**
 * Setting and removing the breakpoints of a run.
 *
 * Theory of operation: the server is told the whole new set each time, and what is shown is what the server told of it.
 * Whoever clicks twice in a row is ahead of that, so the next set is made from the last one that was asked for, until
 * its event has come, or that of somebody else's after it, or it was refused.
 */
import type { Run } from "callboard";
import { useCallback, useEffect, useRef } from "react";
import { useOfRun } from "./run";

/** A set that was asked for. */
interface Wanted {
  readonly nodeIds: readonly string[];
  /** By the server, though nothing was told of it yet. */
  accepted: boolean;
}

/** The breakpoints of a run, and how to set or remove the one at a node. `set` resolves to whether it was accepted. */
export function useBreakpoints(
  run: Run,
  set: (nodeIds: readonly string[]) => Promise<boolean>,
): { readonly breakpoints: readonly string[]; readonly toggle: (nodeId: string) => void } {
  const breakpoints = useOfRun(run, (state) => state.breakpoints);
  const wanted = useRef<Wanted | null>(null);
  useEffect(() => {
    const asked = wanted.current;
    if (asked !== null && (asked.accepted || isSame(asked.nodeIds, breakpoints))) wanted.current = null;
  }, [breakpoints]);
  const toggle = useCallback(
    (nodeId: string) => {
      const before = wanted.current?.nodeIds ?? run.current.breakpoints;
      const next = before.includes(nodeId) ? before.filter((other) => other !== nodeId) : [...before, nodeId];
      const asked: Wanted = { nodeIds: next, accepted: false };
      wanted.current = asked;
      void set(next).then((accepted) => {
        if (wanted.current !== asked) return;
        // The reply comes before the event: what is told from now on is this set, or a newer one.
        if (!accepted || isSame(next, run.current.breakpoints)) wanted.current = null;
        else asked.accepted = true;
      });
    },
    [run, set],
  );
  return { breakpoints, toggle };
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((id) => other.includes(id));
}
