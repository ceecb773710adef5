/** Turns of loops, as people count them. Apart from `format.ts` because it needs no page. */

/** The turns of the loops around something, outermost first, counted from 1 as people do: `3`, `1.4`. */
export function formatIteration(iteration: readonly number[]): string {
  return iteration.map((turn) => turn + 1).join(".");
}
