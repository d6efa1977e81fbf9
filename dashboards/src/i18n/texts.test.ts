import { describe, expect, it } from "vitest";
import { I18n } from "./i18n.svelte.ts";
import { fill, type Texts } from "./text.ts";
import { SHARED } from "./texts.ts";

const found = import.meta.glob<Texts>("../**/texts.ts", { eager: true, import: "texts" });
const all = Object.entries({ ...found, "./texts.ts": SHARED as Texts });

describe("texts", () => {
  it("say the same things with the same values in both languages", () => {
    const values = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();
    expect(all.length).toBeGreaterThan(8);
    for (const [file, texts] of all) {
      for (const [key, { vi, en }] of Object.entries(texts ?? {})) {
        expect(vi && en, `${file} ${key}`).not.toBe("");
        expect(values(en), `${file} ${key}`).toEqual(values(vi));
      }
    }
  });

  it("have a key once", () => {
    const keys = all.flatMap(([, texts]) => Object.keys(texts ?? {}));
    expect(keys.filter((key, n) => keys.indexOf(key) !== n)).toEqual([]);
  });

  it("fill in what is given and show what is missing", () => {
    expect(fill("{n} of {m}", { n: 2 })).toBe("2 of {m}");
  });
});

describe("I18n", () => {
  it("says shared texts and a feature's own, and a newer server's words as they are", () => {
    const t = new I18n("en").texts({ "own.name": { vi: "Tên {n}", en: "Name {n}" } });
    expect(t("own.name", { n: 1 })).toBe("Name 1");
    expect(t("priority.1")).toBe(SHARED["priority.1"].en);
    expect(t("own.unheard_of" as "own.name")).toBe("unheard_of");
  });
});
