/** Twelve key figures, three a domain, with their normal band. */
import { wave } from "./random.mjs";
import { valueAt } from "./values.mjs";

const MINUTE = 60_000;
const HISTORY = 60;

const kpi = (id, domain, vi, en, unit, decimals, normal, scale, at, severity) => ({
  id,
  domain,
  title: { vi, en },
  unit,
  decimals,
  normal,
  scale,
  target: null,
  at,
  severity,
});

const KIM_LONG = { id: "WL-KIMLONG" };
const above = (medium, high, critical) => (v) =>
  v >= critical ? "critical" : v >= high ? "high" : v >= medium ? "medium" : null;
const never = () => null;
const drift =
  (id, mean, swing, flooded = mean) =>
  (t, flood) =>
    (flood ? flooded : mean) + swing * wave(id, t, 40 * MINUTE);

const KPIS = [
  kpi(
    "river_kim_long",
    "environment",
    "Mực nước Kim Long",
    "Kim Long level",
    "m",
    2,
    [0, 1],
    [0, 4.5],
    (t, flood) => valueAt(KIM_LONG, "water_level", t, flood),
    above(1, 2, 3.5),
  ),
  kpi(
    "rain_max_1h",
    "environment",
    "Mưa lớn nhất 1 giờ",
    "Max 1 h rain",
    "mm",
    0,
    [0, 20],
    [0, 100],
    drift("rain", 2, 1, 61),
    above(30, 50, 100),
  ),
  kpi(
    "aqi_worst",
    "environment",
    "VN_AQI cao nhất",
    "Worst VN_AQI",
    "",
    0,
    [0, 100],
    [0, 300],
    drift("aqi", 58, 9),
    above(101, 151, 201),
  ),
  kpi(
    "speed_mean",
    "traffic",
    "Tốc độ trung bình",
    "Mean speed",
    "km/h",
    1,
    [18, 40],
    [0, 60],
    drift("speed", 26.4, 2, 14.2),
    (v) => (v < 15 ? "high" : v < 18 ? "medium" : null),
  ),
  kpi(
    "junctions_slow",
    "traffic",
    "Nút giao ùn tắc",
    "Congested junctions",
    "/ 42",
    0,
    [0, 3],
    [0, 42],
    drift("jam", 1.4, 0.6, 9),
    above(4, 12, 25),
  ),
  kpi(
    "signals_normal",
    "traffic",
    "Đèn tín hiệu tốt",
    "Signals healthy",
    "%",
    1,
    [97, 100],
    [80, 100],
    drift("signals", 99.1, 0.4, 94.8),
    (v) => (v < 95 ? "medium" : null),
  ),
  kpi(
    "lamps_on_schedule",
    "lighting",
    "Đèn sáng đúng lịch",
    "Lamps on schedule",
    "%",
    1,
    [97, 100],
    [80, 100],
    drift("lamps", 98.6, 0.3, 95.9),
    (v) => (v < 96 ? "medium" : null),
  ),
  kpi(
    "lighting_power",
    "lighting",
    "Công suất chiếu sáng",
    "Lighting load",
    "kW",
    0,
    [80, 140],
    [0, 180],
    drift("load", 104, 6),
    never,
  ),
  kpi(
    "feeders_dead",
    "lighting",
    "Lộ mất điện",
    "Dead feeders",
    "/ 108",
    0,
    [0, 1],
    [0, 20],
    drift("feeders", 0, 0, 4),
    above(1, 4, 12),
  ),
  kpi(
    "parking_occupancy",
    "parking",
    "Tỷ lệ lấp đầy",
    "Occupancy",
    "%",
    0,
    [30, 90],
    [0, 100],
    drift("occupancy", 67, 4),
    never,
  ),
  kpi(
    "bays_free",
    "parking",
    "Ô đỗ còn trống",
    "Free bays",
    "",
    0,
    [50, 400],
    [0, 480],
    drift("bays", 158, 14),
    never,
  ),
  kpi(
    "overstay",
    "parking",
    "Đỗ quá giờ",
    "Overstays",
    "",
    0,
    [0, 12],
    [0, 60],
    drift("overstay", 6, 2),
    above(13, 30, 50),
  ),
];

const reading = (item, t, flood) => Number(Math.max(0, item.at(t, flood)).toFixed(item.decimals));

/** The figures with an hour of past, as the API answers them. */
export function kpiList(now, flood) {
  return KPIS.map((item) => {
    const { at, severity, ...rest } = item;
    const history = Array.from({ length: HISTORY }, (_, i) =>
      reading(item, now - (HISTORY - 1 - i) * MINUTE, flood),
    );
    const value = reading(item, now, flood);
    return { ...rest, value, t: now, severity: severity(value), history };
  });
}

/** The newest value of each, as the stream tells it. */
export function kpiSamples(now, flood) {
  return KPIS.map((item) => {
    const value = reading(item, now, flood);
    return { id: item.id, value, severity: item.severity(value), t: now };
  });
}
