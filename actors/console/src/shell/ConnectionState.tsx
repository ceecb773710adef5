/** How the page stands with its server, in the header. */
import { useClientState } from "callboard/react";
import { useEffect, useState } from "react";
import { useText } from "../i18n";
import { useClient } from "../session";
import { shellText } from "./text";

/**
 * Whether the server is there and, while it is not, when it is tried again.
 *
 * `data-testid="connection-state"`, with the client's state as `data-state`; `data-testid="connection-closed"` once it
 * will not be tried again.
 */
export function ConnectionState() {
  const t = useText(shellText);
  const { state, reason, retryIn } = useClientState(useClient());
  const seconds = useCountdown(retryIn);
  const trying = state === "away" || state === "connecting";
  return (
    <>
      <div className="connection-state" data-testid="connection-state" data-state={state} title={reason}>
        <span className="dot" aria-hidden="true" />
        <span role="status">
          <span className="visually-hidden">{t.connection}: </span>
          {t.states[state]}
        </span>
        {trying && retryIn !== undefined && (
          <span className="number connection-next">{seconds > 0 ? t.nextAttempt(seconds) : t.attempting}</span>
        )}
      </div>
      {state === "closed" && (
        <div className="closed-notice" role="alert" data-testid="connection-closed">
          {t.closedBecause(reason ?? "")}
          <button type="button" className="button" onClick={() => location.reload()}>
            {t.reload}
          </button>
        </div>
      )}
    </>
  );
}

/** Seconds that are left of some milliseconds, counted from when they were said. */
function useCountdown(milliseconds: number | undefined): number {
  const [ends, setEnds] = useState(0);
  const [now, setNow] = useState(0);
  useEffect(() => {
    if (milliseconds === undefined) return;
    const begun = performance.now();
    setEnds(begun + milliseconds);
    setNow(begun);
    const timer = setInterval(() => setNow(performance.now()), 250);
    return () => clearInterval(timer);
  }, [milliseconds]);
  return Math.ceil(Math.max(0, ends - now) / 1000);
}
