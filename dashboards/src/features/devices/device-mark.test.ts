import { describe, expect, it } from "vitest";
import { MockCity } from "../../../mock/city.mjs";
import { deviceMark } from "./device-mark.ts";

describe("deviceMark", () => {
  const SILENT = 2;
  const NEVER_REPORTED = 4;
  it("is offline only when its own connection is known to be gone", () => {
    expect(deviceMark(0, 0, true)).toEqual({ is: "normal" });
    expect(deviceMark(0, 0, false)).toEqual({ is: "offline" });
    for (const online of [null, undefined]) expect(deviceMark(0, 0, online)).toEqual({ is: "normal" });
  });
  it("goes by the state alone when nothing is known of a connection", () => {
    expect(deviceMark(1, SILENT, null)).toEqual({ is: "silent" });
    expect(deviceMark(1, 0, null)).toEqual({ is: "silent" });
    expect(deviceMark(1, NEVER_REPORTED, null)).toEqual({ is: "neverReported" });
    expect(deviceMark(1, SILENT, true)).toEqual({ is: "silent" });
    expect(deviceMark(1, SILENT, false)).toEqual({ is: "offline" });
  });
  it("puts an alarm before everything", () => {
    expect(deviceMark(5, 0, false)).toEqual({ is: "alarm", priority: 1, acknowledged: false });
    expect(deviceMark(2, 1 | SILENT, null)).toEqual({ is: "alarm", priority: 4, acknowledged: true });
  });
  it("has every case in the pretend city", () => {
    const { devices } = new MockCity({ scenario: "flood" });
    const marks = new Set(devices.map(({ state, flags, online }) => deviceMark(state, flags, online).is));
    expect([...marks].sort()).toEqual(["alarm", "normal", "offline", "silent"]);
    expect(new Set(devices.map(({ online }) => online))).toEqual(new Set([true, false, null]));
  });
});
