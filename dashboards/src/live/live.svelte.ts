/**
 * The city as it is now: joins the stream, the alert book, the device table and the key figures, and hands what
 * changed to the components at most once a frame.
 */
import { createContext } from "svelte";
import { ServerClock } from "../api/clock.ts";
import type { Alert, Channel, Kpi, ServerMessage } from "../api/schema.ts";
import { AlertBook, type AlertCounts, countAlerts, noCounts } from "./alerts.ts";
import { DeviceTable, type Tallies } from "./devices.ts";
import { KpiBoard } from "./kpis.ts";
import type { StateFrame } from "./protocol.ts";
import { type LinkStatus, LiveSocket } from "./socket.ts";

export interface LiveSource {
  url: () => string;
  channels: readonly Channel[];
  /** Definitions and past of the key figures, for who listens to them. */
  kpis?: () => Promise<Kpi[]>;
  refused: () => void;
  /** Whether there is any use in connecting now. */
  wanted?: () => boolean;
  /** The server's, which the stream tells. */
  clock?: ServerClock;
}

/** The past of a key figure covers minutes; its end comes by the stream. */
const KPI_PAST_EVERY_MS = 30_000;

type AlertListener = (alert: Alert) => void;

export class LiveCity {
  link = $state.raw<LinkStatus>({
    phase: "connecting",
    heardMono: performance.now(),
    attempts: 0,
    detail: null,
  });
  /** Open alerts, most urgent first. */
  alerts = $state.raw<Alert[]>([]);
  counts = $state.raw<AlertCounts>(noCounts());
  kpis = $state.raw<Kpi[]>([]);
  tallies = $state.raw<Tallies | null>(null);
  /** The server's clock, in steps of a second: screens may have wrong clocks. */
  now = $state(0);
  /** How old what is shown is, ms, as of `now`. */
  age = $state(0);
  /** A snapshot has come: an empty list means a calm city. */
  ready = $state(false);
  /** Version of the server, and whether it changed under this page. */
  build = $state<string | null>(null);
  rebuilt = $state(false);
  /** Which device table is held; 0 before there is one. */
  private table = $state(0);
  /** Read by the map, drawn outside the framework. */
  readonly devices = new DeviceTable();

  private readonly clock: ServerClock;
  private readonly book = new AlertBook();
  private readonly board = new KpiBoard();
  private readonly socket: LiveSocket;
  private readonly deviceListeners = new Set<() => void>();
  private readonly alertListeners = new Set<AlertListener>();
  private dirty = { alerts: false, kpis: false, devices: false };
  private frame = 0;
  private clockTimer: ReturnType<typeof setTimeout> | undefined;
  private pastTimer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly source: LiveSource) {
    this.clock = source.clock ?? new ServerClock();
    this.now = this.clock.now();
    this.socket = new LiveSocket(
      { url: source.url, channels: source.channels, wanted: source.wanted },
      {
        message: (message) => this.take(message),
        state: (frame) => this.takeState(frame),
        reset: () => {
          this.ready = false;
        },
        status: (status) => {
          this.link = status;
          if (status.phase === "live") void this.loadKpis();
        },
        refused: source.refused,
      },
    );
  }

  start(): void {
    this.tick();
    this.socket.start();
    if (this.source.kpis) {
      this.pastTimer = setInterval(() => void this.loadKpis(), KPI_PAST_EVERY_MS);
    }
    globalThis.addEventListener?.("online", this.retry);
  }

  stop(): void {
    this.socket.stop();
    clearTimeout(this.clockTimer);
    clearInterval(this.pastTimer);
    cancelAnimationFrame(this.frame);
    globalThis.removeEventListener?.("online", this.retry);
  }

  /** Tries to connect at once. */
  readonly retry = (): void => this.socket.retryNow();

  /** Longitude and latitude of a device, if the table has it; components follow the table. */
  positionOf(id: string): [number, number] | undefined {
    return this.table > 0 ? this.devices.positionOf(id) : undefined;
  }

  /** Calls back when device states or the table changed, at most once a frame. */
  onDevices(listener: () => void): () => void {
    this.deviceListeners.add(listener);
    return () => this.deviceListeners.delete(listener);
  }

  /** Calls back for each alert transition as it comes. */
  onAlert(listener: AlertListener): () => void {
    this.alertListeners.add(listener);
    return () => this.alertListeners.delete(listener);
  }

  /** Takes the answer of an action, which may be here before the stream tells it. */
  takeAlert(alert: Alert): void {
    this.book.apply(alert);
    this.mark("alerts");
  }

  /** When the stream was last heard, by the server's clock. */
  get heardAt(): number {
    return this.clock.at(this.link.heardMono);
  }

  /** The server's time, ms since the epoch. */
  serverNow(): number {
    return this.clock.now();
  }

  private take(message: ServerMessage): void {
    switch (message.type) {
      case "hello":
        this.clock.heard(message.server_time);
        this.rebuilt ||= this.build !== null && this.build !== message.build;
        this.build = message.build;
        break;
      case "heartbeat":
        this.clock.heard(message.t);
        break;
      case "snapshot":
        this.book.reset(message.alerts);
        this.ready = true;
        this.mark("alerts");
        break;
      case "alert":
        this.book.apply(message.alert);
        for (const listener of this.alertListeners) listener(message.alert);
        this.mark("alerts");
        break;
      case "kpi":
        this.board.apply(message.items);
        this.mark("kpis");
        break;
      case "devices":
        this.devices.load(message.epoch, message.items);
        this.mark("devices");
        break;
      case "resync":
      case "error":
        break;
      default:
        message satisfies never;
    }
  }

  private takeState(frame: StateFrame): void {
    if (this.devices.apply(frame)) this.mark("devices");
  }

  private async loadKpis(): Promise<void> {
    if (!this.source.kpis) return;
    try {
      this.board.load(await this.source.kpis());
      this.mark("kpis");
    } catch {
      // The stream goes on telling the values; their past is asked for again soon.
    }
  }

  private mark(what: keyof typeof this.dirty): void {
    this.dirty[what] = true;
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.flush());
  }

  private flush(): void {
    this.frame = 0;
    const dirty = this.dirty;
    this.dirty = { alerts: false, kpis: false, devices: false };
    if (dirty.alerts) {
      this.alerts = this.book.sorted();
      this.counts = countAlerts(this.alerts);
    }
    if (dirty.kpis) this.kpis = this.board.list();
    if (dirty.devices) {
      this.table = this.devices.generation;
      this.tallies = this.devices.tallies();
      for (const listener of this.deviceListeners) listener();
    }
  }

  private tick(): void {
    this.now = this.serverNow();
    this.age = this.socket.silence;
    this.clockTimer = setTimeout(() => this.tick(), 1000 - (this.now % 1000) + 5);
  }
}

export const [useLive, provideLive] = createContext<LiveCity>();
