/** The city's bounds as a small flat picture. */
import type { AreaLayer, Areas, CityInfo } from "../api/schema.ts";
import type { Corner } from "../map/geometry.ts";

/** Where the picture ends on the map, rem: as Overview.svelte draws it. */
const RIGHT_REM = 11.1;
const TOP_REM = 0.6;
/** The badge of a sketch, as MapLegend.svelte draws it: beside the picture, or in the right corner. */
const BADGE = { besideRem: 16.8, aloneRem: 5.8, belowRem: 2.7 };

/** What lies over the upper corners of the large map. */
export function mapCorners(bounds: CityInfo["bounds"], sketch: boolean, narrow: boolean): Corner[] {
  const corners: Corner[] = [];
  if (!narrow) {
    const { width, height } = overviewProjection(bounds);
    corners.push({
      side: "left",
      width: RIGHT_REM,
      height: TOP_REM + ((RIGHT_REM - TOP_REM) * height) / width,
    });
  }
  if (sketch)
    corners.push(
      narrow
        ? { side: "right", width: BADGE.aloneRem, height: BADGE.belowRem }
        : { side: "left", width: BADGE.besideRem, height: BADGE.belowRem },
    );
  return corners;
}

/** Width of the picture in its own units; its height follows from the bounds. */
const WIDTH = 100;
/** Points nearer than this to the one before are left out: nobody sees them at this size. */
const LEAST_STEP = 0.35;

export interface Projection {
  width: number;
  height: number;
  /** Longitude and latitude to picture units. */
  at(lon: number, lat: number): [x: number, y: number];
}

/** Equal lengths in both directions at the middle of the city. */
export function overviewProjection([west, south, east, north]: CityInfo["bounds"]): Projection {
  const squeeze = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const perDegree = WIDTH / ((east - west) * squeeze);
  const height = (north - south) * perDegree;
  return {
    width: WIDTH,
    height,
    at: (lon, lat) => [(lon - west) * squeeze * perDegree, (north - lat) * perDegree],
  };
}

function ringPath(ring: readonly number[][], projection: Projection): string {
  let path = "";
  let last: [number, number] | null = null;
  for (const [lon = 0, lat = 0] of ring) {
    const at = projection.at(lon, lat);
    if (last && Math.hypot(at[0] - last[0], at[1] - last[1]) < LEAST_STEP) continue;
    path += `${last ? "L" : "M"}${at[0].toFixed(1)} ${at[1].toFixed(1)}`;
    last = at;
  }
  return `${path}Z`;
}

/** Outer and inner rings of all areas of some layers as one path. */
export function outlinePath(areas: Areas, layers: readonly AreaLayer[], projection: Projection): string {
  return areas.features
    .filter(({ properties }) => layers.includes(properties.layer))
    .flatMap(({ geometry }) =>
      geometry.type === "Polygon"
        ? geometry.coordinates
        : geometry.type === "MultiPolygon"
          ? geometry.coordinates.flat()
          : [],
    )
    .map((ring) => ringPath(ring, projection))
    .join("");
}
