/** A living pretend city in memory: devices, alerts with their transitions, and what operators do to them. */
import { EventEmitter } from "node:events";
import { loadAreas } from "./areas.mjs";
import { hasConnection, makeFleet } from "./fleet.mjs";
import { CALM, FLOOD, ruleNamed } from "./incidents.mjs";
import { seeded } from "./random.mjs";
import { propertyNamed, valueAt } from "./values.mjs";

const MINUTE = 60_000;
const RANK = { low: 2, medium: 3, high: 4, critical: 5 };
const ALERTS_MAX = 500;
const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** City facts as `GET /city` answers them. */
export const CITY = {
  code: "hue",
  name: { vi: "Thành phố Huế", en: "Huế City" },
  title: {
    vi: "Trung tâm giám sát, điều hành đô thị thông minh Huế",
    en: "Huế Smart City Operations Center",
  },
  center: [107.585, 16.466],
  zoom: 12.6,
  bounds: [106.95, 15.95, 108.3, 16.8],
  time_zone: "Asia/Ho_Chi_Minh",
  sketch: true,
  map: { type: "sketch" },
  trend: {
    device: "WL-KIMLONG",
    property: "water_level",
    title: { vi: "Mực nước sông Hương tại Kim Long", en: "Hương River level at Kim Long" },
    unit: "m",
    hours: 24,
    limits: [
      { value: 1, label: { vi: "Báo động I", en: "Flood alarm I" }, severity: "medium" },
      { value: 2, label: { vi: "Báo động II", en: "Flood alarm II" }, severity: "high" },
      { value: 3.5, label: { vi: "Báo động III", en: "Flood alarm III" }, severity: "critical" },
    ],
  },
  build: "mock",
};

const QUARANTINED = [
  {
    device: "AIR-03",
    credential: "AIR-03",
    topic: "ioc/v1/environment/AIR-03/telemetry",
    items: [{ reason: "out_of_range", detail: "pm25 = 4200; expected 0 to 1000 µg/m³" }],
    payload: '{"ts":1795461600000,"values":{"pm25":4200}}',
  },
  {
    device: null,
    credential: "gw-02",
    topic: "ioc/v1/lighting/LUM-99999/telemetry",
    items: [{ reason: "unknown_device", detail: "no device LUM-99999 is registered" }],
    payload: '{"values":{"active_power":84}}',
  },
  {
    device: "SIG-004",
    credential: "SIG-004",
    topic: "ioc/v1/traffic/SIG-004/telemetry",
    items: [{ reason: "not_json", detail: "expected a value at byte 19" }],
    payload: '{"values":{"phase":',
  },
];

export class MockCity extends EventEmitter {
  constructor({ scenario = "normal", seed = 7 } = {}) {
    super();
    this.random = seeded(seed);
    this.startedAt = Date.now();
    /** Ids of devices that do not speak. */
    this.silent = new Set();
    this.areas = loadAreas();
    this.devices = makeFleet(this.areas, seed);
    this.byId = new Map(this.devices.map((device) => [device.id, device]));
    this.flood = scenario === "flood" ? { startedAt: Date.now() } : null;
    this.alerts = new Map();
    this.transitions = [];
    this.seq = 0;
    this.quarantine = QUARANTINED.map((row, n) => ({
      seq: 40 - n,
      at: Date.now() - n * 37_000,
      ...row,
      payload_hex: "",
      payload_len: row.payload.length,
    }));
    this.audit = [];
    this.pastIncidents(scenario === "flood" ? FLOOD : scenario === "normal" ? CALM : []);
    for (const device of this.devices) if (this.random() < 0.015) this.setOffline(device, true);
  }

  pastIncidents(names) {
    names.forEach((name, n) => {
      const at = Date.now() - Math.round((names.length - n) * 2.3 * MINUTE * (0.4 + this.random()));
      const alert = this.raise(name, at);
      if (alert && n % 3 === 2) this.act(alert.id, "acknowledged", n % 2 ? "q.minh" : "t.ha", at + 40_000);
    });
  }

  /** Takes a device away or brings it back; one without a connection of its own only falls silent. */
  setOffline(device, offline) {
    if (offline) this.silent.add(device.id);
    else this.silent.delete(device.id);
    if (hasConnection(device)) device.online = !offline;
    this.restate(device);
  }

  newId(at) {
    let time = at;
    let text = "";
    for (let i = 0; i < 10; i++) {
      text = CROCKFORD[time % 32] + text;
      time = Math.floor(time / 32);
    }
    for (let i = 0; i < 16; i++) text += CROCKFORD[Math.floor(this.random() * 32)];
    return text;
  }

  /** Raises an alert of a rule on some device of its kind that has none yet. */
  raise(ruleName, at = Date.now()) {
    const rule = ruleNamed(ruleName);
    const taken = new Set(
      [...this.alerts.values()]
        .filter((a) => a.rule === ruleName && a.state === "firing")
        .map((a) => a.device),
    );
    const kimLong = ruleName.startsWith("kim_long");
    const free = this.devices.filter(
      (d) => d.kind === rule.kind && !taken.has(d.id) && (!kimLong || d.id === "WL-KIMLONG"),
    );
    const device = free[Math.floor(this.random() * free.length)];
    if (!device || this.alerts.size > ALERTS_MAX) return null;
    const alert = this.newAlert(rule, device, at);
    this.alerts.set(alert.id, alert);
    this.record("firing", alert, at, null);
    return alert;
  }

  newAlert(rule, device, at) {
    const property = rule.expr.match(/[a-z_0-9]+(?=[{[ ])/)?.[0] ?? "value";
    const series = `${property}{device="${device.id}"}`;
    const samples = Array.from({ length: 6 }, (_, n) => ({
      series,
      ts: at - 900 - n * device.reporting_period_s * 1000,
      value: rule.value,
    }));
    const [left, right] = rule.expr.split(/ (?:>=|<=|==|>|<) /);
    return {
      id: this.newId(at),
      fingerprint: Math.floor(this.random() * 2 ** 52)
        .toString(16)
        .padStart(16, "0"),
      rule: rule.name,
      severity: rule.severity,
      state: "firing",
      domain: rule.domain,
      device: device.id,
      ward: device.ward,
      labels: {
        alertname: rule.name,
        severity: rule.severity,
        device: device.id,
        domain: rule.domain,
        kind: rule.kind,
        ...device.labels,
      },
      value: rule.value,
      summary: rule.summary,
      event_time: at - 900,
      arrival_time: at - 620,
      decision_time: at,
      active_since: at - 60_000,
      firing_since: at,
      cleared_at: null,
      acknowledged_by: null,
      acknowledged_at: null,
      resolved_by: null,
      resolved_at: null,
      notes: [],
      no_data: false,
      evidence: {
        rule_hash: "9f2c41d07be8",
        expr: rule.expr,
        samples,
        parts: [
          { expr: rule.expr, value: rule.value },
          { expr: left, value: rule.value },
          { expr: right, value: Number(right) },
        ],
        hops: { event: at - 900, arrival: at - 4, committed: at - 2, decided: at },
      },
    };
  }

  /** Journals a transition and tells the followers. */
  record(transition, alert, at, by, note = null) {
    this.seq += 1;
    const entry = { seq: this.seq, transition, at, by, note, alert: structuredClone(alert) };
    this.transitions.push(entry);
    if (this.transitions.length > 20 * ALERTS_MAX) this.transitions.shift();
    const device = this.byId.get(alert.device);
    if (device) this.restate(device);
    this.emit("transition", entry);
  }

  /** An operator's action. */
  act(id, transition, by, at = Date.now(), text = null) {
    const alert = this.alerts.get(id);
    if (!alert) return null;
    if (transition === "acknowledged" && alert.acknowledged_at === null) {
      alert.acknowledged_by = by;
      alert.acknowledged_at = at;
    }
    if (transition === "resolved") {
      alert.resolved_by = by;
      alert.resolved_at = at;
    }
    if (text) alert.notes.push({ at, by, text });
    this.audit.unshift({
      id: this.audit.length + 1,
      at,
      actor: by,
      action: `alert.${transition}`,
      object: id,
      detail: text ?? "",
    });
    this.record(transition, alert, at, by, text);
    return alert;
  }

  clear(id, at = Date.now()) {
    const alert = this.alerts.get(id);
    if (alert?.state !== "firing") return;
    alert.state = "cleared";
    alert.cleared_at = at;
    this.record("cleared", alert, at, null);
  }

  open() {
    return [...this.alerts.values()].filter(
      (alert) => alert.state === "firing" && alert.resolved_at === null,
    );
  }

  restate(device) {
    const own = this.open().filter((alert) => alert.device === device.id);
    const worst = Math.max(0, ...own.map((alert) => RANK[alert.severity]));
    const silent = this.silent.has(device.id);
    device.state = worst || (silent ? 1 : 0);
    device.flags =
      (own.length && own.every((alert) => alert.acknowledged_at !== null) ? 1 : 0) | (silent ? 2 : 0);
    this.emit("state", device);
  }

  transitionsOf(id) {
    return this.transitions
      .filter((entry) => entry.alert.id === id)
      .map(({ seq, transition, at, by, note }) => ({ seq, transition, at, by, note }));
  }

  /** One second of city life: now and then something happens, and mends. */
  tick(now = Date.now()) {
    const names = this.flood ? FLOOD.slice(2) : CALM;
    if (this.random() < (this.flood ? 0.08 : 0.02))
      this.raise(names[Math.floor(this.random() * names.length)], now);
    const old = this.open().find(
      (alert) => now - alert.firing_since > 20 * MINUTE && alert.severity === "low",
    );
    if (old) this.clear(old.id, now);
    const device = this.devices[Math.floor(this.random() * this.devices.length)];
    if (device.state < 2) this.setOffline(device, this.random() < 0.015);
    const level = valueAt({ id: "WL-KIMLONG" }, "water_level", now, this.flood);
    const third = this.open().some((alert) => alert.rule === "kim_long_bao_dong_3");
    if (level >= 3.5 && !third) this.raise("kim_long_bao_dong_3", now);
  }

  /** Latest values of a device; a silent one was heard before the start, and when it arrived is not known. */
  latest(device, properties, now = Date.now()) {
    const silent = this.silent.has(device.id);
    const heard = silent ? this.startedAt : now;
    return properties.map((name) => {
      const { title, unit, kind } = propertyNamed(name);
      const t = heard - (heard % (device.reporting_period_s * 1000));
      const value = valueAt(device, name, t, this.flood);
      const code =
        kind.type === "enum"
          ? Object.entries(kind.codes).find(([, number]) => number === value)?.[0]
          : undefined;
      const arrival = silent ? null : t + 180;
      const label = code === undefined ? null : kind.titles[code];
      return { property: name, title, unit, t, arrival, value, quality: [], name: code ?? null, label };
    });
  }
}
