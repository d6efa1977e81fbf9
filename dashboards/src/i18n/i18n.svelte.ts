/** The language of a screen, and everything that depends on it. */
import { createContext } from "svelte";
import type { Text } from "../api/schema.ts";
import * as format from "./format.ts";
import { fill, type Lang, type Texts, type Values } from "./text.ts";
import { SHARED } from "./texts.ts";

const STORED_AS = "ioc-lang";
const isLang = (value: unknown): value is Lang => value === "vi" || value === "en";

export type SharedKey = keyof typeof SHARED;
/** Says a shared text, or one of a feature's own. */
export type Translate<Own extends Texts = Record<never, Text>> = (
  key: SharedKey | (keyof Own & string),
  values?: Values,
) => string;

/** `?lang=` decides, then what was chosen before, then Vietnamese. */
export function startLang(): Lang {
  const asked = new URLSearchParams(location.search).get("lang");
  if (isLang(asked)) return asked;
  const chosen = localStorage.getItem(STORED_AS);
  return isLang(chosen) ? chosen : "vi";
}

export class I18n {
  lang = $state<Lang>("vi");
  /** Of the city, once it is known. */
  timeZone = $state("Asia/Ho_Chi_Minh");

  constructor(lang: Lang) {
    this.show(lang);
  }

  /** Says a shared text. */
  readonly t: Translate = this.texts({});

  /** Returns the function that says shared texts and those of a feature. */
  texts<Own extends Texts>(own: Own): Translate<Own> {
    const all: Texts = { ...SHARED, ...own };
    return (key, values) => {
      const text = all[key];
      // Of a newer server's words, such as a quality, there is the word itself.
      return text ? fill(this.pick(text), values) : key.slice(key.lastIndexOf(".") + 1);
    };
  }

  /** The text of this language, or the other one when it is empty. */
  readonly pick = (text: Text): string => text[this.lang] || text.vi || text.en;

  readonly number = (value: number, decimals = 0): string => format.formatNumber(this.lang, value, decimals);
  readonly value = (value: number): string => format.formatValue(this.lang, value);
  readonly share = (share: number): string => format.formatShare(this.lang, share);
  readonly took = (ms: number): string => format.formatTook(this.lang, ms);
  readonly span = (ms: number): string => format.formatSpan(this.lang, ms);
  readonly age = (ms: number): string => format.formatAge(this.lang, ms);
  readonly fresh = (ms: number): string => format.formatFresh(this.lang, ms);
  readonly clock = (ms: number): string => format.formatClock(this.lang, this.timeZone, ms);
  readonly minute = (ms: number): string => format.formatMinute(this.lang, this.timeZone, ms);
  readonly date = (ms: number): string => format.formatDate(this.lang, this.timeZone, ms);
  readonly day = (ms: number): string => format.formatDay(this.lang, this.timeZone, ms);
  readonly dayMinute = (ms: number): string => format.formatDayMinute(this.lang, this.timeZone, ms);
  readonly stamp = (ms: number): string => format.formatStamp(this.lang, this.timeZone, ms);
  readonly millis = (ms: number): string => format.formatMillis(this.lang, this.timeZone, ms);

  /** Changes the language and keeps it in the address, so that a wall comes back as it was. */
  readonly toggle = (): void => {
    this.show(this.lang === "vi" ? "en" : "vi");
    localStorage.setItem(STORED_AS, this.lang);
    const url = new URL(location.href);
    if (!url.searchParams.has("lang")) return;
    url.searchParams.set("lang", this.lang);
    history.replaceState(history.state, "", url);
  };

  private show(lang: Lang): void {
    this.lang = lang;
    if (typeof document !== "undefined") document.documentElement.lang = lang;
  }
}

export const [useI18n, provideI18n] = createContext<I18n>();
