/**
 * The wall's unit of size: 1 rem. By default the page fills the screen; with `?mm=` (width of the picture) and
 * `?distance=` (of the furthest seat, both mm) letters are never smaller than 16 minutes of arc for that seat,
 * and fewer things are shown instead.
 */
const LAYOUT_WIDTH_REM = 106.667;
const LAYOUT_HEIGHT_REM = 60;
const LEAST_ARC_RAD = (16 / 60) * (Math.PI / 180);
/** Height of a capital letter as a share of the font's size. */
const CAP_HEIGHT = 0.7;
/** Narrower than this the layout cannot be used at all. */
const LEAST_WIDTH_REM = 56;

export interface Viewing {
  widthPx: number;
  heightPx: number;
  /** Width of the picture on the wall. */
  mm?: number;
  /** Of the furthest seat. */
  distanceMm?: number;
}

/** Pixels of 1 rem. */
export function remFor({ widthPx, heightPx, mm, distanceMm }: Viewing): number {
  const fill = Math.min(widthPx / LAYOUT_WIDTH_REM, heightPx / LAYOUT_HEIGHT_REM);
  if (!mm || !distanceMm) return fill;
  const legible = (distanceMm * Math.tan(LEAST_ARC_RAD)) / (CAP_HEIGHT * (mm / widthPx));
  return Math.min(Math.max(fill, legible), widthPx / LEAST_WIDTH_REM);
}

const positive = (text: string | null): number | undefined => {
  const value = Number(text);
  return Number.isFinite(value) && value > 0 ? value : undefined;
};

const within = (value: number, least: number, most: number): number => Math.max(least, Math.min(most, value));

export class WallScale {
  px = $state(16);
  private size = $state({ width: LAYOUT_WIDTH_REM, height: LAYOUT_HEIGHT_REM });

  /** What fits: at the default size everything. */
  readonly feedRows = $derived(within(Math.floor((this.size.height - 12) / 6.6), 1, 7));
  readonly trend = $derived(this.size.height >= 44);
  readonly narrow = $derived(this.size.width < 90);

  /** Figures of each panel, when so many panels share the height. */
  kpiRows(panels: number): number {
    const height = (this.size.height - 6) / Math.max(1, panels);
    return within(Math.floor((height - 4.3) / 2.9), 1, 3);
  }

  /** Follows the window until the returned function is called. */
  follow(): () => void {
    const query = new URLSearchParams(location.search);
    const seat = { mm: positive(query.get("mm")), distanceMm: positive(query.get("distance")) };
    const measure = (): void => {
      this.px = remFor({ widthPx: innerWidth, heightPx: innerHeight, ...seat });
      this.size = { width: innerWidth / this.px, height: innerHeight / this.px };
      document.documentElement.style.fontSize = `${this.px}px`;
    };
    measure();
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }
}
