/** Following what changes often, without doing at each change what costs a request. */
import { useEffect, useRef, useState } from "react";

/** A value that follows another one: at once if that has been quiet, else once in `pause` milliseconds. */
export function useSlowed<T>(value: T, pause: number): T {
  const [slow, setSlow] = useState(value);
  const newest = useRef(value);
  newest.current = value;
  const behind = slow !== value;
  const at = useRef(-Infinity);
  useEffect(() => {
    if (!behind) return;
    const timer = setTimeout(
      () => {
        at.current = performance.now();
        setSlow(newest.current);
      },
      Math.max(0, at.current + pause - performance.now()),
    );
    return () => clearTimeout(timer);
  }, [slow, behind, pause]);
  return slow;
}
