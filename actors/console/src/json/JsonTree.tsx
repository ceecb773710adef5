/**
 * A JSON value to look at: objects and lists fold, and what is folded costs nothing.
 *
 * The value is the user's, and may be large: a list shows a hundred members at a time, a text its beginning.
 */
import { useState, type ReactNode } from "react";
import { texts, useText } from "../i18n";
import "./json.css";

const jsonText = texts(
  {
    members: (count: number) => (count === 1 ? "1 member" : `${count} members`),
    items: (count: number) => (count === 1 ? "1 item" : `${count} items`),
    more: (count: number) => `${count} more`,
    whole: (count: number) => `show all ${count} characters`,
  },
  {
    members: (count) => `${count} 个成员`,
    items: (count) => `${count} 项`,
    more: (count) => `还有 ${count} 项`,
    whole: (count) => `显示全部 ${count} 个字符`,
  },
);

/** Members shown at first, and by each press of "more". */
const PAGE = 100;

/** Characters of a text that are shown at first. */
const SHORT = 1000;

/**
 * The value.
 *
 * @param open how many levels are unfolded at first.
 */
export function JsonTree({ value, open = 1 }: { value: unknown; open?: number }) {
  return (
    <div className="json">
      <Value value={value} open={open} />
    </div>
  );
}

function Value({ name, value, open }: { name?: string; value: unknown; open: number }) {
  if (typeof value === "object" && value !== null) {
    const isList = Array.isArray(value);
    const entries: [string, unknown][] = Object.entries(value);
    if (entries.length > 0) return <Fold name={name} isList={isList} entries={entries} open={open} />;
    return <Line name={name}>{isList ? "[]" : "{}"}</Line>;
  }
  return (
    <Line name={name}>
      {typeof value === "string" ? <Text text={value} /> : <span className="json-value">{String(value)}</span>}
    </Line>
  );
}

function Line({ name, children }: { name: string | undefined; children: ReactNode }) {
  return (
    <div className="json-line">
      {name !== undefined && <span className="json-name">{name}: </span>}
      {children}
    </div>
  );
}

interface FoldProps {
  readonly name: string | undefined;
  readonly isList: boolean;
  readonly entries: readonly [string, unknown][];
  readonly open: number;
}

function Fold({ name, isList, entries, open }: FoldProps) {
  const t = useText(jsonText);
  const [unfolded, setUnfolded] = useState(open > 0);
  const [shown, setShown] = useState(PAGE);
  const rest = entries.length - shown;
  return (
    <details className="json-fold" open={unfolded} onToggle={(event) => setUnfolded(event.currentTarget.open)}>
      <summary>
        {name !== undefined && <span className="json-name">{name}: </span>}
        <span className="json-count">
          {isList ? "[…]" : "{…}"} {isList ? t.items(entries.length) : t.members(entries.length)}
        </span>
      </summary>
      {unfolded && (
        <div className="json-members">
          {entries.slice(0, shown).map(([key, value]) => (
            <Value key={key} name={key} value={value} open={open - 1} />
          ))}
          {rest > 0 && (
            <button type="button" className="json-more" onClick={() => setShown(shown + PAGE)}>
              {t.more(rest)}
            </button>
          )}
        </div>
      )}
    </details>
  );
}

function Text({ text }: { text: string }) {
  const t = useText(jsonText);
  const [whole, setWhole] = useState(text.length <= SHORT);
  return (
    <>
      <span className="json-text">{JSON.stringify(whole ? text : `${text.slice(0, SHORT)}…`)}</span>
      {!whole && (
        <button type="button" className="json-more" onClick={() => setWhole(true)}>
          {t.whole(text.length)}
        </button>
      )}
    </>
  );
}
