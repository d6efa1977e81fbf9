/** When a tile has to say that its data is old. */

/** The server's key figures have no value any more when what is behind them is older than this. */
const FRESH_MS = 120_000;
/** The server calls a device silent after this many reporting periods. */
const SILENT_PERIODS = 3;

export interface Freshness {
  /** Of the newest value, ms; `null` when there is none. */
  age: number | null;
  /** What is shown must not be taken for the present. */
  stale: boolean;
}

/** How old the newest value of a device may be; one that reports seldom is not late before it is silent. */
export const freshFor = (reportingPeriodS: number | null): number =>
  Math.max(FRESH_MS, SILENT_PERIODS * 1000 * (reportingPeriodS ?? 0));

/**
 * Of figures with the times of what is behind them: a tile is as good as its worst, `null` being no fresh data.
 * @param lost nothing arrives any more: what there is, is old
 */
export function freshnessOf(times: readonly (number | null)[], now: number, lost = false): Freshness {
  const known = times.filter((t) => t !== null);
  if (known.length < times.length) return { age: null, stale: true };
  return { age: known.length > 0 ? Math.max(0, now - Math.min(...known)) : null, stale: lost };
}
