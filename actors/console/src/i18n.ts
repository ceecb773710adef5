/**
 * The page's two languages: a feature keeps its words in `src/<feature>/text.ts`, once in English and once in Chinese.
 *
 * Theory of operation: `texts(en, zh)` takes the English words as the shape and demands the same keys – functions with
 * the same parameters – of the Chinese ones, so that a missing or a superfluous word is a type error. `useText(…)` gives
 * a component the words of the language that is chosen, and renders it again when another one is.
 */
import { useSyncExternalStore } from "react";
import { readPreference, writePreference } from "./preferences";

/** The languages there are, by their code in `<html lang>`. */
export const LANGUAGES = { en: "English", zh: "中文" } as const;

/** A language's code. */
export type Language = keyof typeof LANGUAGES;

type Word = string | ((...values: never[]) => string);
type Dictionary = { readonly [key: string]: Word | Dictionary };
type Same<T> = {
  readonly [K in keyof T]: T[K] extends string
    ? string
    : T[K] extends (...values: infer V) => string
      ? (...values: V) => string
      : Same<T[K]>;
};

/** The words of one feature in every language. */
export interface Texts<T> {
  readonly en: Same<T>;
  readonly zh: Same<T>;
}

/** The words of a feature; the Chinese ones have exactly the keys of the English ones. */
export function texts<T extends Dictionary>(en: T, zh: Same<T>): Texts<T> {
  // A dictionary has the shape of itself; the compiler can not see that through a generic.
  return { en: en as unknown as Same<T>, zh };
}

const listeners = new Set<() => void>();
let language: Language = chosen();

/** The language that the page is in. */
export function currentLanguage(): Language {
  return language;
}

/** Puts the page into another language, for this and later visits. */
export function setLanguage(next: Language): void {
  language = next;
  writePreference("language", next);
  tell();
}

/** The language that the page is in; renders again when it changes. */
export function useLanguage(): Language {
  return useSyncExternalStore(subscribe, currentLanguage);
}

/** A feature's words in the language that the page is in. */
export function useText<T>(words: Texts<T>): Same<T> {
  return words[useLanguage()];
}

function chosen(): Language {
  const kept = readPreference("language");
  if (kept !== null && kept in LANGUAGES) return kept as Language;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(): void {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
  for (const listener of listeners) listener();
}

tell();
