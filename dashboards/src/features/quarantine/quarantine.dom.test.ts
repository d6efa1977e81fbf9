import { screen } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import type { Quarantine } from "../../api/schema.ts";
import { show } from "../../testing/show.ts";
import quarantine from "./index.ts";

const row = (seq: number): Quarantine => ({
  seq,
  at: 0,
  device: null,
  credential: "gateway-1",
  topic: "ioc/x",
  items: [{ reason: "out_of_range", detail: "7000 m; at most 30 m" }],
  payload: "{}",
  payload_hex: "7b7d",
  payload_len: 2,
});

describe("the quarantine", () => {
  it("opens a message in full, and goes back to its row on Escape", async () => {
    const items = [row(1), row(2)];
    const { user } = show(
      quarantine.page.view,
      {},
      { answers: { "GET /quarantine": { items, next: null } } },
    );
    const [button] = await screen.findAllByRole("button", { name: /Open details/ });
    if (!button) throw new Error("no row");
    await user.click(button);
    expect(button.getAttribute("aria-expanded")).toBe("true");
    expect(screen.getByText("7b7d")).toBeTruthy();
    await user.keyboard("{Escape}");
    expect(screen.queryByText("7b7d")).toBeNull();
    expect(document.activeElement).toBe(button);
  });

  it("adds older messages when asked", async () => {
    const answer = ({ query }: { query: URLSearchParams }) =>
      query.get("cursor") === "9" ? { items: [row(8)], next: null } : { items: [row(9)], next: "9" };
    const { user } = show(quarantine.page.view, {}, { answers: { "GET /quarantine": answer } });
    await user.click(await screen.findByRole("button", { name: "Load more" }));
    expect(await screen.findByText("2 rows")).toBeTruthy();
    expect(screen.queryByRole("button", { name: "Load more" })).toBeNull();
  });
});
