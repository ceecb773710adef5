/**
 * What a person pastes or drops, understood: a workflow in one of the shapes that people have it in.
 *
 * Taken are the graph itself (`nodes` with `edges` or `connections`, which is also what React Flow's `toObject()` gives
 * and what `GET /api/runs/{run_id}/graph` answers), the same below `workflow` or `graph`, and whole start commands of
 * each dialect, with their `payload`.
 */

/** A workflow, ready to be started. */
export interface Pasted {
  /** As it is sent: `nodes` and the edges under the name they came with. */
  readonly workflow: PastedWorkflow;
  /** What was said as `config` beside it. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The id that it came with; "" if it has none. */
  readonly workflowId: string;
}

/** Nodes and edges as they were written. */
export interface PastedWorkflow {
  readonly nodes: readonly unknown[];
  readonly edges?: readonly unknown[];
  readonly connections?: readonly unknown[];
}

/** Why a text is no workflow. */
export type PasteFault =
  /** The message is the browser's, with the place or an excerpt of it. */
  | { readonly why: "not_json"; readonly message: string }
  | { readonly why: "not_an_object" }
  | { readonly why: "no_nodes" }
  /** There are `edges` and `connections`: which of them are meant? */
  | { readonly why: "both" }
  | { readonly why: "not_a_list"; readonly key: string };

type Fields = Readonly<Record<string, unknown>>;

/** Reads a text; the fault says what a person has to mend. */
export function readPasted(text: string): { readonly pasted: Pasted } | { readonly fault: PasteFault } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { fault: { why: "not_json", message: error instanceof Error ? error.message : String(error) } };
  }
  if (!isFields(value)) return { fault: { why: "not_an_object" } };
  const around: Fields[] = [value];
  let graph = value;
  for (const key of ["payload", "workflow", "graph"]) {
    const inner = graph[key];
    if (!("nodes" in graph) && isFields(inner)) {
      graph = inner;
      around.unshift(graph);
    }
  }
  if (!("nodes" in graph)) return { fault: { why: "no_nodes" } };
  for (const key of ["nodes", "edges", "connections"]) {
    const entries = graph[key];
    if (entries !== undefined && entries !== null && !Array.isArray(entries))
      return { fault: { why: "not_a_list", key } };
  }
  const listOf = (key: string) => (Array.isArray(graph[key]) ? (graph[key] as unknown[]) : []);
  const config = around.map((each) => each.config).find(isFields) ?? {};
  const connections = listOf("connections");
  // Of a run that was started by `connections` the server tells `edges`, and that it needs no start node.
  const asConnections = connections.length > 0 || graph.needs_start === false;
  if (connections.length > 0 && listOf("edges").length > 0) return { fault: { why: "both" } };
  return {
    pasted: {
      workflow: asConnections
        ? { nodes: listOf("nodes"), connections: connections.length > 0 ? connections : listOf("edges") }
        : { nodes: listOf("nodes"), edges: listOf("edges") },
      config,
      workflowId: workflowIdOf(around, graph),
    },
  };
}

function workflowIdOf(around: readonly Fields[], graph: Fields): string {
  for (const each of around) {
    for (const key of ["workflow_id", "workflowId"]) {
      const said = each[key];
      if (typeof said === "string" && said !== "") return said;
    }
  }
  // The `id` of a command is the id of that message, not of the workflow.
  return typeof graph.id === "string" && typeof graph.type !== "string" ? graph.id : "";
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
