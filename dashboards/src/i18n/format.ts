/** Numbers, times and ages as people of the city write them. */
import type { Lang } from "./text.ts";

const LOCALE: Record<Lang, string> = { vi: "vi-VN", en: "en-GB" };
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const numberFormats = new Map<string, Intl.NumberFormat>();
const dateFormats = new Map<string, Intl.DateTimeFormat>();

/** A number with exactly `decimals` places: "2,34" in Vietnamese, "2.34" in English. */
export function formatNumber(lang: Lang, value: number, decimals = 0): string {
  const key = `${lang}${decimals}`;
  let format = numberFormats.get(key);
  if (!format) {
    format = new Intl.NumberFormat(LOCALE[lang], {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    });
    numberFormats.set(key, format);
  }
  // Minus zero would read as a fall below zero.
  return format.format(Object.is(value, -0) ? 0 : value);
}

/** A number with as many places as it needs for about four significant digits. */
export function formatValue(lang: Lang, value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value)) return formatNumber(lang, value, 0);
  return formatNumber(lang, value, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3);
}

const SHARE: Record<Lang, Intl.NumberFormat> = {
  vi: new Intl.NumberFormat(LOCALE.vi, { style: "percent", maximumFractionDigits: 1 }),
  en: new Intl.NumberFormat(LOCALE.en, { style: "percent", maximumFractionDigits: 1 }),
};

/** A share from 0 to 1 as percent: "87,3%" */
export const formatShare = (lang: Lang, share: number): string => SHARE[lang].format(share);

function dateFormat(lang: Lang, timeZone: string, name: string, options: Intl.DateTimeFormatOptions) {
  const key = `${lang}|${timeZone}|${name}`;
  let format = dateFormats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(LOCALE[lang], { ...options, timeZone });
    dateFormats.set(key, format);
  }
  return format;
}

/** "10:42:15" */
export const formatClock = (lang: Lang, timeZone: string, ms: number): string =>
  dateFormat(lang, timeZone, "clock", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  }).format(ms);

/** "10:42" */
export const formatMinute = (lang: Lang, timeZone: string, ms: number): string =>
  dateFormat(lang, timeZone, "minute", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(ms);

/** "Thứ Bảy, 21 tháng 11" */
export const formatDate = (lang: Lang, timeZone: string, ms: number): string =>
  dateFormat(lang, timeZone, "date", { weekday: "long", day: "numeric", month: "long" }).format(ms);

/** "21/11" */
export function formatDay(lang: Lang, timeZone: string, ms: number): string {
  const parts = dateFormat(lang, timeZone, "day", { day: "2-digit", month: "2-digit" }).formatToParts(ms);
  const part = (type: string): string => parts.find((p) => p.type === type)?.value ?? "";
  return `${part("day")}/${part("month")}`;
}

/** Day and time to the second, as a table shows it. */
export const formatStamp = (lang: Lang, timeZone: string, ms: number): string =>
  `${formatDay(lang, timeZone, ms)} ${formatClock(lang, timeZone, ms)}`;

/** "21/11 10:42", for what needs no seconds. */
export const formatDayMinute = (lang: Lang, timeZone: string, ms: number): string =>
  `${formatDay(lang, timeZone, ms)} ${formatMinute(lang, timeZone, ms)}`;

/** Time of day with milliseconds, for the hops of an observation. */
export const formatMillis = (lang: Lang, timeZone: string, ms: number): string =>
  `${formatClock(lang, timeZone, ms)}.${String(((ms % SECOND) + SECOND) % SECOND).padStart(3, "0")}`;

const UNITS: Record<Lang, { min: string; h: string; d: string }> = {
  vi: { min: "phút", h: "giờ", d: "ngày" },
  en: { min: "min", h: "h", d: "d" },
};

/** "1:13" under an hour, then "1 giờ 14", then "2 ngày 3 giờ". Never negative. */
export function formatAge(lang: Lang, ms: number): string {
  const age = Math.max(0, ms);
  const unit = UNITS[lang];
  if (age < HOUR) {
    return `${Math.floor(age / MINUTE)}:${String(Math.floor((age % MINUTE) / SECOND)).padStart(2, "0")}`;
  }
  if (age < DAY) {
    return `${Math.floor(age / HOUR)} ${unit.h} ${String(Math.floor((age % HOUR) / MINUTE)).padStart(2, "0")}`;
  }
  return `${Math.floor(age / DAY)} ${unit.d} ${Math.floor((age % DAY) / HOUR)} ${unit.h}`;
}

/** How long a step took: "643 ms", from a second on "5,6 s", so that no thousands mark is read as a decimal. */
export function formatTook(lang: Lang, ms: number): string {
  if (ms < SECOND) return `${formatNumber(lang, ms)} ms`;
  return ms < 2 * MINUTE ? `${formatNumber(lang, ms / SECOND, 1)} s` : formatAge(lang, ms);
}

/** A span in whole hours or minutes, as the label of an axis: "24 giờ", "35 phút" */
export function formatSpan(lang: Lang, ms: number): string {
  const minutes = Math.round(ms / MINUTE);
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  const unit = UNITS[lang];
  if (hours === 0) return `${rest} ${unit.min}`;
  return rest === 0 ? `${hours} ${unit.h}` : `${hours} ${unit.h} ${rest} ${unit.min}`;
}

/** A short time span for "data 4 s old": seconds up to two minutes, then as an age. */
export const formatFresh = (lang: Lang, ms: number): string =>
  ms < 2 * MINUTE ? `${Math.max(0, Math.round(ms / SECOND))} s` : formatAge(lang, ms);
