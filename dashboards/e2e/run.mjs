/**
 * Walks through wall and console in a real browser, in both languages: sign-in, alert, acknowledge, the wall shows it.
 * Usage: npm run e2e [-- --only PART]; see target.mjs for what it runs against.
 */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { parseArgs } from "node:util";
import { launch, openPage } from "./browser.mjs";
import {
  assertAccessible,
  assertMapDrawn,
  assertNoCutText,
  assertNoFaults,
  assertNoOverflow,
} from "./checks.mjs";
import { openTarget } from "./target.mjs";

const RESULTS = "test-results";
const WAITING = 'tr.waiting:has([data-priority="1"], [data-priority="2"], [data-priority="3"])';
/** Chromium writes refused requests to the console; these are refused on purpose. */
const UNAUTHORIZED = [/status of 401/];
/** The wall says within two seconds that the stream stopped; the rest is for a slow machine's frame. */
const LOST_WITHIN_MS = 3000;
/** How long after the start a scenario may take to bring its alert. */
const ALERT_WITHIN_MS = 150_000;

const { values } = parseArgs({ options: { only: { type: "string" } } });
const target = await openTarget();
const browser = await launch();

async function signIn(page, { username, password }) {
  await page.fill('input[name="username"]', username);
  await page.fill('input[name="password"]', password);
  await page.click('button[type="submit"]');
}

async function walk(lang) {
  const { page, context, faults } = await openPage(browser, target.url, { expected: UNAUTHORIZED });
  await page.goto(`${target.url}/?lang=${lang}`);
  assert.equal(await page.getAttribute("html", "lang"), lang);
  await signIn(page, { ...target.signIn, password: `not ${target.signIn.password}` });
  await page.waitForSelector(".wrong");
  await assertAccessible(page);
  await signIn(page, target.signIn);

  const row = page.locator(WAITING).first();
  await row.waitFor();
  const id = await row.getAttribute("data-row");
  await row.click();
  const detail = page.locator(`[data-alert="${id}"][data-detail="ready"]`);
  await detail.waitFor();
  await page.waitForSelector('[data-map="idle"]');
  await assertNoOverflow(page, { strict: false });
  await assertAccessible(page);
  await assertMapDrawn(page);

  const wall = await openPage(browser, target.url, { context });
  await wall.page.goto(`${target.url}/wall?lang=${lang}`);
  await wall.page.waitForSelector('[data-wall="live"]');

  await page.bringToFront();
  await page.click('[data-action="ack"]');
  await page.waitForSelector(`[data-alert="${id}"][data-acknowledged="true"]`);
  await detail
    .getByText(lang === "vi" ? `${target.signIn.username} đã nhận` : `${target.signIn.username} acknowledged`)
    .waitFor();

  await wall.page.bringToFront();
  await wall.page.waitForSelector(`[data-alert="${id}"][data-acknowledged="true"]`, { state: "attached" });
  await assertNoOverflow(wall.page, { strict: true });
  await assertNoCutText(wall.page, ".feed h3");
  await assertAccessible(wall.page);
  await assertMapDrawn(wall.page);
  assertNoFaults([...faults, ...wall.faults]);
  await context.close();
}

/** A display token in the fragment opens the wall without a session, and leaves the address at once. */
async function displayToken() {
  const { page, context, faults } = await openPage(browser, target.url, { width: 3840, height: 2160 });
  await context.request.post(`${target.url}/api/v1/session`, { data: target.signIn });
  const answer = await context.request.post(`${target.url}/api/v1/display-tokens`, {
    data: { name: `e2e-${Date.now()}` },
  });
  assert.ok(answer.ok(), `no display token: ${answer.status()} ${await answer.text()}`);
  const { token } = await answer.json();
  await context.clearCookies();
  await page.goto(`${target.url}/wall?lang=vi#token=${token}`);
  await page.waitForSelector('[data-wall="live"]');
  assert.equal(new URL(page.url()).hash, "");
  await assertNoOverflow(page, { strict: true });
  await page.click("header button");
  assert.equal(await page.getAttribute("html", "lang"), "en");
  await assertNoOverflow(page, { strict: true });
  await assertNoCutText(page, ".feed h3");
  assertNoFaults(faults);
  await context.close();
}

/** A wall without a right to see anything says so, and shows nothing. */
async function noToken() {
  const { page, context, faults } = await openPage(browser, target.url, { expected: UNAUTHORIZED });
  await page.goto(`${target.url}/wall?lang=en`);
  await page.waitForSelector('[data-wall="unauthorized"]');
  await assertAccessible(page);
  assertNoFaults(faults);
  await context.close();
}

/** The stream falls silent while its connection stands; the wall says so, and recovers by itself. */
async function streamLost() {
  const { page, context, faults } = await openPage(browser, target.url);
  await context.request.post(`${target.url}/api/v1/session`, { data: target.signIn });
  let silent = false;
  await page.routeWebSocket(/\/stream/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((message) => silent || socket.send(message));
  });
  await page.goto(`${target.url}/wall?lang=vi`);
  await page.waitForSelector('[data-wall="live"]');
  silent = true;
  const begun = performance.now();
  await page.waitForSelector('[data-wall="lost"]');
  const took = performance.now() - begun;
  assert.ok(took < LOST_WITHIN_MS, `the loss was shown after ${took.toFixed(0)} ms`);
  await page.getByRole("alert").getByText("Mất dữ liệu trực tiếp").waitFor();
  await assertNoOverflow(page, { strict: true });
  await assertAccessible(page);
  silent = false;
  await page.waitForSelector('[data-wall="live"]');
  assertNoFaults(faults);
  await context.close();
}

/** The session ends while someone writes a note: nothing is lost, and the acknowledge goes through afterwards. */
async function sessionExpires() {
  // A stream that breaks just then is refused, too.
  const expected = [...UNAUTHORIZED, /WebSocket connection/];
  const { page, context, faults } = await openPage(browser, target.url, { expected });
  await page.goto(`${target.url}/?lang=en`);
  await signIn(page, target.signIn);
  const row = page.locator("tr.waiting").first();
  await row.waitFor();
  const id = await row.getAttribute("data-row");
  await row.click();
  await page.fill("#note", "Crew on its way");
  await context.clearCookies();
  // On a slow machine the stream may break just then: the dialog that asks is then over the button already.
  await page.dispatchEvent('[data-action="ack"]', "click");
  await page.waitForSelector("dialog[open]");
  await assertAccessible(page);
  await page.fill('dialog input[name="password"]', target.signIn.password);
  await page.click('dialog button[type="submit"]');
  await page.waitForSelector(`aside[data-alert="${id}"][data-acknowledged="true"]`);
  assert.equal(await page.inputValue("#note"), "Crew on its way");
  await page.click('[data-action="note"]');
  await page.locator("aside q", { hasText: "Crew on its way" }).waitFor();
  assert.equal(await page.inputValue("#note"), "");
  assertNoFaults(faults);
  await context.close();
}

/** Keys, filters in the address, and every page of the console. */
async function consolePages() {
  const { page, context, faults } = await openPage(browser, target.url);
  await page.goto(`${target.url}/?lang=vi`);
  await signIn(page, target.signIn);
  await page.waitForSelector('[data-page="ready"] tr[data-row]');
  await page.keyboard.press("j");
  await page.waitForSelector("tr.selected");
  // What still fires is not closed by one key.
  await page.waitForSelector('[data-action="resolve"]:enabled');
  await page.keyboard.press("r");
  await page.waitForSelector('[data-action="resolve-anyway"]:focus');
  await assertNoOverflow(page, { strict: false });
  await page.keyboard.press("Escape");
  await page.waitForSelector('[data-action="resolve-anyway"]', { state: "detached" });
  await page.keyboard.press("n");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "note");
  await page.keyboard.press("Escape");
  await page.fill('input[type="search"]', "không có gì như thế");
  await page.getByText("Không có cảnh báo nào khớp bộ lọc").waitFor();
  assert.match(page.url(), /q=/);
  for (const path of ["devices", "rules", "quarantine", "audit"]) {
    await page.goto(`${target.url}/?lang=vi#/${path}`);
    await page.waitForSelector(`nav [aria-current="page"][href="#/${path}"]`);
    await page.waitForSelector('[data-page="ready"]');
    await assertNoOverflow(page, { strict: false });
    await assertAccessible(page);
  }
  await page.goto(`${target.url}/?lang=vi#/devices/WL-KIMLONG`);
  await page.waitForSelector('[data-chart="ready"]');
  await page.waitForSelector('[data-map="idle"]');
  await assertNoOverflow(page, { strict: false });
  await assertAccessible(page);
  assertNoFaults(faults);
  await context.close();
}

/** The dialog for one's own password says in the page's language why one is refused. Nothing is changed. */
async function changePassword(lang) {
  const expected = [...UNAUTHORIZED, /status of 40[03]/];
  const { page, context, faults } = await openPage(browser, target.url, { expected });
  await page.goto(`${target.url}/?lang=${lang}`);
  await signIn(page, target.signIn);
  await page.getByRole("button", { name: lang === "vi" ? "Đổi mật khẩu" : "Change password" }).click();
  const tries = [
    {
      current: "not it",
      fresh: "ba con voi uống trà đá",
      vi: "hiện tại không đúng",
      en: "current password is wrong",
    },
    { current: target.signIn.password, fresh: "short", vi: "quá ngắn", en: "too short" },
  ];
  for (const { current, fresh, [lang]: said } of tries) {
    await page.fill('dialog input[name="current"]', current);
    await page.fill('dialog input[name="new"]', fresh);
    await page.fill('dialog input[name="repeat"]', fresh);
    await page.click('dialog button[type="submit"]');
    await page.locator("dialog .wrong", { hasText: said }).waitFor();
    await assertAccessible(page);
    await assertNoOverflow(page, { strict: false });
  }
  await page.fill('dialog input[name="repeat"]', "another");
  const differs = lang === "vi" ? "không giống nhau" : "are not the same";
  await page.locator("dialog .wrong", { hasText: differs }).waitFor();
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  assertNoFaults(faults);
  await context.close();
}

/** Every domain and panel of the catalogue is on the wall and in the console, whichever there are. */
async function fields() {
  const { page, context, faults } = await openPage(browser, target.url);
  await context.request.post(`${target.url}/api/v1/session`, { data: target.signIn });
  const get = async (path) => (await context.request.get(`${target.url}/api/v1/${path}`)).json();
  const { domains, panels } = await get("catalogue");
  await page.goto(`${target.url}/wall?lang=vi`);
  await page.waitForSelector('[data-wall="live"]');
  for (const { id, title, indicators } of panels) {
    const panel = page.locator(`[data-panel="${id}"]`);
    await panel.locator("h2 .name", { hasText: title.vi }).waitFor();
    await panel.locator("h2 .icon path").waitFor({ state: "attached" });
    await panel.locator("[data-kpi] .value:not(:has(.none))").first().waitFor();
    const shown = await panel
      .locator("[data-kpi]")
      .evaluateAll((rows) => rows.map((row) => row.dataset.kpi ?? ""));
    assert.ok(shown.length > 0 && shown.every((kpi) => indicators.includes(kpi)), `${id}: ${shown}`);
  }
  await assertNoOverflow(page, { strict: true });
  await assertAccessible(page);

  await context.clearCookies();
  await page.goto(`${target.url}/?lang=vi#/devices`);
  await signIn(page, target.signIn);
  await page.waitForSelector('[data-page="ready"] tr[data-row]');
  const filter = page.getByRole("combobox", { name: "Lĩnh vực" });
  for (const { name, title } of domains) {
    await filter.selectOption(name);
    await page.locator("tr[data-row]", { hasText: title.vi }).first().waitFor();
  }
  const field = process.env.E2E_FIELD;
  if (field) await alertOf(page, field, get);
  assertNoFaults(faults);
  await context.close();
}

/** The scenario brings an alert of this domain; the console shows it, with its device. */
async function alertOf(page, field, get) {
  const { items } = await get(`devices?domain=${field}`);
  await page.goto(`${target.url}/?lang=vi#/alerts`);
  const ofField = new RegExp(items.map(({ id }) => id).join("|"));
  const row = page.locator("tr[data-row]", { hasText: ofField }).first();
  await row.waitFor({ timeout: ALERT_WITHIN_MS });
  const id = await row.getAttribute("data-row");
  await row.click();
  await page.locator(`[data-alert="${id}"][data-detail="ready"]`, { hasText: ofField }).waitFor();
  await assertAccessible(page);
}

const PARTS = {
  fields,
  "password-vi": () => changePassword("vi"),
  "password-en": () => changePassword("en"),
  "walk-vi": () => walk("vi"),
  "walk-en": () => walk("en"),
  "console-pages": consolePages,
  "session-expires": sessionExpires,
  "display-token": displayToken,
  "no-token": noToken,
  "stream-lost": streamLost,
};

let passed = 0;
let failed = 0;
await mkdir(RESULTS, { recursive: true });
for (const [name, part] of Object.entries(PARTS)) {
  if (values.only && values.only !== name) continue;
  const begun = performance.now();
  try {
    await part();
    passed += 1;
    console.log(`ok ${name} (${((performance.now() - begun) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    console.error(`FAILED ${name}\n${error.stack}`);
    for (const context of browser.contexts()) {
      for (const [n, page] of context.pages().entries())
        await page.screenshot({ path: `${RESULTS}/${name}-${n}.png` }).catch(() => undefined);
      await context.close();
    }
  }
}
await browser.close();
await target.close();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
