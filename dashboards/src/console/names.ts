/** Words for values that are not quantities. */
import type { CatalogueProperty } from "../api/types.ts";
import type { i18n as I18n } from "../i18n/i18n.svelte.ts";

/** The name of an enum's code or of a truth value, as the API names the latest ones; `null` for numbers. */
export function nameOf(kind: CatalogueProperty["kind"] | undefined, value: number): string | null {
  if (kind?.type === "bool") return value === 0 ? "false" : value === 1 ? "true" : null;
  if (kind?.type !== "enum") return null;
  return Object.entries(kind.codes).find(([, code]) => code === value)?.[0] ?? null;
}

/** A name in the language of the screen, as far as it has a word for it. */
export function wordOf(name: string, t: typeof I18n.t): string {
  if (name === "true") return t("value.true");
  return name === "false" ? t("value.false") : name;
}

const QUOTED = /"[^"]*"|'[^']*'/g;
const OTHER_UNIT = /^\s*(count|changes|resets)|[*/]|\b(rate|irate|deriv)\s*\(/;
const PLAIN = /^\s*[a-z_]\w*(\{[^{}]*\})?\s*[=!]=\s*\d+\s*$/i;

/** The value has not the unit of the property that is measured: a number of things, a multiple, a rate. */
export const hasOtherUnit = (expr: string): boolean => OTHER_UNIT.test(expr.replace(QUOTED, ""));

/** Compares the values of one property as they are: only those have its words. */
export const isPlain = (expr: string): boolean => PLAIN.test(expr);

/** Last part of a path: folders are long and mostly the same. */
export const fileName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
