/** The settings of a start, as fields: some of an ExecutionConfig by name, the rest as JSON. */
import type { JsonObject } from "callboard";

/** What is in the fields. */
export interface Settings {
  readonly workflowId: string;
  readonly dryRun: boolean;
  /** Seconds, as typed; "" is no limit. */
  readonly timeout: string;
  readonly driver: "" | "simulated" | "browser";
  /** Everything else, as JSON; "" is nothing. */
  readonly more: string;
}

/** Nothing is set. */
export const NO_SETTINGS: Settings = { workflowId: "", dryRun: false, timeout: "", driver: "", more: "" };

/** Keys that have a place of their own on the page. */
const NAMED: ReadonlySet<string> = new Set(["dryRun", "timeout", "driver", "breakpoints"]);

/** The fields for a config that came with a workflow. */
export function settingsOf(workflowId: string, config: Readonly<Record<string, unknown>>): Settings {
  const { dryRun, timeout, driver } = config;
  const more = Object.entries(config).filter(([key]) => !NAMED.has(key));
  return {
    workflowId,
    dryRun: dryRun === true,
    timeout: typeof timeout === "number" ? String(timeout / 1000) : "",
    driver: driver === "simulated" || driver === "browser" ? driver : "",
    more: more.length === 0 ? "" : JSON.stringify(Object.fromEntries(more), null, 2),
  };
}

/** The config of the fields and breakpoints, or which field keeps it from being one. */
export function configOf(
  settings: Settings,
  breakpoints: readonly string[],
): { readonly config: JsonObject } | { readonly bad: "timeout" | "more" } {
  const { dryRun, timeout, driver, more } = settings;
  const seconds = Number(timeout);
  if (timeout.trim() !== "" && !(Number.isFinite(seconds) && seconds > 0)) return { bad: "timeout" };
  const rest = moreOf(more);
  if (rest === null) return { bad: "more" };
  return {
    config: {
      ...rest,
      ...(dryRun && { dryRun }),
      ...(timeout.trim() !== "" && { timeout: Math.round(seconds * 1000) }),
      ...(driver !== "" && { driver }),
      ...(breakpoints.length > 0 && { breakpoints: [...breakpoints] }),
    },
  };
}

function moreOf(text: string): JsonObject | null {
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : null;
  } catch {
    return null;
  }
}
