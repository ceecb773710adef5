/**
 * Where a workflow is started: its JSON is dropped, pasted or typed, checked by the server, drawn, and started.
 *
 * Theory of operation: the text is the truth. What is drawn, checked and sent is read from it, a moment after it was
 * typed; the settings that came with it are put into the fields, once, and are the page's from then on. The server alone
 * says what is wrong: at the nodes of the preview, and as a list. A file is read in the browser, and a large one is not
 * put into the field.
 *
 * `data-testid`: `start-page`, `workflow-text`, `workflow-file`, `start-button`, `problems` with `problem-<index>`
 * (`data-severity`, `data-code`, `data-node`), `start-refusal`.
 */
import {
  CallboardError,
  InvalidWorkflow,
  readGraph,
  RunActive,
  type JsonObject,
  type Problem,
} from "callboard";
import { useClientState } from "callboard/react";
import { useCallback, useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import { Canvas } from "../canvas/Canvas";
import { NO_MARKS, NOTHING_RUNS, type Marks } from "../canvas/source";
import { formatBytes } from "../format";
import { drawable } from "../graph/model";
import { readPasted, type Pasted, type PasteFault } from "../graph/pasted";
import { useText } from "../i18n";
import { useKinds } from "../kinds/kinds";
import { runAddress } from "../route";
import { useClient } from "../session";
import { problemsBy, useCheck } from "./check";
import { EXAMPLE } from "./example";
import { ProblemList } from "./ProblemList";
import { NO_SETTINGS, configOf, settingsOf } from "./settings";
import { SettingsFields } from "./SettingsFields";
import "./start.css";
import { startText } from "./text";

/** Characters; a longer text is told by its name and size, for a field of that size makes every key slow. */
const MOST_SHOWN = 400_000;

type Text = {
  readonly text: string;
  readonly name: string;
  /** Another one for another workflow; the same while one is edited. */
  readonly edition: number;
};
type Refusal = {
  readonly of: Pasted;
  readonly message: string;
  readonly active: string | null;
  readonly problems: readonly Problem[] | null;
};

/** The page. `fromRun`: the run whose graph is to be started again. */
export function StartPage({ fromRun }: { fromRun: string | null }) {
  const t = useText(startText);
  const client = useClient();
  const away = useClientState(client).state === "away";
  const kinds = useKinds(client);
  const [source, setSource] = useState<Text>({ text: "", name: "", edition: 0 });
  const [notice, setNotice] = useState<string | null>(null);
  const [settings, setSettings] = useState(NO_SETTINGS);
  const [breakpoints, setBreakpoints] = useState<ReadonlySet<string>>(new Set());
  const [selected, setSelected] = useState<string | null>(null);
  const [starting, setStarting] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);

  const { text, edition } = useDeferredValue(source);
  const read = useMemo(() => (text.trim() === "" ? null : readPasted(text)), [text]);
  const pasted = read !== null && "pasted" in read ? read.pasted : null;
  const graph = useMemo(
    () =>
      pasted === null || kinds === null
        ? null
        : drawable(readGraph(pasted.workflow as unknown as JsonObject, kinds)),
    [pasted, kinds],
  );
  const said = refusal?.of === pasted ? refusal : null;
  const check = useCheck(client, pasted?.workflow ?? null, settings.dryRun, said?.problems ?? null);
  const config = configOf(
    settings,
    [...breakpoints].filter((id) => graph?.nodes.some((node) => node.id === id)),
  );

  // What came with the workflow is put into the fields; what was put there by hand outlives an edit of the rest.
  const brought = useRef("");
  useEffect(() => {
    if (pasted === null) return;
    const brings = JSON.stringify([edition, pasted.workflowId, pasted.config]);
    if (brought.current === brings) return;
    brought.current = brings;
    setSettings(settingsOf(pasted.workflowId, pasted.config));
    const said = pasted.config.breakpoints;
    setBreakpoints(new Set(Array.isArray(said) ? said.map(String) : []));
    setSelected(null);
  }, [pasted]);

  const accept = useCallback((text: string, name: string) => {
    setNotice(null);
    setRefusal(null);
    setSource(({ edition }) => ({ text, name, edition: edition + 1 }));
  }, []);
  const edit = useCallback((text: string) => {
    setNotice(null);
    setRefusal(null);
    setSource(({ edition }) => ({ text, name: "", edition }));
  }, []);
  const open = useCallback(
    (file: File) => {
      file.text().then(
        (text) => accept(text, file.name),
        (error: unknown) => setNotice(t.readFailed(String(error))),
      );
    },
    [accept, t],
  );
  useRunGraph(fromRun, accept, setNotice);
  usePaste(accept);
  const dropping = useDrop(open);

  const marks: Marks = useMemo(
    () => ({
      ...NO_MARKS,
      selected,
      breakpoints,
      nodeProblems: problemsBy("nodeId", check),
      edgeProblems: problemsBy("edgeId", check),
    }),
    [selected, breakpoints, check],
  );
  const toggle = useCallback((id: string) => setBreakpoints((before) => toggled(before, id)), []);

  const blocked = pasted === null || starting || "bad" in config || check.errors.length > 0;
  const start = async () => {
    if (blocked || pasted === null || "bad" in config) return;
    setStarting(true);
    setRefusal(null);
    try {
      const { workflowId } = settings;
      const run = await client.startWorkflow(pasted.workflow, {
        config: config.config,
        ...(workflowId.trim() !== "" && { workflowId: workflowId.trim() }),
      });
      location.hash = runAddress(run.runId);
      // Its page follows it for itself, from its first event.
      run.close();
    } catch (error) {
      setRefusal(refusalOf(pasted, error));
    } finally {
      setStarting(false);
    }
  };

  return (
    <section
      className="start-page"
      data-testid="start-page"
      data-dropping={dropping || undefined}
      aria-labelledby="start-title"
    >
      <div className="start-form">
        <h1 id="start-title">{t.title}</h1>
        <p className="muted">{t.lead}</p>
        <SourceField
          source={source}
          onText={(text) => accept(text, "")}
          onEdit={edit}
          onFile={open}
          fault={faultOf(read)}
        />
        {notice !== null && <p role="status">{notice}</p>}
        <SettingsFields
          settings={settings}
          onChange={setSettings}
          bad={"bad" in config ? config.bad : null}
        />
        <div className="start-row">
          <button
            type="button"
            className="button primary"
            data-testid="start-button"
            aria-disabled={blocked}
            onClick={() => void start()}
          >
            {starting ? t.starting : t.start}
          </button>
          {breakpoints.size > 0 && <span className="muted">{t.breakpoints(breakpoints.size)}</span>}
          {starting && away && <span className="muted">{t.queued}</span>}
        </div>
        {said !== null && said.problems === null && (
          <p className="error-text" role="alert" data-testid="start-refusal">
            {said.active === null ? t.refused(said.message) : `${t.active} `}
            {said.active !== null && <a href={runAddress(said.active)}>{t.toActive}</a>}
          </p>
        )}
        <ProblemList
          check={check}
          labelOf={(id) => graph?.nodes.find((node) => node.id === id)?.label ?? id}
          onShow={setSelected}
        />
      </div>
      <div className="start-preview">
        <header>
          <h2>{t.preview}</h2>
          {graph !== null && (
            <span className="muted number">{t.counts(graph.nodes.length, graph.edges.length)}</span>
          )}
          {graph !== null && <p className="muted">{t.previewLead}</p>}
        </header>
        {graph === null ? (
          <p className="muted empty">{t.nothing}</p>
        ) : (
          <Canvas
            graph={graph}
            source={NOTHING_RUNS}
            marks={marks}
            onSelect={setSelected}
            onBreakpoint={toggle}
          />
        )}
      </div>
      {dropping && (
        <div className="drop-veil" aria-hidden="true">
          {t.drop}
        </div>
      )}
    </section>
  );
}

function SourceField(props: {
  readonly source: Text;
  readonly onText: (text: string) => void;
  readonly onEdit: (text: string) => void;
  readonly onFile: (file: File) => void;
  readonly fault: PasteFault | null;
}) {
  const { source, onText, onEdit, onFile, fault } = props;
  const t = useText(startText);
  return (
    <div className="source-field">
      <label htmlFor="workflow-text">{t.workflow}</label>
      {source.text.length > MOST_SHOWN ? (
        <p className="panel large-source">{t.loaded(source.name, formatBytes(source.text.length))}</p>
      ) : (
        <textarea
          id="workflow-text"
          data-testid="workflow-text"
          className="field code"
          rows={12}
          spellCheck={false}
          placeholder={t.placeholder}
          value={source.text}
          aria-invalid={fault !== null}
          aria-describedby={fault === null ? undefined : "workflow-fault"}
          onChange={(event) => onEdit(event.target.value)}
        />
      )}
      {fault !== null && (
        <p id="workflow-fault" className="error-text" role="alert">
          {faultWords(fault, t)}
        </p>
      )}
      <div className="start-row">
        <label className="button file-button">
          {t.choose}
          <input
            type="file"
            className="visually-hidden"
            data-testid="workflow-file"
            accept=".json,application/json"
            onChange={(event) => {
              const file = event.target.files?.[0];
              if (file !== undefined) onFile(file);
              event.target.value = "";
            }}
          />
        </label>
        <button type="button" className="button" onClick={() => onText(JSON.stringify(EXAMPLE, null, 2))}>
          {t.example}
        </button>
        {source.text !== "" && (
          <button type="button" className="button quiet" onClick={() => onText("")}>
            {t.clear}
          </button>
        )}
      </div>
    </div>
  );
}

function faultOf(read: ReturnType<typeof readPasted> | null): PasteFault | null {
  return read !== null && "fault" in read ? read.fault : null;
}

function faultWords(fault: PasteFault, t: (typeof startText)["en"]): string {
  switch (fault.why) {
    case "not_json":
      return t.faults.not_json(fault.message);
    case "not_a_list":
      return t.faults.not_a_list(fault.key);
    default:
      return t.faults[fault.why];
  }
}

function refusalOf(of: Pasted, error: unknown): Refusal {
  const message = error instanceof CallboardError || error instanceof Error ? error.message : String(error);
  return {
    of,
    message,
    active: error instanceof RunActive ? error.runId : null,
    problems: error instanceof InvalidWorkflow ? error.problems : null,
  };
}

function toggled(before: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const after = new Set(before);
  if (!after.delete(id)) after.add(id);
  return after;
}

/** Puts the graph of a run into the field. */
function useRunGraph(
  runId: string | null,
  accept: (text: string, name: string) => void,
  say: (text: string | null) => void,
): void {
  const t = useText(startText);
  const client = useClient();
  useEffect(() => {
    if (runId === null) return;
    const asked = new AbortController();
    say(t.fetching);
    client.http.get(`/api/runs/${encodeURIComponent(runId)}/graph`, { signal: asked.signal }).then(
      (graph) => accept(JSON.stringify(graph, null, 2), runId),
      (error: unknown) => {
        if (!asked.signal.aborted) say(t.fetchFailed(error instanceof Error ? error.message : String(error)));
      },
    );
    return () => asked.abort();
    // In whatever language the page is: a run's graph is fetched once.
  }, [client, runId]);
}

/** Takes what is pasted anywhere on the page but into a field. */
function usePaste(accept: (text: string, name: string) => void): void {
  useEffect(() => {
    const onPaste = (event: ClipboardEvent) => {
      if (event.target instanceof HTMLElement && event.target.closest("input, textarea, select") !== null)
        return;
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (text.trim() === "") return;
      event.preventDefault();
      accept(text, "");
    };
    document.addEventListener("paste", onPaste);
    return () => document.removeEventListener("paste", onPaste);
  }, [accept]);
}

/** Takes a file that is dropped anywhere on the page; whether one is held over it. */
function useDrop(open: (file: File) => void): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    // `dragleave` comes for every element that is left; only leaving the last one is leaving the page.
    let depth = 0;
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const listeners: Record<string, (event: DragEvent) => void> = {
      dragenter: (event) => {
        if (!hasFiles(event)) return;
        depth += 1;
        setOver(true);
      },
      dragleave: (event) => {
        if (!hasFiles(event)) return;
        depth -= 1;
        if (depth <= 0) setOver(false);
      },
      dragover: (event) => {
        if (hasFiles(event)) event.preventDefault();
      },
      drop: (event) => {
        depth = 0;
        setOver(false);
        const file = event.dataTransfer?.files[0];
        if (file === undefined) return;
        event.preventDefault();
        open(file);
      },
    };
    for (const [type, listener] of Object.entries(listeners))
      document.addEventListener(type, listener as EventListener);
    return () => {
      for (const [type, listener] of Object.entries(listeners))
        document.removeEventListener(type, listener as EventListener);
    };
  }, [open]);
  return over;
}
