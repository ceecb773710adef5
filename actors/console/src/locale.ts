/** Times as people write them: in the visitor's own locale where it is of the page's language, else in a common one. */
import { useMemo } from "react";
import { useLanguage, type Language } from "./i18n";

const COMMON: Record<Language, string> = { en: "en-GB", zh: "zh-CN" };

/** The locale of a language for this visitor, such as `en-US`. */
export function localeOf(language: Language, wanted: readonly string[] = navigator.languages): string {
  return wanted.find((locale) => locale.toLowerCase().split("-")[0] === language) ?? COMMON[language];
}

/** How moments are written, all in ms since the epoch. */
export interface Times {
  readonly locale: string;
  /** `14:03:20.123` */
  readonly clock: (at: number) => string;
  /** `14:03:20`, with the date in front unless it is today. */
  readonly moment: (at: number) => string;
  /** `3 Mar 2026, 14:03:20.123 GMT+1` */
  readonly exact: (at: number) => string;
}

/** How moments are written in the page's language. */
export function useTimes(): Times {
  const language = useLanguage();
  return useMemo(() => {
    const locale = localeOf(language);
    const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
    const ms = { fractionalSecondDigits: 3 } as const;
    const written = (options: Intl.DateTimeFormatOptions) => {
      const format = new Intl.DateTimeFormat(locale, options);
      return (at: number) => format.format(at);
    };
    const short = written(clock);
    const dated = written({ ...clock, month: "short", day: "numeric" });
    return {
      locale,
      clock: written({ ...clock, ...ms }),
      moment: (at) => (new Date(at).toDateString() === new Date().toDateString() ? short(at) : dated(at)),
      exact: written({ ...clock, ...ms, year: "numeric", month: "short", day: "numeric", timeZoneName: "short" }),
    };
  }, [language]);
}
