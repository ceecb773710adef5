/** The shell: header, switches, the state of the connection, and the page that the address names. */
import { useEffect, useRef } from "react";
import { ConnectionsPage } from "./connections/ConnectionsPage";
import { MessagesPage } from "./messages/MessagesPage";
import { ReplayPage } from "./replay/ReplayPage";
import { RunPage } from "./run/RunPage";
import { RunsPage } from "./runs/RunsPage";
import { CrashBoundary } from "./shell/CrashBoundary";
import { Header } from "./shell/Header";
import { NotFound } from "./shell/NotFound";
import { TokenForm } from "./shell/TokenForm";
import { shellText } from "./shell/text";
import { StartPage } from "./start/StartPage";
import { useText } from "./i18n";
import { useRoute, type Route } from "./route";
import { useSession } from "./session";
import "./shell/shell.css";

/** The whole page. */
export function App() {
  const session = useSession();
  const route = useRoute();
  const t = useText(shellText);
  usePageChange(route.page, titleOf(route, t));
  if (session.is === "asking") return null;
  if (session.is === "token") return <TokenForm wrong={session.wrong} />;
  return (
    <div className="shell">
      <a className="skip-link" href="#content" onClick={skipToContent}>
        {t.skip}
      </a>
      <Header route={route} />
      <main id="content" tabIndex={-1}>
        <CrashBoundary of={`${route.page} ${"runId" in route ? route.runId : ""}`}>
          <Page route={route} />
        </CrashBoundary>
      </main>
    </div>
  );
}

function Page({ route }: { route: Route }) {
  switch (route.page) {
    case "runs":
      return <RunsPage query={route.query} />;
    case "new":
      return <StartPage fromRun={route.query.get("run")} />;
    case "run":
      return <RunPage runId={route.runId} selected={route.query.get("node")} />;
    case "replay":
      return <ReplayPage key={route.runId} runId={route.runId} seq={numberIn(route.query.get("seq"))} />;
    case "connections":
      return <ConnectionsPage />;
    case "messages":
      return <MessagesPage />;
    default:
      return <NotFound />;
  }
}

function numberIn(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** What a page is called; null: it says so itself. */
function titleOf({ page }: Route, t: (typeof shellText)["en"]): string | null {
  switch (page) {
    case "run":
    case "replay":
      return null;
    case "unknown":
      return t.notFound;
    default:
      return t[page];
  }
}

/** Another page has another title, and the focus goes to its beginning, as it does when a document is loaded. */
function usePageChange(page: Route["page"], title: string | null): void {
  const before = useRef(page);
  useEffect(() => {
    if (title !== null) document.title = `${title} – callboard`;
  }, [title]);
  useEffect(() => {
    if (before.current === page) return;
    before.current = page;
    document.getElementById("content")?.focus();
  }, [page]);
}

/** The hash is the address of the page, so the link moves the focus itself. */
function skipToContent(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}
