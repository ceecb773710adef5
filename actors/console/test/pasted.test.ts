/** What people paste: every shape the server takes becomes the same workflow, and what is none says why. */
import { describe, expect, test } from "vitest";
import { readPasted } from "../src/graph/pasted";

const nodes = [
  { id: "a", type: "start" },
  { id: "b", type: "log" },
];
const edges = [{ source: "a", target: "b", sourceHandle: "out" }];
const connections = [{ from_node: "a", to_node: "b", from_output: "out", to_input: "in" }];
const config = { timeout: 5000 };

describe("a workflow is found in", () => {
  test.each([
    ["the graph itself", { nodes, edges }, "", {}],
    ["an exported React Flow object", { nodes, edges, viewport: { x: 0, y: 0, zoom: 1 } }, "", {}],
    ["a graph with its config and id", { id: "orders", nodes, edges, config }, "orders", config],
    [
      "what GET …/graph answers",
      { run_id: "r", workflow_id: "orders", nodes, edges, config },
      "orders",
      config,
    ],
    [
      "a command, snake",
      { id: "c1", type: "workflow.start", workflow_id: "orders", payload: { nodes, edges, config } },
      "orders",
      config,
    ],
    [
      "a command, camel",
      { id: "c1", type: "workflow.start", workflowId: "orders", payload: { nodes, edges } },
      "orders",
      {},
    ],
    [
      "a command, flat",
      { id: "c1", type: "execute_workflow", workflow: { id: "orders", nodes, edges, config } },
      "orders",
      config,
    ],
  ])("%s", (_, value, workflowId, expected) => {
    expect(readPasted(JSON.stringify(value))).toEqual({
      pasted: { workflow: { nodes, edges }, config: expected, workflowId },
    });
  });

  test("connections, which keep their name", () => {
    const read = readPasted(JSON.stringify({ nodes, connections }));
    expect(read).toEqual({ pasted: { workflow: { nodes, connections }, config: {}, workflowId: "" } });
  });
});

test("a run that was started by connections is started by them again", () => {
  const read = readPasted(
    JSON.stringify({ run_id: "r", workflow_id: "w", nodes, edges, config: {}, needs_start: false }),
  );
  expect(read).toEqual({ pasted: { workflow: { nodes, connections: edges }, config: {}, workflowId: "w" } });
});

describe("what is no workflow says why", () => {
  test.each(['{\n  "nodes": [,]\n}', '{"nodes": [', ""])("a text that is no JSON: %j", (text) => {
    const read = readPasted(text);
    expect(read).toMatchObject({ fault: { why: "not_json", message: expect.stringMatching(/JSON/) } });
  });

  test.each([
    ["[]", { why: "not_an_object" }],
    ["3", { why: "not_an_object" }],
    ["{}", { why: "no_nodes" }],
    ['{"nodes": {}}', { why: "not_a_list", key: "nodes" }],
    ['{"nodes": [], "edges": [1], "connections": [1]}', { why: "both" }],
    ['{"nodes": [], "connections": {"a": {"main": []}}}', { why: "not_a_list", key: "connections" }],
  ])("%s", (text, fault) => {
    expect(readPasted(text)).toEqual({ fault });
  });
});
