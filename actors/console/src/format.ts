/** Durations, moments and sizes, as people read them. Units are those of the SI, which both languages share. */
import { currentLanguage } from "./i18n";

export { formatIteration } from "./iteration";

/** A duration in milliseconds: `0.42 ms`, `412 ms`, `3.2 s`, `1 min 05 s`, `2 h 10 min`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 10) return `${Number(milliseconds.toFixed(2))} ms`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}

/** A moment, in milliseconds since the epoch: its date and its time to the second. */
export function formatMoment(milliseconds: number): string {
  return moments(currentLanguage(), { dateStyle: "medium", timeStyle: "medium" }).format(milliseconds);
}

/** The time of a moment, to the millisecond. */
export function formatTime(milliseconds: number): string {
  return moments(currentLanguage(), { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false }).format(
    milliseconds,
  );
}

/** A moment as exactly as it is known: its date, its time to the millisecond, and the zone. */
export function formatInstant(milliseconds: number): string {
  return moments(currentLanguage(), {
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
    hour12: false,
    timeZoneName: "short",
  }).format(milliseconds);
}

/** A count: `12,345`. */
export function formatCount(count: number): string {
  return count.toLocaleString(currentLanguage() === "zh" ? "zh-CN" : "en-GB");
}

/** A number of bytes: `812 B`, `4.1 kB`, `2.3 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

const made = new Map<string, Intl.DateTimeFormat>();

function moments(language: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = language + JSON.stringify(options);
  let format = made.get(key);
  if (format === undefined) {
    // British dates name the month, so that no reader takes it for the day.
    format = new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", options);
    made.set(key, format);
  }
  return format;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
