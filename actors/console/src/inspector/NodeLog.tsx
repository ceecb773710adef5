/** The lines of the run's log that are about one node. */
import type { Run } from "callboard";
import { useMemo } from "react";
import { useText } from "../i18n";
import { LogPanel } from "../logs/LogPanel";
import { useOfRun } from "../run/run";
import { Section } from "./Inspector";
import { inspectorText } from "./text";

/** What the run's log says of one node; of one of its turns, if one is chosen. */
export function NodeLog({
  run,
  nodeId,
  iteration,
}: {
  run: Run;
  nodeId: string;
  iteration: readonly number[] | null;
}) {
  const t = useText(inspectorText);
  const logs = useOfRun(run, (state) => state.logs);
  const turn = iteration?.join(",");
  const lines = useMemo(
    () =>
      logs.filter(
        (line) => line.nodeId === nodeId && (turn === undefined || (line.iteration ?? []).join(",") === turn),
      ),
    [logs, nodeId, turn],
  );
  if (lines.length === 0) return null;
  return (
    <Section name="log" title={t.log}>
      <div className="node-log">
        <LogPanel lines={lines} name={`log-${nodeId}`} />
      </div>
    </Section>
  );
}
