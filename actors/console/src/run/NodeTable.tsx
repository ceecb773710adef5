/**
 * The nodes of a run as a table: the same as the canvas, for those who read it with a keyboard or with their ears.
 *
 * Theory of operation: rows subscribe one by one, as nodes of the canvas do, so an event renders one row. A filter by
 * status is worked out again when statuses change; of very many nodes the first are shown. A row is
 * `data-testid="row-<id>"` with the `data-…` of its node on the canvas.
 */
import type { Run } from "callboard";
import { memo, useDeferredValue, useEffect, useId, useMemo, useState, useSyncExternalStore } from "react";
import { BreakpointButton } from "../canvas/BreakpointButton";
import { signOf, statusWords } from "../canvas/sign";
import { CanvasContext, CanvasStore, useNodeView, type Marks } from "../canvas/source";
import { StatusIcon, type Sign } from "../canvas/StatusIcon";
import { canvasText } from "../canvas/text";
import { formatDuration, formatIteration } from "../format";
import type { GraphNode } from "../graph/model";
import { useText } from "../i18n";
import { runText } from "./text";

const MOST_ROWS = 2000;
const FILTERS: readonly Sign[] = ["none", "pending", "running", "waiting", "success", "error", "skipped"];

/** What the table is given. */
export interface NodeTableProps {
  readonly run: Run;
  readonly nodes: readonly GraphNode[];
  readonly marks: Marks;
  readonly onSelect: (id: string) => void;
  readonly onBreakpoint: ((id: string) => void) | undefined;
}

/** The table. */
export function NodeTable({ run, nodes, marks, onSelect, onBreakpoint }: NodeTableProps) {
  const t = useText(runText);
  const words = useText(canvasText);
  const id = useId();
  const [needle, setNeedle] = useState("");
  const [sign, setSign] = useState<Sign | "">("");
  const store = useMemo(() => new CanvasStore(run, marks), [run]); // the marks follow by the effect
  useEffect(() => store.mark(marks), [store, marks]);
  const found = useFound(store, nodes, useDeferredValue(needle), sign);
  return (
    <CanvasContext value={store}>
      <div className="node-table">
        <div className="tool-row">
          <label htmlFor={`${id}-needle`} className="visually-hidden">
            {t.filter}
          </label>
          <input
            id={`${id}-needle`}
            className="field"
            type="search"
            placeholder={t.filter}
            value={needle}
            onChange={(event) => setNeedle(event.target.value)}
          />
          <select
            className="field"
            aria-label={t.columns.status}
            value={sign}
            onChange={(event) => setSign(event.target.value as Sign | "")}
          >
            <option value="">{t.allStatuses}</option>
            {FILTERS.map((known) => (
              <option key={known} value={known}>
                {words.states[known as keyof typeof words.states]}
              </option>
            ))}
          </select>
          <span className="muted number" role="status">
            {t.shown(found.length, nodes.length)}
          </span>
          {onBreakpoint !== undefined && <span className="muted keys">{t.keys}</span>}
        </div>
        <div className="table-scroll" tabIndex={0} role="region" aria-label={t.nodes}>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{t.columns.node}</th>
                <th scope="col">{t.columns.status}</th>
                <th scope="col">{t.columns.kind}</th>
                <th scope="col">{t.columns.turn}</th>
                <th scope="col">{t.columns.attempt}</th>
                <th scope="col">{t.columns.duration}</th>
                <th scope="col">{t.columns.breakpoint}</th>
              </tr>
            </thead>
            <tbody>
              {found.slice(0, MOST_ROWS).map((node) => (
                <Row key={node.id} node={node} onSelect={onSelect} onBreakpoint={onBreakpoint} />
              ))}
            </tbody>
          </table>
          {found.length === 0 && <p className="muted empty">{t.noNodes}</p>}
          {found.length > MOST_ROWS && <p className="muted empty">{t.narrow(found.length - MOST_ROWS)}</p>}
        </div>
      </div>
    </CanvasContext>
  );
}

const Row = memo(function Row(props: {
  readonly node: GraphNode;
  readonly onSelect: (id: string) => void;
  readonly onBreakpoint: ((id: string) => void) | undefined;
}) {
  const { node, onSelect, onBreakpoint } = props;
  const words = useText(canvasText);
  const view = useNodeView(node.id);
  const { state } = view;
  const sign = signOf(view);
  return (
    <tr
      data-testid={`row-${node.id}`}
      data-status={state?.status ?? "none"}
      data-sign={sign}
      data-iteration={state?.iteration.length ? state.iteration.join(",") : undefined}
      data-attempt={state?.attempt}
      data-waiting={state?.waiting !== undefined || undefined}
      data-breakpoint={view.breakpoint || undefined}
      data-selected={view.selected || undefined}
    >
      <th scope="row">
        <button
          type="button"
          className="link"
          aria-pressed={view.selected}
          aria-keyshortcuts={onBreakpoint === undefined ? undefined : "b"}
          onClick={() => onSelect(node.id)}
          onKeyDown={(event) => {
            if (event.key === "b" && !event.ctrlKey && !event.metaKey && !event.altKey) onBreakpoint?.(node.id);
          }}
        >
          {node.label}
        </button>
        {node.label !== node.id && <code className="muted"> {node.id}</code>}
      </th>
      <td className="status-cell">
        <StatusIcon sign={sign} /> {statusWords(sign, state, words)}
      </td>
      <td>{node.kind}</td>
      <td className="number">{state !== undefined && formatIteration(state.iteration)}</td>
      <td className="number">{state?.attempt}</td>
      <td className="number">{state?.duration !== undefined && formatDuration(state.duration)}</td>
      <td>
        <BreakpointButton id={node.id} label={node.label} set={view.breakpoint} onToggle={onBreakpoint} />
      </td>
    </tr>
  );
});

/** The nodes that fit the filter; a new list only when which ones changes. */
function useFound(store: CanvasStore, nodes: readonly GraphNode[], needle: string, sign: Sign | ""): readonly GraphNode[] {
  const select = useMemo(() => {
    const wanted = needle.trim().toLowerCase();
    const named = nodes.filter((node) => !node.annotation && `${node.label}\n${node.id}\n${node.kind}`.toLowerCase().includes(wanted));
    let last = named;
    return () => {
      if (sign === "") return named;
      const found = named.filter((node) => signOf(store.node(node.id)) === sign);
      if (found.length !== last.length || found.some((node, at) => node !== last[at])) last = found;
      return last;
    };
  }, [store, nodes, needle, sign]);
  return useSyncExternalStore(store.subscribe, select);
}
