/** The one long trend of the wall: its past from history, its end from the device's latest value. */
import type { ApiClient } from "../api/client.ts";
import type { TrendSpec } from "../api/types.ts";

const HOUR = 3_600_000;
export const BUCKETS = 288;
const LATEST_EVERY_MS = 5_000;
const HISTORY_EVERY_MS = 5 * 60_000;
/** Live values kept behind the last bucket: more than come between two reads of history. */
const LIVE_POINTS_MAX = 200;

export interface TrendPoint {
  t: number;
  v: number;
}

export class Trend {
  points = $state.raw<TrendPoint[]>([]);
  /** Newest value; `null` until there is one. */
  latest = $state.raw<TrendPoint | null>(null);
  /** History has answered once. */
  loaded = $state(false);
  private past: TrendPoint[] = [];
  private recent: TrendPoint[] = [];
  private timers: ReturnType<typeof setInterval>[] = [];

  constructor(
    private readonly api: ApiClient,
    readonly spec: TrendSpec,
    private readonly now: () => number,
  ) {}

  start(): void {
    void this.refresh();
    this.timers = [
      setInterval(() => void this.loadHistory(), HISTORY_EVERY_MS),
      setInterval(() => void this.loadLatest(), LATEST_EVERY_MS),
    ];
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  /** Reads everything again, after the stream was lost for instance. */
  async refresh(): Promise<void> {
    await this.loadHistory();
    await this.loadLatest();
  }

  private async loadHistory(): Promise<void> {
    const { device, property, hours } = this.spec;
    const to = this.now();
    try {
      const { points } = await this.api.history({
        device,
        property,
        from: to - hours * HOUR,
        to,
        buckets: BUCKETS,
      });
      this.past = points.map(({ t, last }) => ({ t, v: last }));
      this.loaded = true;
      this.merge();
    } catch {
      // What was shown stays; the next turn asks again, and the stream's state says whether the server is there.
    }
  }

  private async loadLatest(): Promise<void> {
    try {
      const { items } = await this.api.latest(this.spec.device);
      const item = items.find(({ property }) => property === this.spec.property);
      if (!item || item.t === this.recent.at(-1)?.t) return;
      this.recent = [...this.recent, { t: item.t, v: item.value }].slice(-LIVE_POINTS_MAX);
      this.merge();
    } catch {
      // As above.
    }
  }

  private merge(): void {
    const end = this.past.at(-1)?.t ?? 0;
    this.points = [...this.past, ...this.recent.filter(({ t }) => t > end)];
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
