/**
 * Asking the server to steer a run, and what it said.
 *
 * Theory of operation: a command is asked for once at a time; until it is answered the page says what it is waiting for,
 * and the state of the run is never guessed: it is what events tell. A refusal stays in words until the next command or
 * until it is dismissed. While the server is away the client keeps the command and sends it when it is back.
 */
import { CommandRefused, type Client } from "callboard";
import { useCallback, useState } from "react";

/** What can be asked for. */
export type Command = "pause" | "drain" | "resume" | "step" | "stop" | "force" | "breakpoints";

/** What is under way, and what went wrong. */
export interface Steering {
  /** What was asked for and is not answered yet. */
  readonly asked: Command | null;
  readonly problem: { readonly refused: boolean; readonly message: string } | null;
  dismiss(): void;
  ask(command: Exclude<Command, "breakpoints">): void;
  /** Resolves to whether it was accepted; why it was not is the `problem`. */
  setBreakpoints(nodeIds: readonly string[]): Promise<boolean>;
}

/** Steers a run. */
export function useSteering(client: Client, runId: string): Steering {
  const [asked, setAsked] = useState<Command | null>(null);
  const [problem, setProblem] = useState<Steering["problem"]>(null);
  const send = useCallback(async (command: Command, action: () => Promise<unknown>): Promise<boolean> => {
    setAsked(command);
    setProblem(null);
    try {
      await action();
      return true;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      setProblem({ refused: error instanceof CommandRefused, message });
      return false;
    } finally {
      setAsked(null);
    }
  }, []);
  return {
    asked,
    problem,
    dismiss: useCallback(() => setProblem(null), []),
    ask: useCallback(
      (command) => void send(command, () => steer(client, runId, command)),
      [client, runId, send],
    ),
    setBreakpoints: useCallback(
      (nodeIds) => send("breakpoints", () => client.setBreakpoints(runId, [...nodeIds])),
      [client, runId, send],
    ),
  };
}

function steer(client: Client, runId: string, command: Exclude<Command, "breakpoints">): Promise<unknown> {
  switch (command) {
    case "pause":
      return client.pause(runId, { mode: "now" });
    case "drain":
      return client.pause(runId, { mode: "drain" });
    case "resume":
      return client.resume(runId);
    case "step":
      return client.resume(runId, { step: true });
    case "stop":
      return client.stop(runId);
    case "force":
      return client.stop(runId, { force: true });
  }
}
