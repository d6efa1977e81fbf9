/** The fields of the city in the order in which screens show them; the catalogue's own are named as it names them. */
import type { Translate } from "../i18n/i18n.svelte.ts";

export const DOMAINS = ["environment", "traffic", "lighting", "parking"] as const;

/** Returns the title of a field, its identity when there is none. */
export function domainTitle(domain: string, t: Translate): string {
  const known = DOMAINS.find((name) => name === domain);
  return known ? t(`domain.${known}`) : domain;
}
