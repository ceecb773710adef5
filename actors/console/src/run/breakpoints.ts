/**
 * Setting and removing the breakpoints of a run.
 *
 * Theory of operation: the server is told the whole new set each time, and what is shown is what the server told of it.
 * Whoever clicks twice in a row is ahead of that, so the next set is made from the last one that was asked for, until
 * its event has come or it was refused.
 */
import type { Run } from "callboard";
import { useCallback, useEffect, useRef } from "react";
import { useOfRun } from "./run";

/** The breakpoints of a run, and how to set or remove the one at a node. `set` resolves to whether it was accepted. */
export function useBreakpoints(
  run: Run,
  set: (nodeIds: readonly string[]) => Promise<boolean>,
): { readonly breakpoints: readonly string[]; readonly toggle: (nodeId: string) => void } {
  const breakpoints = useOfRun(run, (state) => state.breakpoints);
  const wanted = useRef<readonly string[] | null>(null);
  useEffect(() => {
    if (wanted.current !== null && isSame(wanted.current, breakpoints)) wanted.current = null;
  }, [breakpoints]);
  const toggle = useCallback(
    (nodeId: string) => {
      const before = wanted.current ?? run.current.breakpoints;
      const next = before.includes(nodeId) ? before.filter((other) => other !== nodeId) : [...before, nodeId];
      wanted.current = next;
      void set(next).then((accepted) => {
        if (!accepted && wanted.current === next) wanted.current = null;
      });
    },
    [run, set],
  );
  return { breakpoints, toggle };
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((id) => other.includes(id));
}
