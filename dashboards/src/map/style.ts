/** The base map: the city's areas as MapLibre layers, in greys and a desaturated blue. No glyphs, no tiles, no hosts. */
import type { ExpressionSpecification, LayerSpecification, StyleSpecification } from "maplibre-gl";
import type { AreaLayer, Areas } from "../api/schema.ts";
import type { Lang } from "../i18n/text.ts";
import { FONT } from "../ui/fonts.ts";
import { token } from "../ui/token.ts";
import { labelPoints } from "./geometry.ts";

const layerIs = (layer: AreaLayer): ExpressionSpecification => ["==", ["get", "layer"], layer];
const kindIs = (kind: "Polygon" | "LineString"): ExpressionSpecification => ["==", ["geometry-type"], kind];

/** Width of a river whose `width_m` is not given, metres. */
const RIVER_WIDTH_M = 120;
/** Pixels of one metre at zoom 0: 512 px tiles at the latitude of the middle of Vietnam. */
const PX_PER_METRE_AT_0 = 512 / (40_075_017 * Math.cos((16.5 * Math.PI) / 180));

/** True width on the ground, at least `least` pixels, so that a river is seen from afar. */
function riverWidth(least: number): ExpressionSpecification {
  const metres: ExpressionSpecification = ["coalesce", ["get", "width_m"], RIVER_WIDTH_M];
  const at = (zoom: number): ExpressionSpecification => [
    "max",
    least,
    ["*", metres, PX_PER_METRE_AT_0 * 2 ** zoom],
  ];
  return [
    "interpolate",
    ["exponential", 2],
    ["zoom"],
    8,
    at(8),
    11,
    at(11),
    12,
    at(12),
    13,
    at(13),
    18,
    at(18),
  ];
}

function landLayers(px: number): LayerSpecification[] {
  return [
    { id: "outside", type: "background", paint: { "background-color": token("map-outside") } },
    {
      id: "sea",
      type: "fill",
      source: "areas",
      filter: layerIs("sea"),
      paint: { "fill-color": token("map-sea") },
    },
    {
      id: "land",
      type: "fill",
      source: "areas",
      filter: ["any", layerIs("outline"), layerIs("ward")],
      paint: { "fill-color": token("map-land"), "fill-antialias": false },
    },
    {
      id: "lagoon",
      type: "fill",
      source: "areas",
      filter: layerIs("lagoon"),
      paint: { "fill-color": token("map-water") },
    },
    {
      id: "citadel",
      type: "fill",
      source: "areas",
      filter: ["all", layerIs("citadel"), kindIs("Polygon")],
      paint: { "fill-color": token("map-citadel") },
    },
    {
      id: "wards",
      type: "line",
      source: "areas",
      filter: layerIs("ward"),
      layout: { "line-join": "round" },
      paint: { "line-color": token("map-ward"), "line-width": px / 14 },
    },
    {
      id: "outline",
      type: "line",
      source: "areas",
      filter: layerIs("outline"),
      layout: { "line-join": "round" },
      paint: { "line-color": token("map-outline"), "line-width": px / 9 },
    },
    {
      id: "citadel-wall",
      type: "line",
      source: "areas",
      filter: layerIs("citadel"),
      layout: { "line-join": "round" },
      paint: { "line-color": token("map-wall"), "line-width": px / 9 },
    },
  ];
}

function networkLayers(px: number): LayerSpecification[] {
  const round = { "line-cap": "round", "line-join": "round" } as const;
  return [
    {
      id: "river-area",
      type: "fill",
      source: "areas",
      filter: ["all", layerIs("river"), kindIs("Polygon")],
      paint: { "fill-color": token("map-water") },
    },
    {
      id: "river",
      type: "line",
      source: "areas",
      filter: ["all", layerIs("river"), kindIs("LineString")],
      layout: round,
      paint: { "line-color": token("map-water"), "line-width": riverWidth(px / 12) },
    },
    {
      id: "road",
      type: "line",
      source: "areas",
      filter: layerIs("road"),
      layout: round,
      paint: {
        "line-color": token("map-road"),
        "line-width": ["interpolate", ["linear"], ["zoom"], 9, px / 14, 13, px / 6, 16, px / 2.5],
      },
    },
    {
      id: "railway",
      type: "line",
      source: "areas",
      filter: layerIs("railway"),
      paint: { "line-color": token("map-railway"), "line-width": px / 10, "line-dasharray": [5, 3] },
    },
    {
      id: "bridge",
      type: "line",
      source: "areas",
      filter: layerIs("bridge"),
      paint: {
        "line-color": token("map-bridge"),
        "line-width": ["interpolate", ["linear"], ["zoom"], 11, px / 12, 13, px / 6, 16, px / 2],
      },
    },
  ];
}

/** An attention line around wards where a critical alert waits. */
function alertLayer(px: number): LayerSpecification {
  return {
    id: "ward-alert",
    type: "line",
    source: "areas",
    filter: ["all", layerIs("ward"), ["in", ["get", "code"], ["literal", []]]],
    layout: { "line-join": "round" },
    paint: { "line-color": token("p1"), "line-width": px / 6.5, "line-opacity": 0.9 },
  };
}

/** Layers whose names are translated; wards keep their marks in both languages, as on the city's own signs. */
export const TRANSLATED_LAYERS = ["river-name", "water-name", "citadel-name"] as const;

/** The name of an area in a language. */
export const nameIn = (lang: Lang): ExpressionSpecification =>
  lang === "en" ? ["coalesce", ["get", "name_en"], ["get", "name"]] : ["get", "name"];

function labelLayers(px: number, lang: Lang): LayerSpecification[] {
  const halo = { "text-halo-color": token("map-halo"), "text-halo-width": px / 9 };
  const name = nameIn(lang);
  return [
    {
      id: "river-name",
      type: "symbol",
      source: "areas",
      minzoom: 11,
      filter: ["all", layerIs("river"), kindIs("LineString")],
      layout: {
        "symbol-placement": "line",
        "text-field": name,
        "text-font": [FONT],
        "text-size": px * 0.8,
        "text-letter-spacing": 0.14,
        "symbol-spacing": px * 40,
        "text-max-angle": 38,
      },
      paint: {
        "text-color": token("map-water-text"),
        "text-halo-color": token("map-water"),
        "text-halo-width": px / 10,
      },
    },
    {
      id: "water-name",
      type: "symbol",
      source: "labels",
      filter: ["any", layerIs("lagoon"), layerIs("sea")],
      layout: { "text-field": name, "text-font": [FONT], "text-size": px * 0.9, "text-letter-spacing": 0.12 },
      paint: {
        "text-color": token("map-water-text"),
        "text-halo-color": token("map-sea"),
        "text-halo-width": px / 10,
      },
    },
    {
      id: "citadel-name",
      type: "symbol",
      source: "labels",
      minzoom: 12,
      filter: layerIs("citadel"),
      layout: {
        "text-field": name,
        "text-font": [FONT],
        "text-size": px * 0.78,
        "text-letter-spacing": 0.08,
      },
      paint: { "text-color": token("map-text-faint"), ...halo },
    },
    {
      id: "ward-name",
      type: "symbol",
      source: "labels",
      filter: layerIs("ward"),
      layout: {
        "text-field": ["get", "name"],
        "text-font": [FONT],
        "text-size": px * 0.95,
        "text-padding": px * 0.9,
        "text-max-width": 8,
      },
      paint: { "text-color": token("map-text"), ...halo },
    },
  ];
}

/** Identity of the layer under which the devices are drawn: names stay readable above them. */
export const DEVICES_BELOW = "river-name";

/**
 * @param px pixels of 1 rem, by which lines and letters grow with the screen
 * @param lang of the names that are translated
 */
export function mapStyle(areas: Areas, px: number, lang: Lang): StyleSpecification {
  return {
    version: 8,
    sources: {
      areas: { type: "geojson", data: areas },
      labels: { type: "geojson", data: labelPoints(areas) },
    },
    layers: [...landLayers(px), ...networkLayers(px), alertLayer(px), ...labelLayers(px, lang)],
  };
}
