/** What fits on a panel of the wall. */
import type { Kpi, Panel } from "../api/schema.ts";

/**
 * The figures of a panel, from the top. When they do not all fit, those that are outside their band stay rather than
 * others; their order is always the panel's, so that each is found at its place.
 */
export function panelKpis(panel: Panel, kpis: readonly Kpi[], rows: number): Kpi[] {
  const all = panel.indicators.flatMap((id) => kpis.find((kpi) => kpi.id === id) ?? []);
  const urgentFirst = [...all].sort((a, b) => Number(b.severity !== null) - Number(a.severity !== null));
  const shown = new Set(urgentFirst.slice(0, rows));
  return all.filter((kpi) => shown.has(kpi));
}
