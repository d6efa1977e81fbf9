/** What operators are told about clocks. */
import type { Clock } from "../api/schema.ts";

export interface ClockNotice {
  text: "clock.ahead" | "clock.behind" | "clock.unsynchronized" | "clock.devicesWrong";
  /** How far a clock is off, ms. */
  age: number;
  /** Devices that it is about, of how many. */
  n: number;
  of: number;
}

/** Returns what is worth saying, worst first. When the server's clock is wrong, those of devices are not to blame. */
export function clockNotices(clock: Clock | null): ClockNotice[] {
  if (!clock) return [];
  const notices: ClockNotice[] = [];
  const of = clock.devices_measured;
  if (clock.ahead_ms !== null) {
    const text = clock.ahead_ms > 0 ? "clock.ahead" : "clock.behind";
    notices.push({ text, age: Math.abs(clock.ahead_ms), n: clock.devices_agreeing, of });
  }
  if (clock.synchronized === false) notices.push({ text: "clock.unsynchronized", age: 0, n: 0, of });
  if (clock.ahead_ms === null && clock.devices_wrong > 0) {
    notices.push({ text: "clock.devicesWrong", age: 0, n: clock.devices_wrong, of });
  }
  return notices;
}
