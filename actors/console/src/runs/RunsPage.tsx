/**
 * The runs there are, newest first: filtered, paged, and as they stand at this moment.
 *
 * The filters and the page are in the address. `data-testid`: `runs`, `run-<run id>` (`data-status`).
 */
import { ENDED, type RunStatus as Status } from "callboard";
import { useClientState } from "callboard/react";
import { memo, useEffect, useId, useState } from "react";
import { formatDuration, formatMoment } from "../format";
import { useText } from "../i18n";
import { replaceQuery, runAddress } from "../route";
import { RunStatus } from "../run/RunStatus";
import { runText } from "../run/text";
import { useClient } from "../session";
import "./runs.css";
import { runsText } from "./text";
import { useRuns, type Filter, type Row } from "./useRuns";

const STATUSES: readonly Status[] = [
  "running",
  "pausing",
  "paused",
  "stopping",
  "failing",
  "completed",
  "stopped",
  "failed",
];
const TYPED_MS = 300;

/** The page. */
export function RunsPage({ query }: { query: URLSearchParams }) {
  const t = useText(runsText);
  const states = useText(runText);
  const client = useClient();
  const id = useId();
  const filter = filterOf(query);
  const { rows, next, problem } = useRuns(client, filter);
  const away = useClientState(client).state === "away";
  const [typed, setTyped] = useTyped(filter.workflowId, (workflow) => replaceQuery({ workflow, cursor: "" }));
  const filtered = filter.status !== "" || filter.workflowId !== "";
  return (
    <section className="page runs" data-testid="runs">
      <header className="runs-head">
        <h1 id={`${id}-title`}>{t.title}</h1>
        <label>
          <span>{t.status}</span>
          <select
            className="field"
            value={filter.status}
            onChange={(event) => replaceQuery({ status: event.target.value, cursor: "" })}
          >
            <option value="">{t.anyStatus}</option>
            {STATUSES.map((status) => (
              <option key={status} value={status}>
                {states.statuses[status]}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>{t.workflow}</span>
          <input
            className="field"
            type="search"
            placeholder={t.workflowHint}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
        {filtered && (
          <button
            type="button"
            className="button quiet"
            onClick={() => {
              setTyped("");
              replaceQuery({ status: "", workflow: "", cursor: "" });
            }}
          >
            {t.clear}
          </button>
        )}
        <a className="button primary" href="#/new">
          {t.start}
        </a>
      </header>
      {away && (
        <p className="muted" role="status">
          {t.away}
        </p>
      )}
      {problem !== null && !away && (
        <p className="error-text" role="alert">
          {t.failed(problem)}
        </p>
      )}
      {rows === null ? (
        problem === null && <p className="muted">{t.loading}</p>
      ) : rows.length === 0 ? (
        <p className="panel empty muted">{filtered || filter.cursor !== "" ? t.noneFits : t.none}</p>
      ) : (
        <div className="panel runs-panel" tabIndex={0} role="region" aria-labelledby={`${id}-title`}>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{t.columns.workflow}</th>
                <th scope="col">{t.columns.status}</th>
                <th scope="col">{t.columns.progress}</th>
                <th scope="col">{t.columns.nodes}</th>
                <th scope="col">{t.columns.started}</th>
                <th scope="col">{t.columns.duration}</th>
                <th scope="col">{t.columns.run}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <RunRow key={row.runId} row={row} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <nav className="runs-pages" aria-label={t.title}>
        {filter.cursor !== "" && (
          <button type="button" className="button" onClick={() => replaceQuery({ cursor: "" })}>
            {t.newer}
          </button>
        )}
        {next !== null && (
          <button type="button" className="button" onClick={() => replaceQuery({ cursor: next })}>
            {t.older}
          </button>
        )}
      </nav>
    </section>
  );
}

const RunRow = memo(function RunRow({ row }: { row: Row }) {
  const { runId, workflowId, status, createdAt, endedAt, totalNodes, error, progress } = row;
  const t = useText(runsText);
  const ended = ENDED.has(status);
  return (
    <tr data-testid={`run-${runId}`} data-status={status}>
      <th scope="row">
        <a href={runAddress(runId)}>{workflowId}</a>
        {error !== undefined && error !== "" && <div className="runs-error error-text">{error}</div>}
      </th>
      <td>
        <RunStatus status={status} />
      </td>
      <td>
        {!ended && progress !== undefined && (
          <progress max={100} value={progress} aria-label={t.columns.progress}>
            {Math.floor(progress)} %
          </progress>
        )}
      </td>
      <td className="number">{totalNodes}</td>
      <td className="number">{formatMoment(createdAt)}</td>
      <td className="number">
        {endedAt === undefined ? "" : formatDuration(Math.max(0, endedAt - createdAt))}
      </td>
      <td>
        <code className="muted">{runId}</code>
      </td>
    </tr>
  );
});

function filterOf(query: URLSearchParams): Filter {
  return {
    status: STATUSES.find((status) => status === query.get("status")) ?? "",
    workflowId: query.get("workflow") ?? "",
    cursor: query.get("cursor") ?? "",
  };
}

/** A text that is typed, handed on when the hand rests. */
function useTyped(value: string, hand: (value: string) => void): [string, (value: string) => void] {
  const [typed, setTyped] = useState(value);
  const [before, setBefore] = useState(value);
  if (before !== value) {
    // By an address that somebody went to, unless it is what was typed here.
    setBefore(value);
    if (value !== typed.trim()) setTyped(value);
  }
  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => hand(typed.trim()), TYPED_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  return [typed, setTyped];
}
