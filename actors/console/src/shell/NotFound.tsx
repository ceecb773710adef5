/** What is shown where the address names no page. */
import { useText } from "../i18n";
import { shellText } from "./text";

/** For an address that names no page. */
export function NotFound() {
  const t = useText(shellText);
  return (
    <section className="page narrow">
      <h1>{t.notFound}</h1>
      <p className="muted">{t.notFoundLead}</p>
      <p>
        <a className="button" href="#/runs">
          {t.toRuns}
        </a>
      </p>
    </section>
  );
}
