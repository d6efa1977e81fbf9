import { describe, expect, it, vi } from "vitest";
import { alertLike } from "../../testing/alert.ts";
import { AlertActions } from "./actions.svelte.ts";

function setUp({ allowed = true } = {}) {
  const post = vi.fn(async (_path: string, { path }: { path: { id: string } }) => alertLike(path));
  return {
    post,
    actions: new AlertActions(
      { post } as unknown as ConstructorParameters<typeof AlertActions>[0],
      () => allowed,
      () => undefined,
    ),
  };
}

describe("closing an alert", () => {
  const cleared = alertLike({ id: "1", state: "cleared", cleared_at: 9 });
  const firing = alertLike({ id: "2" });

  it("is done at once when it has cleared", () => {
    const { post, actions } = setUp();
    actions.askResolve(cleared);
    expect(post).toHaveBeenCalledWith("/api/v1/alerts/{id}/resolve", { path: { id: "1" }, body: {} });
    expect(actions.asking).toBeNull();
  });

  it("is asked first while its condition is true, however often the key is pressed", async () => {
    const { post, actions } = setUp();
    actions.askResolve(firing);
    actions.askResolve(firing);
    expect(actions.asking).toBe("2");
    expect(post).not.toHaveBeenCalled();
    actions.keepOpen();
    expect(actions.asking).toBeNull();
    actions.askResolve(firing);
    await actions.resolve(firing);
    expect(post).toHaveBeenCalledOnce();
    expect(actions.asking).toBeNull();
  });

  it("is over when it was closed before", () => {
    const { post, actions } = setUp();
    actions.askResolve(alertLike({ resolved_at: 9 }));
    expect(actions.asking).toBeNull();
    expect(post).not.toHaveBeenCalled();
  });
});

describe("who may not act", () => {
  it("sends nothing, by whatever key", async () => {
    const { post, actions } = setUp({ allowed: false });
    actions.setDraft("1", "a note");
    await actions.acknowledge(alertLike({ id: "1" }));
    await actions.note(alertLike({ id: "1" }));
    actions.askResolve(alertLike({ id: "1" }));
    expect(actions.asking).toBeNull();
    await actions.resolve(alertLike({ id: "1", state: "cleared" }));
    expect(post).not.toHaveBeenCalled();
  });
});
