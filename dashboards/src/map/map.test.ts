import { describe, expect, it } from "vitest";
import type { Areas } from "../api/schema.ts";
import { alertLike } from "../testing/alert.ts";
import { clampToEdge, labelPoints, middleOf, wardMiddles } from "./geometry.ts";
import { markersOf } from "./markers.ts";

const square = (x: number, y: number, size: number): number[][] => [
  [x, y],
  [x + size, y],
  [x + size, y + size],
  [x, y + size],
  [x, y],
];

describe("middleOf", () => {
  it("is the centroid of the largest part", () => {
    expect(middleOf({ type: "Polygon", coordinates: [square(0, 0, 2)] })).toEqual([1, 1]);
    expect(middleOf({ type: "MultiPolygon", coordinates: [[square(0, 0, 1)], [square(10, 10, 4)]] })).toEqual(
      [12, 12],
    );
    expect(
      middleOf({
        type: "LineString",
        coordinates: [
          [0, 0],
          [1, 1],
        ],
      }),
    ).toBeNull();
  });
});

describe("names on the map", () => {
  const areas: Areas = {
    type: "FeatureCollection",
    features: [
      {
        type: "Feature",
        properties: { layer: "ward", code: "1", name: "Vỹ Dạ" },
        geometry: { type: "Polygon", coordinates: [square(0, 0, 2)] },
      },
      {
        type: "Feature",
        properties: { layer: "ward", code: "2", name: "Phú Xuân", center: [7, 7] },
        geometry: { type: "Polygon", coordinates: [square(4, 4, 2)] },
      },
      {
        type: "Feature",
        properties: { layer: "road", name: "Lê Lợi" },
        geometry: {
          type: "LineString",
          coordinates: [
            [0, 0],
            [1, 1],
          ],
        },
      },
    ],
  };
  it("are one point an area, at its centre if it has one", () => {
    expect(labelPoints(areas).features.map(({ geometry }) => geometry.coordinates)).toEqual([
      [1, 1],
      [7, 7],
    ]);
    expect([...wardMiddles(areas)]).toEqual([
      ["1", [1, 1]],
      ["2", [7, 7]],
    ]);
  });
});

describe("clampToEdge", () => {
  it("leaves what is in the picture and points to what is not", () => {
    expect(clampToEdge(10, 10, 100, 50, 5)).toEqual({ x: 10, y: 10, away: null });
    const right = clampToEdge(1000, 25, 100, 50, 5);
    expect([right.x, right.y, right.away]).toEqual([95, 25, 0]);
    const below = clampToEdge(50, 500, 100, 50, 5);
    expect(below.y).toBe(45);
    expect(below.away).toBeCloseTo(Math.PI / 2);
    expect(clampToEdge(50, 500, 100, 50, 5, 15).y).toBeCloseTo(35);
    expect(clampToEdge(50, -500, 100, 50, 5, 15).y).toBeCloseTo(5);
  });
  it("keeps out of what lies over a corner", () => {
    const corners = [{ side: "left", width: 40, height: 20 }] as const;
    const at = (x: number, y: number) => clampToEdge(x, y, 100, 50, 5, 5, corners);
    // Beside it, below it, and nowhere near it.
    expect(at(-50, -75)).toMatchObject({ x: 40, y: 15 });
    expect(at(-450, -75)).toMatchObject({ x: 25, y: 20 });
    expect(at(90, -75)).toEqual(clampToEdge(90, -75, 100, 50, 5));
    expect(at(10, 100)).toEqual(clampToEdge(10, 100, 100, 50, 5));
  });
});

describe("markersOf", () => {
  it("shows the most urgent alert of each place, no lower than asked", () => {
    const alerts = [
      alertLike({ id: "1", severity: "critical", device: "A" }),
      alertLike({ id: "2", severity: "medium", device: "A" }),
      alertLike({ id: "3", severity: "high", ward: "W" }),
      alertLike({ id: "4", severity: "low", device: "B" }),
      alertLike({ id: "5", severity: "high", device: "unknown" }),
    ];
    const place = (alert: { device: string | null }) =>
      alert.device === "unknown" ? undefined : ([1, 2] as [number, number]);
    expect(markersOf(alerts, place, 3).map(({ id }) => id)).toEqual(["1", "3"]);
  });
});
