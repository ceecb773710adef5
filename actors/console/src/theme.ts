/** Light or dark: as the system has it, or as the visitor chose. The colours are in `theme.css`. */
import { useSyncExternalStore } from "react";
import { readPreference, writePreference } from "./preferences";

/** What can be chosen; `system` follows the visitor's system, also when that changes. */
export const THEMES = ["system", "light", "dark"] as const;

/** A choice. */
export type Theme = (typeof THEMES)[number];

const listeners = new Set<() => void>();
const system = window.matchMedia("(prefers-color-scheme: dark)");
let theme: Theme = THEMES.find((known) => known === readPreference("theme")) ?? "system";

/** Chooses a theme, for this and later visits. */
export function setTheme(next: Theme): void {
  theme = next;
  writePreference("theme", next);
  apply();
}

/** What was chosen; renders again when it changes. */
export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, () => theme);
}

/** What is shown: the choice, or what the system has. */
export function useColorScheme(): "light" | "dark" {
  return useSyncExternalStore(subscribe, shown);
}

function shown(): "light" | "dark" {
  return theme === "system" ? (system.matches ? "dark" : "light") : theme;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function apply(): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const listener of listeners) listener();
}

system.addEventListener("change", apply);
apply();
