/**
 * The server's clock on a screen whose own clock may be wrong, or be set while it shows something. Ages are counted by the
 * monotonic clock from the last time that the server told.
 */
export class ServerClock {
  private base: number;
  private told = false;

  /** @param mono milliseconds that never jump; @param wall used until the server has told its time */
  constructor(
    private readonly mono: () => number = () => performance.now(),
    wall: () => number = () => Date.now(),
  ) {
    this.base = wall() - mono();
  }

  /** Takes the time of a stream message, ms since the epoch. */
  heard(serverTime: number): void {
    this.base = serverTime - this.mono();
    this.told = true;
  }

  /** Takes the `Date` of an HTTP answer, which has whole seconds and may come by a cache: better than nothing only. */
  heardDate(date: string | null): void {
    const serverTime = date === null ? Number.NaN : Date.parse(date);
    if (this.told || Number.isNaN(serverTime)) return;
    this.base = serverTime - this.mono();
  }

  /** The server's time now, in whole ms since the epoch. */
  now(): number {
    return this.at(this.mono());
  }

  /** The server's time when the monotonic clock showed `mono`, in whole ms since the epoch as all our times are. */
  at(mono: number): number {
    return Math.round(mono + this.base);
  }
}
