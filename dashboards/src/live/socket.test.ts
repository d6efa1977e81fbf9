import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ServerMessage } from "../api/schema.ts";
import { type LinkStatus, LiveSocket, LOST_AFTER_MS, retryDelay, type SocketLike } from "./socket.ts";

class FakeSocket implements SocketLike {
  binaryType: BinaryType = "blob";
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  sent: unknown[] = [];
  closed = false;

  send(data: string): void {
    this.sent.push(JSON.parse(data));
  }
  close(): void {
    this.closed = true;
  }
  open(): void {
    this.onopen?.({} as Event);
  }
  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) } as MessageEvent);
  }
  fall(): void {
    this.onclose?.({} as CloseEvent);
  }
}

const hello = (last_seq: number) => ({ type: "hello", last_seq, server_time: 0, protocol: 1, build: "t" });
const subscription = { type: "subscribe", channels: ["alerts"], filter: {} };

describe("LiveSocket", () => {
  let sockets: FakeSocket[];
  let messages: ServerMessage[];
  let statuses: LinkStatus[];
  let resets: number;
  let refusals: number;
  let live: LiveSocket;
  const last = (): FakeSocket => sockets.at(-1) as FakeSocket;

  beforeEach(() => {
    vi.useFakeTimers();
    sockets = [];
    messages = [];
    statuses = [];
    resets = 0;
    refusals = 0;
    const open = () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    };
    live = new LiveSocket(
      { url: () => "ws://test", channels: ["alerts"], open, random: () => 1 },
      {
        message: (message) => messages.push(message),
        state: () => undefined,
        reset: () => {
          resets += 1;
        },
        status: (status) => statuses.push(status),
        refused: () => {
          refusals += 1;
        },
      },
    );
    live.start();
  });
  afterEach(() => {
    live.stop();
    vi.useRealTimers();
  });

  const begin = (seq: number) => {
    last().open();
    last().say(hello(seq));
    last().say({ type: "snapshot", seq, alerts: [] });
  };

  it("asks for a snapshot first, and resumes after the last transition it saw", () => {
    begin(7);
    expect(last().sent).toEqual([subscription]);
    last().say({ type: "alert", seq: 9, transition: "firing", at: 0, by: null, alert: {} });
    last().fall();
    vi.advanceTimersByTime(1000);
    expect(sockets).toHaveLength(2);
    last().open();
    last().say(hello(12));
    expect(last().sent).toEqual([{ ...subscription, after: 9 }]);
    expect(resets).toBe(0);
  });

  it("says that the stream is lost before two seconds of silence have passed", () => {
    begin(1);
    expect(statuses.at(-1)?.phase).toBe("live");
    vi.advanceTimersByTime(LOST_AFTER_MS - 100);
    expect(statuses.at(-1)?.phase).toBe("live");
    vi.advanceTimersByTime(200);
    expect(statuses.at(-1)?.phase).toBe("lost");
    expect(LOST_AFTER_MS + 100).toBeLessThanOrEqual(2000);
    expect(sockets[0]?.closed).toBe(true);
  });

  it("does not call a short break a loss", () => {
    begin(1);
    last().fall();
    vi.advanceTimersByTime(600);
    begin(1);
    vi.advanceTimersByTime(1000);
    expect(statuses.map(({ phase }) => phase)).toEqual(["live"]);
  });

  it("drops what it has and subscribes again on resync", () => {
    begin(5);
    last().say({ type: "resync", reason: "too slow" });
    expect(resets).toBe(1);
    expect(last().sent).toEqual([subscription, subscription]);
  });

  it("starts over when the server's journal is shorter than what was seen", () => {
    begin(50);
    last().fall();
    vi.advanceTimersByTime(1000);
    last().say(hello(3));
    expect(resets).toBe(1);
    expect(last().sent).toEqual([subscription]);
  });

  it("tells its owner when a connection is refused, and goes on trying", () => {
    last().fall();
    expect(refusals).toBe(1);
    vi.advanceTimersByTime(1000);
    expect(sockets).toHaveLength(2);
  });

  it("gives up a connection that opens and stays silent", () => {
    begin(1);
    vi.advanceTimersByTime(LOST_AFTER_MS + 600);
    const silent = last();
    vi.advanceTimersByTime(8000);
    expect(silent.closed).toBe(true);
    expect(sockets.length).toBeGreaterThan(2);
  });

  it("passes over messages of types it does not know", () => {
    begin(1);
    last().say({ type: "weather", t: 1 });
    expect(messages.map(({ type }) => type)).toEqual(["hello", "snapshot"]);
  });
});

describe("retryDelay", () => {
  it("doubles up to its limit, never below half", () => {
    expect([0, 1, 2].map((n) => retryDelay(n, 1))).toEqual([250, 500, 1000]);
    expect(retryDelay(40, 1)).toBe(8000);
    expect(retryDelay(40, 0)).toBe(4000);
  });
});
