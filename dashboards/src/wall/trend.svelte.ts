/** The one long trend of the wall: its past from history, its end from the device's latest value. */
import type { ApiClient } from "../api/client.ts";
import type { Trend as TrendSpec } from "../api/schema.ts";
import { type Freshness, freshFor } from "../util/freshness.ts";

const HOUR = 3_600_000;
export const BUCKETS = 288;
const LATEST_EVERY_MS = 5_000;
const HISTORY_EVERY_MS = 5 * 60_000;
/** A live value, placed at its arrival when its event time lies ahead: no clock of a device hides what comes later. */
interface LivePoint extends TrendPoint {
  arrival: number;
}

/** An answer that arrived so much before the last one was not overtaken: the server's clock was set back. */
const CROSSING_MS = 10_000;
/** Live values kept behind the last bucket: more than come between two reads of history. */
const LIVE_POINTS_MAX = 200;

export interface TrendPoint {
  t: number;
  v: number;
}

type TrendApi = Pick<ApiClient, "get">;

export class Trend {
  points = $state.raw<TrendPoint[]>([]);
  /** Newest value; `null` until there is one. */
  latest = $state.raw<TrendPoint | null>(null);
  /** History has answered once. */
  loaded = $state(false);
  private historyFailed = $state(false);
  private latestFailed = $state(false);
  /** Of the device; `null` until it is known. */
  private periodS = $state<number | null>(null);
  private past: TrendPoint[] = [];
  private recent: LivePoint[] = [];
  private timers: ReturnType<typeof setInterval>[] = [];

  constructor(
    private readonly api: TrendApi,
    readonly spec: TrendSpec,
    private readonly now: () => number,
  ) {}

  start(): void {
    void this.refresh();
    this.timers = [
      setInterval(() => void this.loadHistory(), HISTORY_EVERY_MS),
      setInterval(() => void this.again(), LATEST_EVERY_MS),
    ];
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  /** Reads everything again, after the stream was lost for instance. */
  async refresh(): Promise<void> {
    await Promise.all([this.loadPeriod(), this.loadHistory(), this.loadLatest()]);
  }

  /** The newest value, and whatever could not be read before. */
  async again(): Promise<void> {
    await Promise.all([
      this.periodS === null ? this.loadPeriod() : undefined,
      this.historyFailed ? this.loadHistory() : undefined,
      this.loadLatest(),
    ]);
  }

  private get device(): { path: { id: string } } {
    return { path: { id: this.spec.device } };
  }

  /** The last read failed: what is shown is from before. */
  get failed(): boolean {
    return this.historyFailed || this.latestFailed;
  }

  freshness(now: number): Freshness {
    // From arrival: a device whose clock is behind is slow, not silent.
    const from = this.recent.at(-1)?.arrival ?? this.latest?.t ?? null;
    const age = from === null ? null : Math.max(0, now - from);
    return { age, stale: this.failed || (age !== null && age > freshFor(this.periodS)) };
  }

  private async loadPeriod(): Promise<void> {
    try {
      this.periodS = (await this.api.get("/api/v1/devices/{id}", this.device)).reporting_period_s;
    } catch {
      // Asked again at the next turn; until then the rule of the key figures decides.
    }
  }

  private async loadHistory(): Promise<void> {
    const { device, property, hours } = this.spec;
    const to = this.now();
    try {
      const from = String(to - hours * HOUR);
      const query = { device, property, from, to: String(to), buckets: BUCKETS };
      const { points } = await this.api.get("/api/v1/history", { query });
      this.past = points.map(({ t, last }) => ({ t, v: last }));
      this.loaded = true;
      this.historyFailed = false;
      this.merge();
    } catch {
      // What was shown stays, and says that it is from before.
      this.historyFailed = true;
    }
  }

  private async loadLatest(): Promise<void> {
    try {
      const { items } = await this.api.get("/api/v1/devices/{id}/latest", this.device);
      this.latestFailed = false;
      const item = items.find(({ property }) => property === this.spec.property);
      // An answer that was overtaken by a newer one is no news.
      if (!item) return;
      const arrival = item.arrival ?? item.t;
      const before = this.recent.at(-1);
      const overtakenMs = before ? before.arrival - arrival : -1;
      if (overtakenMs > 0 && overtakenMs <= CROSSING_MS) return;
      if (overtakenMs === 0 && item.value === before?.v) return;
      const point = { t: Math.min(item.t, arrival), v: item.value, arrival };
      this.recent = [...this.recent.filter(({ t }) => t < point.t), point].slice(-LIVE_POINTS_MAX);
      this.merge();
    } catch {
      this.latestFailed = true;
    }
  }

  private merge(): void {
    // What the server calls the latest value is; history behind it is from before a clock was set back.
    const live = this.recent.at(-1);
    const past = live ? this.past.filter(({ t }) => t < live.t) : this.past;
    const end = past.at(-1)?.t ?? 0;
    this.points = [...past, ...this.recent.filter(({ t }) => t > end)];
    this.latest = this.points.at(-1) ?? null;
  }

  /** Change over the last hour, per hour; `null` when there is no value from then. */
  rate(): number | null {
    const { latest } = this;
    if (!latest) return null;
    const before = this.points.findLast(({ t }) => t <= latest.t - HOUR);
    if (!before) return null;
    return ((latest.v - before.v) / (latest.t - before.t)) * HOUR;
  }
}
