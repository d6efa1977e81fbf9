import { render } from "svelte/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MockCity } from "../../mock/city.mjs";
import type { LatestValue } from "../api/types.ts";
import { alertLike } from "../live/testing.ts";
import { deviceMark } from "./device-mark.ts";
import { filterAlerts, fold, parsePriorities } from "./filter.ts";
import {
  codesOf,
  fileName,
  hasOtherUnit,
  isPlain,
  numberOf,
  qualityWords,
  wordOf,
  wordOfLatest,
} from "./names.ts";

describe("filterAlerts", () => {
  const alerts = [
    alertLike({
      id: "1",
      severity: "critical",
      device: "CAB-013",
      summary: { vi: "Tủ mất điện", en: "Cabinet dead" },
    }),
    alertLike({ id: "2", severity: "low", device: "LUM-001", acknowledged_at: 5, acknowledged_by: "t.ha" }),
    alertLike({ id: "3", severity: "low", device: "BAY-001" }),
  ];
  const placeOf = () => "Vỹ Dạ";
  const ids = (filter: Partial<Parameters<typeof filterAlerts>[1]>) =>
    filterAlerts(
      alerts,
      { priorities: new Set(), unacknowledged: false, search: "", ...filter },
      placeOf,
    ).map(({ id }) => id);

  it("filters by priority, state and words, with or without marks", () => {
    expect(ids({})).toEqual(["1", "2", "3"]);
    expect(ids({ priorities: new Set([4] as const) })).toEqual(["2", "3"]);
    expect(ids({ unacknowledged: true })).toEqual(["1", "3"]);
    expect(ids({ search: "mat dien vy da" })).toEqual(["1"]);
    expect(ids({ search: "t.ha" })).toEqual(["2"]);
    expect(ids({ search: "nothing" })).toEqual([]);
  });

  it("folds Vietnamese letters", () => {
    expect(fold("Đường Vỹ Dạ")).toBe("duong vy da");
  });

  it("reads priorities from an address and passes over nonsense", () => {
    expect([...parsePriorities("1,3,9,x")]).toEqual([1, 3]);
  });
});

describe("deviceMark", () => {
  const SILENT = 2;
  const NEVER_REPORTED = 4;
  it("is offline only when its own connection is known to be gone", () => {
    expect(deviceMark(0, 0, true)).toEqual({ is: "normal" });
    expect(deviceMark(0, 0, false)).toEqual({ is: "offline" });
    for (const online of [null, undefined]) expect(deviceMark(0, 0, online)).toEqual({ is: "normal" });
  });
  it("goes by the state alone when nothing is known of a connection", () => {
    expect(deviceMark(1, SILENT, null)).toEqual({ is: "silent" });
    expect(deviceMark(1, 0, null)).toEqual({ is: "silent" });
    expect(deviceMark(1, NEVER_REPORTED, null)).toEqual({ is: "neverReported" });
    expect(deviceMark(1, SILENT, true)).toEqual({ is: "silent" });
    expect(deviceMark(1, SILENT, false)).toEqual({ is: "offline" });
  });
  it("puts an alarm before everything", () => {
    expect(deviceMark(5, 0, false)).toEqual({ is: "alarm", priority: 1, acknowledged: false });
    expect(deviceMark(2, 1 | SILENT, null)).toEqual({ is: "alarm", priority: 4, acknowledged: true });
  });
  it("has every case in the pretend city", () => {
    const { devices } = new MockCity({ scenario: "flood" });
    const marks = new Set(devices.map(({ state, flags, online }) => deviceMark(state, flags, online).is));
    expect([...marks].sort()).toEqual(["alarm", "normal", "offline", "silent"]);
    expect(new Set(devices.map(({ online }) => online))).toEqual(new Set([true, false, null]));
  });
});

describe("the table of latest values", () => {
  beforeEach(() => {
    vi.stubGlobal("location", { search: "?lang=vi", href: "http://localhost/?lang=vi" });
    vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
    vi.stubGlobal("document", { documentElement: {} });
  });
  afterEach(() => vi.unstubAllGlobals());

  const value = (arrival: number | null | undefined): LatestValue => ({
    property: "water_level",
    title: { vi: "Mực nước", en: "Water level" },
    unit: "m",
    t: 0,
    arrival,
    value: 1.5,
    quality: ["late"],
    name: null,
    label: null,
  });
  const cells = async (arrival: number | null | undefined): Promise<string[]> => {
    const { default: LatestTable } = await import("./LatestTable.svelte");
    const { body } = render(LatestTable, {
      props: { items: [value(arrival)], kindOf: () => undefined, selected: null, onselect: () => undefined },
    });
    return [...body.matchAll(/<td[^>]*>([^<]*)<\/td>/g)].map(([, text]) => text ?? "");
  };

  it("tells when a value arrived, and has a dash when that is not known", async () => {
    expect(await cells(61_000)).toEqual(["01/01 08:00:00", "01/01 08:01:01", "đến muộn"]);
    expect(await cells(null)).toEqual(["01/01 08:00:00", "–", "đến muộn"]);
    expect(await cells(undefined)).toEqual(["01/01 08:00:00", "–", "đến muộn"]);
  });
});

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
  it("says newest values and their quality in the language of the screen", () => {
    const latest = (name: string | null, label: LatestValue["label"] = null) =>
      wordOfLatest({ name, label } as LatestValue, words);
    expect([latest("true"), latest("false"), latest("flash_fault", flash), latest(null)]).toEqual([
      "value.true",
      "value.false",
      "Nháy vàng do lỗi",
      null,
    ]);
    expect(qualityWords(["late", "clock_ahead"], words.t)).toBe("quality.late, quality.clockAhead");
    expect(qualityWords([], words.t)).toBe("–");
  });
  it("takes the last part of a path", () => {
    expect(fileName("built in: configs/rules/flood.yaml")).toBe("flood.yaml");
    expect(fileName("flood.yaml")).toBe("flood.yaml");
  });
});
