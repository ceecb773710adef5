/** The button on a node that sets or clears its breakpoint. */
import { useText } from "../i18n";
import { canvasText } from "./text";

/** Sets and removes the breakpoint of a node; nothing where breakpoints can not be set, but for the ones that are. */
export function BreakpointButton(props: {
  readonly id: string;
  readonly label: string;
  readonly set: boolean;
  readonly onToggle: ((id: string) => void) | undefined;
  readonly testId: string;
}) {
  const { id, label, set, onToggle, testId } = props;
  const t = useText(canvasText);
  if (onToggle === undefined) return set ? <span className="breakpoint set" aria-hidden="true" /> : null;
  const words = set ? t.clearBreakpoint(label) : t.setBreakpoint(label);
  return (
    <button
      type="button"
      className={set ? "breakpoint set nodrag nopan" : "breakpoint nodrag nopan"}
      data-testid={testId}
      aria-label={words}
      aria-pressed={set}
      title={words}
      onClick={(event) => {
        event.stopPropagation();
        onToggle(id);
      }}
    />
  );
}
