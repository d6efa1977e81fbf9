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
    const asked = new ApiClient().get("/api/v1/kpis").catch((error: unknown) => error);
    await vi.runAllTimersAsync();
    expect(await asked).toBeInstanceOf(ApiError);
    expect(fetch).toHaveBeenCalledTimes(4);
    fetch.mockImplementationOnce(async () => busy());
    fetch.mockImplementation(async () => new Response('{"items":[]}', { status: 200 }));
    const answered = new ApiClient().get("/api/v1/kpis");
    await vi.runAllTimersAsync();
    expect(await answered).toEqual({ items: [] });
  });

  it("is not told twice of a change", async () => {
    const fetch = vi.fn(async () => busy());
    vi.stubGlobal("fetch", fetch);
    await expect(
      new ApiClient().post("/api/v1/alerts/{id}/ack", { path: { id: "x" } }),
    ).rejects.toBeInstanceOf(ApiError);
    expect(fetch).toHaveBeenCalledTimes(1);
  });
});

describe("an address", () => {
  const asked = async (call: (api: ApiClient) => Promise<unknown>): Promise<string> => {
    const fetch = vi.fn(async (_address: string) => new Response("{}"));
    vi.stubGlobal("fetch", fetch);
    await call(new ApiClient());
    return fetch.mock.calls[0]?.[0] ?? "";
  };

  it("has its parameters in place, and of the filters those that are set", async () => {
    const device = { path: { id: "A/B 1" } };
    expect(await asked((api) => api.get("/api/v1/devices/{id}", device))).toBe("/api/v1/devices/A%2FB%201");
    const query = { domain: "traffic", ward: "", q: "cầu", limit: 20, cursor: null };
    expect(await asked((api) => api.get("/api/v1/devices", { query }))).toBe(
      "/api/v1/devices?domain=traffic&q=c%E1%BA%A7u&limit=20",
    );
  });
});
