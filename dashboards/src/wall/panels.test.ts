import { describe, expect, it } from "vitest";
import type { Kpi, Panel } from "../api/schema.ts";
import { panelKpis } from "./panels.ts";

const kpi = (id: string, severity: Kpi["severity"] = null): Kpi => ({
  id,
  domain: "waste",
  title: { vi: id, en: id },
  unit: "",
  value: 1,
  t: 0,
  normal: [0, 1],
  scale: [0, 2],
  target: null,
  severity,
  decimals: 0,
  history: [],
});
const panel: Panel = {
  id: "waste",
  domain: "waste",
  title: { vi: "Rác", en: "Waste" },
  short_title: { vi: "Rác", en: "Waste" },
  indicators: ["full", "late", "load"],
};
const ids = (kpis: Kpi[]): string[] => kpis.map(({ id }) => id);

describe("a panel", () => {
  it("has its figures from the top, and no others", () => {
    const kpis = [kpi("load"), kpi("speed"), kpi("late"), kpi("full")];
    expect(ids(panelKpis(panel, kpis, 3))).toEqual(["full", "late", "load"]);
    expect(ids(panelKpis(panel, kpis, 2))).toEqual(["full", "late"]);
    expect(ids(panelKpis(panel, [kpi("load")], 3))).toEqual(["load"]);
  });

  it("keeps what is outside its band when there is little room, at its place", () => {
    expect(ids(panelKpis(panel, [kpi("full"), kpi("late"), kpi("load", "high")], 2))).toEqual([
      "full",
      "load",
    ]);
    expect(ids(panelKpis(panel, [kpi("full", "low"), kpi("late"), kpi("load", "high")], 1))).toEqual([
      "full",
    ]);
  });
});
