/** The executions of a node in loops, to choose one of them. */
import { signOf, statusWords } from "../canvas/sign";
import { StatusIcon } from "../canvas/StatusIcon";
import { canvasText } from "../canvas/text";
import { formatDuration, formatIteration } from "../format";
import { useText } from "../i18n";
import { useClient } from "../session";
import { useExecutions, type Execution } from "./details";
import { inspectorText } from "./text";

/** The executions of a node in loops: one may be chosen; else the newest is shown. A row is `execution-<iteration>`. */
export function Executions(props: {
  readonly runId: string;
  readonly nodeId: string;
  readonly count: number;
  readonly version: number;
  readonly chosen: readonly number[] | null;
  readonly onChoose: (iteration: readonly number[] | null) => void;
}) {
  const { runId, nodeId, count, version, chosen, onChoose } = props;
  const t = useText(inspectorText);
  const { executions, more } = useExecutions(useClient(), runId, nodeId, version);
  return (
    <details open className="section" data-testid="inspector-executions">
      <summary>
        <h3>{t.executions(count)}</h3>
      </summary>
      <ul className="executions" aria-label={t.executions(count)}>
        <li>
          <button type="button" aria-pressed={chosen === null} onClick={() => onChoose(null)}>
            {t.newest}
          </button>
        </li>
        {executions.map((execution) => (
          <li key={execution.iteration.join(",")}>
            <button
              type="button"
              data-testid={`execution-${execution.iteration.join(",")}`}
              data-status={execution.status}
              aria-pressed={chosen?.join(",") === execution.iteration.join(",")}
              onClick={() => onChoose(execution.iteration)}
            >
              <Row execution={execution} />
            </button>
          </li>
        ))}
      </ul>
      {more !== null && (
        <button type="button" className="button small" onClick={more}>
          {t.more}
        </button>
      )}
    </details>
  );
}

function Row({ execution }: { execution: Execution }) {
  const t = useText(inspectorText);
  const words = useText(canvasText);
  const { iteration, status, attempts, duration, error } = execution;
  const sign = signOf({ state: { status }, held: false });
  return (
    <>
      <span data-sign={sign} className="fact-status">
        <StatusIcon sign={sign} />
        <span className="visually-hidden">{statusWords(sign, undefined, words)}</span>
      </span>
      <span className="number">
        {iteration.length === 0 ? t.outside : t.turn(formatIteration(iteration))}
      </span>
      {attempts > 1 && <span className="muted">{words.attempt(attempts)}</span>}
      {duration !== null && <span className="muted number">{formatDuration(duration)}</span>}
      {error !== null && <span className="error-text">{error}</span>}
    </>
  );
}
