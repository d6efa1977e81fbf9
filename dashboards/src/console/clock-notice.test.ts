import { describe, expect, it } from "vitest";
import type { Clock } from "../api/schema.ts";
import { clockNotices } from "./clock-notice.ts";

const RIGHT: Clock = {
  now: 0,
  synchronized: true,
  ahead_ms: null,
  devices_agreeing: 0,
  devices_measured: 9,
  devices_wrong: 0,
  jumps: 0,
};

describe("clockNotices", () => {
  it("says nothing when clocks are right, or nothing is known", () => {
    expect(clockNotices(null)).toEqual([]);
    expect(clockNotices(RIGHT)).toEqual([]);
    expect(clockNotices({ ...RIGHT, synchronized: null })).toEqual([]);
  });

  it("tells a wrong clock of the server from wrong clocks of devices", () => {
    const texts = (clock: Partial<Clock>) => clockNotices({ ...RIGHT, ...clock }).map(({ text }) => text);
    expect(texts({ ahead_ms: 600_000, devices_agreeing: 8, devices_wrong: 9 })).toEqual(["clock.ahead"]);
    expect(texts({ ahead_ms: -600_000, synchronized: false })).toEqual([
      "clock.behind",
      "clock.unsynchronized",
    ]);
    expect(texts({ devices_wrong: 2 })).toEqual(["clock.devicesWrong"]);
  });

  it("says by how much, and how many devices say so", () => {
    const [notice] = clockNotices({ ...RIGHT, ahead_ms: -600_000, devices_agreeing: 8 });
    expect(notice).toEqual({ text: "clock.behind", age: 600_000, n: 8, of: 9 });
  });
});
