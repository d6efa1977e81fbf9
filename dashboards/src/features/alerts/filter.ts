/** Which alerts of the table are wanted. */
import type { Alert } from "../../api/schema.ts";
import { type Priority, priorityOf } from "../../live/alerts.ts";
import { fold } from "../../util/fold.ts";

export interface AlertFilter {
  /** Empty means all. */
  priorities: ReadonlySet<Priority>;
  unacknowledged: boolean;
  search: string;
}

/** Priorities from the address: "1,2". */
export function parsePriorities(text: string): Set<Priority> {
  const wanted = text.split(",").map(Number);
  return new Set(wanted.filter((n): n is Priority => n === 1 || n === 2 || n === 3 || n === 4));
}

/** Keeps the order. Every word of the search must be somewhere in texts, device, ward or rule. */
export function filterAlerts(
  alerts: readonly Alert[],
  filter: AlertFilter,
  placeOf: (alert: Alert) => string,
): Alert[] {
  const words = fold(filter.search).split(/\s+/).filter(Boolean);
  return alerts.filter((alert) => {
    if (filter.priorities.size > 0 && !filter.priorities.has(priorityOf(alert.severity))) return false;
    if (filter.unacknowledged && alert.acknowledged_at !== null) return false;
    if (words.length === 0) return true;
    const text = fold(
      `${alert.summary.vi} ${alert.summary.en} ${alert.device ?? ""} ${placeOf(alert)} ${alert.rule} ${alert.acknowledged_by ?? ""}`,
    );
    return words.every((word) => text.includes(word));
  });
}
