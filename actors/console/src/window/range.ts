/**
 * Which rows of a long list are in the page.
 *
 * Theory of operation: every row is as high as the others, but for a few that were unfolded; of those it is known by how
 * much they are higher. So where a row is costs as much as there are unfolded rows, and the list may have any length.
 */

/** Of a row that is higher than the others. */
export interface Taller {
  readonly index: number;
  /** By how many pixels. */
  readonly extra: number;
}

/** What is in the page, and how much room is kept for what is not. */
export interface Range {
  /** Index of the first row. */
  readonly first: number;
  /** Index behind the last row. */
  readonly end: number;
  /** Pixels above the first row. */
  readonly above: number;
  /** Pixels of all rows. */
  readonly total: number;
}

/** Rows kept above and below what can be seen, so that a quick scroll shows no gap. */
const OVERSCAN = 12;

/**
 * The rows to put in the page.
 *
 * @param count how many rows there are.
 * @param rowHeight of a plain row, in pixels.
 * @param taller rows that are higher, by ascending index.
 * @param scrollTop how far it is scrolled, in pixels.
 * @param height how much of it can be seen, in pixels.
 */
export function rangeOf(
  count: number,
  rowHeight: number,
  taller: readonly Taller[],
  scrollTop: number,
  height: number,
): Range {
  const first = Math.max(0, indexAt(count, rowHeight, taller, scrollTop) - OVERSCAN);
  const end = Math.min(count, indexAt(count, rowHeight, taller, scrollTop + height) + 1 + OVERSCAN);
  return {
    first,
    end,
    above: topOf(first, rowHeight, taller),
    total: topOf(count, rowHeight, taller),
  };
}

/** Where the upper edge of a row is, in pixels. */
export function topOf(index: number, rowHeight: number, taller: readonly Taller[]): number {
  let top = index * rowHeight;
  for (const each of taller) if (each.index < index) top += each.extra;
  return top;
}

/** The row at a height; the last one if it is below all of them, 0 if there is none. */
export function indexAt(count: number, rowHeight: number, taller: readonly Taller[], at: number): number {
  let left = at;
  let from = 0;
  for (const each of taller) {
    const plain = (each.index - from) * rowHeight;
    if (left < plain) break;
    left -= plain;
    from = each.index;
    if (left < rowHeight + each.extra) return Math.min(Math.max(0, count - 1), from);
    left -= rowHeight + each.extra;
    from = each.index + 1;
  }
  const index = from + Math.floor(Math.max(0, left) / rowHeight);
  return Math.min(Math.max(0, count - 1), index);
}
