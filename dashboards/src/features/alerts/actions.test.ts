import { describe, expect, it, vi } from "vitest";
import type { Alert } from "../api/types.ts";
import { alertLike } from "../live/testing.ts";
import { AlertActions } from "./actions.svelte.ts";

function setUp({ allowed = true } = {}) {
  const call = async (id: string): Promise<Alert> => alertLike({ id });
  const api = { acknowledge: vi.fn(call), resolve: vi.fn(call), note: vi.fn(call) };
  return {
    api,
    actions: new AlertActions(
      api,
      () => allowed,
      () => undefined,
    ),
  };
}

describe("closing an alert", () => {
  const cleared = alertLike({ id: "1", state: "cleared", cleared_at: 9 });
  const firing = alertLike({ id: "2" });

  it("is done at once when it has cleared", () => {
    const { api, actions } = setUp();
    actions.askResolve(cleared);
    expect(api.resolve).toHaveBeenCalledWith("1", "");
    expect(actions.asking).toBeNull();
  });

  it("is asked first while its condition is true, however often the key is pressed", async () => {
    const { api, actions } = setUp();
    actions.askResolve(firing);
    actions.askResolve(firing);
    expect(actions.asking).toBe("2");
    expect(api.resolve).not.toHaveBeenCalled();
    actions.keepOpen();
    expect(actions.asking).toBeNull();
    actions.askResolve(firing);
    await actions.resolve(firing);
    expect(api.resolve).toHaveBeenCalledOnce();
    expect(actions.asking).toBeNull();
  });

  it("is over when it was closed before", () => {
    const { api, actions } = setUp();
    actions.askResolve(alertLike({ resolved_at: 9 }));
    expect(actions.asking).toBeNull();
    expect(api.resolve).not.toHaveBeenCalled();
  });
});

describe("who may not act", () => {
  it("sends nothing, by whatever key", async () => {
    const { api, actions } = setUp({ allowed: false });
    actions.setDraft("1", "a note");
    await actions.acknowledge(alertLike({ id: "1" }));
    await actions.note(alertLike({ id: "1" }));
    actions.askResolve(alertLike({ id: "1" }));
    expect(actions.asking).toBeNull();
    await actions.resolve(alertLike({ id: "1", state: "cleared" }));
    for (const call of Object.values(api)) expect(call).not.toHaveBeenCalled();
  });
});
