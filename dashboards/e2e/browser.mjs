/** Starts the system's Chromium with software WebGL, and watches a page for what must not happen. */
import { chromium } from "playwright-core";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
const ARGS = [
  "--no-sandbox",
  "--disable-quic",
  "--disable-background-networking",
  "--no-first-run",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
];
/** Software rendering on a busy machine is slow; nothing here waits longer than it must. */
export const TIMEOUT_MS = 90_000;

export const launch = () => chromium.launch({ executablePath: EXECUTABLE, headless: true, args: ARGS });

/**
 * Opens a page of a given size that keeps a list of its faults: console errors, exceptions, requests off the host.
 * `expected` names console errors that belong to a test, such as the 401 of a wrong password.
 */
export async function openPage(
  browser,
  baseUrl,
  { width = 1920, height = 1080, expected = [], context: given, reducedMotion = "reduce" } = {},
) {
  const context = given ?? (await browser.newContext({ viewport: { width, height }, reducedMotion }));
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const host = new URL(baseUrl).host;
  const faults = [];
  page.on("pageerror", (error) => faults.push(`exception: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    if (!expected.some((pattern) => pattern.test(message.text()))) faults.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (!["blob:", "data:"].includes(url.protocol) && url.host !== host)
      faults.push(`off host: ${request.url()}`);
  });
  return { page, context, faults };
}
