/** The header: where to go, how the connection is, which language and theme. */
import { LANGUAGES, setLanguage, useLanguage, useText, type Language } from "../i18n";
import type { Route } from "../route";
import { setTheme, THEMES, useTheme, type Theme } from "../theme";
import { ConnectionState } from "./ConnectionState";
import { shellText } from "./text";

const PAGES = [
  { page: "runs", address: "#/runs" },
  { page: "new", address: "#/new" },
  { page: "connections", address: "#/connections" },
  { page: "messages", address: "#/messages" },
] as const;

/** The head of every page: where one can go, whether the server is there, language and colours. */
export function Header({ route }: { route: Route }) {
  const t = useText(shellText);
  const language = useLanguage();
  const theme = useTheme();
  const here = route.page === "run" || route.page === "replay" ? "runs" : route.page;
  return (
    <header className="header">
      <a className="brand" href="#/runs">
        callboard
      </a>
      <nav aria-label={t.navigation}>
        <ul>
          {PAGES.map(({ page, address }) => (
            <li key={page}>
              <a href={address} aria-current={page === here ? "page" : undefined}>
                {t[page]}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <ConnectionState />
      <select
        className="field quiet-field"
        aria-label={t.language}
        value={language}
        onChange={(event) => setLanguage(event.target.value as Language)}
      >
        {Object.entries(LANGUAGES).map(([code, name]) => (
          <option key={code} value={code} lang={code}>
            {name}
          </option>
        ))}
      </select>
      <select
        className="field quiet-field"
        aria-label={t.theme}
        value={theme}
        onChange={(event) => setTheme(event.target.value as Theme)}
      >
        {THEMES.map((known) => (
          <option key={known} value={known}>
            {t.themes[known]}
          </option>
        ))}
      </select>
    </header>
  );
}
