/** `#/connections`: how the server does, who is connected to it, and how each of them keeps up. */
import { memo, useDeferredValue, useMemo, useState } from "react";
import { formatBytes, formatCount, formatDuration, formatInstant, formatMoment } from "../format";
import { useText } from "../i18n";
import { useClient } from "../session";
import { clientName, COLUMNS, sorted, type Column, type Connection, type Order } from "./answer";
import "./connections.css";
import { keyOf, rates, type Sample } from "./series";
import { Sparkline } from "./Sparkline";
import { Summary } from "./Summary";
import { connectionsText } from "./text";
import { useConnections } from "./useConnections";

/** Rows at first, and by each press of "more": a server may have ten thousand connections. */
const PAGE = 100;

const NUMBERS: ReadonlySet<Column> = new Set(["rtt", "queued", "conflated", "sent", "received"]);
const NO_SAMPLES: readonly Sample[] = [];

/** The page. */
export function ConnectionsPage() {
  const client = useClient();
  const t = useText(connectionsText);
  const look = useConnections(client);
  const [order, setOrder] = useState<Order>({ column: "connectedAt", descending: true });
  const [needle, setNeedle] = useState("");
  const [limit, setLimit] = useState(PAGE);
  const wanted = useDeferredValue(needle);
  const rows = useMemo(() => {
    const low = wanted.toLowerCase();
    const fits = ({ sessionId, clientInfo, dialect }: Connection) =>
      `${sessionId}\n${clientName(clientInfo)}\n${dialect ?? ""}`.toLowerCase().includes(low);
    return sorted((look.connections ?? []).filter(fits), order);
  }, [look.connections, wanted, order]);
  return (
    <section className="page connections-page">
      <h1>{t.title}</h1>
      {look.problem !== null && (
        <p className="connections-away" role="status">
          {t.away(look.problem)}
        </p>
      )}
      <Summary client={client} look={look} />
      <div className="connections-bar">
        <input
          type="search"
          className="field"
          data-testid="connection-search"
          aria-label={t.filter}
          placeholder={t.filter}
          value={needle}
          onChange={(event) => setNeedle(event.target.value)}
        />
        <span className="muted number" role="status">
          {look.connections === null ? t.asking : t.found(rows.length, look.connections.length)}
        </span>
      </div>
      <div className="panel connections-table" role="region" aria-label={t.table} tabIndex={0}>
        <table aria-label={t.table}>
          <thead>
            <tr>
              {COLUMNS.map((column) => (
                <Heading key={column} column={column} order={order} onOrder={setOrder} />
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, limit).map((connection) => (
              <Row
                key={keyOf(connection)}
                connection={connection}
                samples={look.history.get(keyOf(connection)) ?? NO_SAMPLES}
                own={connection.sessionId === client.sessionId}
              />
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > limit && (
        <p>
          <button type="button" className="button" onClick={() => setLimit(limit + PAGE)}>
            {t.more(rows.length - limit)}
          </button>
        </p>
      )}
    </section>
  );
}

interface HeadingProps {
  readonly column: Column;
  readonly order: Order;
  readonly onOrder: (order: Order) => void;
}

function Heading({ column, order, onOrder }: HeadingProps) {
  const t = useText(connectionsText);
  const by = order.column === column;
  const sort = by ? (order.descending ? "descending" : "ascending") : undefined;
  return (
    <th scope="col" aria-sort={sort} data-number={NUMBERS.has(column)}>
      <button
        type="button"
        data-testid={`sort-${column}`}
        // Of figures the greatest are looked for, of names the first.
        onClick={() => onOrder({ column, descending: by ? !order.descending : NUMBERS.has(column) })}
      >
        {t.columns[column]}
        {by && <span aria-hidden="true">{order.descending ? "▾" : "▴"}</span>}
      </button>
    </th>
  );
}

interface RowProps {
  readonly connection: Connection;
  readonly samples: readonly Sample[];
  readonly own: boolean;
}

const Row = memo(function Row({ connection, samples, own }: RowProps) {
  const t = useText(connectionsText);
  const { sessionId, dialect, connectedAt, clientInfo, subscriptions, rtt, queued, conflated } = connection;
  const client = clientName(clientInfo);
  const hears = subscriptions.map((each) => (each === "*" ? t.everything : each)).join(", ");
  return (
    <tr data-testid="connection-row" data-own={own} data-session={sessionId}>
      <th scope="row">
        <code title={sessionId}>{sessionId}</code>
        {own && <span className="connections-you">{t.you}</span>}
      </th>
      <td>{dialect ?? <span className="muted">{t.undecided}</span>}</td>
      <td>
        <time dateTime={new Date(connectedAt).toISOString()} title={formatInstant(connectedAt)}>
          {formatMoment(connectedAt)}
        </time>
      </td>
      <td className="connections-client" title={titleOf(clientInfo)}>
        {client}
      </td>
      <td className="connections-client" title={hears}>
        {hears || "–"}
      </td>
      <td data-number="true">{rtt === null ? "–" : formatDuration(rtt)}</td>
      <td data-number="true">{formatBytes(queued)}</td>
      <td data-number="true">{formatCount(conflated)}</td>
      <Rate counted="sent" name={t.sentRate} connection={connection} samples={samples} />
      <Rate counted="received" name={t.receivedRate} connection={connection} samples={samples} />
    </tr>
  );
});

function titleOf(info: unknown): string {
  return typeof info === "string" ? info : JSON.stringify(info);
}

interface RateProps {
  readonly counted: "sent" | "received";
  readonly name: string;
  readonly connection: Connection;
  readonly samples: readonly Sample[];
}

function Rate({ counted, name, connection, samples }: RateProps) {
  const t = useText(connectionsText);
  const values = rates(samples, counted);
  const size = (value: number) => t.perSecond(formatBytes(Math.round(value)));
  const label =
    values.length === 0 ? t.noFigures(name) : t.chart(name, size(values.at(-1) ?? 0), size(Math.max(...values)));
  return (
    <td data-number="true" className="connections-rate">
      <span>{formatBytes(connection[counted])}</span>
      <Sparkline values={values} label={label} />
    </td>
  );
}
