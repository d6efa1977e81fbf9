/** Where an area's name stands, and where a marker goes that is outside the picture. */
import type { AreaProperties, Areas } from "../api/schema.ts";

type Ring = number[][];
const LABELLED = new Set(["ward", "lagoon", "sea", "citadel"]);

/** Twice the signed area and the centroid of a ring, degrees. */
function centroid(ring: Ring): { area: number; x: number; y: number } {
  let area = 0;
  let x = 0;
  let y = 0;
  for (let i = 0; i + 1 < ring.length; i++) {
    const [x0 = 0, y0 = 0] = ring[i] ?? [];
    const [x1 = 0, y1 = 0] = ring[i + 1] ?? [];
    const cross = x0 * y1 - x1 * y0;
    area += cross;
    x += (x0 + x1) * cross;
    y += (y0 + y1) * cross;
  }
  if (area === 0) return { area: 0, x: ring[0]?.[0] ?? 0, y: ring[0]?.[1] ?? 0 };
  return { area: Math.abs(area), x: x / (3 * area), y: y / (3 * area) };
}

/** Middle of the largest part of an area; `null` for lines. */
export function middleOf(geometry: GeoJSON.Geometry): [number, number] | null {
  const outers: Ring[] =
    geometry.type === "Polygon"
      ? geometry.coordinates.slice(0, 1)
      : geometry.type === "MultiPolygon"
        ? geometry.coordinates.flatMap((polygon) => polygon.slice(0, 1))
        : [];
  const largest = outers.map(centroid).sort((a, b) => b.area - a.area)[0];
  return largest ? [largest.x, largest.y] : null;
}

/** One point an area that has a name: on tiled polygons a name would be drawn once a tile. */
export function labelPoints(areas: Areas): GeoJSON.FeatureCollection<GeoJSON.Point, AreaProperties> {
  const features: GeoJSON.Feature<GeoJSON.Point, AreaProperties>[] = [];
  for (const { properties, geometry } of areas.features) {
    if (!properties.name || !LABELLED.has(properties.layer)) continue;
    const middle = properties.center ?? middleOf(geometry);
    if (middle)
      features.push({ type: "Feature", properties, geometry: { type: "Point", coordinates: middle } });
  }
  return { type: "FeatureCollection", features };
}

/** Middle of each ward by its code, for alerts that belong to no single device. */
export function wardMiddles(areas: Areas): Map<string, [number, number]> {
  const middles = new Map<string, [number, number]>();
  for (const { properties, geometry } of areas.features) {
    const middle =
      properties.layer === "ward" && properties.code ? (properties.center ?? middleOf(geometry)) : null;
    if (middle && properties.code) middles.set(properties.code, middle);
  }
  return middles;
}

export interface Placed {
  x: number;
  y: number;
  /** Direction in which the real place lies, radians clockwise from east; `null` when it is in the picture. */
  away: number | null;
}

/** What lies over an upper corner of the picture, with the room that markers keep from it. */
export interface Corner {
  side: "left" | "right";
  width: number;
  height: number;
}

/**
 * Puts a point that is outside a `width` × `height` picture on its edge, on the line to the middle.
 * @param inset how far from the edge
 * @param bottom how far from the lower edge, where a legend may be
 * @param corners which the point stays out of
 */
export function clampToEdge(
  x: number,
  y: number,
  width: number,
  height: number,
  inset: number,
  bottom = inset,
  corners: readonly Corner[] = [],
): Placed {
  if (x >= 0 && y >= 0 && x <= width && y <= height) return { x, y, away: null };
  const middleX = width / 2;
  const middleY = height / 2;
  const dx = x - middleX;
  const dy = y - middleY;
  const roomY = middleY - (dy > 0 ? bottom : inset);
  let fit = Math.min((middleX - inset) / Math.abs(dx || 1e-9), roomY / Math.abs(dy || 1e-9));
  for (const corner of corners) {
    if (dy >= 0 || dx < 0 !== (corner.side === "left")) continue;
    const beside = (middleX - corner.width) / Math.abs(dx || 1e-9);
    fit = Math.min(fit, Math.max(beside, (middleY - corner.height) / -dy));
  }
  return { x: middleX + dx * fit, y: middleY + dy * fit, away: Math.atan2(dy, dx) };
}
