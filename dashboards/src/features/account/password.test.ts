import { describe, expect, it } from "vitest";
import { ApiError } from "../../api/client.ts";
import { reasonKey } from "./password.ts";
import { texts } from "./texts.ts";

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
    for (const lang of ["vi", "en"] as const) {
      const said = kinds.map((kind) => {
        const key = reasonKey(refusal(400, `password-${kind}`));
        expect(key, kind).not.toBeNull();
        return key && texts[key][lang];
      });
      expect(new Set(said).size).toBe(kinds.length);
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
