/** What must hold on every page: no fault, no overflow, no accessibility violation, a map that is drawn. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
/** A drawn map has land, water, lines, dots and letters; a blank one has one colour. */
const LEAST_COLOURS = 24;

/** Nothing may be wider than its box. `strict` counts shortened texts, too: a wall has no tooltips. */
export async function assertNoOverflow(page, { strict }) {
  const wide = await page.evaluate((countShortened) => {
    const scrolls = (style) => ["auto", "scroll"].includes(style.overflowX);
    const found = [];
    for (const element of document.querySelectorAll("body *")) {
      if (
        !(element instanceof HTMLElement) ||
        // The text of an input scrolls inside it.
        element.matches("input, .visually-hidden, .skip, .city-map, .marker, canvas") ||
        element.closest(".maplibregl-map")
      )
        continue;
      if (element.scrollWidth <= element.clientWidth + 1 || element.clientWidth === 0) continue;
      const style = getComputedStyle(element);
      if (
        style.display === "inline" ||
        scrolls(style) ||
        (!countShortened && style.textOverflow === "ellipsis")
      )
        continue;
      found.push(
        `${element.tagName}.${element.className} ${element.scrollWidth}>${element.clientWidth} ${element.textContent.trim().slice(0, 60)}`,
      );
    }
    const root = document.documentElement;
    if (root.scrollWidth > innerWidth || root.scrollHeight > innerHeight)
      found.push(`page ${root.scrollWidth}x${root.scrollHeight} in ${innerWidth}x${innerHeight}`);
    return found;
  }, strict);
  assert.deepEqual(wide, [], "something is wider than its box");
}

/** Texts that are cut below, such as a fourth line of a title. */
export async function assertNoCutText(page, selector) {
  const cut = await page.$$eval(selector, (elements) =>
    elements.filter((e) => e.scrollHeight > e.clientHeight + 2).map((e) => e.textContent.trim().slice(0, 80)),
  );
  assert.deepEqual(cut, [], "a text is cut");
}

export async function assertAccessible(page) {
  // Run as a script of the test, not of the page: the page's policy forbids foreign ones.
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: AXE });
  const violations = await page.evaluate(async (tags) => {
    const { violations } = await globalThis.axe.run(document, { runOnly: { type: "tag", values: tags } });
    return violations.map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .slice(0, 4)
          .map((node) => node.html.slice(0, 160))
          .join(" | ")}`,
    );
  }, AXE_TAGS);
  await session.detach();
  assert.deepEqual(violations, [], "axe found violations");
}

/** Counts the colours of the map as it is on screen. */
export async function assertMapDrawn(page) {
  const box = await page.locator("[data-map]").first().boundingBox();
  const png = await page.screenshot({ clip: box });
  const colours = await page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const { data } = context.getImageData(0, 0, picture.width, picture.height);
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4 * 7) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    return seen.size;
  }, png.toString("base64"));
  assert.ok(colours >= LEAST_COLOURS, `the map shows ${colours} colours; it looks blank`);
}

export const assertNoFaults = (faults) => assert.deepEqual(faults, [], "the page had faults");
