/** The server under test: a running one named by E2E_BASE_URL, or a pretend city of our own. */
import { readFile } from "node:fs/promises";

/**
 * E2E_BASE_URL: address of a running server; E2E_SIGNIN: file with its `{"username", "password"}`.
 * Without them the mock city is started, in a flood.
 */
export async function openTarget() {
  const url = process.env.E2E_BASE_URL?.replace(/\/$/, "");
  if (url) {
    if (!process.env.E2E_SIGNIN)
      throw new Error("E2E_SIGNIN must name a JSON file with username and password when E2E_BASE_URL is set");
    const signIn = JSON.parse(await readFile(process.env.E2E_SIGNIN, "utf8"));
    return { url, signIn, close: async () => undefined };
  }
  const { startMock } = await import("../mock/server.mjs");
  const mock = await startMock({ scenario: "flood" });
  return { url: mock.url, signIn: { username: "admin", password: "hue" }, close: mock.close };
}
