/**
 * The buttons that steer a run: those that its state allows.
 *
 * A button that cannot be used now stays where it is, and stays reachable (`aria-disabled`), so that nothing moves under
 * the hand and the focus is not lost by what an event says. `data-testid`: `control-<command>`.
 */
import type { RunState } from "callboard";
import { useText } from "../i18n";
import type { Command, Steering } from "./steering";
import { runText } from "./text";

type Control = Exclude<Command, "breakpoints">;

/** State of a run → what may be asked of it. The server decides; this is the row of its table that says ok. */
const POSSIBLE: Record<RunState["status"], readonly Control[]> = {
  pending: ["pause", "drain", "stop"],
  running: ["pause", "drain", "stop"],
  pausing: ["resume", "stop"],
  paused: ["resume", "step", "stop"],
  stopping: ["force"],
  failing: ["force"],
  completed: [],
  stopped: [],
  failed: [],
};

/** The buttons. */
export function RunControls({ status, steering }: { status: RunState["status"]; steering: Steering }) {
  const t = useText(runText);
  const possible = POSSIBLE[status];
  if (possible.length === 0) return null;
  const ends = status === "stopping" || status === "failing";
  const resumes = status === "pausing" || status === "paused";
  const shown: readonly Control[] = [
    ...(resumes ? (["resume", "step"] as const) : (["pause", "drain"] as const)),
    ends ? "force" : "stop",
  ];
  const titles: Partial<Record<Control, string>> = {
    pause: t.pauseTitle,
    drain: t.drainTitle,
    step: t.stepTitle,
    force: t.forceTitle,
  };
  return shown.map((control) => {
    const usable = possible.includes(control) && steering.asked === null;
    return (
      <button
        // The first and the last stay the same element whatever they do, and keep the focus.
        key={
          control === "resume"
            ? "pause"
            : control === "step"
              ? "drain"
              : control === "force"
                ? "stop"
                : control
        }
        type="button"
        className={classOf(control)}
        data-testid={`control-${control}`}
        data-asked={steering.asked === control || undefined}
        aria-disabled={!usable}
        title={titles[control]}
        onClick={() => usable && steering.ask(control)}
      >
        {t[control]}
      </button>
    );
  });
}

function classOf(control: Control): string {
  if (control === "resume") return "button primary";
  return control === "stop" || control === "force" ? "button danger" : "button";
}
