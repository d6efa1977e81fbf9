/** What each property reads at a given time: smooth made-up curves, and the river's rise in the flood. */
import { wave } from "./random.mjs";

const HOUR = 3_600_000;

const text = (vi, en) => ({ vi, en });
const number = (id, name, unit, min, max, vi, en, mean, swing, decimals = 1) => ({
  id,
  name,
  unit,
  kind: { type: "number", min, max },
  averaging: "linear",
  title: text(vi, en),
  mean,
  swing,
  decimals,
});

export const PROPERTIES = [
  number(1, "water_level", "m", -5, 15, "Mực nước", "Water level", 0.72, 0.08, 2),
  number(2, "water_level_rate", "m/h", -10, 10, "Tốc độ nước lên", "Rate of rise", 0.02, 0.05, 2),
  number(3, "rain_1h", "mm", 0, 300, "Mưa 1 giờ", "Rain in 1 h", 1.2, 1.2),
  number(10, "pm25", "µg/m³", 0, 1000, "Bụi PM2.5", "PM2.5", 19, 8),
  number(11, "pm10", "µg/m³", 0, 2000, "Bụi PM10", "PM10", 38, 12),
  number(16, "temperature", "°C", -20, 60, "Nhiệt độ", "Temperature", 25, 3),
  number(18, "vn_aqi", "", 0, 500, "Chỉ số VN_AQI", "VN_AQI index", 46, 14, 0),
  number(20, "laeq", "dBA", 0, 160, "Mức ồn tương đương", "Equivalent sound level", 62, 5),
  number(30, "illuminance_level", "", 0, 1, "Mức sáng đặt", "Dim level", 0.7, 0.2, 2),
  number(31, "active_power", "W", 0, 2000, "Công suất", "Active power", 84, 12),
  number(32, "supply_voltage", "V", 0, 500, "Điện áp", "Supply voltage", 226, 4),
  number(40, "phase_voltage_r", "V", 0, 500, "Điện áp pha R", "Phase voltage R", 227, 4),
  number(43, "total_active_power", "kW", 0, 1000, "Tổng công suất", "Total active power", 3.4, 0.6, 2),
  {
    id: 50,
    name: "signal_mode",
    unit: "",
    kind: {
      type: "enum",
      codes: { normal: 0, flash_by_plan: 1, flash_fault: 2 },
      titles: {
        normal: { vi: "Bình thường", en: "Normal" },
        flash_by_plan: { vi: "Nháy vàng theo kế hoạch", en: "Flashing by plan" },
        flash_fault: { vi: "Nháy vàng do lỗi", en: "Flashing, fault" },
      },
    },
    averaging: "linear",
    title: text("Chế độ đèn", "Signal mode"),
    mean: 0,
    swing: 0,
    decimals: 0,
  },
  number(52, "cycle_length", "s", 0, 600, "Chu kỳ đèn", "Cycle length", 90, 0, 0),
  number(60, "vehicle_count", "", 0, 10000, "Số xe", "Vehicle count", 24, 12, 0),
  number(62, "average_vehicle_speed", "km/h", 0, 250, "Tốc độ trung bình", "Mean speed", 27, 6),
  {
    id: 70,
    name: "occupied",
    unit: "",
    kind: { type: "bool" },
    averaging: "linear",
    title: text("Có xe", "Occupied"),
    mean: 0.5,
    swing: 1,
    decimals: 0,
  },
  number(72, "battery", "", 0, 1, "Pin", "Battery", 0.81, 0.02, 2),
  number(83, "parking_occupancy", "", 0, 1, "Tỷ lệ lấp đầy", "Occupancy", 0.66, 0.15, 2),
];

const KIND_PROPERTIES = {
  "water-level": ["water_level", "water_level_rate"],
  "rain-gauge": ["rain_1h"],
  "air-station": ["pm25", "pm10", "temperature", "vn_aqi"],
  "noise-meter": ["laeq"],
  luminaire: ["illuminance_level", "active_power", "supply_voltage"],
  "lighting-cabinet": ["phase_voltage_r", "total_active_power"],
  "signal-controller": ["signal_mode", "cycle_length"],
  "traffic-detector": ["vehicle_count", "average_vehicle_speed"],
  "parking-bay": ["occupied", "battery"],
  "parking-lot": ["parking_occupancy"],
};

const KIND_TITLES = {
  "water-level": text("Trạm mực nước", "Water level station"),
  "rain-gauge": text("Trạm đo mưa", "Rain gauge"),
  "air-station": text("Trạm không khí", "Air station"),
  "noise-meter": text("Trạm đo ồn", "Noise meter"),
  luminaire: text("Đèn đường", "Luminaire"),
  "lighting-cabinet": text("Tủ chiếu sáng", "Lighting cabinet"),
  "signal-controller": text("Tủ đèn tín hiệu", "Signal controller"),
  "traffic-detector": text("Cảm biến xe", "Traffic detector"),
  "parking-bay": text("Ô đỗ xe", "Parking bay"),
  "parking-lot": text("Bãi đỗ xe", "Parking lot"),
};

const DOMAINS = [
  { name: "environment", title: text("Ngập lụt · Môi trường", "Flood · Environment") },
  { name: "traffic", title: text("Giao thông", "Traffic") },
  { name: "lighting", title: text("Chiếu sáng", "Street lighting") },
  { name: "parking", title: text("Bãi đỗ xe", "Parking") },
].map((domain) => ({ ...domain, short_title: domain.title, icon: "M4 12h16M12 4v16" }));

export const propertiesOf = (kind) => KIND_PROPERTIES[kind] ?? [];
export const propertyNamed = (name) => PROPERTIES.find((property) => property.name === name);

export function catalogue(devices, kpis) {
  const kinds = Object.entries(KIND_PROPERTIES).map(([name, properties]) => {
    const { domain, reporting_period_s } = devices.find((device) => device.kind === name);
    return { name, domain, reporting_period_s, properties, title: KIND_TITLES[name] };
  });
  const properties = PROPERTIES.map(({ mean, swing, decimals, ...property }) => property);
  const panels = DOMAINS.map(({ name, title, short_title }) => ({
    id: name,
    domain: name,
    title,
    short_title,
    indicators: kpis.filter(({ domain }) => domain === name).map(({ id }) => id),
  }));
  return { domains: DOMAINS, properties, kinds, panels };
}

/** Level of the river, metres: a quiet tide, or a rise that reached 2.3 m when the server started and goes on. */
function riverLevel(t, flood) {
  const quiet = 0.72 + 0.06 * wave("tide", t, 12.4 * HOUR) + 0.008 * wave("ripple", t, HOUR / 3);
  if (!flood) return quiet;
  const h = (t - flood.startedAt) / HOUR;
  const before = 1.62 / (1 + Math.exp(-(h + 4) / 1.4));
  return quiet + (h < 0 ? before : before + Math.min(1.9, h * 6));
}

/** Value of a device's property at a time. */
export function valueAt(device, name, t, flood) {
  const property = propertyNamed(name);
  if (name === "water_level")
    return Number((riverLevel(t, flood) + (device.id === "WL-PHUOC" ? 0.9 : 0)).toFixed(2));
  if (name === "water_level_rate" && flood) return 0.31;
  const series = `${device.id}/${name}`;
  const raw =
    property.mean +
    property.swing * wave(series, t, 7 * HOUR) +
    property.swing * 0.25 * wave(series, t, HOUR / 4);
  if (property.kind.type === "bool") return raw > 0.5 ? 1 : 0;
  if (property.kind.type === "enum") return 0;
  const rain = name === "rain_1h" && flood ? 42 : 0;
  return Number(
    Math.min(property.kind.max, Math.max(property.kind.min, raw + rain)).toFixed(property.decimals),
  );
}
