import { describe, expect, it } from "vitest";
import { alertLike } from "../../testing/alert.ts";
import { fold } from "../../util/fold.ts";
import { filterAlerts, parsePriorities } from "./filter.ts";

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
