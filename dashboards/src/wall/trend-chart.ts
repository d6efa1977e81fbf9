/** Draws the trend with its limits; only the limit that is passed has a colour. */
import uPlot from "uplot";
import type { Limit, Trend as TrendSpec } from "../api/schema.ts";
import type { I18n } from "../i18n/i18n.svelte.ts";
import { priorityOf } from "../live/alerts.ts";
import { FONT } from "../ui/fonts.ts";
import { token } from "../ui/token.ts";
import { withGaps } from "../util/gaps.ts";
import { limitPosition } from "../util/limits.ts";
import { BUCKETS, type TrendPoint } from "./trend.svelte.ts";

export interface TrendDrawing {
  points: readonly TrendPoint[];
  latest: { t: number; v: number } | null;
  /** First and last instant, ms. */
  axis: [number, number];
  /** The curve is from before: it is drawn as such. */
  stale: boolean;
  spec: TrendSpec;
  px: number;
  width: number;
  height: number;
  i18n: I18n;
}

const HOUR_MS = 3_600_000;
/** Room above the highest limit and right of the newest value, as a share of the range. */
const HEAD_ROOM = 0.12;
const TAIL_ROOM = 0.012;

function valueRange({ points, spec }: TrendDrawing): [number, number] {
  const values = points.map(({ v }) => v).concat(spec.limits.map(({ value }) => value));
  const low = Math.min(0, ...values);
  const high = Math.max(...values);
  return [low, high + (high - low || 1) * HEAD_ROOM];
}

function colourOf(limit: Limit): string {
  return token(`p${priorityOf(limit.severity)}`);
}

function drawLimits(chart: uPlot, drawing: TrendDrawing): void {
  const { spec, latest, px, i18n } = drawing;
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  const passed = latest ? limitPosition(spec.limits, latest.v).passed : null;
  ctx.font = `600 ${px * ratio}px "${FONT}"`;
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  for (const limit of spec.limits) {
    const y = chart.valToPos(limit.value, "y", true);
    const current = limit === passed;
    ctx.strokeStyle = current ? colourOf(limit) : token("chart-limit");
    ctx.lineWidth = (current ? 2.5 : 1.5) * ratio * (px / 18);
    ctx.setLineDash(current ? [] : [px * 0.4 * ratio, px * 0.3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.fillStyle = current ? token("ink") : token("ink-2");
    const decimals = Number.isInteger(limit.value) ? 0 : 1;
    const text = `${i18n.pick(limit.label)} · ${i18n.number(limit.value, decimals)} ${spec.unit}`;
    ctx.fillText(text, bbox.left + px * 0.4 * ratio, y - px * 0.12 * ratio);
  }
}

/** Filled while it is the present, a ring when it is not. */
function drawNewest(chart: uPlot, { latest, stale, spec, px }: TrendDrawing): void {
  if (!latest) return;
  const { ctx } = chart;
  const ratio = devicePixelRatio;
  const passed = limitPosition(spec.limits, latest.v).passed;
  const colour = passed ? colourOf(passed) : token("ink");
  ctx.fillStyle = stale ? token("panel") : colour;
  ctx.strokeStyle = stale ? colour : token("panel");
  ctx.lineWidth = (stale ? px / 7 : 2) * ratio;
  ctx.beginPath();
  ctx.arc(
    chart.valToPos(latest.t / 1000, "x", true),
    chart.valToPos(latest.v, "y", true),
    px * 0.36 * ratio,
    0,
    2 * Math.PI,
  );
  ctx.fill();
  ctx.stroke();
}

/** Makes the chart in an empty element; the caller destroys it before it makes the next. */
export function drawTrend(target: HTMLElement, drawing: TrendDrawing): uPlot {
  const { points, stale, spec, px, width, height, i18n } = drawing;
  const common = { stroke: token("ink-2"), font: `${px}px "${FONT}"`, ticks: { show: false } };
  const [start, end] = [drawing.axis[0] / 1000, drawing.axis[1] / 1000];
  const [low, high] = valueRange(drawing);
  const options: uPlot.Options = {
    width,
    height,
    legend: { show: false },
    cursor: { show: false },
    tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), i18n.timeZone),
    padding: [px * 0.3, px * 1.2, 0, 0],
    scales: { x: { range: () => [start, end + (end - start) * TAIL_ROOM] }, y: { range: () => [low, high] } },
    axes: [
      {
        ...common,
        size: px * 2,
        gap: px * 0.4,
        space: px * 6,
        grid: { stroke: token("row-line"), width: 1 },
        values: (_u, ticks) => ticks.map((tick) => i18n.minute(tick * 1000)),
      },
      {
        ...common,
        size: px * 2.2,
        gap: px * 0.5,
        space: px * 2.2,
        grid: { show: false },
        values: (_u, ticks) => ticks.map((tick) => i18n.number(tick, Number.isInteger(tick) ? 0 : 1)),
      },
    ],
    series: [
      {},
      {
        stroke: stale ? token("ink-3") : token("ink"),
        width: px / 7,
        points: { show: false },
        spanGaps: false,
      },
    ],
    hooks: {
      drawAxes: [(chart) => drawLimits(chart, drawing)],
      draw: [(chart) => drawNewest(chart, drawing)],
    },
  };
  const shown = withGaps(
    points.filter(({ t }) => t / 1000 >= start),
    (spec.hours * HOUR_MS) / BUCKETS,
  );
  const data: uPlot.AlignedData = [
    shown.map(({ t }) => t / 1000),
    shown.map(({ point }) => point?.v ?? null),
  ];
  const chart = new uPlot(options, data, target);
  chart.root.setAttribute("aria-hidden", "true");
  return chart;
}
