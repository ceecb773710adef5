/** The edge between two parts of the page, to be drawn, or moved by the arrow keys; how far is kept in this browser. */
import { useRef, useState } from "react";
import { readPreference, writePreference } from "../preferences";

const STEP = 24;

/** A size in pixels that a person sets, kept under a name. */
export function useSize(
  name: string,
  initial: number,
  least: number,
  most: number,
): [number, (size: number) => void] {
  const [size, setSize] = useState(() => {
    const kept = Number(readPreference(name) ?? NaN);
    return Number.isFinite(kept) ? clamp(kept, least, most) : initial;
  });
  return [
    size,
    (next) => {
      const size = clamp(next, least, most);
      setSize(size);
      writePreference(name, String(Math.round(size)));
    },
  ];
}

/** The edge. It sets the size of what follows it: of what is below, or to the right. */
export function Splitter(props: {
  readonly label: string;
  readonly direction: "row" | "column";
  readonly size: number;
  readonly least: number;
  readonly most: number;
  readonly onSize: (size: number) => void;
}) {
  const { label, direction, size, least, most, onSize } = props;
  const from = useRef<{ at: number; size: number } | null>(null);
  const at = (event: React.PointerEvent) => (direction === "column" ? event.clientY : event.clientX);
  return (
    <div
      className={`splitter splitter-${direction}`}
      role="separator"
      tabIndex={0}
      aria-label={label}
      aria-orientation={direction === "column" ? "horizontal" : "vertical"}
      aria-valuenow={Math.round(size)}
      aria-valuemin={least}
      aria-valuemax={most}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        from.current = { at: at(event), size };
      }}
      onPointerMove={(event) => {
        if (from.current !== null) onSize(from.current.size + from.current.at - at(event));
      }}
      onPointerUp={() => (from.current = null)}
      onPointerCancel={() => (from.current = null)}
      onKeyDown={(event) => {
        const grows = event.key === "ArrowUp" || event.key === "ArrowLeft";
        const shrinks = event.key === "ArrowDown" || event.key === "ArrowRight";
        if (!grows && !shrinks) return;
        event.preventDefault();
        onSize(size + (grows ? STEP : -STEP));
      }}
    />
  );
}

function clamp(size: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, size));
}
