/** Which page is shown: the part of the address behind `#`, so that the server needs to know one path only. */
import { useMemo, useSyncExternalStore } from "react";

/** A page, with what its address says. */
export type Route =
  | { readonly page: "runs"; readonly query: URLSearchParams }
  | { readonly page: "run"; readonly runId: string; readonly query: URLSearchParams }
  | { readonly page: "replay"; readonly runId: string; readonly query: URLSearchParams }
  | { readonly page: "new"; readonly query: URLSearchParams }
  | { readonly page: "connections" }
  | { readonly page: "messages" }
  | { readonly page: "unknown" };

/** The route of an address' hash, as `#/runs/r1?node=a`. */
export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const query = new URLSearchParams(search);
  const parts = path.split("/").filter(Boolean).map(decode);
  const [first, runId, last] = parts;
  if (parts.length === 0) return { page: "runs", query };
  if (first === "runs" && runId === undefined) return { page: "runs", query };
  if (first === "runs" && runId !== undefined && last === undefined) return { page: "run", runId, query };
  if (first === "runs" && runId !== undefined && last === "replay" && parts.length === 3) {
    return { page: "replay", runId, query };
  }
  if (parts.length === 1 && first === "new") return { page: "new", query };
  if (parts.length === 1 && (first === "connections" || first === "messages")) return { page: first };
  return { page: "unknown" };
}

/** The address of a run's page. */
export function runAddress(runId: string): string {
  return `#/runs/${encodeURIComponent(runId)}`;
}

/** The address of a run's replay. */
export function replayAddress(runId: string): string {
  return `${runAddress(runId)}/replay`;
}

/** Which page is shown; renders again when the address changes. */
export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  return useMemo(() => parseRoute(hash), [hash]);
}

/** Puts values into the address' query without a new entry in the history; an empty one is left out. */
export function replaceQuery(values: Readonly<Record<string, string>>): void {
  const [path = "#/", search = ""] = (location.hash || "#/").split("?", 2);
  const query = new URLSearchParams(search);
  for (const [name, value] of Object.entries(values)) {
    if (value === "") query.delete(name);
    else query.set(name, value);
  }
  const rest = query.size > 0 ? `?${query}` : "";
  history.replaceState(history.state, "", `${path}${rest}`);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}

/** A part of a path as it is meant; as it is where it was not encoded. */
export function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
