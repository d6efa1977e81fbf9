/** The live stream: what its messages are comes from the OpenAPI document; the binary state frames are read here. */
import { SERVER_MESSAGE_TYPES, type ServerMessage } from "../api/schema.ts";

/** The protocol version this page speaks. */
export const PROTOCOL = 1;
const FRAME_VERSION = 1;
const FRAME_HEADER_BYTES = 8;
const FRAME_ROW_BYTES = 6;

/** State of one device on the map: 0 normal, 1 offline, 2 low, 3 medium, 4 high, 5 critical. */
export const DeviceState = { Normal: 0, Offline: 1, Low: 2, Medium: 3, High: 4, Critical: 5 } as const;
/** Bits beside the state. */
export const DeviceFlag = { Acknowledged: 1, Silent: 2, NeverReported: 4 } as const;

export interface StateFrame {
  full: boolean;
  epoch: number;
  count: number;
  /** Calls back once a row, without allocating. */
  forEach(visit: (index: number, state: number, flags: number) => void): void;
}

/** Reads a binary state frame; `null` when it is not one of ours or cut short. */
export function readStateFrame(bytes: ArrayBuffer): StateFrame | null {
  if (bytes.byteLength < FRAME_HEADER_BYTES) return null;
  const view = new DataView(bytes);
  const rows = (bytes.byteLength - FRAME_HEADER_BYTES) / FRAME_ROW_BYTES;
  if (view.getUint8(0) !== FRAME_VERSION || !Number.isInteger(rows)) return null;
  return {
    full: view.getUint8(1) === 1,
    epoch: view.getUint32(4, true),
    count: rows,
    forEach(visit) {
      for (let at = FRAME_HEADER_BYTES; at < bytes.byteLength; at += FRAME_ROW_BYTES) {
        visit(view.getUint32(at, true), view.getUint8(at + 4), view.getUint8(at + 5));
      }
    },
  };
}

const KNOWN_TYPES = new Set<string>(SERVER_MESSAGE_TYPES);

/** Reads a text frame; `null` for types that a newer server may add, which are passed over. */
export function readMessage(text: string): ServerMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || !("type" in value)) return null;
  return KNOWN_TYPES.has(String(value.type)) ? (value as ServerMessage) : null;
}
