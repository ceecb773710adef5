/** How far a run is: its bar, and the time that is left. */
import type { Run } from "callboard";
import { formatDuration } from "../format";
import { useText } from "../i18n";
import { useOfRun } from "./run";
import { runText } from "./text";

/** How far a run is, where it is, and how long it will take. `data-testid="progress"`, `aria-valuenow` in percent. */
export function RunProgress({ run, labelOf }: { run: Run; labelOf: (nodeId: string) => string }) {
  const t = useText(runText);
  const progress = useOfRun(run, (state) => state.progress);
  if (progress === undefined) return <div className="run-progress" />;
  const percent = Math.floor(progress.progress);
  const remaining = progress.estimatedTimeRemaining;
  return (
    <div className="run-progress">
      <div
        className="bar"
        role="progressbar"
        data-testid="progress"
        aria-label={t.progress}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        aria-valuetext={`${percent} %, ${t.nodesDone(progress.completedNodes, progress.totalNodes)}`}
      >
        <div className="bar-done" style={{ transform: `scaleX(${progress.progress / 100})` }} />
      </div>
      <p className="muted number">
        <strong>{percent} %</strong> · {t.nodesDone(progress.completedNodes, progress.totalNodes)}
        {remaining !== undefined && ` · ${t.remaining(formatDuration(remaining))}`}
        {progress.currentNode !== "" && ` · ${t.at(labelOf(progress.currentNode))}`}
      </p>
    </div>
  );
}
