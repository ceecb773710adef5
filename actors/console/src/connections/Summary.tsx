/** The figures above the table: the server, all connections together, and this page's own client. */
import type { Client } from "callboard";
import { type ReactNode } from "react";
import { formatBytes, formatCount, formatDuration } from "../format";
import { useText } from "../i18n";
import { rates, TOTAL, type Sample } from "./series";
import { Sparkline } from "./Sparkline";
import { connectionsText } from "./text";
import type { Look } from "./useConnections";
import { useStatus } from "./useStatus";

const NO_SAMPLES: readonly Sample[] = [];

/** The three groups of figures. */
export function Summary({ client, look }: { client: Client; look: Look }) {
  const t = useText(connectionsText);
  const said = useStatus(client);
  const { statistics } = look;
  const status = said?.status;
  const known = t.statuses as Record<string, string>;
  return (
    <div className="connections-summary">
      <Group title={t.server} testId="server-status">
        <Figure name={t.status}>
          {status === undefined ? "…" : <span data-status={status.status}>{known[status.status] ?? status.status}</span>}
        </Figure>
        {status?.message !== undefined && <p className="error-text">{status.message}</p>}
        <Figure name={t.version}>{status?.version ?? "…"}</Figure>
        <Figure name={t.uptime}>
          {said === null ? "…" : formatDuration(said.status.uptime + Math.max(0, Date.now() - said.at))}
        </Figure>
        <Figure name={t.connections}>{look.connections === null ? "…" : formatCount(look.connections.length)}</Figure>
        <Figure name={t.runs}>{look.connections === null ? "…" : formatCount(look.activeWorkflows)}</Figure>
      </Group>
      <Group title={t.everyone} testId="connections-total">
        <Charts samples={look.history.get(TOTAL) ?? NO_SAMPLES} />
      </Group>
      <Group title={t.thisPage} testId="own-statistics">
        <Charts samples={look.own} />
        <div className="connections-figures">
          <Figure name={t.session}>
            <code>{client.sessionId}</code>
          </Figure>
          {statistics.rtt !== null && (
            <Figure name={t.roundTrip}>
              {t.middle} {formatDuration(statistics.rtt.p50)} · {t.most} {formatDuration(statistics.rtt.p95)}
            </Figure>
          )}
          <Figure name={t.messagesSent}>{formatCount(statistics.sent)}</Figure>
          <Figure name={t.messagesReceived}>{formatCount(statistics.received)}</Figure>
          <Figure name={t.events}>{formatCount(statistics.events)}</Figure>
          <Figure name={t.repeats}>{formatCount(statistics.repeats)}</Figure>
          <Figure name={t.reconnects}>{formatCount(statistics.reconnects)}</Figure>
          <Figure name={t.waiting}>{formatCount(statistics.queued)}</Figure>
        </div>
      </Group>
    </div>
  );
}

function Group({ title, testId, children }: { title: string; testId: string; children: ReactNode }) {
  return (
    <section className="panel connections-group" data-testid={testId} aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Figure({ name, children }: { name: string; children: ReactNode }) {
  return (
    <p className="connections-figure">
      <span className="muted">{name}</span> <span className="number">{children}</span>
    </p>
  );
}

function Charts({ samples }: { samples: readonly Sample[] }) {
  const t = useText(connectionsText);
  const rate = (value: number) => t.perSecond(formatBytes(Math.round(value)));
  const charts: readonly [string, readonly (number | null)[], (value: number) => string][] = [
    [t.sentRate, rates(samples, "sent"), rate],
    [t.receivedRate, rates(samples, "received"), rate],
    [t.roundTrip, samples.map((sample) => sample.rtt), formatDuration],
    [t.queuedNow, samples.map((sample) => sample.queued), formatBytes],
    [t.conflated, samples.map((sample) => sample.conflated), formatCount],
  ];
  return charts.map(([name, values, written]) => {
    const now = values.at(-1);
    const known = values.filter((value) => value !== null);
    const label =
      now === null || now === undefined ? t.noFigures(name) : t.chart(name, written(now), written(Math.max(...known)));
    return (
      <div key={name} className="connections-chart">
        <span className="muted">{name}</span>
        <Sparkline values={values} label={label} />
        <span className="number">{now === null || now === undefined ? "–" : written(now)}</span>
      </div>
    );
  });
}
