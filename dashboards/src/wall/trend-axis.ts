/** From when to when the trend is drawn. */
import { BUCKETS, type TrendPoint } from "./trend.svelte.ts";

const HOUR = 3_600_000;

/**
 * The whole window, or from the first value when there is less: a short past must not be a line that stands on end.
 * Never shorter than an hour.
 * @param until the present; the axis ends there, or at the newest value
 */
export function trendAxis(points: readonly TrendPoint[], until: number, hours: number): [number, number] {
  const [first, last] = [points[0], points.at(-1)];
  const end = Math.max(until, last?.t ?? 0);
  const whole = end - hours * HOUR;
  const bucket = (hours * HOUR) / BUCKETS;
  // The first bucket of a full past begins a little late.
  if (!first || first.t <= whole + 2 * bucket) return [whole, end];
  return [Math.max(whole, Math.min(first.t, end - HOUR)), end];
}
