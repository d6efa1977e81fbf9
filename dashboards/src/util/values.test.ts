import { describe, expect, it } from "vitest";
import type { Latest } from "../api/schema.ts";
import { codesOf, hasOtherUnit, isPlain, numberOf, wordOf, wordOfLatest } from "./values.ts";

describe("names", () => {
  const words = { t: (key: string) => key, pick: ({ vi }: { vi: string }) => vi };
  const flash = { vi: "Nháy vàng do lỗi", en: "Flashing, fault" };
  it("has words for codes and truth values only", () => {
    const mode = { type: "enum", codes: { flash_fault: 2 }, titles: { flash_fault: flash } } as const;
    expect(wordOf(mode, 2, words)).toBe("Nháy vàng do lỗi");
    expect(wordOf(mode, 7, words)).toBeNull();
    expect(wordOf({ type: "bool" }, 0, words)).toBe("value.false");
    // A share of truth values, which a rule may compute.
    expect(wordOf({ type: "bool" }, 0.4, words)).toBeNull();
    expect(wordOf({ type: "number", min: 0, max: 9 }, 1, words)).toBeNull();
    expect(wordOf(undefined, 1, words)).toBeNull();
  });
  it("shows shares as percent, and has no mean of codes", () => {
    const format = { share: (v: number) => `${100 * v}%`, value: String };
    const share = { type: "number", min: 0, max: 1 } as const;
    expect(numberOf(share, "", 0.5, format)).toBe("50%");
    expect(numberOf(share, "m", 0.5, format)).toBe("0.5");
    expect(numberOf({ ...share, max: 500 }, "", 0.5, format)).toBe("0.5");
    expect(numberOf(undefined, "", 0.5, format)).toBe("0.5");
    expect(codesOf({ type: "enum", codes: { fault: 2, normal: 0 }, titles: {} })).toEqual([0, 2]);
    expect(codesOf({ type: "bool" })).toEqual([0, 1]);
    expect(codesOf(share)).toBeNull();
  });
  it("knows what has neither the unit nor the words of a property", () => {
    expect(hasOtherUnit("count by (cabinet) (active_power < 5) >= 3")).toBe(true);
    expect(hasOtherUnit("avg_over_time(pm25[24h]) > 45 and count_over_time(pm25[24h]) > 9")).toBe(false);
    expect(hasOtherUnit("occupied_since_s / 60 > 60 or occupied_since_s / 60 > 120")).toBe(true);
    expect(hasOtherUnit('laeq{station="a/b"} > 55')).toBe(false);
    expect(isPlain('signal_mode{ward="1"} == 2')).toBe(true);
    expect(isPlain("max_over_time(feeder_energized[5m]) == 0")).toBe(false);
    expect(isPlain("signal_mode == 2 or signal_mode == 4")).toBe(false);
  });
  it("says newest values in the language of the screen", () => {
    const latest = (name: string | null, label: Latest["label"] = null) =>
      wordOfLatest({ name, label } as Latest, words);
    expect([latest("true"), latest("false"), latest("flash_fault", flash), latest(null)]).toEqual([
      "value.true",
      "value.false",
      "Nháy vàng do lỗi",
      null,
    ]);
  });
});
