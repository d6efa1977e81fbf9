/**
 * Takes pictures of the pages over the mock city, for people to look at.
 * Usage: node e2e/shots.mjs [--out DIR] [--only NAME,…]
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DISPLAY_TOKEN } from "../mock/api.mjs";
import { startMock } from "../mock/server.mjs";
import { launch, openPage } from "./browser.mjs";

const { values } = parseArgs({
  options: { out: { type: "string", default: "test-results/shots" }, only: { type: "string" } },
});
const wanted = values.only?.split(",");

const wall = (query, options = {}) => ({
  path: `/wall?${query}#token=${DISPLAY_TOKEN}`,
  ready: '[data-wall="live"]',
  ...options,
});
const signedIn = (path, options = {}) => ({ path, user: "admin", ready: '[data-page="ready"]', ...options });

const SHOTS = {
  "wall-vi": wall("lang=vi", { scenario: "flood" }),
  "wall-en": wall("lang=en", { scenario: "flood" }),
  "wall-normal-vi": wall("lang=vi", { scenario: "normal" }),
  "wall-empty-en": wall("lang=en", { scenario: "empty" }),
  "wall-4k-vi": wall("lang=vi", { scenario: "flood", width: 3840, height: 2160 }),
  "wall-4k-en": wall("lang=en", { scenario: "flood", width: 3840, height: 2160 }),
  "wall-98inch-en": wall("lang=en&mm=2170&distance=5000", { scenario: "flood", width: 3840, height: 2160 }),
  "wall-grey-vi": wall("lang=vi", { scenario: "flood", vision: "achromatopsia" }),
  "wall-lost-vi": wall("lang=vi", { scenario: "flood", mute: true }),
  "wall-lost-en": wall("lang=en", { scenario: "flood", mute: true }),
  "wall-no-token-vi": { path: "/wall?lang=vi", ready: '[data-wall="unauthorized"]', scenario: "flood" },
  "sign-in-vi": { path: "/?lang=vi", ready: "form", scenario: "flood" },
  "console-vi": signedIn("/?lang=vi#/alerts", { scenario: "flood", keys: ["j"], until: '[data-map="idle"]' }),
  "console-en": signedIn("/?lang=en#/alerts", {
    scenario: "flood",
    keys: ["j", "j"],
    until: '[data-map="idle"]',
  }),
  "console-4k-en": signedIn("/?lang=en#/alerts", {
    scenario: "flood",
    keys: ["j"],
    until: '[data-map="idle"]',
    width: 3840,
    height: 2160,
  }),
  "console-lost-en": signedIn("/?lang=en#/alerts", { scenario: "flood", mute: true }),
  "devices-vi": signedIn("/?lang=vi#/devices", { scenario: "flood" }),
  "device-vi": signedIn("/?lang=vi#/devices/WL-KIMLONG", {
    scenario: "flood",
    until: '[data-chart="ready"]',
    also: '[data-map="idle"]',
  }),
  "device-en": signedIn("/?lang=en#/devices/AIR-03", {
    scenario: "flood",
    until: '[data-chart="ready"]',
    also: '[data-map="idle"]',
  }),
  "rules-vi": signedIn("/?lang=vi#/rules", { scenario: "flood" }),
  "quarantine-en": signedIn("/?lang=en#/quarantine", { scenario: "flood" }),
  "audit-en": signedIn("/?lang=en#/audit", { scenario: "flood" }),
};

async function shoot(browser, mock, name, shot) {
  const { page, context, faults } = await openPage(browser, mock.url, shot);
  if (shot.user) {
    await context.addInitScript(() => localStorage.setItem("ioc-signed-in", "1"));
    await context.request.post(`${mock.url}/api/v1/session`, {
      data: { username: shot.user, password: "hue" },
    });
  }
  await page.goto(mock.url + shot.path);
  await page.waitForSelector(shot.ready);
  for (const key of shot.keys ?? []) await page.keyboard.press(key);
  if (shot.until) await page.waitForSelector(shot.until);
  if (shot.also) await page.waitForSelector(shot.also);
  if (shot.mute) {
    mock.stream.muted = true;
    await page.waitForSelector('[data-link="lost"]');
  }
  if (shot.vision) {
    const devtools = await context.newCDPSession(page);
    await devtools.send("Emulation.setEmulatedVisionDeficiency", { type: shot.vision });
  }
  await page.screenshot({ path: join(values.out, `${name}.png`) });
  mock.stream.muted = false;
  await context.close();
  console.log(name, faults.length ? faults : "");
}

await mkdir(values.out, { recursive: true });
const browser = await launch();
const mocks = new Map();
try {
  for (const [name, shot] of Object.entries(SHOTS)) {
    if (wanted && !wanted.includes(name)) continue;
    if (!mocks.has(shot.scenario)) mocks.set(shot.scenario, await startMock({ scenario: shot.scenario }));
    await shoot(browser, mocks.get(shot.scenario), name, shot);
  }
} finally {
  await browser.close();
  for (const mock of mocks.values()) await mock.close();
}
