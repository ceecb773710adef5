/** Asks the visitor for the server's token. */
import { useId, useState } from "react";
import { useText } from "../i18n";
import { submitToken } from "../session";
import { shellText } from "./text";

/** Asks for the token of a server that wants one. */
export function TokenForm({ wrong }: { wrong: boolean }) {
  const t = useText(shellText);
  const [typed, setTyped] = useState("");
  const id = useId();
  return (
    <main className="token-page">
      <form
        className="panel token-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (typed.trim() !== "") void submitToken(typed);
        }}
      >
        <h1>{t.tokenTitle}</h1>
        <p className="muted">{t.tokenLead}</p>
        <label htmlFor={id}>{t.tokenLabel}</label>
        <input
          id={id}
          className="field"
          type="password"
          autoComplete="current-password"
          autoFocus
          required
          value={typed}
          aria-invalid={wrong}
          aria-describedby={wrong ? `${id}-wrong` : undefined}
          onChange={(event) => setTyped(event.target.value)}
        />
        {wrong && (
          <p id={`${id}-wrong`} className="error-text" role="alert">
            {t.tokenWrong}
          </p>
        )}
        <button className="button primary" type="submit">
          {t.tokenSubmit}
        </button>
      </form>
    </main>
  );
}
