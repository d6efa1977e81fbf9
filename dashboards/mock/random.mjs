/** A small repeatable generator (mulberry32): the same seed draws the same city. */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A smooth pseudo-random curve in -1..1, the same for the same (series, time). */
export function wave(series, t, periodMs) {
  let hash = 2166136261;
  for (const letter of series) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
  const shift = ((hash >>> 0) / 4294967296) * 6.283;
  const x = (t / periodMs) * 6.283 + shift;
  return 0.6 * Math.sin(x) + 0.3 * Math.sin(2.7 * x + shift * 3) + 0.1 * Math.sin(9.1 * x + shift * 7);
}
