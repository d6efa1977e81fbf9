/** The city's key figures: their definition and past from the API, their newest value from the stream. */
import type { Kpi, KpiValue } from "../api/schema.ts";

export class KpiBoard {
  private readonly kpis = new Map<string, Kpi>();

  /** Takes definitions and past values, in the order in which they are to be shown. */
  load(kpis: readonly Kpi[]): void {
    this.kpis.clear();
    for (const kpi of kpis) this.kpis.set(kpi.id, kpi);
  }

  /** Takes newer values; older ones than are held, and unknown ones, are passed over. */
  apply(samples: readonly KpiValue[]): void {
    for (const { id, value, severity, t } of samples) {
      // Without a time there is no fresh data: that is news, too.
      const kpi = this.kpis.get(id);
      if (kpi && (t ?? Infinity) >= (kpi.t ?? 0)) this.kpis.set(id, { ...kpi, value, severity, t });
    }
  }

  list(): Kpi[] {
    return [...this.kpis.values()];
  }

  get size(): number {
    return this.kpis.size;
  }
}
