/** What holds for all sources of the pages: colours, and who may know whom. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = import.meta.dirname;
const isSource = (path: string): boolean => /\.(svelte|ts|css)$/.test(path) && !/\.test\.ts$/.test(path);
const paths = readdirSync(ROOT, { recursive: true }).map(String);
const sources = paths
  .filter((path) => isSource(path) && path !== "api/schema.ts" && !path.startsWith("testing/"))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));

const LITERAL_COLOUR = /#[\da-f]{3,8}\b(?!["']?\s*\()|\b(?:rgb|hsl|hwb|oklch)a?\(/gi;

describe("colours", () => {
  it("stand in tokens.css alone", () => {
    const found = sources
      .filter(({ path }) => path !== "ui/tokens.css")
      .flatMap(({ path, text }) => (text.match(LITERAL_COLOUR) ?? []).map((colour) => `${path}: ${colour}`));
    expect(found).toEqual([]);
  });

  it("that are named exist", () => {
    const tokens = readFileSync(join(ROOT, "ui/tokens.css"), "utf8");
    const isSet = (name: string, text: string): boolean =>
      [tokens, text].some(
        (place) => place.includes(`${name}:`) || place.includes(`${name}=`) || place.includes(`"${name}"`),
      );
    const named = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/var\((--[\w-]+)/g)].map(([, name = ""]) => ({ path, name, text })),
    );
    const drawn = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/\btoken\("([\w-]+)"\)/g)].map(([, name = ""]) => ({
        path,
        name: `--${name}`,
        text,
      })),
    );
    const missing = [...named, ...drawn].filter(({ name, text }) => !isSet(name, text));
    expect(missing.map(({ path, name }) => `${path}: ${name}`)).toEqual([]);
  });
});

/** Folders that a folder may know beside itself; each page of `features` is on its own. */
const MAY_KNOW: Record<string, string[]> = {
  api: [],
  i18n: ["api"],
  live: ["api"],
  util: ["api", "i18n", "live"],
  ui: ["api", "i18n", "live", "util"],
  map: ["api", "i18n", "live", "ui", "util"],
  app: ["api", "i18n", "live", "ui", "util"],
  features: ["api", "app", "i18n", "live", "map", "ui", "util"],
  wall: ["api", "i18n", "live", "map", "ui", "util"],
  console: ["api", "app", "features/account", "i18n", "live", "ui", "util"],
};

/** The room of a file: a feature is one of its own. */
function roomOf(path: string): string {
  const [first = "", second = ""] = path.split("/");
  return first === "features" ? `${first}/${second}` : first;
}

describe("domains of the city", () => {
  it("are named by the catalogue alone", () => {
    const catalogue = readFileSync(join(ROOT, "../../configs/catalogue/catalogue.toml"), "utf8");
    const names = [...catalogue.matchAll(/^\[domain\.([\w-]+)\]/gm)].map(([, name = ""]) => name);
    expect(names.length).toBeGreaterThan(0);
    const named = (text: string): string[] => names.filter((name) => text.includes(`"${name}"`));
    expect(sources.flatMap(({ path, text }) => named(text).map((name) => `${path}: ${name}`))).toEqual([]);
  });
});

describe("rooms", () => {
  it("know only those that they may", () => {
    const wrong = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/\bfrom "(\.[^"]+)"/g)].flatMap(([, target = ""]) => {
        const known = normalize(join(dirname(path), target));
        const room = roomOf(path);
        const allowed = [`${room}/`, ...(MAY_KNOW[path.split("/")[0] ?? ""] ?? [])];
        return allowed.some((prefix) => known.startsWith(prefix)) ? [] : [`${path} → ${known}`];
      }),
    );
    expect(wrong).toEqual([]);
  });
});
