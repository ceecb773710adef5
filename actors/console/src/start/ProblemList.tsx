/** What is wrong with a workflow, as a list. */
import type { Problem } from "callboard";
import { useState } from "react";
import { useText } from "../i18n";
import type { Check } from "./check";
import { startText } from "./text";

const PAGE = 50;

/** What the server says of a workflow: a sentence, and every problem, with a way to the node that it is about. */
export function ProblemList(props: {
  readonly check: Check;
  readonly labelOf: (nodeId: string) => string;
  readonly onShow: (nodeId: string) => void;
}) {
  const { check, labelOf, onShow } = props;
  const t = useText(startText);
  const [shown, setShown] = useState(PAGE);
  const problems = [...check.errors, ...check.warnings, ...check.waived];
  return (
    <section className="problems" data-testid="problems" data-check={check.is} aria-label={t.problems}>
      <p role="status" className={check.errors.length > 0 ? "error-text" : "muted"}>
        {sentence(check, t)}
      </p>
      {problems.length > 0 && (
        <ul>
          {problems.slice(0, shown).map((problem, index) => (
            <li
              key={index}
              data-testid={`problem-${index}`}
              data-severity={problem.severity}
              data-code={problem.code}
              data-node={problem.nodeId}
              data-waived={check.waived.includes(problem) || undefined}
            >
              <Item problem={problem} labelOf={labelOf} onShow={onShow} />
            </li>
          ))}
        </ul>
      )}
      {problems.length > shown && (
        <button type="button" className="button small" onClick={() => setShown(shown + PAGE)}>
          +{Math.min(PAGE, problems.length - shown)}
        </button>
      )}
    </section>
  );
}

function Item({
  problem,
  labelOf,
  onShow,
}: {
  problem: Problem;
  labelOf: (id: string) => string;
  onShow: (id: string) => void;
}) {
  const t = useText(startText);
  const { nodeId } = problem;
  return (
    <>
      <span className="problem-severity">{t.severities[problem.severity]}</span>
      <span>{problem.message}</span>
      <code className="muted">{problem.path}</code>
      {nodeId !== undefined && (
        <button type="button" className="button quiet small" onClick={() => onShow(nodeId)}>
          {t.show(labelOf(nodeId))}
        </button>
      )}
    </>
  );
}

function sentence(check: Check, t: (typeof startText)["en"]): string {
  switch (check.is) {
    case "none":
      return "";
    case "checking":
      return t.checking;
    case "failed":
      return t.checkFailed(check.message);
    case "checked": {
      const parts = [
        check.errors.length > 0 && t.errors(check.errors.length),
        check.waived.length > 0 && t.waived(check.waived.length),
        check.warnings.length > 0 && t.warnings(check.warnings.length),
      ].filter(Boolean);
      return parts.length === 0 ? t.fine : parts.join(" · ");
    }
  }
}
