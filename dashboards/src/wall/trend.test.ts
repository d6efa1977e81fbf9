import { beforeEach, describe, expect, it } from "vitest";
import type { Trend as TrendSpec } from "../api/schema.ts";
import { Trend } from "./trend.svelte.ts";
import { trendAxis } from "./trend-axis.ts";

const MINUTE = 60_000;
const NOW = 100 * 60 * MINUTE;
const SPEC: TrendSpec = {
  device: "WL",
  property: "water_level",
  title: { vi: "", en: "" },
  unit: "m",
  hours: 24,
  limits: [],
};

/** A server whose answers a test can take away. */
class Server {
  up = { history: true, latest: true };
  now = NOW;
  periodS = 10;
  /** Arrival of the newest value, and how far its device's clock is behind. */
  at = NOW - 6000;
  behind = 0;
  value = 2;

  get = async (path: string): Promise<unknown> => {
    if (path.endsWith("/history")) return this.history();
    return path.endsWith("/latest") ? this.latest() : { reporting_period_s: this.periodS };
  };

  private history() {
    if (!this.up.history) throw new Error("down");
    const points = [3, 2, 1].map((hours) => ({ t: this.at - hours * 60 * MINUTE, last: 1 / hours }));
    return { property: "water_level", unit: "m", points, damaged: [] };
  }

  private latest() {
    if (!this.up.latest) throw new Error("down");
    const { property, title, unit } = SPEC;
    const item = { property, title, unit, t: this.at - this.behind, arrival: this.at, value: this.value };
    return { device: "WL", items: [{ ...item, quality: [], name: null, label: null }] };
  }
}

describe("the axis of the trend", () => {
  const HOUR = 60 * MINUTE;
  const axis = (...ages: number[]) =>
    trendAxis(
      ages.map((age) => ({ t: NOW - age, v: 1 })),
      NOW,
      24,
    );

  it("is the whole window when the past fills it, or there is none", () => {
    expect(axis()).toEqual([NOW - 24 * HOUR, NOW]);
    expect(axis(24 * HOUR - 4 * MINUTE, MINUTE)).toEqual([NOW - 24 * HOUR, NOW]);
    expect(axis(30 * HOUR, MINUTE)).toEqual([NOW - 24 * HOUR, NOW]);
  });
  it("begins at the first value of a shorter past, but is never shorter than an hour", () => {
    expect(axis(5 * HOUR, MINUTE)).toEqual([NOW - 5 * HOUR, NOW]);
    expect(axis(20 * MINUTE, MINUTE)).toEqual([NOW - HOUR, NOW]);
  });
  it("ends at a value that is newer than its present", () => {
    expect(axis(5 * HOUR, -MINUTE)).toEqual([NOW - 5 * HOUR, NOW + MINUTE]);
  });
});

describe("the age of the trend", () => {
  let server: Server;
  let trend: Trend;
  beforeEach(() => {
    server = new Server();
    trend = new Trend(server as unknown as ConstructorParameters<typeof Trend>[0], SPEC, () => server.now);
  });

  it("is that of the newest value", async () => {
    expect(trend.freshness(NOW)).toEqual({ age: null, stale: false });
    await trend.refresh();
    expect(trend.freshness(NOW)).toEqual({ age: 6000, stale: false });
    expect(trend.failed).toBe(false);
  });

  it("grows when the gauge is dead, until the tile says so", async () => {
    await trend.refresh();
    await trend.again();
    expect(trend.freshness(server.at + 2 * MINUTE).stale).toBe(false);
    expect(trend.freshness(server.at + 2 * MINUTE + 1)).toEqual({ age: 2 * MINUTE + 1, stale: true });
  });

  it("lets a device that reports seldom be as late as it may", async () => {
    server.periodS = 600;
    await trend.refresh();
    expect(trend.freshness(server.at + 30 * MINUTE).stale).toBe(false);
    expect(trend.freshness(server.at + 30 * MINUTE + 1).stale).toBe(true);
  });

  it("keeps the curve of a failed read, as one from before, until the next succeeds", async () => {
    await trend.refresh();
    const { points } = trend;
    server.up.latest = false;
    await trend.again();
    expect(trend.points).toEqual(points);
    expect(trend.failed).toBe(true);
    expect(trend.freshness(NOW)).toEqual({ age: 6000, stale: true });
    server.up.latest = true;
    server.at += 5000;
    await trend.again();
    expect(trend.failed).toBe(false);
    expect(trend.freshness(NOW)).toEqual({ age: 1000, stale: false });
  });

  it("asks for the past again soon when it could not be read", async () => {
    server.up.history = false;
    await trend.refresh();
    expect(trend.failed).toBe(true);
    expect(trend.loaded).toBe(false);
    server.up.history = true;
    await trend.again();
    expect(trend.failed).toBe(false);
    expect(trend.points).toHaveLength(4);
  });

  it("counts from arrival, and shows what comes next whatever the clock of the device says", async () => {
    for (const behind of [-4 * MINUTE, -1000, 0, 35_000, 10 * MINUTE, 0]) {
      server.behind = behind;
      server.at += 10_000;
      server.value += 1;
      await (trend.loaded ? trend.again() : trend.refresh());
      expect(trend.latest).toEqual({
        t: server.at - Math.max(0, behind),
        v: server.value,
        arrival: server.at,
      });
      expect(trend.freshness(server.at + 3000)).toEqual({ age: 3000, stale: false });
    }
  });

  it("shows what comes after a clock was set back, the device's or the server's", async () => {
    server.at = NOW;
    await trend.refresh();
    for (const [behind, back] of [
      [200_000, 0],
      [65 * MINUTE, 0],
      [65 * MINUTE, 3 * MINUTE],
      [0, 65 * MINUTE],
    ] as const) {
      server.behind = behind;
      server.at += 5000 - back;
      server.value += 1;
      await trend.again();
      expect(trend.latest?.v).toBe(server.value);
      expect(trend.points.every(({ t }, n) => n === 0 || t > (trend.points[n - 1]?.t ?? 0))).toBe(true);
    }
  });

  it("passes over an answer that a newer one overtook", async () => {
    await trend.refresh();
    const { latest } = trend;
    server.at -= 10_000;
    await trend.again();
    expect(trend.latest).toEqual(latest);
  });
});
