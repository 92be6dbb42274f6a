// One Chromium for all tests of a file, and the pages that labrun wrote into the folder `$LABRUN_PAGES`.
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const folder = process.env.LABRUN_PAGES;
if (!folder) throw new Error("LABRUN_PAGES names no folder of pages: these tests are run by `make browser`");

/** The names of the pages of a kind: `report` or `class`. */
export const pages = (kind) => readdirSync(folder).filter((name) => name.startsWith(kind + ".")).sort();

/** Where a page lies. */
export const place = (name) => path.join(folder, name);

// Nothing of these may reach out: the browser knows no host.
const OPTIONS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND",
];
let browser;

export async function start() {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: OPTIONS, timeout: 120_000 });
}

export async function stop() {
  await browser?.close();
}

/** When the page of the class that runs was written, and a moment later. */
export const WRITTEN = Date.parse("2026-12-01T10:32:05Z");
const NOW = WRITTEN + 30_000;

/**
 * Opens a page, hands it to `work`, and fails if it said anything on its console, opened a dialog, or asked for
 * anything but files beside it.
 *
 * It takes the time for `now`. Where time is `still` it passes only as the test has it pass (`page.clock`), so that no
 * timer goes off between two steps, however slow the machine. `kept` is what the page finds in its session's memory.
 */
export async function visit(name, work, { width = 1100, script = true, now = NOW, still = false, kept = {}, ...more } = {}) {
  // Without motion: what still scrolls when it is pressed is pressed beside.
  const options = { viewport: { width, height: 800 }, javaScriptEnabled: script, reducedMotion: "reduce" };
  const context = await browser.newContext({ ...options, ...more });
  const trouble = [];
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on("console", (message) => trouble.push(message.type() + ": " + message.text()));
    page.on("pageerror", (error) => trouble.push(String(error)));
    page.on("dialog", (dialog) => (trouble.push("dialog: " + dialog.message()), dialog.dismiss()));
    page.on("request", (request) => request.url().startsWith("file:") || trouble.push(request.url()));
    if (still) {
      // It goes on until it is stopped, and does not go back.
      await page.clock.install({ time: now - 3600_000 });
      await page.clock.pauseAt(now);
    } else {
      await page.clock.setFixedTime(now);
    }
    await page.addInitScript((kept) => {
      for (const [name, value] of Object.entries(kept)) sessionStorage.setItem(name, JSON.stringify(value));
    }, kept);
    await page.goto(pathToFileURL(place(name)).href);
    await work(page);
  } finally {
    await context.close();
  }
  if (trouble.length > 0) throw new Error(name + ": " + trouble.join("; "));
}

/** Presses one of several choices, as a mouse does: where its label is. */
export const choose = (page, name) => page.locator("label", { has: page.getByRole("radio", { name }) }).click();

/** Opens everything that can be unfolded. */
export const unfold = (page) =>
  page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));

/** How much wider than the window the page is, and what makes it so. */
export const overflow = (page) =>
  page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const scrolls = (e) => e && e !== document.body && (getComputedStyle(e).overflowX !== "visible" || scrolls(e.parentElement));
    const sticksOut = (e) => e.getBoundingClientRect().right > width + 1 && !scrolls(e.parentElement);
    const wide = [...document.body.querySelectorAll("*")].filter(sticksOut);
    return wide.slice(0, 5).map((e) => e.outerHTML.slice(0, 120)).concat("the page as a whole");
  });

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds that is serious or worse, as one line each. */
export async function findings(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return grave.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.length}: ${nodes[0].html.slice(0, 200)}`);
}

/** What somebody reads of a page, and whether a character in it is one that deceives. */
export async function treacherous(page) {
  const text = await page.evaluate(() => document.body.innerText);
  const bad = text.match(/[\p{Cc}\u200b-\u200f\u202a-\u202e\u2066-\u2069]/gu) ?? [];
  return bad.filter((c) => c !== "\n" && c !== "\t");
}

/** Whether all that `selector` finds is shown. */
export const shown = (page, selector) =>
  page.locator(selector).evaluateAll((all) => all.map((element) => element.checkVisibility()));
