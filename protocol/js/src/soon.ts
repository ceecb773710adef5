// When to tell of a change: once for many, with the next picture of the screen where there is one.

/**
 * Call back soon, after what happens now: before the next frame in a page that is seen, with the next
 * macrotask elsewhere.
 *
 * @returns a function that calls it off.
 */
export function soon(callback: () => void): () => void {
  const { document } = globalThis as { document?: { hidden: boolean } };
  // Frames of a hidden page do not come.
  if (document !== undefined && !document.hidden && typeof requestAnimationFrame === "function") {
    const frame = requestAnimationFrame(callback);
    return () => cancelAnimationFrame(frame);
  }
  const timer = setTimeout(callback, 0);
  return () => clearTimeout(timer);
}
