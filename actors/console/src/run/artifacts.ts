/** The files that a run left, as `GET /api/runs/{run_id}/artifacts` lists them. */
import type { Client } from "callboard";
import { useEffect, useState } from "react";
import { saveFile } from "../save";
import { useSlowed } from "../slowed";

/** One file. */
export interface Artifact {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly contentType: string;
}

interface Answer {
  readonly artifacts: readonly {
    readonly name: string;
    readonly size: number;
    readonly content_type: string;
  }[];
}

/** Asked again when `version` changes, at most this often. */
const PAUSE_MS = 1000;

const PICTURES: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/** Whether a file is a picture that the page can show. */
export function isPicture(contentType: string): boolean {
  return PICTURES.has(contentType);
}

/** Where a file is. */
export function artifactPath(runId: string, name: string): string {
  return `/api/runs/${encodeURIComponent(runId)}/artifacts/${encodeURIComponent(name)}`;
}

/** The files of a run; null until they are known. They are listed anew when `version` has changed. */
export function useArtifacts(
  client: Client,
  runId: string,
  version: unknown,
): { readonly artifacts: readonly Artifact[] | null; readonly problem: string | null } {
  const [artifacts, setArtifacts] = useState<readonly Artifact[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    setArtifacts(null);
    setProblem(null);
  }, [client, runId]);
  const slow = useSlowed(version, PAUSE_MS);
  useEffect(() => {
    const asked = new AbortController();
    client.http
      .get<Answer>(`/api/runs/${encodeURIComponent(runId)}/artifacts`, { signal: asked.signal })
      .then((answer) => {
        setArtifacts(
          answer.artifacts.map(({ name, size, content_type }) => ({ name, size, contentType: content_type })),
        );
        setProblem(null);
      })
      .catch((error: unknown) => {
        if (!asked.signal.aborted) setProblem(error instanceof Error ? error.message : String(error));
      });
    return () => asked.abort();
  }, [client, runId, slow]);
  return { artifacts, problem };
}

/** Saves a file on the visitor's machine, under its name. */
export async function saveArtifact(client: Client, path: string, name: string): Promise<void> {
  saveFile(await client.http.blob(path), name);
}
