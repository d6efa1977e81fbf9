/**
 * The live stream's connection: hello, subscribe, resume with `after`, reconnect with backoff and jitter, and the
 * watchdog that notices a silent stream. Knows nothing of what the messages mean beyond their sequence numbers.
 */
import type { Channel, ClientMessage, ServerMessage } from "../api/schema.ts";
import { PROTOCOL, readMessage, readStateFrame, type StateFrame } from "./protocol.ts";

/** The part of `WebSocket` that is used; a test gives its own. */
export interface SocketLike {
  binaryType: BinaryType;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(data: string): void;
  close(): void;
}

export type LinkPhase = "connecting" | "live" | "lost";

export interface LinkStatus {
  phase: LinkPhase;
  /** When the stream was last heard, by this machine's clock; when connecting for the first time, the start. */
  heardMono: number;
  /** Attempts since it was last heard. */
  attempts: number;
  /** What the server said before it closed, if anything. */
  detail: string | null;
}

export interface LiveHandlers {
  message(message: ServerMessage): void;
  state(frame: StateFrame): void;
  /** Everything held is void: a snapshot follows. */
  reset(): void;
  status(status: LinkStatus): void;
  /** A connection could not be made: the owner may find out why (signed out, say). */
  refused(): void;
}

export interface LiveOptions {
  url: () => string;
  channels: readonly Channel[];
  /** Whether there is any use in connecting now; asked again after the usual delay. */
  wanted?: () => boolean;
  open?: (url: string) => SocketLike;
  random?: () => number;
}

/** Heartbeats come each second; after this long without any frame the stream counts as lost. */
export const LOST_AFTER_MS = 1900;
const WATCH_EVERY_MS = 100;
const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 8000;
/** A connection attempt that has said nothing for this long is given up. */
const CONNECT_TIMEOUT_MS = 6000;

/** Delay before attempt `n` (from 0): doubling, with the upper half random, so that a city's screens do not return in step. */
export function retryDelay(attempt: number, random: number): number {
  const ceiling = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, 16));
  return ceiling / 2 + (ceiling / 2) * random;
}

export class LiveSocket {
  private socket: SocketLike | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private watchTimer: ReturnType<typeof setInterval> | undefined;
  /** Last alert transition that was applied; `null` until there is a snapshot to build on. */
  private seq: number | null = null;
  private heardMono = performance.now();
  private attemptStarted = performance.now();
  private attempts = 0;
  private phase: LinkPhase = "connecting";
  private detail: string | null = null;
  private stopped = true;

  constructor(
    private readonly options: LiveOptions,
    private readonly handlers: LiveHandlers,
  ) {}

  /** Connects, and stays connected until `stop`. */
  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    this.heardMono = performance.now();
    this.watchTimer = setInterval(() => this.watch(), WATCH_EVERY_MS);
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.retryTimer);
    clearInterval(this.watchTimer);
    this.drop();
  }

  /** Tries at once instead of at the end of the delay: the network is back, or someone signed in. */
  retryNow(): void {
    if (this.stopped || this.phase === "live") return;
    clearTimeout(this.retryTimer);
    this.drop();
    this.connect();
  }

  /** Milliseconds since the stream was last heard. */
  get silence(): number {
    return performance.now() - this.heardMono;
  }

  private connect(): void {
    if (this.options.wanted?.() === false) {
      this.scheduleRetry();
      return;
    }
    const open = this.options.open ?? ((url: string) => new WebSocket(url));
    this.attempts += 1;
    this.attemptStarted = performance.now();
    this.detail = null;
    const socket = open(this.options.url());
    let opened = false;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      opened = true;
    };
    socket.onmessage = (event) => {
      if (socket === this.socket) this.receive(event.data);
    };
    socket.onclose = () => {
      if (socket !== this.socket) return;
      this.socket = null;
      if (!opened) this.handlers.refused();
      this.scheduleRetry();
    };
    this.socket = socket;
  }

  private receive(data: unknown): void {
    this.heard();
    if (data instanceof ArrayBuffer) {
      const frame = readStateFrame(data);
      if (frame) this.handlers.state(frame);
      return;
    }
    const message = readMessage(String(data));
    if (!message) return;
    if (message.type === "resync") {
      this.resync();
      return;
    }
    if (message.type === "error") this.detail = message.detail;
    else if (message.type === "hello") this.greet(message.last_seq, message.protocol);
    else if (message.type === "snapshot" || message.type === "alert") this.seq = message.seq;
    this.handlers.message(message);
  }

  private greet(lastSeq: number, protocol: number): void {
    if (protocol !== PROTOCOL) this.detail = `protocol ${protocol}`;
    // A server whose journal is shorter than what was seen is another one: its numbers mean nothing here.
    if (this.seq !== null && lastSeq < this.seq) {
      this.seq = null;
      this.handlers.reset();
    }
    this.subscribe();
  }

  private resync(): void {
    this.seq = null;
    this.handlers.reset();
    this.subscribe();
  }

  private subscribe(): void {
    const request: ClientMessage = { type: "subscribe", channels: [...this.options.channels], filter: {} };
    if (this.seq !== null) request.after = this.seq;
    this.socket?.send(JSON.stringify(request));
  }

  private heard(): void {
    this.heardMono = performance.now();
    this.attempts = 0;
    if (this.phase !== "live") this.report("live");
  }

  private watch(): void {
    const now = performance.now();
    const silent = now - this.heardMono > LOST_AFTER_MS;
    if (this.phase === "live" && silent) {
      this.report("lost");
      this.drop();
      this.scheduleRetry();
    } else if (this.phase === "connecting" && silent) {
      this.report("lost");
    }
    if (this.phase === "lost" && this.socket && now - this.attemptStarted > CONNECT_TIMEOUT_MS) {
      this.drop();
      this.scheduleRetry();
    }
  }

  private scheduleRetry(): void {
    if (this.stopped) return;
    clearTimeout(this.retryTimer);
    const random = (this.options.random ?? Math.random)();
    this.retryTimer = setTimeout(() => this.connect(), retryDelay(this.attempts, random));
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private report(phase: LinkPhase): void {
    this.phase = phase;
    const { heardMono, attempts, detail } = this;
    this.handlers.status({ phase, heardMono, attempts, detail });
  }
}
