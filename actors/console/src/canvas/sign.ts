/** A node's view as a sign and as words: the same on the canvas, in the table of nodes and in the inspector. */
import type { NodeState } from "callboard";
import { formatDuration, formatIteration } from "../format";
import type { canvasText } from "./text";
import type { Sign } from "./StatusIcon";

type Words = (typeof canvasText)["en"];

/** The sign that a node shows. */
export function signOf(view: {
  readonly state: Pick<NodeState, "status" | "waiting"> | undefined;
  readonly held: boolean;
}): Sign {
  const { state, held } = view;
  if (held && (state === undefined || state.status === "pending")) return "held";
  if (state === undefined) return "none";
  return state.status === "running" && state.waiting !== undefined ? "waiting" : state.status;
}

/** What a sign means, in words. */
export function statusWords(sign: Sign, state: NodeState | undefined, t: Words): string {
  const words = t.states[sign as keyof Words["states"]] ?? sign;
  const reason = state?.reason;
  if (reason === undefined || reason === "" || (sign !== "pending" && sign !== "skipped")) return words;
  return `${words} (${reasonWords(reason, t)})`;
}

/** Why a node is as it is, in words; a reason that has none here is told as it came. */
export function reasonWords(reason: string, t: Words): string {
  return (t.reasons as Readonly<Record<string, string>>)[reason] ?? reason;
}

/** The details beside a node's status: its attempt, its turn, its progress, how long it took. */
export function detailsOf(state: NodeState | undefined, t: Words): string[] {
  if (state === undefined) return [];
  const details: string[] = [];
  if (state.status === "pending" && state.reason !== undefined) details.push(reasonWords(state.reason, t));
  if (state.attempt > 1) details.push(t.attempt(state.attempt));
  if (state.iteration.length > 0) details.push(t.turn(formatIteration(state.iteration)));
  if (state.status === "running" && state.waiting !== undefined) details.push(t.states.waiting);
  if (state.status === "running" && state.progress !== undefined)
    details.push(t.done(Math.floor(state.progress)));
  if (state.duration !== undefined) details.push(formatDuration(state.duration));
  return details;
}
