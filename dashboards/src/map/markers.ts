/** Which alerts stand on the map by name: the worst of each place, the most urgent first. */
import type { Alert } from "../api/schema.ts";
import { type Priority, priorityOf } from "../live/alerts.ts";

export interface AlertMarker {
  /** Id of the alert shown there. */
  id: string;
  at: [lon: number, lat: number];
  priority: Priority;
  acknowledged: boolean;
  alert: Alert;
}

/** More than these would hide the city. */
export const MARKERS_MAX = 50;

/**
 * @param alerts most urgent first
 * @param placeOf where an alert is, if it is anywhere
 * @param leastUrgent priorities beyond it are dots only
 */
export function markersOf(
  alerts: readonly Alert[],
  placeOf: (alert: Alert) => [number, number] | undefined,
  leastUrgent: Priority,
): AlertMarker[] {
  const markers = new Map<string, AlertMarker>();
  for (const alert of alerts) {
    const priority = priorityOf(alert.severity);
    if (priority > leastUrgent || markers.size >= MARKERS_MAX) continue;
    const at = placeOf(alert);
    const place = alert.device ?? alert.ward;
    if (!at || !place || markers.has(place)) continue;
    markers.set(place, { id: alert.id, at, priority, acknowledged: alert.acknowledged_at !== null, alert });
  }
  return [...markers.values()];
}
