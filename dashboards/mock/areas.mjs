import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FILE =
  process.env.MOCK_AREAS ?? fileURLToPath(new URL("../../configs/cities/hue/areas.geojson", import.meta.url));

/** The sketch of the city, as the server would answer it. */
export function loadAreas() {
  if (!existsSync(FILE)) throw new Error(`${FILE} is missing: the mock city needs the sketch of Huế`);
  return JSON.parse(readFileSync(FILE, "utf8"));
}

/** Says whether a point is inside a ring, by counting crossings. */
function inRing([x, y], ring) {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [xi, yi] = ring[i];
    const [xj, yj] = ring[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** Code of the ward that holds a point, or null. */
export function wardAt(areas, point) {
  for (const { geometry, properties } of areas.features) {
    if (properties.layer !== "ward") continue;
    const polygons = geometry.type === "MultiPolygon" ? geometry.coordinates : [geometry.coordinates];
    if (polygons.some(([ring]) => inRing(point, ring))) return properties.code;
  }
  return null;
}
