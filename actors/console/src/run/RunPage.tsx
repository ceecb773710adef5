/**
 * The page of a run: its head, its canvas, the node that is looked at, and the dock below.
 *
 * Theory of operation: the run is followed while the page is shown. Which node is looked at is in the address
 * (`?node=`), so that it can be sent to somebody. The page itself renders when what it draws from changes – the graph,
 * the breakpoints, where the run is held – and never for a node's event.
 */
import type { Run } from "callboard";
import { useCallback, useEffect, useMemo } from "react";
import { Canvas } from "../canvas/Canvas";
import { NO_MARKS, type Marks } from "../canvas/source";
import { drawable, type Graph } from "../graph/model";
import { useText } from "../i18n";
import { WaitingNodes } from "../input/WaitingNodes";
import { Inspector } from "../inspector/Inspector";
import { replaceQuery } from "../route";
import { useClient } from "../session";
import { useBreakpoints } from "./breakpoints";
import { Dock } from "./Dock";
import "./run.css";
import { useFollowed, useOfRun } from "./run";
import { RunHead } from "./RunHead";
import { Splitter, useSize } from "./Splitter";
import { useSteering } from "./steering";
import { runText } from "./text";

const LEAST = 260;
const MOST = 900;
const NO_GRAPH: Graph = { nodes: [], edges: [] };
const ENDED: ReadonlySet<string> = new Set(["completed", "stopped", "failed"]);

/** The page of a run. `data-testid="run-page"`. */
export function RunPage({ runId, selected }: { runId: string; selected: string | null }) {
  const run = useFollowed(useClient(), runId);
  return run === null ? null : <FollowedRun key={runId} run={run} selected={selected} />;
}

function FollowedRun({ run, selected }: { run: Run; selected: string | null }) {
  const t = useText(runText);
  const client = useClient();
  const { runId } = run;
  const problem = useOfRun(run, (state) => state.problem);
  const read = useOfRun(run, (state) => state.graph);
  const known = useOfRun(run, (state) => state.lastSeq > 0);
  const ended = useOfRun(run, (state) => ENDED.has(state.status));
  const held = useOfRun(run, (state) => (state.reason === "breakpoint" ? (state.pausedAt ?? null) : null));
  const workflowId = useOfRun(run, (state) => state.workflowId);
  const steering = useSteering(client, runId);
  const { breakpoints, toggle } = useBreakpoints(run, steering.setBreakpoints);
  const [width, setWidth] = useSize("inspector", 400, LEAST, MOST);
  const graph = useMemo(() => (read === undefined ? NO_GRAPH : drawable(read)), [read]);
  const byId = useMemo(() => new Map(graph.nodes.map((node) => [node.id, node])), [graph]);
  const labelOf = useCallback((id: string) => byId.get(id)?.label ?? id, [byId]);
  const marks: Marks = useMemo(
    () => ({ ...NO_MARKS, selected, breakpoints: new Set(breakpoints), held }),
    [selected, breakpoints, held],
  );
  const onBreakpoint = ended || problem !== undefined ? undefined : toggle;
  const unknown = problem !== undefined && !known;
  useTitle(unknown ? t.unknown : workflowId);
  if (unknown) {
    return (
      <section className="page narrow">
        <h1>{t.unknown}</h1>
        <p className="muted">{problem.code === "unknown_workflow" ? t.unknownLead(runId) : problem.message}</p>
      </section>
    );
  }
  const node = selected === null ? undefined : byId.get(selected);
  return (
    <section className="run-page" data-testid="run-page" data-run={runId} aria-label={t.run(workflowId)}>
      <RunHead run={run} steering={steering} labelOf={labelOf} onNode={select} />
      <div className="run-middle">
        <div className="run-canvas">
          {read !== undefined && (
            <Canvas graph={graph} source={run} marks={marks} onSelect={select} onBreakpoint={onBreakpoint} />
          )}
          {read === undefined && <p className="muted empty">{known ? t.noGraph : t.loading}</p>}
        </div>
        <Side
          run={run}
          shown={node !== undefined}
          width={width}
          onWidth={setWidth}
          label={t.widthOfInspector}
        >
          {node !== undefined && (
            <Inspector
              key={node.id}
              run={run}
              node={node}
              breakpoint={marks.breakpoints.has(node.id)}
              held={held === node.id}
              onBreakpoint={onBreakpoint}
              onClose={() => select(null)}
            />
          )}
        </Side>
      </div>
      <Dock run={run} nodes={graph.nodes} marks={marks} onSelect={select} onBreakpoint={onBreakpoint} />
    </section>
  );
}

/** The column on the right: what waits for a person, and the node that is looked at; nothing if there is neither. */
function Side(props: {
  readonly run: Run;
  readonly shown: boolean;
  readonly width: number;
  readonly onWidth: (width: number) => void;
  readonly label: string;
  readonly children: React.ReactNode;
}) {
  const { run, shown, width, onWidth, label, children } = props;
  const client = useClient();
  const waiting = useOfRun(run, (state) =>
    Object.values(state.nodes).some((node) => node.status === "running" && node.waiting !== undefined),
  );
  if (!shown && !waiting) return null;
  return (
    <>
      <Splitter label={label} direction="row" size={width} least={LEAST} most={MOST} onSize={onWidth} />
      <div className="run-side" style={{ width }}>
        {waiting && <Waiting run={run} client={client} />}
        {children}
      </div>
    </>
  );
}

function Waiting({ run, client }: { run: Run; client: ReturnType<typeof useClient> }) {
  return <WaitingNodes run={useOfRun(run, (state) => state)} client={client} />;
}

function select(id: string | null): void {
  replaceQuery({ node: id ?? "" });
}

function useTitle(title: string): void {
  useEffect(() => {
    if (title === "") return;
    document.title = `${title} – callboard`;
  }, [title]);
}
