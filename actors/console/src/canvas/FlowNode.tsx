/**
 * The three things that are drawn as nodes: a step of the workflow, a frame around steps, and a note.
 *
 * A step is `data-testid="node-<id>"` and says what the server says of it: `data-status` (as on the wire; "none" before
 * anything was told), `data-iteration` (as `0,2`), `data-attempt`, `data-waiting`, `data-breakpoint`, `data-held`,
 * `data-problems` (how many). Its buttons are `open-<id>` and `breakpoint-<id>`.
 */
import { Handle, Position, type Node, type NodeProps } from "@xyflow/react";
import { memo, useContext } from "react";
import type { GraphNode } from "../graph/model";
import { useText } from "../i18n";
import { ActionsContext } from "./actions";
import { BreakpointButton } from "./BreakpointButton";
import { detailsOf, signOf, statusWords } from "./sign";
import { useNodeView } from "./source";
import { StatusIcon } from "./StatusIcon";
import { canvasText } from "./text";

/** What a drawn node carries: the node of the graph and the ports that edges of it leave by. */
export type FlowNodeData = {
  readonly node: GraphNode;
  readonly ports: readonly string[];
  readonly down: boolean;
};

/** A node as React Flow has it. */
export type FlowNode = Node<FlowNodeData, "step" | "frame" | "note">;

const StepNode = memo(function StepNode({ data }: NodeProps<FlowNode>) {
  return (
    <>
      <Handle type="target" position={data.down ? Position.Top : Position.Left} isConnectable={false} />
      <StepBox node={data.node} frame={false} />
      <SourceHandles data={data} />
    </>
  );
});

const FrameNode = memo(function FrameNode({ data }: NodeProps<FlowNode>) {
  return (
    <>
      <Handle type="target" position={data.down ? Position.Top : Position.Left} isConnectable={false} />
      {data.node.annotation ? (
        <div className="frame-title">{data.node.label}</div>
      ) : (
        <StepBox node={data.node} frame />
      )}
      <SourceHandles data={data} />
    </>
  );
});

const NoteNode = memo(function NoteNode({ data }: NodeProps<FlowNode>) {
  return <div className="note">{noteText(data.node)}</div>;
});

/** By the `type` of a `FlowNode`. */
export const NODE_TYPES = { step: StepNode, frame: FrameNode, note: NoteNode };

/** The id of the handle that edges of a port leave by. */
export function handleOf(port: string): string {
  return `out:${port}`;
}

/** How far along its side the handle of a port is, in parts of the side. */
export function handlePlace(at: number, count: number): number {
  return (at + 1) / (count + 1);
}

function SourceHandles({ data }: { data: FlowNodeData }) {
  return data.ports.map((port, at) => {
    const along = `${handlePlace(at, data.ports.length) * 100}%`;
    return (
      <Handle
        key={port}
        id={handleOf(port)}
        type="source"
        position={data.down ? Position.Bottom : Position.Right}
        isConnectable={false}
        style={data.down ? { left: along } : { top: along }}
      />
    );
  });
}

function StepBox({ node, frame }: { node: GraphNode; frame: boolean }) {
  const t = useText(canvasText);
  const actions = useContext(ActionsContext);
  const view = useNodeView(node.id);
  const { state, problems } = view;
  const sign = signOf(view);
  const words = statusWords(sign, state, t);
  const details = detailsOf(state, t);
  const errors = problems?.some((problem) => problem.severity === "error") ?? false;
  const name = [
    node.label,
    node.kind,
    words,
    ...details,
    problems && t.problems(problems.length),
    view.breakpoint && t.breakpoint,
  ];
  return (
    <div
      className={frame ? "step frame" : "step"}
      data-testid={`node-${node.id}`}
      data-status={state?.status ?? "none"}
      data-sign={sign}
      data-iteration={state?.iteration.length ? state.iteration.join(",") : undefined}
      data-attempt={state?.attempt}
      data-waiting={state?.waiting !== undefined || undefined}
      data-breakpoint={view.breakpoint || undefined}
      data-held={view.held || undefined}
      data-selected={view.selected || undefined}
      data-problems={problems?.length}
      data-wrong={errors || undefined}
    >
      <button
        type="button"
        className="step-open"
        data-testid={`open-${node.id}`}
        aria-label={[...new Set(name.filter(Boolean))].join(", ")}
        aria-pressed={view.selected}
        aria-keyshortcuts={actions.onBreakpoint === undefined ? undefined : "b"}
        onClick={() => actions.onSelect?.(node.id)}
        onFocus={(event) => event.currentTarget.matches(":focus-visible") && actions.onReveal?.(node.id)}
        onKeyDown={(event) => {
          if (event.key === "b" && !event.ctrlKey && !event.metaKey && !event.altKey)
            actions.onBreakpoint?.(node.id);
        }}
      />
      <StatusIcon sign={sign} />
      <span className="step-text">
        <span className="step-label">{node.label}</span>
        <span className="step-line">
          <span className="step-kind">{node.kind}</span>
          {details.map((detail) => (
            <span key={detail} className="step-detail number">
              {detail}
            </span>
          ))}
        </span>
        {problems !== undefined && (
          <span className="step-problem" title={problems.map((problem) => problem.message).join("\n")}>
            {problems[0]?.message}
          </span>
        )}
      </span>
      <BreakpointButton
        id={node.id}
        label={node.label}
        set={view.breakpoint}
        onToggle={actions.onBreakpoint}
        testId={`breakpoint-${node.id}`}
      />
      {state?.status === "running" && state.progress !== undefined && (
        <progress className="step-progress" max={100} value={state.progress} aria-hidden="true" />
      )}
    </div>
  );
}

function noteText(node: GraphNode): string {
  const said = [node.config.text, node.config.note, node.config.content].find(
    (word) => typeof word === "string",
  );
  return typeof said === "string" ? said : node.label === node.id ? "" : node.label;
}
