/** What a canvas hears: each node of its own changes, and of nothing else. */
import type { NodeState } from "callboard";
import { expect, test, vi } from "vitest";
import { CanvasStore, NO_MARKS, type CanvasSource } from "../src/canvas/source";

const RUNNING: NodeState = { status: "running", message: "", attempt: 1, iteration: [], seq: 1 };

function sourceOf(nodes: Record<string, NodeState>) {
  const listeners = new Set<() => void>();
  const source = {
    current: { nodes, edges: {} as Record<string, "taken" | "dead"> },
    subscribe: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const tell = (nodes: Record<string, NodeState>) => {
    source.current = { ...source.current, nodes };
    for (const listener of listeners) listener();
  };
  return { source: source satisfies CanvasSource, tell, listeners };
}

test("a node's view stays the same object until something in it changes", () => {
  const { source, tell } = sourceOf({ a: RUNNING });
  const store = new CanvasStore(source, NO_MARKS);
  store.subscribe(() => undefined);
  const before = store.node("a");
  const other = store.node("b");
  tell({ a: RUNNING, b: RUNNING });
  expect(store.node("a")).toBe(before);
  expect(store.node("b")).not.toBe(other);
  store.mark({ ...NO_MARKS, selected: "a", breakpoints: new Set(["b"]) });
  expect(store.node("a")).toMatchObject({ selected: true, breakpoint: false });
  expect(store.node("b")).toMatchObject({ selected: false, breakpoint: true });
});

test("the source is listened to once, however many nodes there are, and left with the last of them", () => {
  const { source, tell, listeners } = sourceOf({});
  const store = new CanvasStore(source, NO_MARKS);
  const heard = vi.fn();
  const leave = [store.subscribe(heard), store.subscribe(() => undefined)];
  expect(listeners.size).toBe(1);
  tell({ a: RUNNING });
  expect(heard).toHaveBeenCalledTimes(1);
  leave.forEach((off) => off());
  expect(listeners.size).toBe(0);
  store.subscribe(heard);
  tell({});
  expect(heard).toHaveBeenCalledTimes(2);
});
