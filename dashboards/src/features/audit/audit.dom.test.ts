import { screen } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { Refused, show } from "../../testing/show.ts";
import audit from "./index.ts";

const entry = { id: 7, at: 0, actor: "mai", action: "user.add", object: "lan", detail: "" };

describe("the audit log", () => {
  it("says who did what to what", async () => {
    show(audit.page.view, {}, { answers: { "GET /audit": { items: [entry], next: null } } });
    const row = (await screen.findByText("user.add")).closest("tr");
    expect(row?.textContent).toMatch(/mai.*lan.*–/s);
  });

  it("says in both languages that it is empty", async () => {
    show(audit.page.view, {}, { lang: "vi", answers: { "GET /audit": { items: [], next: null } } });
    expect(await screen.findByText("Nhật ký trống")).toBeTruthy();
  });

  it("can be asked again when it could not be read", async () => {
    let up = false;
    const answer = () =>
      up ? { items: [entry], next: null } : new Refused(500, { title: "Error", detail: "broken" });
    const { user } = show(audit.page.view, {}, { answers: { "GET /audit": answer } });
    expect(await screen.findByText("broken")).toBeTruthy();
    up = true;
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("user.add")).toBeTruthy();
  });
});
