/**
 * Draws buckets of history: a band from the lowest to the highest value, and the mean as a line over it; of codes the last
 * of each bucket in steps, as there is nothing between two of them.
 */
import uPlot from "uplot";
import type { Bucket } from "../../api/schema.ts";
import type { I18n } from "../../i18n/i18n.svelte.ts";
import { FONT } from "../../ui/fonts.ts";
import { token } from "../../ui/token.ts";
import { withGaps } from "../../util/gaps.ts";

export interface HistoryDrawing {
  points: readonly Bucket[];
  /** First and last instant of the axis, ms. */
  span: [number, number];
  bucketMs: number;
  width: number;
  height: number;
  /** The codes of what is no quantity, else `null`. */
  codes: number[] | null;
  /** A value as it stands at the axis. */
  text: (value: number) => string;
  i18n: I18n;
}

const DAY_S = 86_400;

/** Half a step of air around the first and the last code. */
const codeRange = (codes: number[]): [number, number] => [(codes[0] ?? 0) - 0.5, (codes.at(-1) ?? 1) + 0.5];

/** Makes the chart in an element; the caller destroys it before it makes the next. */
export function drawHistory(target: HTMLElement, drawing: HistoryDrawing): uPlot {
  const { points, span, width, height, codes, text, i18n } = drawing;
  const [from, to] = [span[0] / 1000, span[1] / 1000];
  const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  const axis = {
    stroke: token("ink-2"),
    font: `${rem * 0.875}px "${FONT}"`,
    ticks: { show: false },
    grid: { stroke: token("row-line"), width: 1 },
  };
  const instant = (s: number): string => (to - from > 2 * DAY_S ? i18n.day(s * 1000) : i18n.minute(s * 1000));
  const line = { points: { show: false }, spanGaps: false };
  const options: uPlot.Options = {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, points: { size: rem * 0.5 }, drag: { setScale: false } },
    tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), i18n.timeZone),
    padding: [rem * 0.6, rem * 2, 0, 0],
    scales: { x: { range: () => [from, to] }, ...(codes && { y: { range: codeRange(codes) } }) },
    axes: [
      { ...axis, space: rem * 5, size: rem * 2, values: (_u, ticks) => ticks.map(instant) },
      {
        ...axis,
        space: rem * (codes ? 1 : 2.5),
        size: rem * (codes ? 11 : 3.6),
        values: (_u, ticks) => ticks.map(text),
        ...(codes && { splits: () => codes }),
      },
    ],
    series: [
      {},
      { ...line, stroke: token("chart-limit"), width: 1 },
      { ...line, stroke: token("chart-limit"), width: 1 },
      {
        ...line,
        stroke: token("ink"),
        width: 2,
        ...(codes && uPlot.paths.stepped && { paths: uPlot.paths.stepped({ align: 1 }) }),
      },
    ],
    bands: [{ series: [1, 2], fill: token("band") }],
  };
  const series = withGaps(points, drawing.bucketMs);
  const data: uPlot.AlignedData = [
    series.map(({ t }) => t / 1000),
    series.map(({ point }) => point?.max ?? null),
    series.map(({ point }) => point?.min ?? null),
    series.map(({ point }) => (codes ? point?.last : point?.mean) ?? null),
  ];
  return new uPlot(options, data, target);
}
