import { screen, waitFor } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import type { Rule, RuleError } from "../../api/schema.ts";
import { show } from "../../testing/show.ts";
import rules from "./index.ts";

const rule = (name: string, given: Partial<Rule> = {}): Rule => ({
  name,
  group: "flood",
  expr: "water_level > 2",
  clear: null,
  for_s: 60,
  severity: "high",
  domain: "environment",
  summary: { vi: "Nước lên", en: "Water rises" },
  file: "configs/rules/flood.yaml",
  line: 7,
  health: "ok",
  last_error: null,
  firing: 0,
  pending: 0,
  ...given,
});
const open = (items: Rule[], errors: RuleError[] = []) =>
  show(rules.page.view, {}, { answers: { "GET /rules": { items, next: null, errors, loaded_at: 0 } } });

describe("the rule page", () => {
  it("finds rules by their words", async () => {
    const { user } = open([
      rule("RiverHigh"),
      rule("LampOut", { summary: { vi: "Đèn tắt", en: "Lamp out" } }),
    ]);
    await screen.findByText("RiverHigh");
    await user.type(screen.getByRole("searchbox", { name: "Search rules…" }), "den tat");
    await waitFor(() => expect(screen.queryByText("RiverHigh")).toBeNull());
    expect(screen.getByText("LampOut")).toBeTruthy();
  });

  it("says which rule fails and why", async () => {
    open([rule("RiverHigh", { health: "error", last_error: "too many series" })]);
    expect((await screen.findByText("Error")).title).toBe("too many series");
    expect(screen.getByText("flood.yaml:7")).toBeTruthy();
  });

  it("says where the files on disk are wrong", async () => {
    const error = { file: "a.yaml", line: 3, column: 9, message: "no such metric", help: "write pm25" };
    open([rule("RiverHigh")], [error]);
    const notice = await screen.findByRole("alert");
    expect(notice.textContent).toContain("a.yaml:3:9");
    expect(notice.textContent).toContain("write pm25");
  });
});
