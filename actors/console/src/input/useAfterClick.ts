/** Keeps what would move the page back until the click that causes it is over. */
import { useEffect, useRef } from "react";

/**
 * Does something at once, or, while a pointer is down, after its click.
 *
 * To press a button takes the focus out of a field. What is shown about that field then would move the button away from
 * below the pointer, and the click would go nowhere.
 */
export function useAfterClick(): (action: () => void) => void {
  const waiting = useRef<(() => void)[] | null>(null);
  useEffect(() => {
    const down = () => (waiting.current ??= []);
    const up = () =>
      setTimeout(() => {
        const actions = waiting.current ?? [];
        waiting.current = null;
        for (const action of actions) action();
      });
    document.addEventListener("pointerdown", down, true);
    document.addEventListener("pointerup", up, true);
    document.addEventListener("pointercancel", up, true);
    return () => {
      document.removeEventListener("pointerdown", down, true);
      document.removeEventListener("pointerup", up, true);
      document.removeEventListener("pointercancel", up, true);
    };
  }, []);
  return (action) => {
    if (waiting.current === null) action();
    else waiting.current.push(action);
  };
}
