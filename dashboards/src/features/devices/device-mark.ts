/** What the mark of a device says: its worst alert, or whether it is heard. */
import type { Priority } from "../../live/alerts.ts";
import { DeviceFlag, DeviceState } from "../../live/protocol.ts";

export type DeviceMark =
  | { is: "alarm"; priority: Priority; acknowledged: boolean }
  | { is: "normal" | "offline" | "silent" | "neverReported" };

/**
 * @param online of its own connection; `null` when nothing is known of one, as behind a gateway: then the state alone
 * decides
 */
export function deviceMark(state: number, flags: number, online: boolean | null | undefined): DeviceMark {
  const has = (flag: number): boolean => (flags & flag) !== 0;
  if (state >= DeviceState.Low) {
    // State 5 (critical) is priority 1, state 2 (low) priority 4.
    return { is: "alarm", priority: (6 - state) as Priority, acknowledged: has(DeviceFlag.Acknowledged) };
  }
  if (online === false) return { is: "offline" };
  if (has(DeviceFlag.NeverReported)) return { is: "neverReported" };
  if (has(DeviceFlag.Silent) || state === DeviceState.Offline) return { is: "silent" };
  return { is: "normal" };
}
