/**
 * The log of a run: filtered by level, searched, followed to its end.
 *
 * Theory of operation: the lines come from outside, ascending by seq, and are never changed here. Filter, search and
 * what is unfolded belong to the panel. While it follows, the newest line is in view; while it does not, it counts the
 * lines that came since and says so.
 */
import type { LogLine } from "callboard";
import { memo, useDeferredValue, useId, useMemo, useState } from "react";
import { CopyButton } from "../copy/CopyButton";
import { formatInstant, formatTime } from "../format";
import { useText } from "../i18n";
import { JsonTree } from "../json/JsonTree";
import { saveFile } from "../save";
import { Windowed } from "../window/Windowed";
import { asText, countLevels, highlight, LEVELS, select, turns, type Level } from "./filter";
import "./logs.css";
import { logText } from "./text";

/** Pixels. */
const ROW_HEIGHT = 24;

/** A message of more characters than this can be unfolded: it may be wider than the panel. */
const LONG_MESSAGE = 60;

const EVERY_LEVEL: ReadonlySet<Level> = new Set(LEVELS);
const NO_LINES: readonly LogLine[] = [];

const keyOf = (line: LogLine): number => line.seq;

/** What the panel is given. */
export interface LogPanelProps {
  /** Ascending by seq. */
  readonly lines: readonly LogLine[];
  /** There were older lines, which are not kept here. */
  readonly cut?: boolean;
  /** A node's id was chosen. Absent: ids are only shown. */
  readonly onNode?: (nodeId: string) => void;
  /** A line's time was chosen. Absent: times are only shown. */
  readonly onSeq?: (seq: number) => void;
  /** Of the file that is downloaded, without its ending. */
  readonly name?: string;
}

/** The panel. As high as its container, which has to have a height. */
export function LogPanel({ lines, cut = false, onNode, onSeq, name = "log" }: LogPanelProps) {
  const t = useText(logText);
  const id = useId();
  const [levels, setLevels] = useState(EVERY_LEVEL);
  const [needle, setNeedle] = useState("");
  const [unfolded, setUnfolded] = useState<ReadonlySet<number>>(new Set());
  /** The newest line that was in view; null: the newest there is. */
  const [seen, setSeen] = useState<number | null>(null);
  const searchedFor = useDeferredValue(needle);

  const counts = useMemo(() => countLevels(lines), [lines]);
  const shown = useMemo(() => select(lines, levels, searchedFor), [lines, levels, searchedFor]);
  const below = useMemo(
    () => (seen === null ? 0 : shown.length - shown.findLastIndex((line) => line.seq <= seen) - 1),
    [shown, seen],
  );
  const toggle = (level: Level) => {
    const next = new Set(levels);
    if (!next.delete(level)) next.add(level);
    setLevels(next);
  };
  const fold = useMemo(
    () => (seq: number) =>
      setUnfolded((before) => {
        const next = new Set(before);
        if (!next.delete(seq)) next.add(seq);
        return next;
      }),
    [],
  );
  const follow = seen === null;
  return (
    <section className="log-panel" data-testid="log-panel" aria-labelledby={`${id}-title`}>
      <div className="log-bar">
        <h2 id={`${id}-title`}>{t.log}</h2>
        <div className="log-levels" role="group" aria-label={t.levelFilter}>
          {LEVELS.map((level) => (
            <button
              key={level}
              type="button"
              className="log-level-button"
              data-level={level}
              data-testid={`log-level-${level}`}
              aria-pressed={levels.has(level)}
              onClick={() => toggle(level)}
            >
              {t.levels[level]} <span className="number">{counts[level]}</span>
            </button>
          ))}
        </div>
        <input
          type="search"
          className="field log-search"
          data-testid="log-search"
          aria-label={t.search}
          placeholder={t.search}
          value={needle}
          onChange={(event) => setNeedle(event.target.value)}
        />
        <span className="muted number log-found" role="status" data-testid="log-found">
          {t.found(shown.length, lines.length)}
          {cut && ` · ${t.cut}`}
        </span>
        <CopyButton className="button quiet" label={t.copy} text={() => asText(shown)} />
        <button type="button" className="button quiet" onClick={() => saveFile(new Blob([asText(shown)], { type: "text/plain;charset=utf-8" }), `${name}.log`)}>
          {t.download}
        </button>
      </div>
      <div className="log-lines">
        {shown.length === 0 && <p className="log-empty muted">{lines.length === 0 ? t.nothingYet : t.nothingFits}</p>}
        <Windowed
          rows={shown.length === 0 ? NO_LINES : shown}
          keyOf={keyOf}
          rowHeight={ROW_HEIGHT}
          unfolded={unfolded}
          follow={follow}
          onFollow={(next) => setSeen(next ? null : (lines.at(-1)?.seq ?? 0))}
          label={t.lines}
          testId="log-lines"
          rowTestId="log-line"
          render={(line) => (
            <Line
              line={line}
              needle={searchedFor}
              unfolded={unfolded.has(line.seq)}
              onFold={fold}
              onNode={onNode}
              onSeq={onSeq}
            />
          )}
        />
        {!follow && (
          <button type="button" className="button log-below" data-testid="log-below" onClick={() => setSeen(null)}>
            <span aria-hidden="true">↓</span> {below > 0 ? t.newBelow(below) : t.toEnd}
          </button>
        )}
      </div>
    </section>
  );
}

interface LineProps {
  readonly line: LogLine;
  readonly needle: string;
  readonly unfolded: boolean;
  readonly onFold: (seq: number) => void;
  readonly onNode: ((nodeId: string) => void) | undefined;
  readonly onSeq: ((seq: number) => void) | undefined;
}

const Line = memo(function Line({ line, needle, unfolded, onFold, onNode, onSeq }: LineProps) {
  const t = useText(logText);
  const { seq, at, level, message, nodeId, context } = line;
  const hasContext = context !== undefined && context !== null;
  const foldable = hasContext || message.length > LONG_MESSAGE || message.includes("\n");
  const node = nodeId === undefined ? "" : `${nodeId}${turns(line.iteration)}`;
  const time = formatTime(at);
  return (
    <div className="log-line" data-level={level} data-unfolded={unfolded}>
      {foldable ? (
        <button
          type="button"
          className="log-fold"
          aria-expanded={unfolded}
          aria-label={unfolded ? t.fold : t.unfold}
          onClick={() => onFold(seq)}
        >
          <span aria-hidden="true">{unfolded ? "▾" : "▸"}</span>
        </button>
      ) : (
        <span className="log-fold" />
      )}
      {onSeq === undefined ? (
        <time className="log-time" dateTime={new Date(at).toISOString()} title={formatInstant(at)}>
          {time}
        </time>
      ) : (
        <button type="button" className="log-time log-link" title={t.toMoment(time)} onClick={() => onSeq(seq)}>
          {time}
        </button>
      )}
      <span className="log-level">{t.levels[level]}</span>
      {nodeId === undefined || onNode === undefined ? (
        <span className="log-node">{node}</span>
      ) : (
        <button type="button" className="log-node log-link" title={t.toNode(nodeId)} onClick={() => onNode(nodeId)}>
          <Marked text={node} needle={needle} />
        </button>
      )}
      <span className="log-message">
        <Marked text={message} needle={needle} />
        {hasContext && !unfolded && (
          <span className="log-context-line">
            {" "}
            <Marked text={JSON.stringify(context)} needle={needle} />
          </span>
        )}
      </span>
      {hasContext && unfolded && (
        <div className="log-context" role="group" aria-label={t.context}>
          <JsonTree value={context} open={2} />
        </div>
      )}
    </div>
  );
});

function Marked({ text, needle }: { text: string; needle: string }) {
  if (needle === "") return text;
  return highlight(text, needle).map((part, index) =>
    part.hit ? <mark key={index}>{part.text}</mark> : <span key={index}>{part.text}</span>,
  );
}
