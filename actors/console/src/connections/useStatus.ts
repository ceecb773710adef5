/** How the server does, by its own word: asked when the page opens and now and then, and heard whenever it says so. */
import type { Client, Messages } from "callboard";
import { useEffect, useState } from "react";

/** What `system.status` says. Times in ms. */
export type Status = Messages["system.status"]["payload"];

/** A status and when it was said, in ms since the epoch. */
export interface Said {
  readonly status: Status;
  readonly at: number;
}

/** It says by itself when it does worse, or well again; the figures beside that may be so old. */
const PERIOD_MS = 15_000;

/** The newest status; null: none was said yet. */
export function useStatus(client: Client): Said | null {
  const [said, setSaid] = useState<Said | null>(null);
  useEffect(() => {
    const off = client.on("system.status", ({ payload }) => setSaid({ status: payload, at: Date.now() }));
    const ask = () => {
      // An answer is heard above; a server that is away is told of by the page's head.
      if (!document.hidden && client.state === "live") void client.status().catch(() => undefined);
    };
    const offState = client.on("state", ask);
    const timer = setInterval(ask, PERIOD_MS);
    ask();
    return () => {
      off();
      offState();
      clearInterval(timer);
    };
  }, [client]);
  return said;
}
