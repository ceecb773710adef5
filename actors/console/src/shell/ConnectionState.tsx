import { useClientState } from "callboard/react";
import { useText } from "../i18n";
import { useClient } from "../session";
import { shellText } from "./text";

/** Whether the server is there. `data-testid="connection-state"`, with the client's state as `data-state`. */
export function ConnectionState() {
  const t = useText(shellText);
  const state = useClientState(useClient());
  return (
    <div className="connection-state" data-testid="connection-state" data-state={state} role="status">
      <span className="dot" aria-hidden="true" />
      <span className="visually-hidden">{t.connection}: </span>
      {t.states[state]}
    </div>
  );
}
