import { screen, waitFor } from "@testing-library/svelte";
import { describe, expect, it, vi } from "vitest";
import type { Device, Latest } from "../../api/schema.ts";
import { show } from "../../testing/show.ts";
import devices from "./index.ts";
import LatestTable from "./LatestTable.svelte";

const device: Device = {
  id: "WL-1",
  index: 0,
  domain: "environment",
  kind: "water-level",
  lat: 16.46,
  lon: 107.59,
  ward: "1",
  parent: null,
  labels: { station: "kim-long" },
  online: true,
  last_seen: null,
  clock_offset_ms: null,
  clock_wrong: false,
  state: 0,
  flags: 0,
  reporting_period_s: 60,
  retired: false,
};
const value = (given: Partial<Latest> = {}): Latest => ({
  property: "water_level",
  title: { vi: "Mực nước", en: "Water level" },
  unit: "m",
  t: 0,
  arrival: 61_000,
  value: 1.5,
  quality: [],
  name: null,
  label: null,
  ...given,
});
const catalogue = {
  domains: [
    { name: "environment", title: { vi: "Môi trường", en: "River and air" }, icon: null },
    { name: "waste", title: { vi: "Rác", en: "Waste" }, icon: null },
  ],
  kinds: [
    {
      name: "water-level",
      domain: "environment",
      reporting_period_s: 60,
      properties: [],
      title: { vi: "Trạm", en: "Gauge" },
    },
  ],
  properties: [],
};
const answers = {
  "GET /catalogue": catalogue,
  "GET /devices": { items: [device], next: null },
  "GET /devices/WL-1": device,
  "GET /devices/WL-1/latest": { device: "WL-1", items: [value(), value({ property: "battery" })] },
  "GET /history": { property: "water_level", unit: "m", points: [], damaged: [] },
};

describe("the device list", () => {
  it("shows what the server has, in words of the catalogue and the city", async () => {
    show(devices.page.view, { id: null }, { answers });
    const row = (await screen.findByRole("link", { name: "WL-1" })).closest("tr");
    await waitFor(() => expect(row?.textContent).toContain("Gauge"));
    expect(row?.textContent).toContain("River and air");
    expect(row?.textContent).toContain("Vỹ Dạ");
    expect(row?.textContent).toContain("never");
  });

  it("asks the server for what is chosen, once typing pauses", async () => {
    const { user, asked, router } = show(devices.page.view, { id: null }, { answers });
    await screen.findByRole("link", { name: "WL-1" });
    await user.selectOptions(screen.getByRole("combobox", { name: "Ward" }), "Vỹ Dạ");
    await user.selectOptions(screen.getByRole("combobox", { name: "Domain" }), "Waste");
    expect(router.param("domain")).toBe("waste");
    await user.type(screen.getByRole("searchbox", { name: "Search devices" }), "kim");
    expect(router.param("ward")).toBe("1");
    const last = () => asked.filter(({ call }) => call === "GET /devices").at(-1)?.query;
    await waitFor(() => expect(last()?.get("q")).toBe("kim"));
    expect(last()?.get("ward")).toBe("1");
    expect(last()?.has("status")).toBe(false);
    expect(asked.filter(({ call }) => call === "GET /devices").length).toBeLessThan(5);
  });

  it("says that nothing matches", async () => {
    const none = { ...answers, "GET /devices": { items: [], next: null } };
    show(devices.page.view, { id: null }, { answers: none });
    expect(await screen.findByText("No device matches the filters")).toBeTruthy();
  });
});

describe("the page of a device", () => {
  it("shows its values, and the past of the one that is chosen", async () => {
    const { user, asked, router } = show(devices.page.view, { id: "WL-1" }, { answers });
    await user.click(await screen.findByRole("button", { name: /battery/ }));
    expect(router.param("property")).toBe("battery");
    const properties = () =>
      asked.filter(({ call }) => call === "GET /history").map(({ query }) => query.get("property"));
    await waitFor(() => expect(properties()).toEqual(["water_level", "battery"]));
    expect(screen.getByText("kim-long")).toBeTruthy();
  });
});

describe("the table of latest values", () => {
  const cells = (given: Partial<Latest>): string[] => {
    const props = { items: [value(given)], kindOf: () => undefined, selected: null, onselect: vi.fn() };
    show(LatestTable, props, { lang: "vi" });
    return screen
      .getAllByRole("cell")
      .slice(2)
      .map((cell) => cell.textContent ?? "");
  };

  it("tells when a value arrived, and how good it is", () => {
    expect(cells({ quality: ["late", "clock_ahead"] })).toEqual([
      "01/01 08:00:00",
      "01/01 08:01:01",
      "đến muộn, đồng hồ chạy nhanh",
    ]);
  });

  it("has a dash for what is not known or not remarkable", () => {
    expect(cells({ arrival: null })).toEqual(["01/01 08:00:00", "–", "–"]);
  });
});
