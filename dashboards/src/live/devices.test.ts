import { describe, expect, it } from "vitest";
import type { TableDevice } from "../api/schema.ts";
import { DeviceTable } from "./devices.ts";
import { readMessage, readStateFrame, type StateFrame } from "./protocol.ts";

function frameBytes(
  full: boolean,
  epoch: number,
  rows: [index: number, state: number, flags: number][],
): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(8 + rows.length * 6));
  view.setUint8(0, 1);
  view.setUint8(1, full ? 1 : 0);
  view.setUint32(4, epoch, true);
  rows.forEach(([index, state, flags], n) => {
    view.setUint32(8 + n * 6, index, true);
    view.setUint8(12 + n * 6, state);
    view.setUint8(13 + n * 6, flags);
  });
  return view.buffer;
}

const frame = (...args: Parameters<typeof frameBytes>): StateFrame =>
  readStateFrame(frameBytes(...args)) as StateFrame;
const row = (i: number, id: string, domain: TableDevice["domain"]): TableDevice => ({
  i,
  id,
  domain,
  kind: "k",
  lon: 107 + i,
  lat: 16,
  ward: null,
});

describe("readStateFrame", () => {
  it("refuses what is cut short or of another version", () => {
    expect(readStateFrame(new ArrayBuffer(4))).toBeNull();
    expect(readStateFrame(frameBytes(true, 1, [[0, 1, 0]]).slice(0, 11))).toBeNull();
    const other = frameBytes(true, 1, []);
    new DataView(other).setUint8(0, 2);
    expect(readStateFrame(other)).toBeNull();
  });

  it("reads rows", () => {
    const rows: number[][] = [];
    frame(false, 3, [[70_000, 5, 1]]).forEach((...values) => {
      rows.push(values);
    });
    expect(rows).toEqual([[70_000, 5, 1]]);
  });
});

describe("readMessage", () => {
  it("refuses what is no message", () => {
    for (const text of ["", "{", "[]", "null", '{"kind":"hello"}', '{"type":"other"}'])
      expect(readMessage(text)).toBeNull();
  });
});

describe("DeviceTable", () => {
  const table = () => {
    const made = new DeviceTable();
    made.load(4, [row(10, "A", "traffic"), row(20, "B", "traffic"), row(30, "C", "parking")]);
    return made;
  };

  it("keeps states by index and counts who is not heard", () => {
    const devices = table();
    expect(
      devices.apply(
        frame(true, 4, [
          [10, 1, 0],
          [20, 5, 2],
          [30, 0, 0],
          [99, 5, 0],
        ]),
      ),
    ).toBe(true);
    expect([...devices.marks]).toEqual([1, 0, 5, 2, 0, 0]);
    expect(devices.tallies().traffic).toEqual({ total: 2, offline: 2 });
    devices.apply(frame(false, 4, [[10, 0, 0]]));
    devices.apply(frame(false, 4, [[10, 0, 0]]));
    expect(devices.tallies().traffic).toEqual({ total: 2, offline: 1 });
    expect(devices.tallies().parking).toEqual({ total: 1, offline: 0 });
  });

  it("passes over frames of another table", () => {
    const devices = table();
    expect(devices.apply(frame(true, 3, [[10, 5, 0]]))).toBe(false);
    expect(devices.marks[0]).toBe(0);
  });

  it("knows where a device is", () => {
    expect(table().positionOf("B")).toEqual([127, 16]);
    expect(table().positionOf("Z")).toBeUndefined();
  });

  it("starts over with a new table", () => {
    const devices = table();
    const before = devices.generation;
    devices.load(5, [row(1, "D", "lighting")]);
    expect(devices.generation).toBeGreaterThan(before);
    expect(devices.size).toBe(1);
    expect(devices.tallies()).toEqual({ lighting: { total: 1, offline: 0 } });
  });
});
