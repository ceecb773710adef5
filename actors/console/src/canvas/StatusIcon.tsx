/** The sign of a state: each has a shape of its own, so that nobody has to tell them apart by their colours. */
import { memo } from "react";

/** What a sign can be of: the states of nodes, and those of runs. */
export type Sign =
  | "none"
  | "pending"
  | "running"
  | "success"
  | "error"
  | "skipped"
  | "waiting"
  | "held"
  | "paused"
  | "stopped";

const SHAPES: Record<Sign, React.ReactNode> = {
  none: <circle cx="8" cy="8" r="5.5" strokeDasharray="2.2 2.2" />,
  pending: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M8 5v3l2 1.5" />
    </>
  ),
  running: (
    <>
      <circle cx="8" cy="8" r="5.5" opacity="0.3" />
      <path d="M8 2.5a5.5 5.5 0 0 1 5.5 5.5" />
    </>
  ),
  success: (
    <>
      <circle className="solid" cx="8" cy="8" r="6.5" />
      <path className="on-solid" d="m5 8.2 2.1 2.1 4-4.3" />
    </>
  ),
  error: (
    <>
      <path className="solid" d="M5 1.5h6L14.5 5v6L11 14.5H5L1.5 11V5z" />
      <path className="on-solid" d="m5.7 5.7 4.6 4.6m0-4.6-4.6 4.6" />
    </>
  ),
  skipped: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="m4.2 11.8 7.6-7.6" />
    </>
  ),
  waiting: (
    <>
      <circle cx="8" cy="5" r="2.6" />
      <path d="M2.8 14c.5-3 2.5-4.5 5.2-4.5s4.7 1.5 5.2 4.5" />
    </>
  ),
  held: (
    <>
      <circle className="solid" cx="8" cy="8" r="6.5" />
      <path className="on-solid" d="M6.3 5.5v5M9.7 5.5v5" />
    </>
  ),
  paused: <path d="M5.5 3.5v9M10.5 3.5v9" />,
  stopped: <rect className="solid" x="3.5" y="3.5" width="9" height="9" rx="1.5" />,
};

/** A sign of 16 pixels; it says nothing to those who do not see it, for whom the words beside it are. */
export const StatusIcon = memo(function StatusIcon({ sign }: { sign: Sign }) {
  return (
    <svg
      className="status-icon"
      data-sign={sign}
      viewBox="0 0 16 16"
      width="16"
      height="16"
      aria-hidden="true"
    >
      {SHAPES[sign]}
    </svg>
  );
});
