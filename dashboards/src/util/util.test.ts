import { describe, expect, it } from "vitest";
import { freshnessOf } from "./freshness.ts";
import { withGaps } from "./gaps.ts";
import { limitOf, limitPosition } from "./limits.ts";
import { sparkline } from "./sparkline.ts";

const limit = (value: number) => ({ value, label: { vi: "", en: "" }, severity: "low" as const });

describe("limitPosition", () => {
  it("finds the limit that is reached and the next", () => {
    const limits = [limit(3.5), limit(1), limit(2)];
    expect(limitPosition(limits, 0.4)).toMatchObject({ passed: null, next: { value: 1 } });
    expect(limitPosition(limits, 2)).toMatchObject({ passed: { value: 2 }, next: { value: 3.5 } });
    expect(limitPosition(limits, 4)).toMatchObject({ passed: { value: 3.5 }, next: null });
  });
});

describe("limitOf", () => {
  it("reads the number a rule compares with", () => {
    expect(limitOf('water_level{station="kim-long"} >= 2')).toEqual({ operator: "≥", value: 2 });
    expect(limitOf("avg_over_time(supply_voltage[5m]) < 198.5 ")).toEqual({ operator: "<", value: 198.5 });
    expect(limitOf("avg_over_time(pm25[24h]) > 45 and count_over_time(pm25[24h]) >= 2160")).toEqual({
      operator: ">",
      value: 45,
    });
    expect(limitOf('level{name="this and that)"} > 3 unless on(device) (a > 5 or b > 6)')).toEqual({
      operator: ">",
      value: 3,
    });
    expect(limitOf("laeq > 55 or laeq > 45 and night == 1")).toBeNull();
    expect(limitOf("absent(water_level)")).toBeNull();
    expect(limitOf("a > on(device) b")).toBeNull();
  });
});

describe("sparkline", () => {
  it("breaks where there is no value and ends at the newest", () => {
    const { path, end } = sparkline([0, 1, null, 2, 4], 0);
    expect(path.match(/M/g)).toHaveLength(2);
    expect(end).toEqual({ x: 100, y: 2 });
  });
  it("draws noise as a flat line", () => {
    const { end } = sparkline([10, 10.01], 10);
    expect(end?.y).toBeCloseTo(14, 0);
  });
  it("draws nothing of fewer than two values", () => {
    expect(sparkline([null, 3], 1)).toEqual({ path: "", end: null });
  });
});

describe("withGaps", () => {
  const at = (t: number) => ({ t });
  it("breaks the line at a long silence only", () => {
    const points = [0, 10, 20, 40, 200, 210].map(at);
    expect(withGaps(points, 10).filter(({ point }) => point === null)).toEqual([{ t: 120, point: null }]);
  });
  it("does not break a series that is slower than its buckets", () => {
    expect(withGaps([0, 30, 60, 90].map(at), 5).some(({ point }) => point === null)).toBe(false);
  });
});

describe("freshnessOf", () => {
  it("is the age of the oldest figure", () => {
    expect(freshnessOf([70, 90], 100)).toEqual({ age: 30, stale: false });
    expect(freshnessOf([110], 100)).toEqual({ age: 0, stale: false });
    expect(freshnessOf([], 100)).toEqual({ age: null, stale: false });
  });
  it("goes on growing while nothing arrives, and is called old", () => {
    expect(freshnessOf([70, 90], 5100, true)).toEqual({ age: 5030, stale: true });
  });
  it("says that data is missing as soon as one figure has none", () => {
    expect(freshnessOf([90, null], 100)).toEqual({ age: null, stale: true });
  });
});
