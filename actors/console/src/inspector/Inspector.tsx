/**
 * One node of a run, looked at closely: what went in and came out, what went wrong, how often and how long it ran.
 *
 * Theory of operation: what changes at every moment – its status, its progress, its attempt – is read from the run's
 * live state; what is kept of an execution is fetched (`details.ts`) whenever the node has a newer seq. Of a node in
 * loops one may choose an execution; then its details are those of that turn, whatever comes later.
 *
 * `data-testid`: `inspector`, and in it `inspector-<section>` with section error, pictures, inputs, result, config, log,
 * executions; `inspector-status`.
 */
import type { Json, NodeState, Run } from "callboard";
import { useEffect, useMemo, useRef, useState, type ReactNode, type RefObject } from "react";
import { reasonWords, signOf, statusWords } from "../canvas/sign";
import { ofOwn } from "../canvas/source";
import { StatusIcon, type Sign } from "../canvas/StatusIcon";
import { canvasText } from "../canvas/text";
import { CopyButton } from "../copy/CopyButton";
import { formatDuration, formatIteration, formatMoment } from "../format";
import type { GraphNode } from "../graph/model";
import { useText } from "../i18n";
import { JsonTree } from "../json/JsonTree";
import { useOfRun } from "../run/run";
import { useClient } from "../session";
import { useDetails, type Details } from "./details";
import { Executions } from "./Executions";
import "./inspector.css";
import { NodeLog } from "./NodeLog";
import { NodePictures } from "./NodePictures";
import { inspectorText } from "./text";

/** What the inspector is given. */
export interface InspectorProps {
  readonly run: Run;
  readonly node: GraphNode;
  readonly breakpoint: boolean;
  readonly held: boolean;
  readonly onBreakpoint: ((id: string) => void) | undefined;
  readonly onClose: () => void;
}

/** The inspector. It is made anew for another node (`key`). */
export function Inspector({ run, node, breakpoint, held, onBreakpoint, onClose }: InspectorProps) {
  const t = useText(inspectorText);
  const client = useClient();
  const runId = run.current.runId;
  const state = useOfRun(run, (current) => ofOwn(current.nodes, node.id));
  const [iteration, setIteration] = useState<readonly number[] | null>(null);
  const { value, problem } = useDetails(client, runId, node.id, iteration, state?.seq ?? 0);
  const { heading, close } = useFocus(onClose);
  return (
    <section
      className="inspector"
      data-testid="inspector"
      data-node={node.id}
      aria-label={t.inspector(node.label)}
      onKeyDown={(event) => event.key === "Escape" && close()}
    >
      <header>
        <h2 ref={heading} tabIndex={-1}>
          {node.label}
        </h2>
        <button type="button" className="button quiet small" title={t.closeTitle} onClick={close}>
          {t.close}
        </button>
      </header>
      <Facts node={node} state={iteration === null ? state : undefined} held={held} details={value} />
      {onBreakpoint !== undefined && (
        <p>
          <button
            type="button"
            className="button small"
            aria-pressed={breakpoint}
            onClick={() => onBreakpoint(node.id)}
          >
            {breakpoint ? t.clearBreakpoint : t.setBreakpoint}
          </button>
        </p>
      )}
      {value !== null && value.executions > 1 && (
        <Executions
          runId={runId}
          nodeId={node.id}
          count={value.executions}
          version={state?.seq ?? 0}
          chosen={iteration}
          onChoose={setIteration}
        />
      )}
      {problem !== null && (
        <p className="error-text" role="status">
          {t.failed(problem)} {client.state === "away" && t.away}
        </p>
      )}
      <ErrorSection state={iteration === null ? state : undefined} details={value} />
      <NodePictures
        run={run}
        nodeId={node.id}
        result={value?.result ?? null}
        failed={value?.status === "error"}
      />
      <Section name="inputs" title={t.inputs}>
        {value === null ? null : Object.keys(value.inputs).length === 0 ? (
          <p className="muted">{t.noInputs}</p>
        ) : (
          <Value value={value.inputs} open={2} />
        )}
      </Section>
      <Section name="result" title={t.result}>
        <Result details={value} />
      </Section>
      <Section name="config" title={t.config}>
        {Object.keys(node.config).length === 0 ? (
          <p className="muted">{t.noConfig}</p>
        ) : (
          <Value value={node.config} open={2} />
        )}
      </Section>
      <NodeLog run={run} nodeId={node.id} iteration={iteration} />
    </section>
  );
}

/** Whoever opened it by the keyboard goes on in it, and where they came from when they close it. */
function useFocus(onClose: () => void): { heading: RefObject<HTMLHeadingElement | null>; close: () => void } {
  const heading = useRef<HTMLHeadingElement>(null);
  const opener = useRef<Element | null>(null);
  useEffect(() => {
    opener.current ??= document.activeElement;
    heading.current?.focus({ preventScroll: true });
  }, []);
  const close = () => {
    onClose();
    if (opener.current instanceof HTMLElement && opener.current.isConnected) opener.current.focus();
  };
  return { heading, close };
}

function Facts(props: {
  node: GraphNode;
  state: NodeState | undefined;
  held: boolean;
  details: Details | null;
}) {
  const { node, state, held, details } = props;
  const t = useText(inspectorText);
  const words = useText(canvasText);
  const sign: Sign =
    state !== undefined || details === null ? signOf({ state, held }) : signOfStatus(details.status, held);
  const reason = state?.reason ?? details?.reason ?? "";
  const message = state?.message || details?.message || "";
  const duration = state?.duration ?? details?.duration ?? undefined;
  const attempts = Math.max(state?.attempt ?? 0, details?.attempts ?? 0);
  const iteration = state?.iteration ?? details?.iteration ?? [];
  const rows: [string, ReactNode][] = [
    [
      t.status,
      <span
        key="status"
        className="fact-status"
        data-testid="inspector-status"
        data-status={state?.status ?? details?.status ?? "none"}
        data-sign={sign}
      >
        <StatusIcon sign={sign} />{" "}
        {state === undefined ? statusWords(sign, undefined, words) : statusWords(sign, state, words)}
        {iteration.length > 0 && `, ${t.turn(formatIteration(iteration))}`}
      </span>,
    ],
    [t.kind, <code key="kind">{node.kind}</code>],
    ["id", <code key="id">{node.id}</code>],
  ];
  if (reason !== "") rows.push([t.reason, reasonWords(reason, words)]);
  if (message !== "") rows.push([t.message, message]);
  if (state?.status === "running" && state.progress !== undefined)
    rows.push(["", words.done(Math.floor(state.progress))]);
  if (attempts > 0) rows.push([t.attempts, attempts]);
  if (details !== null && details.startedAt !== null) rows.push([t.started, formatMoment(details.startedAt)]);
  if (details !== null && details.endedAt !== null) rows.push([t.ended, formatMoment(details.endedAt)]);
  if (duration !== undefined) rows.push([t.duration, formatDuration(duration)]);
  if (details !== null && details.fired.length > 0) rows.push([t.fired, details.fired.join(", ")]);
  return (
    <dl className="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd className="number">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function signOfStatus(status: string, held: boolean): Sign {
  if (held && status === "pending") return "held";
  return status === "running" || status === "success" || status === "error" || status === "skipped"
    ? status
    : "none";
}

function ErrorSection({ state, details }: { state: NodeState | undefined; details: Details | null }) {
  const t = useText(inspectorText);
  const error = state?.error ?? details?.error ?? null;
  const code = state?.code ?? details?.code ?? null;
  if (error === null || error === "") return null;
  return (
    <Section name="error" title={t.error}>
      <pre className="error-box">{error}</pre>
      {code !== null && (
        <p className="muted">
          {t.code}: <code>{code}</code>
        </p>
      )}
    </Section>
  );
}

/** The result is fetched whole with the details, so one that the event only referred to is here as well. */
function Result({ details }: { details: Details | null }) {
  const t = useText(inspectorText);
  if (details === null) return null;
  const ended = details.status === "success" || details.status === "error" || details.status === "skipped";
  return ended ? <Value value={details.result} open={2} /> : <p className="muted">{t.noResult}</p>;
}

function Value({ value, open }: { value: Json | Readonly<Record<string, unknown>>; open: number }) {
  const t = useText(inspectorText);
  const text = useMemo(() => () => JSON.stringify(value, null, 2), [value]);
  return (
    <div className="value">
      <CopyButton className="button quiet small" text={text} label={t.copy} />
      <JsonTree value={value} open={open} />
    </div>
  );
}

/** A part of the inspector that can be folded. */
export function Section({ name, title, children }: { name: string; title: string; children: ReactNode }) {
  return (
    <details open className="section" data-testid={`inspector-${name}`}>
      <summary>
        <h3>{title}</h3>
      </summary>
      {children}
    </details>
  );
}
