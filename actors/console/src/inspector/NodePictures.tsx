/** The pictures that a node has taken. */
import type { Json, Run } from "callboard";
import { useMemo } from "react";
import { useText } from "../i18n";
import { Picture } from "../picture/Picture";
import { artifactPath, isPicture, useArtifacts } from "../run/artifacts";
import { decode } from "../route";
import { useClient } from "../session";
import { Section } from "./Inspector";
import { inspectorText } from "./text";

/**
 * The pictures of a node: those that its result names, and the one that was taken of the page when it failed.
 *
 * A result names a file of the run by its path (`/api/runs/<run>/artifacts/<name>`), wherever in it; a page that failed
 * is kept as `failed_<node>.png`.
 */
export function NodePictures(props: {
  readonly run: Run;
  readonly nodeId: string;
  readonly result: Json;
  readonly failed: boolean;
}) {
  const { run, nodeId, result, failed } = props;
  const runId = run.current.runId;
  const named = useMemo(() => namedIn(result, runId), [result, runId]);
  if (named.length === 0 && !failed) return null;
  return <Pictures runId={runId} nodeId={nodeId} named={named} failed={failed} />;
}

function Pictures(props: {
  readonly runId: string;
  readonly nodeId: string;
  readonly named: readonly string[];
  readonly failed: boolean;
}) {
  const { runId, nodeId, named, failed } = props;
  const t = useText(inspectorText);
  const { artifacts } = useArtifacts(useClient(), runId, `${named.join("/")} ${failed}`);
  const ofFailure = `failed_${nodeId.replace(/[^A-Za-z0-9-]/g, "_").slice(0, 80)}`;
  const shown = (artifacts ?? []).filter(
    ({ name, contentType }) =>
      isPicture(contentType) &&
      (named.includes(name) || (failed && name.replace(/(-\d+)?\.png$/, "") === ofFailure)),
  );
  if (shown.length === 0) return null;
  return (
    <Section name="pictures" title={t.picture}>
      {shown.map(({ name }) => (
        <Picture key={name} path={artifactPath(runId, name)} name={name} />
      ))}
    </Section>
  );
}

/** The names of the run's files that a result speaks of. */
function namedIn(result: Json, runId: string): readonly string[] {
  const prefix = artifactPath(runId, "");
  const names: string[] = [];
  const look = (value: Json): void => {
    if (typeof value === "string" && value.startsWith(prefix))
      names.push(decode(value.slice(prefix.length)));
    else if (typeof value === "object" && value !== null)
      Object.values(value).forEach((inner) => look(inner as Json));
  };
  look(result);
  return names;
}
