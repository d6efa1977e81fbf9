/** Path of a sparkline in a box of 100 × 28, with gaps where there is no value. */
const WIDTH = 100;
const TOP = 2;
const BOTTOM = 26;

export interface Spark {
  path: string;
  /** Where the newest value is, if there is one. */
  end: { x: number; y: number } | null;
}

/**
 * @param leastSpan smallest range of values that fills the height, so that noise does not look like a storm
 */
export function sparkline(values: readonly (number | null)[], leastSpan: number): Spark {
  const known = values.filter((v): v is number => v !== null && Number.isFinite(v));
  if (known.length < 2) return { path: "", end: null };
  const low = Math.min(...known);
  const high = Math.max(...known);
  const span = Math.max(high - low, leastSpan) || 1;
  const base = (low + high - span) / 2;
  const step = WIDTH / (values.length - 1);
  let path = "";
  let pen = false;
  let end: Spark["end"] = null;
  values.forEach((v, i) => {
    if (v === null || !Number.isFinite(v)) {
      pen = false;
      return;
    }
    const x = i * step;
    const y = BOTTOM - ((v - base) / span) * (BOTTOM - TOP);
    path += `${pen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = true;
    end = { x, y };
  });
  return { path, end };
}
