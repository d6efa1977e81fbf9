/** History leaves empty buckets out; a line must not run over hours of silence as if they were known. */

/** A silence of this many usual steps is a gap. */
const GAP_STEPS = 4;

/** Middle distance between neighbours, or `width` when buckets are further apart than values. */
function usualStep(times: readonly number[], width: number): number {
  const steps = times.slice(1).map((t, i) => t - (times[i] ?? t));
  steps.sort((a, b) => a - b);
  return Math.max(width, steps[Math.floor(steps.length / 2)] ?? width);
}

/**
 * Puts a `null` between points that are further apart than the series usually is.
 * @param width width of a bucket, in the unit of `t`
 */
export function withGaps<P extends { t: number }>(
  points: readonly P[],
  width: number,
): { t: number; point: P | null }[] {
  const limit =
    GAP_STEPS *
    usualStep(
      points.map(({ t }) => t),
      width,
    );
  const out: { t: number; point: P | null }[] = [];
  let before: number | null = null;
  for (const point of points) {
    if (before !== null && point.t - before > limit) out.push({ t: (before + point.t) / 2, point: null });
    out.push({ t: point.t, point });
    before = point.t;
  }
  return out;
}
