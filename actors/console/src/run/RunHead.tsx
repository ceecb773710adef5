/** The head of a run's page: what it is, how it stands and why, and what can be done about it. */
import type { Run, RunState } from "callboard";
import { useClientState } from "callboard/react";
import { CopyButton } from "../copy/CopyButton";
import { formatDuration, formatMoment } from "../format";
import { useText } from "../i18n";
import { replayAddress } from "../route";
import { useClient } from "../session";
import { RunControls } from "./RunControls";
import { RunProgress } from "./RunProgress";
import { RunStatus } from "./RunStatus";
import { useOfRun } from "./run";
import type { Steering } from "./steering";
import { runText } from "./text";

const MOST_NAMED = 3;

/** The head. `data-testid`: `run-status` (`data-status`), `run-cause`, `run-summary`, `run-error`, `lost`, `refusal`, `asked`. */
export function RunHead(props: {
  readonly run: Run;
  readonly steering: Steering;
  readonly labelOf: (nodeId: string) => string;
  readonly onNode: (nodeId: string) => void;
}) {
  const { run, steering, labelOf, onNode } = props;
  const t = useText(runText);
  const state = useOfRun(run, (current) => current);
  const away = useClientState(useClient()).state === "away";
  const { status, summary, startedAt } = state;
  const cause = causeOf(state, labelOf, t);
  const ended = summary !== undefined;
  return (
    <header className="run-head">
      <div className="run-title">
        <h1>{state.workflowId || state.runId}</h1>
        <RunStatus status={status} testId="run-status" />
        {cause !== "" && (
          <span className="run-cause" data-testid="run-cause">
            {cause}
          </span>
        )}
        <span className="muted run-id">
          {t.runId} <code>{state.runId}</code>
          <CopyButton className="button quiet small" text={() => state.runId} label={t.copyId} />
        </span>
        {startedAt !== undefined && (
          <span className="muted">
            {t.startedAt} {formatMoment(startedAt)}
          </span>
        )}
      </div>
      <div className="run-controls" role="group" aria-label={t.controls}>
        {state.problem === undefined && <RunControls status={status} steering={steering} />}
        <a className="button" href={replayAddress(state.runId)}>
          {t.replay}
        </a>
        {ended && (
          <a className="button" href={`#/new?run=${encodeURIComponent(state.runId)}`}>
            {t.again}
          </a>
        )}
      </div>
      {state.problem !== undefined && (
        <p className="run-refusal" role="alert" data-testid="lost">
          {state.problem.code === "unknown_workflow" ? t.lost : t.unheard(state.problem.message)}
        </p>
      )}
      {steering.asked !== null && (
        <p className="run-asked muted" data-testid="asked">
          {t.asked[steering.asked]} {away && t.queued}
        </p>
      )}
      {steering.problem !== null && (
        <p className="run-refusal" role="alert" data-testid="refusal">
          {(steering.problem.refused ? t.refused : t.failedToAsk)(steering.problem.message)}
          <button type="button" className="button quiet small" onClick={steering.dismiss}>
            {t.dismiss}
          </button>
        </p>
      )}
      {summary === undefined ? (
        <RunProgress run={run} labelOf={labelOf} />
      ) : (
        <p className="run-summary number" data-testid="run-summary">
          {t.summary(formatDuration(summary.duration), summary.succeeded, summary.failed, summary.skipped)}
          {summary.notBegun > 0 && ` · ${t.notBegun(summary.notBegun)}`}
          {summary.abandoned !== undefined &&
            summary.abandoned.length > 0 &&
            ` · ${t.abandoned(summary.abandoned.join(", "))}`}
        </p>
      )}
      {state.error !== undefined && state.error !== "" && (
        <p className="error-text" data-testid="run-error">
          {state.error}
          {failedNode(state).map((id) => (
            <button key={id} type="button" className="button quiet small" onClick={() => onNode(id)}>
              {labelOf(id)}
            </button>
          ))}
        </p>
      )}
      <p className="visually-hidden" role="status" aria-live="polite">
        {t.announce(state.workflowId, [t.statuses[status], cause].filter(Boolean).join(", "))}
      </p>
    </header>
  );
}

/** Why a run stands as it does, in words; "" if that goes without saying. */
function causeOf(state: RunState, labelOf: (id: string) => string, t: (typeof runText)["en"]): string {
  const { status, reason, pausedAt, inFlight, cancelledBy } = state;
  const words: string[] = [];
  if (status === "pausing" || status === "paused") {
    if (reason === "breakpoint" && pausedAt !== undefined) words.push(t.causes.breakpoint(labelOf(pausedAt)));
    if (reason === "step" && pausedAt !== undefined) words.push(t.causes.step(labelOf(pausedAt)));
  }
  if (status === "pausing" && inFlight !== undefined && inFlight.length > 0) {
    const named = inFlight.slice(0, MOST_NAMED).map(labelOf).join(", ");
    const rest = inFlight.length - MOST_NAMED;
    words.push(t.causes.inFlight(rest > 0 ? `${named} ${t.causes.andMore(rest)}` : named));
  }
  if (cancelledBy !== undefined && status !== "completed") {
    const [what, node = ""] = cancelledBy.split(/:(.*)/s, 2);
    if (what === "sibling_failed") words.push(t.causes.sibling(labelOf(node)));
    else if (what === "timeout" || what === "stop" || what === "shutdown" || what === "parent_stopped")
      words.push(t.causes[what]);
    else words.push(cancelledBy);
  }
  return words.join(", ");
}

/** The node that a run failed by, if one did. */
function failedNode(state: RunState): string[] {
  const failed = Object.entries(state.nodes).find(
    ([, node]) => node.status === "error" && node.error === state.error,
  );
  return failed === undefined ? [] : [failed[0]];
}
