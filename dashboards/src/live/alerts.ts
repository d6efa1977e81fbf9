/** The open alerts as the stream tells them, and the order in which people should see them. */
import type { Alert, Severity } from "../api/schema.ts";

/** 1 is the most urgent. */
export type Priority = 1 | 2 | 3 | 4;

export const PRIORITIES: readonly Priority[] = [1, 2, 3, 4];
const PRIORITY_OF: Record<Severity, Priority> = { critical: 1, high: 2, medium: 3, low: 4 };

export const priorityOf = (severity: Severity): Priority => PRIORITY_OF[severity];

/** Most alerts held at once; beyond it the least urgent are left to the server's list. */
export const OPEN_ALERTS_MAX = 20_000;

/** Firing, and not closed by an operator: it belongs on the screens. */
export const isOpen = (alert: Alert): boolean => alert.state === "firing" && alert.resolved_at === null;

/** When it began to need someone. */
export const raisedAt = (alert: Alert): number => alert.firing_since ?? alert.active_since;

/** How long it has needed someone; that of a closed one stands still. */
export function lasted(alert: Alert, now: number): number {
  const ends = [alert.cleared_at, alert.resolved_at].filter((end) => end !== null);
  return (isOpen(alert) || ends.length === 0 ? now : Math.min(...ends)) - raisedAt(alert);
}

/** The newest first, by when they began to need someone. */
export const byBegin = (a: Alert, b: Alert): number => raisedAt(b) - raisedAt(a) || (a.id < b.id ? 1 : -1);

/** Priority, then unacknowledged, then newest; the id settles ties so that rows never swap by themselves. */
export function byUrgency(a: Alert, b: Alert): number {
  return (
    PRIORITY_OF[a.severity] - PRIORITY_OF[b.severity] ||
    Number(a.acknowledged_at !== null) - Number(b.acknowledged_at !== null) ||
    raisedAt(b) - raisedAt(a) ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  );
}

export interface AlertCounts {
  /** Open alerts of priority 1 to 4. */
  byPriority: [number, number, number, number];
  unacknowledged: number;
  total: number;
}

export const noCounts = (): AlertCounts => ({ byPriority: [0, 0, 0, 0], unacknowledged: 0, total: 0 });

/** Counts alerts, those of one domain if one is named. */
export function countAlerts(alerts: readonly Alert[], domain?: string): AlertCounts {
  const counts = noCounts();
  for (const alert of alerts) {
    if (domain !== undefined && alert.domain !== domain) continue;
    counts.byPriority[PRIORITY_OF[alert.severity] - 1] =
      (counts.byPriority[PRIORITY_OF[alert.severity] - 1] ?? 0) + 1;
    counts.total += 1;
    if (alert.acknowledged_at === null) counts.unacknowledged += 1;
  }
  return counts;
}

export class AlertBook {
  private readonly open = new Map<string, Alert>();

  /** Replaces everything by a snapshot. */
  reset(alerts: readonly Alert[]): void {
    this.open.clear();
    for (const alert of alerts) if (isOpen(alert)) this.open.set(alert.id, alert);
    this.bound();
  }

  /** Takes the alert as it is after a transition; a repeated one changes nothing. */
  apply(alert: Alert): void {
    if (isOpen(alert)) this.open.set(alert.id, alert);
    else this.open.delete(alert.id);
    this.bound();
  }

  get(id: string): Alert | undefined {
    return this.open.get(id);
  }

  /** All open alerts, most urgent first. */
  sorted(): Alert[] {
    return [...this.open.values()].sort(byUrgency);
  }

  private bound(): void {
    if (this.open.size <= OPEN_ALERTS_MAX) return;
    for (const alert of this.sorted().slice(OPEN_ALERTS_MAX)) this.open.delete(alert.id);
  }
}
