/** What is below the canvas of a run: its nodes as a table, its log, the files it left, its results. */
import type { Run } from "callboard";
import { useState, type ReactNode } from "react";
import { useText } from "../i18n";
import { JsonTree } from "../json/JsonTree";
import { LogPanel } from "../logs/LogPanel";
import { Files } from "./Files";
import { NodeTable, type NodeTableProps } from "./NodeTable";
import { RUN_LOG_LIMIT } from "../session";
import { useOfRun } from "./run";
import { Splitter, useSize } from "./Splitter";
import { runText } from "./text";

const TABS = ["nodes", "log", "files", "results"] as const;
const LEAST = 90;
const MOST = 900;

/** The dock. Its tabs are `data-testid="tab-<name>"`. */
export function Dock(props: NodeTableProps) {
  const { run, onSelect } = props;
  const t = useText(runText);
  const [tab, setTab] = useState<(typeof TABS)[number]>("nodes");
  const [open, setOpen] = useState(true);
  const [height, setHeight] = useSize("dock", 250, LEAST, MOST);
  const panels: Record<(typeof TABS)[number], () => ReactNode> = {
    nodes: () => <NodeTable {...props} />,
    log: () => <RunLog run={run} onNode={onSelect} />,
    files: () => <Files run={run} />,
    results: () => <Results run={run} />,
  };
  return (
    <>
      {open && (
        <Splitter
          label={t.resize}
          direction="column"
          size={height}
          least={LEAST}
          most={MOST}
          onSize={setHeight}
        />
      )}
      <section className="dock" aria-label={t.dock} style={open ? { height } : undefined}>
        <div className="tabs">
          <div role="tablist" aria-label={t.dock} onKeyDown={moveAlongTabs}>
            {TABS.map((name) => (
              <button
                key={name}
                type="button"
                role="tab"
                id={`tab-${name}`}
                data-testid={`tab-${name}`}
                aria-selected={open && tab === name}
                aria-controls={open && tab === name ? "dock-panel" : undefined}
                tabIndex={tab === name ? 0 : -1}
                onClick={() => {
                  setTab(name);
                  setOpen(true);
                }}
              >
                {t[name]}
              </button>
            ))}
          </div>
          <button
            type="button"
            className="button quiet small"
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          >
            {open ? t.fold : t.unfold}
          </button>
        </div>
        {open && (
          <div className="dock-panel" id="dock-panel" role="tabpanel" aria-labelledby={`tab-${tab}`}>
            {panels[tab]()}
          </div>
        )}
      </section>
    </>
  );
}

/** The arrow keys go from tab to tab, as in every list of tabs. */
function moveAlongTabs(event: React.KeyboardEvent<HTMLElement>): void {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (by === undefined) return;
  const tabs = [...event.currentTarget.querySelectorAll<HTMLElement>("[role=tab]")];
  const here = tabs.indexOf(document.activeElement as HTMLElement);
  const next = tabs[(here + by + tabs.length) % tabs.length];
  next?.focus();
  next?.click();
}

function RunLog({ run, onNode }: { run: Run; onNode: (id: string) => void }) {
  const lines = useOfRun(run, (state) => state.logs);
  return (
    <LogPanel
      lines={lines}
      cut={lines.length >= RUN_LOG_LIMIT}
      onNode={onNode}
      name={`log-${run.current.runId}`}
    />
  );
}

function Results({ run }: { run: Run }) {
  const t = useText(runText);
  const results = useOfRun(run, (state) => state.results);
  return (
    <div className="dock-text">
      {results === undefined ? <p className="muted">{t.noResults}</p> : <JsonTree value={results} open={2} />}
    </div>
  );
}
