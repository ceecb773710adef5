/** A small live chart: one line, scaled to what it has. */
import { KEPT, sparkline } from "./series";

const WIDTH = 100;
const HEIGHT = 24;

/**
 * A small chart of the last two minutes, the newest value at the right edge, its greatest value at the top.
 *
 * @param label what it shows, in words: the line says nothing to ears.
 */
export function Sparkline({ values, label }: { values: readonly (number | null)[]; label: string }) {
  const line = sparkline(values, WIDTH, HEIGHT - 4);
  const first = /^M(\S+)/.exec(line)?.[1];
  const gaps = line.lastIndexOf("M") > 0;
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
      data-values={Math.min(values.length, KEPT - 1)}
    >
      <title>{label}</title>
      {line !== "" && !gaps && (
        <path className="sparkline-area" d={`${line}L${WIDTH} ${HEIGHT}L${first} ${HEIGHT}Z`} transform="translate(0 2)" />
      )}
      {line !== "" && <path className="sparkline-line" d={line} transform="translate(0 2)" />}
    </svg>
  );
}
