/** A workflow to begin with: a condition, a loop, a question to a person, and two ends. */
export const EXAMPLE = {
  nodes: [
    { id: "start", type: "start", data: { label: "Begin", config: { waitTime: 300 } } },
    {
      id: "orders",
      type: "set",
      data: { label: "Fetch the orders", config: { orders: ["A-1", "A-2", "A-3"] } },
    },
    {
      id: "each",
      type: "loop",
      data: { label: "Each order", config: { type: "forEach", items: "{{ nodes.orders.result.orders }}" } },
    },
    { id: "pack", type: "wait", data: { label: "Pack it", config: { duration: 1500 } } },
    {
      id: "ask",
      type: "input_request",
      data: {
        label: "Ask the boss",
        config: {
          prompt: "Ship the orders?",
          schema: {
            type: "object",
            properties: { ship: { type: "boolean", title: "Ship" } },
            required: ["ship"],
          },
        },
      },
    },
    {
      id: "ok",
      type: "condition",
      data: { label: "May they go?", config: { expression: "{{ nodes.ask.result.ship }}" } },
    },
    { id: "ship", type: "wait", data: { label: "Ship", config: { duration: 2000 } } },
    { id: "keep", type: "set", data: { label: "Keep them", config: { kept: true } } },
  ],
  edges: [
    { id: "e1", source: "start", target: "orders" },
    { id: "e2", source: "orders", target: "each" },
    { id: "e3", source: "each", target: "pack", sourceHandle: "body" },
    { id: "e4", source: "pack", target: "each" },
    { id: "e5", source: "each", target: "ask", sourceHandle: "done" },
    { id: "e6", source: "ask", target: "ok" },
    { id: "e7", source: "ok", target: "ship", sourceHandle: "true" },
    { id: "e8", source: "ok", target: "keep", sourceHandle: "false" },
  ],
};
