/** The status of a run as a badge. */
import type { RunState } from "callboard";
import { StatusIcon, type Sign } from "../canvas/StatusIcon";
import { useText } from "../i18n";
import { runText } from "./text";

const SIGNS: Record<RunState["status"], Sign> = {
  pending: "pending",
  running: "running",
  pausing: "paused",
  paused: "paused",
  stopping: "stopped",
  failing: "error",
  completed: "success",
  stopped: "stopped",
  failed: "error",
};

/** A run's status as a sign and a word. */
export function RunStatus({ status, testId }: { status: RunState["status"]; testId?: string }) {
  const t = useText(runText);
  return (
    <span className="run-status" data-testid={testId} data-status={status} data-sign={SIGNS[status]}>
      <StatusIcon sign={SIGNS[status]} />
      {t.statuses[status]}
    </span>
  );
}
