/** Where an alert is, in words. */
import type { Alert } from "../api/schema.ts";
import type { Translate } from "../i18n/i18n.svelte.ts";
import type { WardNames } from "./areas.ts";

/** What an alert about several devices has in common, the narrowest first. */
const NAMED_BY = ["cabinet", "feeder", "junction", "lot"] as const;

/** Ward; else, for a device, that it is outside of all; else what the labels name; else the whole city. */
export function placeName(
  { ward, device, labels }: Pick<Alert, "ward" | "device" | "labels">,
  wards: WardNames,
  t: Translate,
): string {
  const name = wards.of(ward);
  if (name !== null) return name;
  if (device !== null) return t("place.outside");
  const label = NAMED_BY.find((key) => labels[key]);
  return label ? t(`place.${label}`, { id: labels[label] ?? "" }) : t("place.city");
}
