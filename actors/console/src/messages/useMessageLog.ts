/** The client's message log as a component sees it: at most one look per frame, none while it is paused. */
import type { Client, LogEntry } from "callboard";
import { useEffect, useState } from "react";

/** What is shown, and what came since. */
export interface Messages {
  readonly entries: readonly LogEntry[];
  /** Messages that came while it was paused. */
  readonly since: number;
}

/**
 * The newest messages, oldest first.
 *
 * @param paused what is shown stays, whatever comes; only `since` goes on.
 */
export function useMessageLog(client: Client, paused: boolean): Messages {
  const [entries, setEntries] = useState<readonly LogEntry[]>(() => client.log.entries());
  const [since, setSince] = useState(0);
  useEffect(() => {
    let frame = 0;
    let missed = 0;
    let cleared = false;
    const look = () => {
      frame = 0;
      if (paused) setSince(missed);
      if (!paused || cleared) setEntries(client.log.entries());
      cleared = false;
    };
    if (paused) setSince(0);
    else look();
    const off = client.log.subscribe((entry) => {
      if (entry === null) {
        cleared = true;
        missed = 0;
      } else {
        missed++;
      }
      if (frame === 0) frame = requestAnimationFrame(look);
    });
    return () => {
      off();
      cancelAnimationFrame(frame);
    };
  }, [client, paused]);
  return { entries, since };
}
