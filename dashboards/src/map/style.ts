/** The base map: the city's areas as MapLibre layers, in greys and a desaturated blue. No glyphs, no tiles, no hosts. */
import type { ExpressionSpecification, LayerSpecification, StyleSpecification } from "maplibre-gl";
import type { AreaLayer, Areas } from "../api/types.ts";
import type { Lang } from "../i18n/dictionary.ts";
import { FONT } from "../ui/fonts.ts";
import { labelPoints } from "./geometry.ts";

const COLOUR = {
  outside: "#0d1217",
  land: "#181f26",
  ward: "#36414c",
  water: "#1b3346",
  sea: "#12202c",
  waterText: "#8fb0c9",
  citadel: "#232c35",
  road: "#35414d",
  railway: "#4a5663",
  bridge: "#8794a1",
  text: "#c8d1d9",
  textFaint: "#a3aeb9",
  halo: "#11161b",
} as const;

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
    { id: "outside", type: "background", paint: { "background-color": COLOUR.outside } },
    { id: "sea", type: "fill", source: "areas", filter: layerIs("sea"), paint: { "fill-color": COLOUR.sea } },
    {
      id: "land",
      type: "fill",
      source: "areas",
      filter: ["any", layerIs("outline"), layerIs("ward")],
      paint: { "fill-color": COLOUR.land, "fill-antialias": false },
    },
    {
      id: "lagoon",
      type: "fill",
      source: "areas",
      filter: layerIs("lagoon"),
      paint: { "fill-color": COLOUR.water },
    },
    {
      id: "citadel",
      type: "fill",
      source: "areas",
      filter: ["all", layerIs("citadel"), kindIs("Polygon")],
      paint: { "fill-color": COLOUR.citadel },
    },
    {
      id: "wards",
      type: "line",
      source: "areas",
      filter: layerIs("ward"),
      layout: { "line-join": "round" },
      paint: { "line-color": COLOUR.ward, "line-width": px / 14 },
    },
    {
      id: "outline",
      type: "line",
      source: "areas",
      filter: layerIs("outline"),
      layout: { "line-join": "round" },
      paint: { "line-color": "#566473", "line-width": px / 9 },
    },
    {
      id: "citadel-wall",
      type: "line",
      source: "areas",
      filter: layerIs("citadel"),
      layout: { "line-join": "round" },
      paint: { "line-color": "#5a6774", "line-width": px / 9 },
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
      paint: { "fill-color": COLOUR.water },
    },
    {
      id: "river",
      type: "line",
      source: "areas",
      filter: ["all", layerIs("river"), kindIs("LineString")],
      layout: round,
      paint: { "line-color": COLOUR.water, "line-width": riverWidth(px / 12) },
    },
    {
      id: "road",
      type: "line",
      source: "areas",
      filter: layerIs("road"),
      layout: round,
      paint: {
        "line-color": COLOUR.road,
        "line-width": ["interpolate", ["linear"], ["zoom"], 9, px / 14, 13, px / 6, 16, px / 2.5],
      },
    },
    {
      id: "railway",
      type: "line",
      source: "areas",
      filter: layerIs("railway"),
      paint: { "line-color": COLOUR.railway, "line-width": px / 10, "line-dasharray": [5, 3] },
    },
    {
      id: "bridge",
      type: "line",
      source: "areas",
      filter: layerIs("bridge"),
      paint: {
        "line-color": COLOUR.bridge,
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
    paint: { "line-color": "#ff5a52", "line-width": px / 6.5, "line-opacity": 0.9 },
  };
}

/** Layers whose names are translated; wards keep their marks in both languages, as on the city's own signs. */
export const TRANSLATED_LAYERS = ["river-name", "water-name", "citadel-name"] as const;

/** The name of an area in a language. */
export const nameIn = (lang: Lang): ExpressionSpecification =>
  lang === "en" ? ["coalesce", ["get", "name_en"], ["get", "name"]] : ["get", "name"];

function labelLayers(px: number, lang: Lang): LayerSpecification[] {
  const halo = { "text-halo-color": COLOUR.halo, "text-halo-width": px / 9 };
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
      paint: { "text-color": COLOUR.waterText, "text-halo-color": COLOUR.water, "text-halo-width": px / 10 },
    },
    {
      id: "water-name",
      type: "symbol",
      source: "labels",
      filter: ["any", layerIs("lagoon"), layerIs("sea")],
      layout: { "text-field": name, "text-font": [FONT], "text-size": px * 0.9, "text-letter-spacing": 0.12 },
      paint: { "text-color": COLOUR.waterText, "text-halo-color": COLOUR.sea, "text-halo-width": px / 10 },
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
      paint: { "text-color": COLOUR.textFaint, ...halo },
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
      paint: { "text-color": COLOUR.text, ...halo },
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
