import { describe, expect, it } from "vitest";
import type { Areas } from "../api/schema.ts";
import { I18n } from "../i18n/i18n.svelte.ts";
import { WardNames } from "./areas.ts";
import { placeName } from "./place.ts";

describe("placeName", () => {
  const areas: Areas = {
    type: "FeatureCollection",
    features: [
      {
        type: "Feature",
        properties: { layer: "ward", code: "1", name: "Vỹ Dạ" },
        geometry: { type: "Polygon", coordinates: [] },
      },
    ],
  };
  const wards = new WardNames(areas);
  const place = (ward: string | null, device: string | null, labels: Record<string, string> = {}) =>
    placeName({ ward, device, labels }, wards, new I18n("vi").t);

  it("is the ward, or says that a device is in none", () => {
    expect(place("1", "KL-04")).toBe("Vỹ Dạ");
    expect(place(null, "KL-04", { cabinet: "CAB-001" })).toBe("Ngoài ranh giới");
  });
  it("is what the labels name when there is neither ward nor device", () => {
    expect(place(null, null, { feeder: "F2", cabinet: "CAB-001" })).toBe("Tủ CAB-001");
    expect(place(null, null, { feeder: "F2" })).toBe("Lộ F2");
    expect(place(null, null, { lot: "LOT-01", junction: "Cầu Trường Tiền" })).toBe("Nút Cầu Trường Tiền");
    expect(place(null, null, { lot: "LOT-01" })).toBe("Bãi LOT-01");
  });
  it("is the whole city else", () => {
    expect(place(null, null)).toBe("Toàn thành phố");
  });
});
