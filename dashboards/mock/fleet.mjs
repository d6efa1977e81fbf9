/** A made-up fleet over the middle of Huế: what stands where, under which cabinet or lot. */
import { wardAt } from "./areas.mjs";
import { seeded } from "./random.mjs";

const CENTER = [107.588, 16.465];
const STREETS = [
  "Lê Lợi",
  "Hùng Vương",
  "Trần Hưng Đạo",
  "Nguyễn Huệ",
  "Bà Triệu",
  "Nguyễn Sinh Cung",
  "Bùi Thị Xuân",
  "Kim Long",
];

const PLAN = [
  { domain: "lighting", kind: "lighting-cabinet", prefix: "CAB-", digits: 3, count: 36, period: 15 },
  { domain: "lighting", kind: "luminaire", prefix: "LUM-", digits: 5, count: 1150, period: 30 },
  { domain: "traffic", kind: "signal-controller", prefix: "SIG-", digits: 3, count: 42, period: 10 },
  { domain: "traffic", kind: "traffic-detector", prefix: "DET-", digits: 4, count: 168, period: 20 },
  { domain: "parking", kind: "parking-lot", prefix: "LOT-", digits: 2, count: 12, period: 15 },
  { domain: "parking", kind: "parking-bay", prefix: "BAY-", digits: 4, count: 480, period: 30 },
  { domain: "environment", kind: "air-station", prefix: "AIR-", digits: 2, count: 14, period: 30 },
  { domain: "environment", kind: "noise-meter", prefix: "NOI-", digits: 2, count: 18, period: 10 },
  { domain: "environment", kind: "rain-gauge", prefix: "RAIN-", digits: 2, count: 16, period: 20 },
];

const FIXED = [
  { id: "WL-KIMLONG", lon: 107.559, lat: 16.456, labels: { station: "kim-long", river: "huong" } },
  { id: "WL-PHUOC", lon: 107.47, lat: 16.53, labels: { station: "phu-oc", river: "bo" } },
];

/** Two draws that pile up in the middle, in degrees. */
function scatter(random, spread) {
  const radius = spread * Math.sqrt(-2 * Math.log(1 - random() * 0.98));
  const angle = random() * 6.283;
  return [CENTER[0] + radius * Math.cos(angle) * 1.15, CENTER[1] + radius * Math.sin(angle) * 0.8];
}

function labelsOf(kind, n, random) {
  const street = STREETS[Math.floor(random() * STREETS.length)];
  if (kind === "luminaire")
    return { street, cabinet: `CAB-${String((n % 36) + 1).padStart(3, "0")}`, rated_power: "120" };
  if (kind === "parking-bay")
    return { lot: `LOT-${String((n % 12) + 1).padStart(2, "0")}`, max_stay_s: "14400" };
  return { street };
}

/** Lamps and bays speak through a cabinet or a lot: nothing is known of a connection of their own. */
const INDIRECT = new Set(["luminaire", "parking-bay"]);
/** Whether this device has a connection of its own, which may come and go. */
export const hasConnection = ({ kind }) => !INDIRECT.has(kind);

/** All devices in the shape of the API, indices from 0. */
export function makeFleet(areas, seed = 7) {
  const random = seeded(seed);
  const devices = [];
  const add = (device) => {
    const ward = wardAt(areas, [device.lon, device.lat]);
    devices.push({
      ...device,
      index: devices.length,
      ward,
      state: 0,
      flags: 0,
      online: hasConnection(device) ? true : null,
      retired: false,
      last_seen: Date.now(),
      clock_offset_ms: 40,
      clock_wrong: false,
    });
  };
  for (const { id, lon, lat, labels } of FIXED) {
    add({
      id,
      domain: "environment",
      kind: "water-level",
      lon,
      lat,
      parent: null,
      labels,
      reporting_period_s: 10,
    });
  }
  for (const { domain, kind, prefix, digits, count, period } of PLAN) {
    for (let n = 1; n <= count; n++) {
      const [lon, lat] = scatter(random, kind === "rain-gauge" || kind === "air-station" ? 0.03 : 0.016);
      const labels = labelsOf(kind, n, random);
      const parent = labels.cabinet ? { kind: "cabinet", id: labels.cabinet } : null;
      add({
        id: prefix + String(n).padStart(digits, "0"),
        domain,
        kind,
        lon,
        lat,
        parent,
        labels,
        reporting_period_s: period,
      });
    }
  }
  return devices;
}
