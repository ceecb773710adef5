/** The files that a run left: listed, looked at, saved. They are fetched with the page's token, as links could not be. */
import type { Client, Run } from "callboard";
import { useEffect, useState } from "react";
import { useText } from "../i18n";
import { Picture } from "../picture/Picture";
import { useClient } from "../session";
import { formatBytes } from "../format";
import { artifactPath, isPicture, saveArtifact, useArtifacts } from "./artifacts";
import { useOfRun } from "./run";
import { runText } from "./text";

/** The files. A row is `data-testid="file-<name>"`. */
export function Files({ run }: { run: Run }) {
  const t = useText(runText);
  const client = useClient();
  const runId = run.current.runId;
  // A file comes with the end of a node, if at all.
  const lastSeq = useOfRun(run, (state) => state.lastSeq);
  const { artifacts, problem } = useArtifacts(client, runId, lastSeq);
  const [shown, setShown] = useState<string | null>(null);
  useEffect(() => setShown(null), [runId]);
  if (problem !== null) return <p className="dock-text error-text">{t.filesFailed(problem)}</p>;
  if (artifacts === null) return null;
  if (artifacts.length === 0) return <p className="dock-text muted">{t.noFiles}</p>;
  return (
    <div className="files">
      <div className="table-scroll" tabIndex={0} role="region" aria-label={t.files}>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{t.fileName}</th>
              <th scope="col">{t.fileSize}</th>
              <th scope="col" />
            </tr>
          </thead>
          <tbody>
            {artifacts.map(({ name, size, contentType }) => (
              <tr key={name} data-testid={`file-${name}`}>
                <th scope="row">{name}</th>
                <td className="number">{formatBytes(size)}</td>
                <td>
                  {isPicture(contentType) && (
                    <button
                      type="button"
                      className="button quiet small"
                      aria-pressed={shown === name}
                      onClick={() => setShown(name)}
                    >
                      {t.open}
                    </button>
                  )}
                  <Save client={client} path={artifactPath(runId, name)} name={name} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown !== null && <Picture path={artifactPath(runId, shown)} name={shown} />}
    </div>
  );
}

function Save({ client, path, name }: { client: Client; path: string; name: string }) {
  const t = useText(runText);
  const [problem, setProblem] = useState<string | null>(null);
  return (
    <>
      <button
        type="button"
        className="button quiet small"
        onClick={() => {
          setProblem(null);
          saveArtifact(client, path, name).catch((error: unknown) => setProblem(String(error)));
        }}
      >
        {t.download}
      </button>
      {problem !== null && <span className="error-text">{problem}</span>}
    </>
  );
}
