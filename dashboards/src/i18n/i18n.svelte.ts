/** The language of this screen, and everything that depends on it. */
import type { Text } from "../api/types.ts";
import { DICTIONARIES, fill, type Key, type Lang } from "./dictionary.ts";
import * as format from "./format.ts";

const STORED_AS = "ioc-lang";
const isLang = (value: unknown): value is Lang => value === "vi" || value === "en";

/** `?lang=` decides, then what was chosen before, then Vietnamese. */
function startLang(): Lang {
  const asked = new URLSearchParams(location.search).get("lang");
  if (isLang(asked)) return asked;
  const chosen = localStorage.getItem(STORED_AS);
  return isLang(chosen) ? chosen : "vi";
}

class I18n {
  lang = $state<Lang>(startLang());
  /** Of the city, once it is known. */
  timeZone = $state("Asia/Ho_Chi_Minh");

  constructor() {
    document.documentElement.lang = this.lang;
  }

  readonly t = (key: Key, values?: Record<string, string | number>): string =>
    fill(DICTIONARIES[this.lang][key], values);

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
    this.lang = this.lang === "vi" ? "en" : "vi";
    document.documentElement.lang = this.lang;
    localStorage.setItem(STORED_AS, this.lang);
    const url = new URL(location.href);
    if (!url.searchParams.has("lang")) return;
    url.searchParams.set("lang", this.lang);
    history.replaceState(history.state, "", url);
  };
}

export const i18n = new I18n();
