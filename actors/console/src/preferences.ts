/** What a visitor chose (language, theme, panel sizes), kept in this browser; gone without harm where it keeps nothing. */

const PREFIX = "callboard.";

/** The value kept under a name; null: none, or this browser keeps nothing. */
export function readPreference(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Keeps a value under a name. */
export function writePreference(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Private windows and full disks: the choice holds until the page is closed.
  }
}
