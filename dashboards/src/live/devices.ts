/**
 * Every device's place and state in typed arrays, outside the framework: thousands of changes a second cost one
 * byte each, and components only ever see the totals.
 */
import type { TableDevice } from "../api/schema.ts";
import { DeviceFlag, DeviceState, type StateFrame } from "./protocol.ts";

export interface DomainTally {
  total: number;
  offline: number;
}

/** By domain; those of the table only. */
export type Tallies = Readonly<Record<string, DomainTally>>;

/** Silent or never heard: its value is not to be trusted, whatever its alerts say. */
const isAbsent = (state: number, flags: number): boolean =>
  state === DeviceState.Offline || (flags & (DeviceFlag.Silent | DeviceFlag.NeverReported)) !== 0;

export class DeviceTable {
  /** Position of row `n`: longitude at 2n, latitude at 2n + 1, degrees. */
  positions = new Float64Array(0);
  /** State of row `n` at 2n, its flags at 2n + 1: as the map uploads them. */
  marks = new Uint8Array(0);
  /** Grows when rows come or go: whoever holds positions must take them again. */
  generation = 0;
  private rows: readonly TableDevice[] = [];
  private rowOfIndex = new Map<number, number>();
  private rowOfId = new Map<string, number>();
  private epoch = -1;
  private counts: Record<string, DomainTally> = {};

  get size(): number {
    return this.rows.length;
  }

  /** Takes a new table; states are normal until the full frame that follows it. */
  load(epoch: number, rows: readonly TableDevice[]): void {
    this.epoch = epoch;
    this.rows = rows;
    this.positions = new Float64Array(rows.length * 2);
    this.marks = new Uint8Array(rows.length * 2);
    this.rowOfIndex = new Map();
    this.rowOfId = new Map();
    this.counts = {};
    rows.forEach((row, n) => {
      this.positions[2 * n] = row.lon;
      this.positions[2 * n + 1] = row.lat;
      this.rowOfIndex.set(row.i, n);
      this.rowOfId.set(row.id, n);
      this.tallyOf(row).total += 1;
    });
    this.generation += 1;
  }

  /** Applies a frame of the same epoch; others speak of a table that is gone. Says whether it was applied. */
  apply(frame: StateFrame): boolean {
    if (frame.epoch !== this.epoch) return false;
    frame.forEach((index, state, flags) => {
      const n = this.rowOfIndex.get(index);
      if (n !== undefined) this.set(n, state, flags);
    });
    return true;
  }

  private set(n: number, state: number, flags: number): void {
    const row = this.rows[n];
    const before = isAbsent(this.marks[2 * n] ?? 0, this.marks[2 * n + 1] ?? 0);
    const after = isAbsent(state, flags);
    this.marks[2 * n] = state;
    this.marks[2 * n + 1] = flags;
    if (row && before !== after) this.tallyOf(row).offline += after ? 1 : -1;
  }

  private tallyOf({ domain }: TableDevice): DomainTally {
    this.counts[domain] ??= { total: 0, offline: 0 };
    return this.counts[domain];
  }

  tallies(): Tallies {
    return structuredClone(this.counts);
  }

  /** Longitude and latitude of a device, if the table has it. */
  positionOf(id: string): [number, number] | undefined {
    const row = this.rows[this.rowOfId.get(id) ?? -1];
    return row ? [row.lon, row.lat] : undefined;
  }

  rowAt(n: number): TableDevice | undefined {
    return this.rows[n];
  }
}
