/** What a person can do to a node on the canvas; the same object as long as the canvas lives, so that nothing renders. */
import { createContext } from "react";

/** Each may be absent: then it can not be done here. */
export interface CanvasActions {
  readonly onSelect?: (id: string) => void;
  readonly onBreakpoint?: ((id: string) => void) | undefined;
  /** A node got the focus by the keyboard and should be in sight. */
  readonly onReveal?: (id: string) => void;
}

/** The actions of the canvas that a component is in. */
export const ActionsContext = createContext<CanvasActions>({});
