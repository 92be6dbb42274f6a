// What a report can do beside being read.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { choose, shown, start, stop, unfold, visit } from "./browser.mjs";

before(start);
after(stop);

const REPORT = "report.one_of_everything.html";
const outcomes = (page) =>
  page.locator(".check").evaluateAll((all) => all.filter((c) => c.checkVisibility()).map((c) => c.dataset.outcome));

test("a filter shows the checks of one outcome, and says how many", () =>
  visit(REPORT, async (page) => {
    const all = await outcomes(page);
    await choose(page, /mal/);
    const failed = await outcomes(page);
    assert.deepEqual(new Set(failed), new Set(["fail"]));
    assert.equal(failed.length, all.filter((outcome) => outcome === "fail").length);
    assert.equal(await page.locator("#shown").innerText(), `${failed.length}/${all.length} comprobaciones a la vista`);
    // A step of which nothing is shown goes as a whole.
    const steps = await page.locator(".step").evaluateAll((all) =>
      all.map((step) => [step.checkVisibility(), [...step.querySelectorAll(".check")].some((c) => c.checkVisibility())]),
    );
    assert.ok(steps.some(([visible]) => !visible));
    for (const [visible, any] of steps) assert.equal(visible, any);
    await choose(page, /todas/);
    assert.deepEqual(await outcomes(page), all);
  }));

test("the filter works by keyboard", () =>
  visit(REPORT, async (page) => {
    await page.getByRole("radio", { name: /todas/ }).focus();
    await page.keyboard.press("ArrowRight");
    assert.deepEqual(new Set(await outcomes(page)), new Set(["fail"]));
    const ring = await page.evaluate(() => getComputedStyle(document.activeElement.nextElementSibling).outlineStyle);
    assert.equal(ring, "solid", "who has the focus is seen");
    await page.keyboard.press("ArrowLeft");
    assert.equal((await outcomes(page)).length, await page.locator(".check").count());
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.ok((await page.locator(".check").evaluateAll((all) => all.every((check) => check.open))));
    await page.keyboard.press("Enter");
    assert.ok((await page.locator(".check").evaluateAll((all) => all.every((check) => !check.open))));
  }));

test("a link to a check opens it, also where it was filtered out", () =>
  visit(REPORT, async (page) => {
    const link = page.locator(".missing a").first();
    const id = (await link.getAttribute("href")).slice(1);
    const check = page.locator(`[id="${id}"]`);
    for (let twice = 0; twice < 2; twice += 1) {
      await choose(page, /bien/);
      assert.equal(await check.isVisible(), false);
      // What the first press leads to later must not open the check of the second.
      await page.evaluate(() => {
        window.told = new Promise((done) => addEventListener("hashchange", () => done(), { once: true }));
      });
      await link.click();
      await check.waitFor({ state: "visible" });
      if (twice === 0) await page.evaluate(() => window.told);
      assert.ok(await check.evaluate((element) => element.open));
      assert.ok(await page.getByRole("radio", { name: /todas/ }).isChecked());
    }
  }));

test("without a script everything is shown, and nothing that would not work", () =>
  visit(
    REPORT,
    async (page) => {
      assert.ok((await shown(page, ".check > summary")).every(Boolean));
      for (const idle of [".tools", ".switches", ".copy"]) assert.ok((await shown(page, idle)).every((is) => !is), idle);
      // Unfolding is the browser's own.
      await page.locator(".check[data-outcome=pass] > summary").first().click();
      assert.ok(await page.locator(".check[data-outcome=pass] .about").first().isVisible());
    },
    { script: false },
  ));

test("a command is copied as it is, and that is said", () =>
  visit(
    REPORT,
    async (page) => {
      const row = page.locator(".command").filter({ visible: true }).first();
      const command = await row.locator("code").textContent();
      await row.getByRole("button", { name: "Copiar" }).click();
      await row.getByText("Copiado").waitFor();
      assert.equal(await page.locator("#copied").getAttribute("hidden"), null, "a screen reader is told");
      // Read back the way a person would: by pasting it.
      await page.evaluate(() => document.body.append(document.createElement("textarea")));
      await page.locator("textarea").focus();
      await page.keyboard.press("Control+V");
      assert.equal(await page.locator("textarea").inputValue(), command);
      await page.clock.runFor(2000);
      await row.getByText("Copiar").waitFor();
    },
    // It says so for two seconds, which a slow machine takes to look.
    { permissions: ["clipboard-read", "clipboard-write"], still: true },
  ));

test("hints come one after the other", () =>
  visit(REPORT, async (page) => {
    const hints = page.locator(".hints").first().locator("details.hint");
    assert.deepEqual([await hints.nth(0).isVisible(), await hints.nth(1).isVisible()], [true, false]);
    await hints.first().locator("summary").click();
    assert.ok(await hints.nth(1).isVisible());
  }));

test("the evidence of a check is folded, and holds what was seen", () =>
  visit(REPORT, async (page) => {
    const raw = page.locator(".check[data-outcome=fail] .raw").first();
    assert.equal(await raw.locator("table").first().isVisible(), false);
    await raw.locator("summary").click();
    assert.match(await raw.innerText(), /container.*status\s+running/s);
  }));

test("the timeline says when each check was looked at, and what was waited for", () =>
  visit(REPORT, async (page) => {
    await page.locator(".timeline summary").click();
    const row = page.locator(".timeline tbody tr").first();
    assert.match(await row.innerText(), /2\.3 s/);
    const bars = await row.locator("rect").evaluateAll((all) => all.map((bar) => bar.getBoundingClientRect().width));
    assert.ok(bars.length === 2 && bars[0] > 10 * bars[1] && bars[1] > 0, String(bars));
    await row.locator("a").click();
    await page.locator(".check:target[open]").waitFor();
  }));

test("on paper there is nothing to press, and what is unfolded", () =>
  visit(REPORT, async (page) => {
    await page.emulateMedia({ media: "print" });
    for (const idle of [".tools", ".switches", ".copy"]) assert.ok((await shown(page, idle)).every((is) => !is), idle);
    assert.ok((await shown(page, ".check > summary")).every(Boolean));
    assert.ok((await page.pdf()).length > 10_000);
  }));

test("a machine that wants to deceive is shown harmlessly", () =>
  visit("report.hostile.html", async (page) => {
    await unfold(page);
    const own = await page.evaluate(() => ["script", "img", "iframe", "b b"].map((tag) => document.querySelectorAll(tag).length));
    assert.deepEqual(own, [2, 0, 0, 0]);
    const text = await page.evaluate(() => document.body.innerText);
    for (const said of ["<script>alert(1)</script>", "\\u{1b}[2K", "\\u{202e}", "\\u{200b}", "…(+"]) {
      assert.ok(text.includes(said), said);
    }
    assert.ok(text.length < 100_000, String(text.length));
  }));
