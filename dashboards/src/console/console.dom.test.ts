import { render, screen, waitFor, within } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import type { Feature } from "../app/feature.ts";
import { AREAS, CITY, serve } from "../testing/show.ts";
import EmptyState from "../ui/EmptyState.svelte";
import Console from "./Console.svelte";

const user = userEvent.setup();
const view = EmptyState as unknown as NonNullable<Feature["page"]>["view"];
const feature = (path: string, order: number, role: "viewer" | "admin" = "viewer"): Feature => ({
  texts: {},
  page: { path, title: { vi: path, en: path }, view, role, order },
});

/** The whole console with features of a test, signed in with a role. */
async function open(features: Feature[], role = "operator") {
  localStorage.setItem("ioc-signed-in", "1");
  localStorage.setItem("ioc-lang", "en");
  vi.stubGlobal(
    "WebSocket",
    class {
      close() {}
    },
  );
  serve({
    "GET /session": { user: { name: "mai", role }, expires_at: null, durable: true },
    "GET /city": CITY,
    "GET /areas": AREAS,
    "DELETE /session": null,
  });
  render(Console, { features });
  return within(await screen.findByRole("navigation"));
}

describe("the console", () => {
  it("has a page for each feature that registers one, in their order, for those who may see it", async () => {
    const nav = await open([feature("second", 20), feature("secret", 30, "admin"), feature("first", 10)]);
    const links = nav.getAllByRole("link").map((link) => link.getAttribute("href"));
    expect(links).toEqual(["#/first", "#/second", "/wall"]);
    expect(nav.getByRole("link", { name: "first" }).getAttribute("aria-current")).toBe("page");
  });

  it("goes where the address says, and says so when there is nothing", async () => {
    const nav = await open([feature("first", 10), feature("second", 20)]);
    location.hash = "#/second";
    await waitFor(() =>
      expect(nav.getByRole("link", { name: "second" }).getAttribute("aria-current")).toBe("page"),
    );
    location.hash = "#/third";
    expect(await screen.findByText("There is no such page")).toBeTruthy();
  });

  it("changes its language on the spot", async () => {
    const nav = await open([feature("first", 10)]);
    await user.click(nav.getByRole("button", { name: "Tiếng Việt" }));
    expect(nav.getByRole("button", { name: "Đăng xuất" })).toBeTruthy();
    expect(document.documentElement.lang).toBe("vi");
  });

  it("asks to sign in when nobody is, and after signing out", async () => {
    const nav = await open([feature("first", 10)]);
    await user.click(nav.getByRole("button", { name: "Sign out" }));
    expect(await screen.findByLabelText("User name")).toBeTruthy();
    expect(screen.queryByRole("navigation")).toBeNull();
  });
});

describe("the features of this console", () => {
  const features = Object.values(
    import.meta.glob<Feature>("../features/*/index.ts", { eager: true, import: "default" }),
  );

  it("each have an address and a place of their own", () => {
    const pages = features.flatMap(({ page }) => page ?? []);
    expect(pages.length).toBeGreaterThanOrEqual(5);
    for (const key of ["path", "order"] as const) {
      expect(new Set(pages.map((page) => page[key])).size).toBe(pages.length);
    }
  });

  it("lead to pages that exist", () => {
    const sources = import.meta.glob<string>(["../{features,map,wall}/**/*.svelte"], {
      eager: true,
      query: "?raw",
      import: "default",
    });
    const paths = features.flatMap(({ page }) => page?.path ?? []);
    const linked = Object.values(sources).flatMap((text) =>
      [...text.matchAll(/href="#\/(\w+)|router\.go\("(\w+)"/g)].map(([, href, go]) => href ?? go ?? ""),
    );
    expect(linked.length).toBeGreaterThan(5);
    expect(linked.filter((path) => !paths.includes(path))).toEqual([]);
  });
});
