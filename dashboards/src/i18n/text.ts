/** What a text of the screens is: the same in both languages, so that one that lacks a language is a type error. */
import type { Text } from "../api/schema.ts";

export type Lang = keyof Text;
export type Texts = Readonly<Record<string, Text>>;
/** What goes into a text in place of `{name}`. */
export type Values = Readonly<Record<string, string | number>>;

/** Puts values into a text; a value that is missing stays visible as `{name}`. */
export function fill(text: string, values: Values = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}
