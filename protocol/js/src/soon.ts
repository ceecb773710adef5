// When to tell of a change: once for many, with the next picture of the screen where there is one.

/** A page that is drawn at all has a frame by then. */
const LATEST_MS = 250;

/**
 * Call back soon, after what happens now: before the next frame in a page that is seen, with the next
 * macrotask elsewhere.
 *
 * @returns a function that calls it off.
 */
export function soon(callback: () => void): () => void {
  const { document } = globalThis as { document?: { hidden: boolean } };
  const framed = document !== undefined && !document.hidden && typeof requestAnimationFrame === "function";
  // Frames of a hidden page do not come, and it may be hidden, or out of sight, before the next one.
  const timer = setTimeout(
    () => {
      if (framed) cancelAnimationFrame(frame);
      callback();
    },
    framed ? LATEST_MS : 0,
  );
  const frame = framed
    ? requestAnimationFrame(() => {
        clearTimeout(timer);
        callback();
      })
    : 0;
  return () => {
    clearTimeout(timer);
    if (framed) cancelAnimationFrame(frame);
  };
}
