/** Words for values that are not quantities. */
import type { Latest, Property } from "../api/schema.ts";
import type { I18n } from "../i18n/i18n.svelte.ts";

type Words = Pick<I18n, "t" | "pick">;
type Kind = Property["kind"] | undefined;

/** What a value of a property means in the language of the screen; `null` for numbers. */
export function wordOf(kind: Kind, value: number, { t, pick }: Words): string | null {
  if (kind?.type === "bool") return value === 0 ? t("value.false") : value === 1 ? t("value.true") : null;
  if (kind?.type !== "enum") return null;
  const name = Object.entries(kind.codes).find(([, code]) => code === value)?.[0];
  const title = name === undefined ? undefined : kind.titles[name];
  return title ? pick(title) : null;
}

/** A number without a unit from 0 to 1 is a share of something: people read those as percent. */
const isShare = (kind: Kind, unit: string): boolean =>
  unit === "" && kind?.type === "number" && kind.min === 0 && kind.max === 1;

/** A quantity as people read it, without its unit. */
export const numberOf = (
  kind: Kind,
  unit: string,
  value: number,
  format: Pick<I18n, "share" | "value">,
): string => (isShare(kind, unit) ? format.share(value) : format.value(value));

/** The codes of what has words instead of quantities; `null` for numbers: only of those is there a mean. */
export function codesOf(kind: Kind): number[] | null {
  if (kind?.type === "bool") return [0, 1];
  return kind?.type === "enum" ? Object.values(kind.codes).sort((a, b) => a - b) : null;
}

/** What a newest value means, which brings its words along; `null` for numbers. */
export function wordOfLatest({ label, name }: Latest, { t, pick }: Words): string | null {
  if (label) return pick(label);
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
