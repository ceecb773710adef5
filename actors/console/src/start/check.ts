/**
 * What the server says is wrong with a workflow, asked whenever the workflow changes.
 *
 * A dry run does not mind everything: what it waives is told apart, by the codes of the server's own rule.
 */
import type { Client, Problem } from "callboard";
import { useEffect, useMemo, useState } from "react";
import type { CanvasProblem } from "../canvas/source";
import type { PastedWorkflow } from "../graph/pasted";

/** What is known of a workflow. */
export interface Check {
  /** "none": there is nothing to check. */
  readonly is: "none" | "checking" | "checked" | "failed";
  readonly errors: readonly Problem[];
  readonly waived: readonly Problem[];
  readonly warnings: readonly Problem[];
  /** Why it could not be checked. */
  readonly message: string;
}

const NOTHING: Check = { is: "none", errors: [], waived: [], warnings: [], message: "" };
const WAIVED: ReadonlySet<string> = new Set(["unknown_kind", "bad_config", "no_start"]);
const TYPED_MS = 250;

/** Checks a workflow; null: there is none. `refusal`: what the server said when it was started, which is newer. */
export function useCheck(
  client: Client,
  workflow: PastedWorkflow | null,
  dryRun: boolean,
  refusal: readonly Problem[] | null,
): Check {
  const [answer, setAnswer] = useState<{
    readonly of: PastedWorkflow;
    readonly problems: readonly Problem[] | null;
    readonly message: string;
  } | null>(null);
  useEffect(() => {
    if (workflow === null || client.state === "closed") return;
    const asked = new AbortController();
    const timer = setTimeout(() => {
      client
        .validate(workflow, { signal: asked.signal })
        .then(({ errors, warnings }) =>
          setAnswer({ of: workflow, problems: [...errors, ...warnings], message: "" }),
        )
        .catch((error: unknown) => {
          if (asked.signal.aborted) return;
          setAnswer({
            of: workflow,
            problems: null,
            message: error instanceof Error ? error.message : String(error),
          });
        });
    }, TYPED_MS);
    return () => {
      clearTimeout(timer);
      asked.abort();
    };
  }, [client, workflow]);
  return useMemo(() => {
    if (workflow === null) return NOTHING;
    if (refusal !== null) return sorted(refusal, false);
    if (answer?.of !== workflow) return { ...NOTHING, is: "checking" };
    if (answer.problems === null) return { ...NOTHING, is: "failed", message: answer.message };
    return sorted(answer.problems, dryRun);
  }, [workflow, answer, dryRun, refusal]);
}

/** Problems by the id of the node, or of the edge, that they are about. */
export function problemsBy(
  key: "nodeId" | "edgeId",
  check: Check,
): ReadonlyMap<string, readonly CanvasProblem[]> {
  const found = new Map<string, CanvasProblem[]>();
  for (const problem of [...check.errors, ...check.warnings]) {
    const id = problem[key];
    if (id === undefined) continue;
    const known = found.get(id);
    if (known === undefined) found.set(id, [problem]);
    else known.push(problem);
  }
  return found;
}

function sorted(problems: readonly Problem[], dryRun: boolean): Check {
  const errors = problems.filter((problem) => problem.severity === "error");
  const waived = dryRun ? errors.filter((problem) => WAIVED.has(problem.code)) : [];
  return {
    is: "checked",
    errors: errors.filter((problem) => !waived.includes(problem)),
    waived,
    warnings: problems.filter((problem) => problem.severity === "warning"),
    message: "",
  };
}
