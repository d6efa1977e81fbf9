import { render } from "svelte/server";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../api/client.ts";
import { DICTIONARIES, type Lang } from "../i18n/dictionary.ts";
import { reasonKey } from "./password.ts";

const refusal = (status: number, kind: string) =>
  new ApiError(status, { type: `urn:ioc:problem:${kind}`, title: "Bad Request", status });

describe("a refused password", () => {
  const kinds = [
    "short",
    "long",
    "control",
    "common",
    "word",
    "keyboard",
    "repeat",
    "sequence",
    "date",
    "guessable",
  ];

  it("is explained in both languages, each reason in words of its own", () => {
    for (const lang of ["vi", "en"] satisfies Lang[]) {
      const texts = kinds.map((kind) => {
        const key = reasonKey(refusal(400, `password-${kind}`));
        expect(key, kind).not.toBeNull();
        return key && DICTIONARIES[lang][key];
      });
      expect(new Set(texts).size).toBe(kinds.length);
    }
  });

  it("is told from a wrong current one, from waiting, and from what we do not know", () => {
    expect(reasonKey(refusal(403, "wrong-password"))).toBe("password.wrong");
    expect(reasonKey(refusal(429, "too-many-requests"))).toBe("signIn.slow");
    expect(reasonKey(refusal(503, "unavailable"))).toBe("signIn.unavailable");
    expect(reasonKey(refusal(403, "forbidden"))).toBeNull();
    expect(reasonKey(refusal(400, "toString"))).toBeNull();
    expect(
      reasonKey(new ApiError(502, { type: "about:blank", title: "Bad Gateway", status: 502 })),
    ).toBeNull();
    expect(reasonKey(new Error("x"))).toBeNull();
  });
});

describe("ChangePassword", () => {
  beforeEach(() => {
    vi.stubGlobal("location", { search: "?lang=en", href: "http://x/" });
    vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {} });
    vi.stubGlobal("document", { documentElement: { lang: "" } });
    return () => vi.unstubAllGlobals();
  });

  it("asks for the current password and twice for the new one", async () => {
    const { default: ChangePassword } = await import("./ChangePassword.svelte");
    const { body } = render(ChangePassword, { props: { onclose: () => {} } });
    for (const name of ["current", "new", "repeat"]) expect(body).toContain(`name="${name}"`);
    expect(body).toContain('autocomplete="new-password"');
    expect(body).toContain("Current password");
  });
});
