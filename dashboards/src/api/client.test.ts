import { afterEach, describe, expect, it, vi } from "vitest";
import { ApiClient, ApiError, pauseMs } from "./client.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("pauseMs", () => {
  it("waits as long as the server says, spread, and only when that helps", () => {
    expect(pauseMs(503, "1", 0.5)).toBe(1000);
    expect(pauseMs(429, "4", 0)).toBe(2000);
    expect(pauseMs(429, "0", 1)).toBe(1500);
    for (const [status, after] of [
      [200, "1"],
      [400, "1"],
      [429, null],
      [429, "300"],
      [503, "-1"],
      [503, "Wed, 21 Oct 2026 07:28:00 GMT"],
    ] as const) {
      expect(pauseMs(status, after, 0.5)).toBeNull();
    }
  });
});

describe("a busy server", () => {
  const busy = (): Response =>
    new Response('{"title":"busy"}', { status: 503, headers: { "retry-after": "1" } });

  it("is asked again, a few times", async () => {
    vi.useFakeTimers();
    const fetch = vi.fn(async () => busy());
    fetch.mockImplementationOnce(async () => busy());
    vi.stubGlobal("fetch", fetch);
    const asked = new ApiClient().kpis().catch((error: unknown) => error);
    await vi.runAllTimersAsync();
    expect(await asked).toBeInstanceOf(ApiError);
    expect(fetch).toHaveBeenCalledTimes(4);
    fetch.mockImplementationOnce(async () => busy());
    fetch.mockImplementation(async () => new Response('{"items":[]}', { status: 200 }));
    const answered = new ApiClient().kpis();
    await vi.runAllTimersAsync();
    expect(await answered).toEqual([]);
  });

  it("is not told twice of a change", async () => {
    const fetch = vi.fn(async () => busy());
    vi.stubGlobal("fetch", fetch);
    await expect(new ApiClient().acknowledge("x")).rejects.toBeInstanceOf(ApiError);
    expect(fetch).toHaveBeenCalledTimes(1);
  });
});
