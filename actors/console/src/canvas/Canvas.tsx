/**
 * A workflow drawn: its nodes and edges with what a run made of them.
 *
 * Theory of operation: the places come from `layOut`, once for a graph. React Flow gets nodes and edges that never change
 * while the run goes on; what does change reaches each node and edge through the `CanvasStore`, past React Flow. Of a
 * large graph only what is in sight is in the document. From far away the words are left out (`data-far`), as nobody
 * could read them and a thousand texts are what costs. The handles' places are computed rather than measured, so that
 * edges are there with the first frame.
 */
import {
  Background,
  Controls,
  MiniMap,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  useStore,
  type AriaLabelConfig,
  type NodeHandle,
} from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { useEffect, useMemo, useRef, useState, type RefObject } from "react";
import { layOut, type Layout } from "../graph/layout";
import type { Graph, GraphEdge, GraphNode } from "../graph/model";
import { useText } from "../i18n";
import { useColorScheme } from "../theme";
import { ActionsContext, type CanvasActions } from "./actions";
import "./canvas.css";
import { Arrows, EDGE_TYPES, type FlowEdge } from "./FlowEdge";
import { handleOf, handlePlace, NODE_TYPES, type FlowNode } from "./FlowNode";
import { MapNode } from "./MapNode";
import { CanvasContext, CanvasStore, NO_MARKS, type CanvasSource, type Marks } from "./source";
import { canvasText } from "./text";

/** What a canvas is given. */
export interface CanvasProps {
  /** What is drawn; a new object is laid out anew and shown whole. */
  readonly graph: Graph;
  /** What is told of it: a `Run`, the replay, or `NOTHING_RUNS`. */
  readonly source: CanvasSource;
  /** What the page says about its nodes. */
  readonly marks?: Marks;
  /** A node was chosen; null: none any more. */
  readonly onSelect?: (id: string | null) => void;
  /** A breakpoint was set or removed; without it none can be. */
  readonly onBreakpoint?: ((id: string) => void) | undefined;
}

/** From so many nodes on only those in sight are drawn. */
const MANY_NODES = 200;
/** A map of fewer nodes than these would only cover some of them. */
const FEW_NODES = 24;
/** From so many nodes on the whole is on the map only: to draw them all at once takes a browser half a minute. */
const HUGE = 3000;
/** The smallest zoom: of a graph that is drawn as a whole, and of one where some 2,000 nodes at a time are enough. */
const LEAST_ZOOM = 0.02;
const LEAST_ZOOM_OF_HUGE = 0.12;
/** Below this zoom nobody can read the words. */
const FAR = 0.42;
const FIT = { padding: 0.08, maxZoom: 1.1 };

/** The canvas. `data-testid="canvas"`. */
export function Canvas(props: CanvasProps) {
  return (
    <ReactFlowProvider>
      <Drawing {...props} />
    </ReactFlowProvider>
  );
}

function Drawing({ graph, source, marks = NO_MARKS, onSelect, onBreakpoint }: CanvasProps) {
  const t = useText(canvasText);
  const scheme = useColorScheme();
  const store = useStoreOf(source, marks);
  const moved = useRef(false);
  const reveal = useReveal(marks.selected, moved);
  useWholeWhenResized(moved);
  const actions = useActions(onSelect, onBreakpoint, reveal);
  const drawn = useMemo(() => draw(graph, layOut(graph)), [graph]);
  const names = useMemo(() => labels(t), [t]);
  const far = useStore((flow) => flow.transform[2] < FAR);
  return (
    <CanvasContext value={store}>
      <ActionsContext value={actions}>
        <div className="canvas" data-testid="canvas" data-far={far || undefined}>
          <Arrows />
          <ReactFlow
            key={drawn.key}
            defaultNodes={drawn.nodes}
            defaultEdges={drawn.edges}
            nodeTypes={NODE_TYPES}
            edgeTypes={EDGE_TYPES}
            colorMode={scheme}
            fitView
            fitViewOptions={FIT}
            minZoom={graph.nodes.length > HUGE ? LEAST_ZOOM_OF_HUGE : LEAST_ZOOM}
            maxZoom={2}
            nodesConnectable={false}
            nodesFocusable={false}
            edgesFocusable={false}
            elementsSelectable={false}
            deleteKeyCode={null}
            selectionKeyCode={null}
            multiSelectionKeyCode={null}
            onlyRenderVisibleElements={graph.nodes.length > MANY_NODES}
            // Without an event it was the page that moved the picture, as for its first fit.
            onMoveStart={(event) => event !== null && (moved.current = true)}
            onPaneClick={() => onSelect?.(null)}
            aria-label={t.canvas}
            ariaLabelConfig={names}
          >
            <Background gap={22} />
            <Controls showInteractive={false} fitViewOptions={FIT} />
            {graph.nodes.length > FEW_NODES && (
              <MiniMap nodeComponent={MapNode} pannable zoomable ariaLabel={t.map} />
            )}
          </ReactFlow>
        </div>
      </ActionsContext>
    </CanvasContext>
  );
}

function useStoreOf(source: CanvasSource, marks: Marks): CanvasStore {
  const first = useRef(marks);
  const store = useMemo(() => new CanvasStore(source, first.current), [source]);
  useEffect(() => {
    first.current = marks;
    store.mark(marks);
  }, [store, marks]);
  return store;
}

/** The actions for all nodes: one object for ever, that does what the newest props say. */
function useActions(
  onSelect: CanvasProps["onSelect"],
  onBreakpoint: CanvasProps["onBreakpoint"],
  onReveal: (id: string) => void,
): CanvasActions {
  const newest = useRef({ onSelect, onBreakpoint, onReveal });
  useEffect(() => {
    newest.current = { onSelect, onBreakpoint, onReveal };
  });
  const breakable = onBreakpoint !== undefined;
  return useMemo(
    () => ({
      onSelect: (id: string) => newest.current.onSelect?.(id),
      onBreakpoint: breakable ? (id: string) => newest.current.onBreakpoint?.(id) : undefined,
      onReveal: (id: string) => newest.current.onReveal(id),
    }),
    [breakable],
  );
}

/** Moves the picture so that a node is in sight: one that got the focus, or that was chosen elsewhere on the page. */
function useReveal(selected: string | null, moved: RefObject<boolean>): (id: string) => void {
  const flow = useReactFlow();
  const frame = useStore((state) => state.domNode);
  const [reveal] = useState(() => ({ now: (_: string) => undefined as void }));
  reveal.now = (id) => {
    const node = flow.getInternalNode(id);
    if (node === undefined || frame === null) return;
    const { x, y } = node.internals.positionAbsolute;
    const width = node.width ?? 0;
    const height = node.height ?? 0;
    const zoom = flow.getZoom();
    const corner = flow.flowToScreenPosition({ x, y });
    const box = frame.getBoundingClientRect();
    const inSight =
      corner.x >= box.left &&
      corner.y >= box.top &&
      corner.x + width * zoom <= box.right &&
      corner.y + height * zoom <= box.bottom;
    if (inSight) return;
    moved.current = true;
    void flow.setCenter(x + width / 2, y + height / 2, { zoom: Math.max(zoom, FAR + 0.2), duration: 0 });
  };
  useEffect(() => {
    if (selected !== null) reveal.now(selected);
  }, [reveal, selected]);
  return useMemo(() => (id: string) => reveal.now(id), [reveal]);
}

/** Shows everything again when the canvas gets another size, as long as nobody has moved the picture. */
function useWholeWhenResized(moved: RefObject<boolean>): void {
  const flow = useReactFlow();
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  useEffect(() => {
    if (width > 0 && height > 0 && !moved.current) void flow.fitView(FIT);
  }, [flow, moved, width, height]);
}

interface Drawn {
  readonly key: string;
  readonly nodes: FlowNode[];
  readonly edges: FlowEdge[];
}

let drawings = 0;

function draw(graph: Graph, layout: Layout): Drawn {
  const down = layout.direction === "down";
  const ports = portsOf(graph, layout, down);
  const byDepth = [...graph.nodes].sort((a, b) => depthOf(a, layout) - depthOf(b, layout));
  return {
    key: String((drawings += 1)),
    nodes: byDepth.map((node) => flowNode(node, layout, ports.get(node.id) ?? [], down)),
    edges: graph.edges.map((edge) => ({
      id: edge.id,
      type: "flow",
      source: edge.source,
      target: edge.target,
      sourceHandle: handleOf(edge.sourcePort),
      data: { edge, gap: gapFor(edge, layout) },
      zIndex: 1,
    })),
  };
}

/** Where an edge that leads back, further down, goes to the left; undefined: around its nodes. */
function gapFor(edge: GraphEdge, layout: Layout): number | undefined {
  const from = layout.places.get(edge.source)!.y;
  const to = layout.places.get(edge.target)!.y;
  return layout.gaps.findLast((gap) => gap > from && gap < to);
}

/** Frames lie below what is inside of them: the larger one below. */
function depthOf(node: GraphNode, layout: Layout): number {
  if (!layout.frames.has(node.id)) return 0;
  const { width, height } = layout.places.get(node.id)!;
  return -width * height;
}

function flowNode(node: GraphNode, layout: Layout, ports: readonly string[], down: boolean): FlowNode {
  const { x, y, width, height } = layout.places.get(node.id)!;
  const type = layout.frames.has(node.id) ? "frame" : node.annotation ? "note" : "step";
  const target: NodeHandle = {
    type: "target",
    position: down ? Position.Top : Position.Left,
    ...(down ? { x: width / 2, y: 0 } : { x: 0, y: height / 2 }),
    width: 1,
    height: 1,
  };
  const sources = ports.map((port, at): NodeHandle => {
    const along = handlePlace(at, ports.length);
    return {
      id: handleOf(port),
      type: "source",
      position: down ? Position.Bottom : Position.Right,
      ...(down ? { x: width * along, y: height } : { x: width, y: height * along }),
      width: 1,
      height: 1,
    };
  });
  return {
    id: node.id,
    type,
    position: { x, y },
    width,
    height,
    // Known without a look at the document, so that what is not in sight counts when everything is to be shown.
    measured: { width, height },
    handles: type === "note" ? [] : [target, ...sources],
    data: { node, ports, down },
    zIndex: type === "step" ? 2 : 0,
    draggable: type !== "frame",
  };
}

/** The ports that edges leave a node by, in the order of where they lead, so that edges do not cross at once. */
function portsOf(graph: Graph, layout: Layout, down: boolean): Map<string, string[]> {
  const leads = new Map<string, Map<string, number>>();
  for (const { source, target, sourcePort } of graph.edges) {
    const { x, y } = layout.places.get(target)!;
    const ports = leads.get(source) ?? new Map<string, number>();
    leads.set(source, ports);
    ports.set(sourcePort, Math.min(ports.get(sourcePort) ?? Infinity, down ? x : y));
  }
  return new Map(
    [...leads].map(([id, ports]) => [
      id,
      [...ports].sort(([, one], [, other]) => one - other).map(([port]) => port),
    ]),
  );
}

function labels(t: (typeof canvasText)["en"]): Partial<AriaLabelConfig> {
  return {
    "controls.ariaLabel": t.controls,
    "controls.zoomIn.ariaLabel": t.zoomIn,
    "controls.zoomOut.ariaLabel": t.zoomOut,
    "controls.fitView.ariaLabel": t.fit,
    "minimap.ariaLabel": t.map,
  };
}
