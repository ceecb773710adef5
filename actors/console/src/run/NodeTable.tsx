/**
 * The nodes of a run as a table: the same as the canvas, for those who read it with a keyboard or with their ears.
 *
 * Theory of operation: rows subscribe one by one, as nodes of the canvas do, so an event renders one row. A filter by
 * status is worked out again when statuses change. Of many nodes only the rows that can be seen, and some around them, are
 * in the document: a table of a thousand rows is laid out anew for every event in it. A row is `data-testid="row-<id>"`
 * with the `data-…` of its node on the canvas.
 */
import type { Run } from "callboard";
import {
  memo,
  useCallback,
  useDeferredValue,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { BreakpointButton } from "../canvas/BreakpointButton";
import { signOf, statusWords } from "../canvas/sign";
import { CanvasContext, CanvasStore, useNodeView, type Marks } from "../canvas/source";
import { StatusIcon, type Sign } from "../canvas/StatusIcon";
import { canvasText } from "../canvas/text";
import { formatDuration, formatIteration } from "../format";
import type { GraphNode } from "../graph/model";
import { useText } from "../i18n";
import { runText } from "./text";

/** Up to so many rows are all in the document. */
const FEW_ROWS = 150;
/** Pixels; `run.css` has the same. */
const ROW_HEIGHT = 32;
/** Rows above and below those in sight, where the next press of Tab leads. */
const AROUND = 12;
const COLUMNS = 7;
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
  const { scroll, onScroll, first, end } = useRowsInSight(found.length);
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
        <div
          ref={scroll}
          className="table-scroll"
          tabIndex={0}
          role="region"
          aria-label={t.nodes}
          onScroll={onScroll}
        >
          <table className="table" aria-rowcount={found.length + 1}>
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
              <Gap rows={first} />
              {found.slice(first, end).map((node, at) => (
                <Row
                  key={node.id}
                  index={first + at}
                  node={node}
                  onSelect={onSelect}
                  onBreakpoint={onBreakpoint}
                />
              ))}
              <Gap rows={found.length - end} />
            </tbody>
          </table>
          {found.length === 0 && <p className="muted empty">{t.noNodes}</p>}
        </div>
      </div>
    </CanvasContext>
  );
}

/** The place of rows that are not in the document. */
function Gap({ rows }: { rows: number }) {
  if (rows <= 0) return null;
  return (
    <tr aria-hidden="true" style={{ height: rows * ROW_HEIGHT }}>
      <td colSpan={COLUMNS} />
    </tr>
  );
}

const Row = memo(function Row(props: {
  readonly index: number;
  readonly node: GraphNode;
  readonly onSelect: (id: string) => void;
  readonly onBreakpoint: ((id: string) => void) | undefined;
}) {
  const { index, node, onSelect, onBreakpoint } = props;
  const words = useText(canvasText);
  const view = useNodeView(node.id);
  const { state } = view;
  const sign = signOf(view);
  return (
    <tr
      // The first is that of the heads.
      aria-rowindex={index + 2}
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
            if (event.key === "b" && !event.ctrlKey && !event.metaKey && !event.altKey)
              onBreakpoint?.(node.id);
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
        <BreakpointButton
          id={node.id}
          label={node.label}
          set={view.breakpoint}
          onToggle={onBreakpoint}
          testId={`row-breakpoint-${node.id}`}
        />
      </td>
    </tr>
  );
});

/** Which rows have to be in the document, by how far the table is scrolled and how high it is. */
function useRowsInSight(count: number) {
  const scroll = useRef<HTMLDivElement>(null);
  const [sight, setSight] = useState({ top: 0, rows: 0 });
  const look = useCallback(() => {
    const box = scroll.current;
    if (box === null) return;
    // By whole steps, so that most scrolling renders nothing.
    const top = Math.floor(box.scrollTop / ROW_HEIGHT / AROUND) * AROUND;
    const rows = Math.ceil(box.clientHeight / ROW_HEIGHT / AROUND) * AROUND;
    setSight((before) => (before.top === top && before.rows === rows ? before : { top, rows }));
  }, []);
  useEffect(() => {
    const box = scroll.current;
    if (box === null) return;
    const observer = new ResizeObserver(look);
    observer.observe(box);
    return () => observer.disconnect();
  }, [look]);
  const all = count <= FEW_ROWS;
  const first = all ? 0 : Math.max(0, Math.min(sight.top, count) - AROUND);
  const end = all ? count : Math.min(count, sight.top + sight.rows + 2 * AROUND);
  return { scroll, onScroll: look, first, end };
}

/** The nodes that fit the filter; a new list only when which ones changes. */
function useFound(
  store: CanvasStore,
  nodes: readonly GraphNode[],
  needle: string,
  sign: Sign | "",
): readonly GraphNode[] {
  const select = useMemo(() => {
    const wanted = needle.trim().toLowerCase();
    const named = nodes.filter(
      (node) => !node.annotation && `${node.label}\n${node.id}\n${node.kind}`.toLowerCase().includes(wanted),
    );
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
