import { describe, expect, it } from "vitest";
import {
  formatAge,
  formatClock,
  formatDate,
  formatDay,
  formatFresh,
  formatMillis,
  formatNumber,
  formatShare,
  formatSpan,
  formatTook,
  formatValue,
} from "./format.ts";

const ZONE = "Asia/Ho_Chi_Minh";
/** 21 November 2026, 10:42:15.007 in Huế. */
const AT = Date.UTC(2026, 10, 21, 3, 42, 15, 7);

describe("numbers", () => {
  it("writes them as people of the city do", () => {
    expect(formatNumber("vi", 38204)).toBe("38.204");
    expect(formatNumber("en", 38204)).toBe("38,204");
    expect(formatNumber("vi", 2.34, 2)).toBe("2,34");
    expect(formatNumber("en", -0, 0)).toBe("0");
  });
  it("gives a value as many places as it needs", () => {
    expect([0.1234, 2.345, 226.04, 1234.5, 7].map((v) => formatValue("en", v))).toEqual([
      "0.123",
      "2.35",
      "226.0",
      "1,235",
      "7",
    ]);
  });
});

describe("shares", () => {
  it("are percent, with no more places than they need", () => {
    expect([0, 0.8734, 1].map((v) => formatShare("vi", v))).toEqual(["0%", "87,3%", "100%"]);
    expect(formatShare("en", 0.8734)).toBe("87.3%");
  });
});

describe("times", () => {
  it("are those of the city", () => {
    expect(formatClock("vi", ZONE, AT)).toBe("10:42:15");
    expect(formatClock("en", ZONE, Date.UTC(2026, 0, 1, 17, 0, 0))).toBe("00:00:00");
    expect(formatMillis("en", ZONE, AT)).toBe("10:42:15.007");
    expect(formatDay("vi", ZONE, AT)).toBe("21/11");
    expect(formatDate("vi", ZONE, AT)).toMatch(/21 tháng 11/);
    expect(formatDate("en", ZONE, AT)).toMatch(/21 November/);
  });
});

describe("ages", () => {
  it("are short, and never negative", () => {
    const ages = [-5, 73_000, 3_600_000 + 14 * 60_000, 51 * 3_600_000];
    expect(ages.map((ms) => formatAge("vi", ms))).toEqual(["0:00", "1:13", "1 giờ 14", "2 ngày 3 giờ"]);
    expect(ages.map((ms) => formatAge("en", ms))).toEqual(["0:00", "1:13", "1 h 14", "2 d 3 h"]);
    expect(formatFresh("vi", 4200)).toBe("4 s");
  });
  it("of steps are seconds as soon as there is a whole one", () => {
    const steps = [0, 643, 1000, 5643, 125_000];
    expect(steps.map((ms) => formatTook("vi", ms))).toEqual(["0 ms", "643 ms", "1,0 s", "5,6 s", "2:05"]);
    expect(formatTook("en", 5643)).toBe("5.6 s");
  });
  it("of an axis are hours and minutes", () => {
    const spans = [35 * 60_000, 3_600_000, 95 * 60_000, 24 * 3_600_000];
    expect(spans.map((ms) => formatSpan("vi", ms))).toEqual(["35 phút", "1 giờ", "1 giờ 35 phút", "24 giờ"]);
    expect(formatSpan("en", 95 * 60_000)).toBe("1 h 35 min");
  });
});
