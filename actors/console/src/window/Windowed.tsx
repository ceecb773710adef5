/**
 * A list of any length, of which only the rows that can be seen are in the page.
 *
 * Theory of operation: rows have ascending keys and one height; a row that is unfolded is measured, and how much higher
 * it is kept by its key. The list follows its end until somebody scrolls up, and again once they are back at the end.
 * While it does not follow, the row at the upper edge stays where it is, whatever is added, dropped or filtered.
 */
import {
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type KeyboardEvent,
  type ReactNode,
} from "react";
import { indexAt, rangeOf, topOf, type Taller } from "./range";
import "./window.css";

/** What a list is made of. */
export interface WindowedProps<Row> {
  readonly rows: readonly Row[];
  /** Ascending along the rows; a row keeps its key. */
  readonly keyOf: (row: Row) => number;
  /** Of a row that is not unfolded, in pixels. */
  readonly rowHeight: number;
  readonly render: (row: Row) => ReactNode;
  /** Keys of rows that are higher than the others. */
  readonly unfolded?: ReadonlySet<number>;
  /** Whether it stays at its end. */
  readonly follow: boolean;
  readonly onFollow: (follow: boolean) => void;
  /** What it is a list of, for ears. */
  readonly label: string;
  /** The row that was chosen, in a list one chooses from with the arrow keys. */
  readonly chosen?: number | null;
  readonly onChoose?: (key: number) => void;
  readonly testId?: string;
  readonly rowTestId?: string;
}

/** Pixels from the end that still are the end: heights are fractions on some screens. */
const AT_END = 4;

const NONE: ReadonlySet<number> = new Set();

/** Keys that scroll up. */
const UPWARDS: ReadonlySet<string> = new Set(["ArrowUp", "PageUp", "Home"]);

/** The list; see above. It is as high as its container, which has to have a height. */
export function Windowed<Row>(props: WindowedProps<Row>) {
  const { rows, keyOf, rowHeight, render, unfolded = NONE, follow, onFollow, label, chosen, onChoose } = props;
  const [box, setBox] = useState<HTMLDivElement | null>(null);
  const [view, setView] = useState({ top: 0, height: 0 });
  const [extras, setExtras] = useState<ReadonlyMap<number, number>>(new Map());
  const lastTop = useRef(0);
  /** The row at the upper edge, and where it is among all rows, in pixels. */
  const anchor = useRef<{ key: number; top: number } | null>(null);

  const taller = useMemo(() => {
    const found: Taller[] = [];
    for (const key of unfolded) {
      const index = find(rows, keyOf, key);
      const row = rows[index];
      if (row !== undefined && keyOf(row) === key) found.push({ index, extra: extras.get(key) ?? 0 });
    }
    return found.sort((a, b) => a.index - b.index);
  }, [rows, keyOf, unfolded, extras]);

  useEffect(() => {
    if (box === null) return;
    const observer = new ResizeObserver(() => setView({ top: box.scrollTop, height: box.clientHeight }));
    observer.observe(box);
    return () => observer.disconnect();
  }, [box]);

  // Where rows are has changed: stay at the end, or keep the row at the upper edge in its place.
  useLayoutEffect(() => {
    if (box === null) return;
    if (follow) {
      box.scrollTop = box.scrollHeight;
    } else if (anchor.current !== null) {
      // By how much it was moved, not to where: a scroll that is under way would be ended by that.
      const top = topOf(find(rows, keyOf, anchor.current.key), rowHeight, taller);
      if (top !== anchor.current.top) box.scrollTop += top - anchor.current.top;
      anchor.current.top = top;
    }
    lastTop.current = box.scrollTop;
    setView({ top: box.scrollTop, height: box.clientHeight });
  }, [box, rows, keyOf, rowHeight, taller, follow]);

  const onScroll = () => {
    if (box === null) return;
    const top = box.scrollTop;
    const index = indexAt(rows.length, rowHeight, taller, top);
    const row = rows[index];
    anchor.current = row === undefined ? null : { key: keyOf(row), top: topOf(index, rowHeight, taller) };
    const atEnd = box.scrollHeight - top - box.clientHeight <= AT_END;
    if (atEnd !== follow && (atEnd || top < lastTop.current)) onFollow(atEnd);
    lastTop.current = top;
    setView({ top, height: box.clientHeight });
  };

  const measured = useCallback(
    (key: number, height: number) => {
      const extra = Math.max(0, height - rowHeight);
      setExtras((before) => (before.get(key) === extra ? before : new Map(before).set(key, extra)));
    },
    [rowHeight],
  );

  const choose = (index: number) => {
    const bounded = Math.max(0, Math.min(index, rows.length - 1));
    const row = rows[bounded];
    if (box === null || row === undefined || onChoose === undefined) return;
    onChoose(keyOf(row));
    const top = topOf(bounded, rowHeight, taller);
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + rowHeight > box.scrollTop + box.clientHeight) box.scrollTop = top + rowHeight - box.clientHeight;
  };

  // Before the scroll itself: rows that come meanwhile must not take it to the end again.
  const leaveEnd = () => {
    if (follow && box !== null && box.scrollTop > 0) onFollow(false);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (UPWARDS.has(event.key)) leaveEnd();
    if (onChoose === undefined || event.target !== event.currentTarget) return;
    const at = chosen === null || chosen === undefined ? -1 : find(rows, keyOf, chosen);
    const page = Math.max(1, Math.floor(view.height / rowHeight) - 1);
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at < 0 ? rows.length - 1 : at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: rows.length - 1,
    };
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(to);
  };

  const { first, end, above, total } = rangeOf(rows.length, rowHeight, taller, view.top, view.height);
  const chosenRow = chosen === null || chosen === undefined ? undefined : rows[find(rows, keyOf, chosen)];
  const chosenKey = chosenRow === undefined || keyOf(chosenRow) !== chosen ? null : chosen;
  const id = `${props.testId ?? "list"}-row`;
  return (
    <div
      ref={setBox}
      className="windowed"
      data-testid={props.testId}
      tabIndex={0}
      role={onChoose === undefined ? "region" : "listbox"}
      aria-label={label}
      aria-activedescendant={onChoose !== undefined && chosenKey !== null ? `${id}-${chosenKey}` : undefined}
      onScroll={onScroll}
      onWheel={(event) => event.deltaY < 0 && leaveEnd()}
      onKeyDown={onKeyDown}
    >
      <div className="windowed-all" style={{ height: total }} role="presentation">
        <div
          className="windowed-rows"
          style={{ transform: `translateY(${above}px)` }}
          role={onChoose === undefined ? "list" : "presentation"}
          aria-label={onChoose === undefined ? label : undefined}
        >
          {rows.slice(first, end).map((row, offset) => {
            const key = keyOf(row);
            return (
              <WindowedRow
                key={key}
                id={onChoose === undefined ? undefined : `${id}-${key}`}
                rowKey={key}
                height={unfolded.has(key) ? null : rowHeight}
                onMeasured={measured}
                role={onChoose === undefined ? "listitem" : "option"}
                selected={onChoose === undefined ? undefined : key === chosen}
                onClick={onChoose === undefined ? undefined : () => onChoose(key)}
                size={rows.length}
                position={first + offset + 1}
                testId={props.rowTestId}
              >
                {render(row)}
              </WindowedRow>
            );
          })}
        </div>
      </div>
    </div>
  );
}

interface RowProps {
  readonly id: string | undefined;
  readonly rowKey: number;
  /** null: as high as it is; it is measured. */
  readonly height: number | null;
  readonly onMeasured: (key: number, height: number) => void;
  readonly role: "listitem" | "option";
  readonly selected: boolean | undefined;
  readonly onClick: (() => void) | undefined;
  readonly size: number;
  readonly position: number;
  readonly testId: string | undefined;
  readonly children: ReactNode;
}

function WindowedRow({ id, rowKey, height, onMeasured, children, ...rest }: RowProps) {
  const [element, setElement] = useState<HTMLDivElement | null>(null);
  const free = height === null;
  useLayoutEffect(() => {
    if (element === null || !free) return;
    const observer = new ResizeObserver(() => onMeasured(rowKey, element.getBoundingClientRect().height));
    onMeasured(rowKey, element.getBoundingClientRect().height);
    observer.observe(element);
    return () => observer.disconnect();
  }, [element, free, rowKey, onMeasured]);
  return (
    <div
      ref={setElement}
      id={id}
      className="windowed-row"
      style={free ? undefined : { height }}
      role={rest.role}
      aria-selected={rest.selected}
      aria-setsize={rest.size}
      aria-posinset={rest.position}
      data-testid={rest.testId}
      onClick={rest.onClick}
    >
      {children}
    </div>
  );
}

/** The index of the first row whose key is not less; the last one if there is none. */
function find<Row>(rows: readonly Row[], keyOf: (row: Row) => number, key: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keyOf(rows[middle]!) < key) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, Math.min(low, rows.length - 1));
}
