import { describe, expect, it } from "vitest";
import { ServerClock } from "./clock.ts";

const NOW = 1_761_523_200_000;
const MINUTE = 60_000;

function screen(wrongBy: number) {
  let mono = 5000;
  const clock = new ServerClock(
    () => mono,
    () => NOW + wrongBy,
  );
  return {
    clock,
    wait: (ms: number) => {
      mono += ms;
    },
    mono: () => mono,
  };
}

describe("ServerClock", () => {
  it("shows right ages whatever the clock of the screen says", () => {
    for (const wrongBy of [-10 * MINUTE, 0, 10 * MINUTE, 400 * 24 * 60 * MINUTE]) {
      const { clock, wait, mono } = screen(wrongBy);
      expect(clock.now()).toBe(NOW + wrongBy);
      clock.heard(NOW);
      const heard = mono();
      wait(8000);
      expect(clock.now()).toBe(NOW + 8000);
      expect(clock.now() - clock.at(heard)).toBe(8000);
    }
  });

  it("tells whole milliseconds, as the server's times are", () => {
    const { clock, wait, mono } = screen(0);
    wait(0.37);
    clock.heard(NOW);
    wait(1000.41);
    expect(clock.now()).toBe(NOW + 1000);
    expect(Number.isInteger(clock.at(mono() - 0.2))).toBe(true);
  });

  it("uses the Date of answers until the stream tells", () => {
    const { clock, wait } = screen(10 * MINUTE);
    clock.heardDate(new Date(NOW).toUTCString());
    expect(clock.now()).toBe(NOW);
    clock.heardDate(null);
    clock.heardDate("yesterday");
    expect(clock.now()).toBe(NOW);
    clock.heard(NOW + 250);
    clock.heardDate(new Date(NOW - MINUTE).toUTCString());
    wait(1000);
    expect(clock.now()).toBe(NOW + 1250);
  });
});
