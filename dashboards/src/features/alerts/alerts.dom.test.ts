import { screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import type { Alert } from "../../api/schema.ts";
import { alertLike } from "../../testing/alert.ts";
import { type Answers, Refused, type Scene, show } from "../../testing/show.ts";
import alerts from "./index.ts";

const critical = alertLike({
  id: "1",
  severity: "critical",
  summary: { vi: "Nước lên", en: "Water rises" },
  ward: "1",
});
const low = alertLike({ id: "2", severity: "low", summary: { vi: "Đèn tắt", en: "Lamp out" } });
const cleared = alertLike({ id: "3", state: "cleared", cleared_at: 5, summary: { vi: "Cũ", en: "Old" } });
const detailOf = (alert: Alert) => ({ ...alert, transitions: [] });

/** The page with two open alerts, as the stream has told them; the second argument of the page is its address. */
async function open(id: string | null = null, scene: Scene = {}) {
  const answers: Answers = {
    "GET /alerts/1": detailOf(critical),
    "GET /alerts/2": detailOf(low),
    "GET /alerts/3": detailOf(cleared),
    "GET /catalogue": { kinds: [], properties: [] },
    ...scene.answers,
  };
  const stage = show(alerts.page.view, { id }, { ...scene, answers });
  for (const alert of [critical, low]) stage.live.takeAlert(alert);
  stage.live.ready = true;
  await screen.findAllByText("Water rises");
  return stage;
}
const rows = () => within(screen.getByRole("table")).getAllByRole("row").slice(1);

describe("the alert page", () => {
  it("has the most urgent first", async () => {
    await open();
    expect(rows().map((row) => row.dataset.row)).toEqual(["1", "2"]);
    expect(rows()[0]?.textContent).toContain("Vỹ Dạ");
  });

  it("filters by priority and by words, in the address", async () => {
    const { user, router } = await open();
    await user.click(screen.getByRole("button", { name: /Filter: Low/ }));
    expect(router.param("priority")).toBe("4");
    expect(rows().map((row) => row.dataset.row)).toEqual(["2"]);
    await user.type(screen.getByRole("searchbox", { name: "Search alerts" }), "nothing");
    expect(screen.getByText("No alert matches the filters")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Clear filters" }));
    expect(rows()).toHaveLength(2);
  });

  it("goes from row to row by keys", async () => {
    const { user, router } = await open();
    await user.keyboard("j");
    expect(router.route.id).toBe("1");
  });

  it("takes an alert by key", async () => {
    const taken = { ...critical, acknowledged_at: 9, acknowledged_by: "mai" };
    const { user, asked } = await open("1", { answers: { "POST /alerts/1/ack": taken } });
    await user.keyboard("a");
    await waitFor(() => expect(screen.getByRole("button", { name: /Acknowledged · mai/ })).toBeTruthy());
    expect(asked.filter(({ call }) => call.startsWith("POST")).map(({ call }) => call)).toEqual([
      "POST /alerts/1/ack",
    ]);
  });

  it("asks before it closes what is still true, and gives the keyboard back", async () => {
    const { user, asked } = await open("1");
    const resolve = screen.getByRole("button", { name: /^Resolve/ });
    await user.click(resolve);
    const ask = screen.getByRole("alertdialog");
    expect(document.activeElement).toBe(within(ask).getByRole("button", { name: "Resolve anyway" }));
    await user.keyboard("{Escape}");
    expect(screen.queryByRole("alertdialog")).toBeNull();
    expect(document.activeElement).toBe(resolve);
    expect(asked.some(({ call }) => call.startsWith("POST"))).toBe(false);
  });

  it("sends a note as it was typed, and empties the field when the server has it", async () => {
    const { user, asked } = await open("1", { answers: { "POST /alerts/1/note": critical } });
    const note = screen.getByRole<HTMLTextAreaElement>("textbox", { name: "Note" });
    await user.type(note, "crew sent");
    await user.click(screen.getByRole("button", { name: /^Note/ }));
    await waitFor(() => expect(note.value).toBe(""));
    expect(asked.find(({ call }) => call === "POST /alerts/1/note")?.body).toEqual({ text: "crew sent" });
  });

  it("says why the server refused, and keeps what was typed", async () => {
    const refusal = new Refused(409, { title: "Conflict", detail: "too many notes" });
    const { user } = await open("1", { answers: { "POST /alerts/1/note": refusal } });
    const note = screen.getByRole<HTMLTextAreaElement>("textbox", { name: "Note" });
    await user.type(note, "x");
    await user.click(screen.getByRole("button", { name: /^Note/ }));
    expect(await screen.findByText("too many notes")).toBeTruthy();
    expect(note.value).toBe("x");
  });

  it("lets those look who may only look", async () => {
    const { user, asked } = await open("1", { role: "viewer" });
    expect(screen.getByRole<HTMLButtonElement>("button", { name: /^Acknowledge/ }).disabled).toBe(true);
    await user.keyboard("ar");
    expect(asked.some(({ call }) => call.startsWith("POST"))).toBe(false);
  });

  it("has closed ones, too, when asked", async () => {
    const { user, asked } = await open(null, {
      answers: { "GET /alerts": { items: [cleared], next: null } },
    });
    await user.click(screen.getByRole("checkbox", { name: "All alerts" }));
    expect(await screen.findByText("Old")).toBeTruthy();
    expect(asked.find(({ call }) => call === "GET /alerts")?.query.get("state")).toBe("all");
  });
});
