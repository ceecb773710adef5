/**
 * An edge: open (a thin line), taken (a strong line with a filled head) or dead (dashes with a bar across).
 *
 * It is `data-testid="edge-<id>"`, with its state as `data-edge-state`.
 */
import { getBezierPath, getSmoothStepPath, type Edge, type EdgeProps } from "@xyflow/react";
import { memo } from "react";
import type { GraphEdge } from "../graph/model";
import { NODE_SIZE } from "../graph/sizes";
import { useText } from "../i18n";
import { useCanvasStore, useEdgeState } from "./source";
import { canvasText } from "./text";

/** What a drawn edge carries: the edge of the graph, and the height at which it goes back if there is one for it. */
export type FlowEdgeData = { readonly edge: GraphEdge; readonly gap: number | undefined };

/** An edge as React Flow has it. */
export type FlowEdge = Edge<FlowEdgeData, "flow">;

/** Longer names of ports are what editors invent for themselves. */
const MOST_LABEL = 16;
const SILENT = new Set(["out", "output", "source", "main", "right", "left", "top", "bottom", "a", "b"]);
const LABEL_CHAR = 6.6;
/** Pixels from the nodes that an edge goes around. */
const BEYOND = 18;

type Ends = Pick<
  EdgeProps,
  "sourceX" | "sourceY" | "targetX" | "targetY" | "sourcePosition" | "targetPosition"
>;

const FlowEdgeView = memo(function FlowEdgeView(props: EdgeProps<FlowEdge>) {
  const { sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition, data } = props;
  const t = useText(canvasText);
  const store = useCanvasStore();
  const state = useEdgeState(props.id);
  const problems = store.edgeProblems(props.id);
  const ends = { sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition };
  const [path, x, y] = pathOf(ends, data?.gap);
  const label = labelOf(data?.edge);
  return (
    <g
      className="flow-edge"
      data-testid={`edge-${props.id}`}
      data-edge-state={state}
      data-wrong={problems !== undefined || undefined}
    >
      <title>
        {[label, t.edgeStates[state], ...(problems ?? []).map((problem) => problem.message)]
          .filter(Boolean)
          .join(": ")}
      </title>
      <path className="flow-edge-hit" d={path} />
      <path className="flow-edge-line" d={path} markerEnd={`url(#callboard-arrow-${state})`} />
      {state === "dead" && label === "" && (
        <path className="flow-edge-bar" d={`M${x - 4} ${y - 5}l8 10M${x - 4} ${y + 5}l8-10`} />
      )}
      {label !== "" && (
        <g className="flow-edge-label" transform={`translate(${x} ${y})`}>
          <rect
            x={(-label.length * LABEL_CHAR) / 2 - 6}
            y={-9}
            width={label.length * LABEL_CHAR + 12}
            height={18}
            rx={9}
          />
          <text dominantBaseline="central" textAnchor="middle">
            {label}
          </text>
        </g>
      )}
    </g>
  );
});

/** By the `type` of a `FlowEdge`. */
export const EDGE_TYPES = { flow: FlowEdgeView };

/** The heads of edges, by state. */
export function Arrows() {
  return (
    <svg className="arrows" aria-hidden="true">
      <defs>
        {(["open", "taken", "dead"] as const).map((state) => (
          <marker
            key={state}
            id={`callboard-arrow-${state}`}
            className={`arrow arrow-${state}`}
            viewBox="0 0 10 10"
            refX="9"
            refY="5"
            markerUnits="userSpaceOnUse"
            markerWidth={state === "taken" ? 14 : 11}
            markerHeight={state === "taken" ? 14 : 11}
            orient="auto-start-reverse"
          >
            <path d="M1 1 9 5 1 9z" />
          </marker>
        ))}
      </defs>
    </svg>
  );
}

/** An edge that leads back goes around its nodes, above them or to their right; any other one goes straight. */
function pathOf(
  ends: Ends,
  gap: number | undefined,
): readonly [path: string, labelX: number, labelY: number, ...rest: unknown[]] {
  const { sourceX, sourceY, targetX, targetY, sourcePosition } = ends;
  const bend = { borderRadius: 14, offset: 22 };
  if (sourcePosition === "right" && targetX < sourceX) {
    return getSmoothStepPath({
      ...ends,
      ...bend,
      centerY: gap ?? Math.min(sourceY, targetY) - NODE_SIZE.height / 2 - BEYOND,
    });
  }
  if (sourcePosition === "bottom" && targetY < sourceY) {
    return getSmoothStepPath({
      ...ends,
      ...bend,
      centerX: Math.max(sourceX, targetX) + NODE_SIZE.width / 2 + BEYOND,
    });
  }
  return getBezierPath(ends);
}

function labelOf(edge: GraphEdge | undefined): string {
  if (edge === undefined) return "";
  if (edge.label !== "")
    return edge.label.length > MOST_LABEL ? `${edge.label.slice(0, MOST_LABEL - 1)}…` : edge.label;
  return edge.sourcePort.length > MOST_LABEL || SILENT.has(edge.sourcePort) ? "" : edge.sourcePort;
}
