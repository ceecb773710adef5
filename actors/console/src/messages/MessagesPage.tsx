/** `#/messages`: what this page and the server have said to each other, to be filtered, stopped and looked at. */
import type { LogEntry } from "callboard";
import { memo, useDeferredValue, useMemo, useState } from "react";
import { CopyButton } from "../copy/CopyButton";
import { formatBytes, formatInstant, formatTime } from "../format";
import { useText } from "../i18n";
import { JsonTree } from "../json/JsonTree";
import { runAddress } from "../route";
import { useClient } from "../session";
import { Windowed } from "../window/Windowed";
import { countTypes, EVERYTHING, gistOf, runOf, select, type Filter } from "./filter";
import "./messages.css";
import { messagesText } from "./text";
import { useMessageLog } from "./useMessageLog";

/** Pixels. */
const ROW_HEIGHT = 26;

const keyOf = (entry: LogEntry): number => entry.number;

/** The page. */
export function MessagesPage() {
  const client = useClient();
  const t = useText(messagesText);
  const [paused, setPaused] = useState(false);
  const [filter, setFilter] = useState<Filter>(EVERYTHING);
  const [chosen, setChosen] = useState<LogEntry | null>(null);
  const [follow, setFollow] = useState(true);
  const { entries, since } = useMessageLog(client, paused);
  const wanted = useDeferredValue(filter);
  const types = useMemo(() => countTypes(entries), [entries]);
  const shown = useMemo(() => select(entries, wanted), [entries, wanted]);
  return (
    <section className="messages-page">
      <header className="messages-head">
        <h1>{t.title}</h1>
        <p className="muted">{t.lead}</p>
      </header>
      <div className="messages-bar" role="group" aria-label={t.filter}>
        <select
          className="field"
          data-testid="message-direction"
          aria-label={t.direction}
          value={filter.direction}
          onChange={(event) => setFilter({ ...filter, direction: event.target.value as Filter["direction"] })}
        >
          <option value="">{t.both}</option>
          <option value="in">{t.in}</option>
          <option value="out">{t.out}</option>
        </select>
        <select
          className="field"
          data-testid="message-type"
          aria-label={t.type}
          value={filter.type}
          onChange={(event) => setFilter({ ...filter, type: event.target.value })}
        >
          <option value="">{t.everyType}</option>
          {filter.type !== "" && !types.has(filter.type) && <option value={filter.type}>{filter.type} (0)</option>}
          {[...types].map(([type, count]) => (
            <option key={type} value={type}>
              {type} ({count})
            </option>
          ))}
        </select>
        <input
          type="search"
          className="field messages-search"
          data-testid="message-search"
          aria-label={t.search}
          placeholder={t.search}
          value={filter.text}
          onChange={(event) => setFilter({ ...filter, text: event.target.value })}
        />
        <span className="muted number" role="status">
          {paused ? t.pausedWith(since) : t.found(shown.length, entries.length)}
        </span>
        <span className="messages-acts">
          <button
            type="button"
            className="button"
            data-testid="message-pause"
            data-paused={paused}
            onClick={() => setPaused(!paused)}
          >
            {paused ? t.resume : t.pause}
          </button>
          <button
            type="button"
            className="button"
            data-testid="message-clear"
            onClick={() => {
              client.log.clear();
              setChosen(null);
            }}
          >
            {t.clear}
          </button>
        </span>
      </div>
      <div className="messages-body panel">
        <div className="messages-list">
          <div className="message-row message-columns muted" aria-hidden="true">
            <span>{t.columns.direction}</span>
            <span>{t.columns.time}</span>
            <span>{t.columns.type}</span>
            <span className="message-size">{t.columns.size}</span>
            <span>{t.columns.run}</span>
            <span>{t.columns.gist}</span>
          </div>
          <div className="messages-rows">
            {shown.length === 0 && (
              <p className="messages-none muted">{entries.length === 0 ? t.none : t.nothingFits}</p>
            )}
            <Windowed
              rows={shown}
              keyOf={keyOf}
              rowHeight={ROW_HEIGHT}
              follow={follow}
              onFollow={setFollow}
              label={t.title}
              chosen={chosen?.number ?? null}
              onChoose={(number) => setChosen(shown.find((entry) => entry.number === number) ?? null)}
              testId="message-list"
              rowTestId="message-row"
              render={(entry) => <Row entry={entry} />}
            />
            {!follow && (
              <button type="button" className="button messages-below" onClick={() => setFollow(true)}>
                <span aria-hidden="true">↓</span> {t.toEnd}
              </button>
            )}
          </div>
        </div>
        <Detail entry={chosen} />
      </div>
      <p className="muted messages-note">{t.note}</p>
    </section>
  );
}

const Row = memo(function Row({ entry }: { entry: LogEntry }) {
  const t = useText(messagesText);
  return (
    <div className="message-row" data-direction={entry.direction}>
      <span className="message-direction">
        <span aria-hidden="true">{entry.direction === "in" ? "←" : "→"}</span>
        <span className="visually-hidden">{t[entry.direction]} </span>
      </span>
      <time dateTime={new Date(entry.at).toISOString()}>{formatTime(entry.at)}</time>
      <span className="message-type">{entry.message.type}</span>
      <span className="message-size">{formatBytes(entry.bytes)}</span>
      <span>{runOf(entry)}</span>
      <span>{gistOf(entry)}</span>
    </div>
  );
});

function Detail({ entry }: { entry: LogEntry | null }) {
  const t = useText(messagesText);
  if (entry === null) {
    return (
      <section className="message-detail" aria-label={t.detail}>
        <p className="muted">{t.choose}</p>
      </section>
    );
  }
  const run = runOf(entry);
  return (
    <section className="message-detail" data-testid="message-detail" aria-label={t.detail} tabIndex={0}>
      <header>
        <h2>{entry.message.type}</h2>
        <p className="muted number">
          {t[entry.direction]} · {formatInstant(entry.at)} · {t.sizeOf(formatBytes(entry.bytes))}
        </p>
        <p className="message-detail-acts">
          <CopyButton label={t.copy} text={() => JSON.stringify(entry.message, null, 2)} />
          {run !== undefined && (
            <a className="button" href={runAddress(run)}>
              {t.toRun}
            </a>
          )}
        </p>
      </header>
      <JsonTree key={entry.number} value={entry.message} open={3} />
    </section>
  );
}
