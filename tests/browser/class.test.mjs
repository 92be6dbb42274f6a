// What the page of a class can do beside being read.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WRITTEN, choose, shown, start, stop, unfold, visit } from "./browser.mjs";

before(start);
after(stop);

const CLASS = "class.done.html";
const rows = (page) =>
  page.locator("#grid tbody tr").evaluateAll((all) =>
    all.filter((row) => row.checkVisibility()).map((row) => ({ id: row.cells[0].querySelector(".id").textContent, ...row.dataset })),
  );
const ids = async (page) => (await rows(page)).map(({ id }) => id);

test("students are found, filtered and sorted", () =>
  visit(CLASS, async (page) => {
    const all = await ids(page);
    await page.getByRole("searchbox").fill("NUNÉZ");
    assert.deepEqual(await ids(page), ["s011"], "whatever the case and the accents");
    await page.getByRole("searchbox").fill("");
    await choose(page, "con algo mal");
    const wrong = await rows(page);
    assert.ok(wrong.length > 0 && wrong.length < all.length);
    assert.ok(wrong.every(({ has }) => has.split(" ").includes("fail")));
    assert.match(await page.locator("#shown").innerText(), new RegExp(`^${wrong.length}/${all.length} `));
    await choose(page, "todos");
    await choose(page, "menos puntos");
    const sums = (await rows(page)).map(({ sum }) => Number(sum));
    assert.deepEqual(sums, [...sums].sort((a, b) => a - b));
    assert.ok(sums[0] < sums.at(-1));
    await choose(page, "como la lista");
    assert.deepEqual(await ids(page), all);
  }));

test("a check of the table is looked into beside it", () =>
  visit(CLASS, async (page) => {
    const drill = page.locator("#drill");
    assert.equal(await drill.isVisible(), false);
    const column = await page.locator("#grid thead a").evaluateAll((all) => all.findIndex((a) => a.hash === "#c-lab1/port/bound"));
    await page.locator("#grid thead a").nth(column).click();
    assert.ok(await drill.isVisible());
    assert.ok(await drill.evaluate((element) => element === document.activeElement), "the focus goes there");
    const failed = await page.locator("#grid tbody tr").evaluateAll(
      (all, at) => all.filter((row) => row.cells[2 + at].className.includes("fail")).map((row) => row.cells[0].querySelector(".id").textContent),
      column,
    );
    const group = drill.locator("details").filter({ has: page.locator(".mark.fail") });
    assert.deepEqual(await group.locator("li .id").allTextContents(), failed);
    assert.match(await group.locator("a").first().getAttribute("href"), /^s\d+\/report\.html#lab1%2Fport%2Fbound$/);
    assert.match(await drill.innerText(), /127\.0\.0\.1/, "the hint that they were given");
    await choose(page, "por la comprobación abierta");
    assert.deepEqual((await ids(page)).slice(0, failed.length), failed);
    await drill.focus();
    await page.keyboard.press("Escape");
    assert.equal(await drill.isVisible(), false);
    assert.equal(await page.evaluate(() => document.activeElement.hash), "#c-lab1/port/bound", "and comes back");
  }));

test("the table is walked by keyboard, and says what a cell is", () =>
  visit(CLASS, async (page) => {
    await page.locator("#grid td[tabindex='0']").focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowRight");
    assert.match(await page.locator("#cell").innerText(), /^Benítez, Tomás · (bien|mal|diferido) · .*\(lab1\//);
    await page.keyboard.press("End");
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowUp");
    assert.match(await page.locator("#cell").innerText(), /^Acosta, Julia · /);
  }));

test("where most are stuck is said first, and who they are", () =>
  visit(CLASS, async (page) => {
    const here = await page.locator("#stuck li .n").allTextContents();
    const counts = here.map(Number);
    assert.ok(counts.length > 0);
    assert.deepEqual(counts, [...counts].sort((a, b) => b - a));
    assert.match(await page.locator("#stuck li").first().innerText(), /lab1\/port[\s\S]*s002/);
  }));

test("without a script everything is shown, and nothing that would not work", () =>
  visit(
    CLASS,
    async (page) => {
      assert.ok((await shown(page, "#grid tbody tr")).every(Boolean));
      for (const idle of [".tools", ".switches", ".find", "#drill"]) assert.ok((await shown(page, idle)).every((is) => !is), idle);
      await page.locator("#grid thead a").first().click();
      assert.ok(await page.locator("#checks tr:target").isVisible());
    },
    { script: false },
  ));

// So many minutes after the page was written; nothing happens of itself.
const minutesOld = (minutes) => ({ now: WRITTEN + minutes * 60_000, still: true });
const AGAIN = 5000;

test("while it runs, the page says who is to come, and keeps what somebody was looking for", () =>
  visit("class.running.html", async (page) => {
    const running = page.locator("#running");
    assert.match(await running.innerText(), /^En curso\s+9\/12 mirados · escrito 2026-12-01 10:32:05 UTC/);
    assert.deepEqual(await shown(page, "#running .late"), [false, false], "nobody doubts it");
    assert.match(await running.innerText(), /Mirando ahora:\s+Ana Ríos ana/);
    await running.locator("summary").click();
    assert.match(await running.innerText(), /Faltan: 2\s+beto, carla/);
    await choose(page, "con algo mal");
    const before = await ids(page);
    await page.locator("#grid thead a").first().click();
    await page.getByRole("button", { name: "Cerrar" }).focus();
    // Whoever is busy in a check is left alone; whoever is not sees the page anew.
    await page.evaluate(() => (window.old = true));
    await page.clock.runFor(AGAIN);
    assert.ok(await page.evaluate(() => window.old));
    await page.evaluate(() => document.activeElement.blur());
    await page.clock.runFor(AGAIN);
    await page.waitForFunction(() => !window.old);
    assert.deepEqual(await ids(page), before);
    assert.ok(await page.locator("#drill").isVisible());
    await page.getByRole("checkbox").uncheck();
    await page.reload();
    assert.equal(await page.getByRole("checkbox").isChecked(), false);
  }, minutesOld(0.5)));

test("a page that nobody writes any more says how old it is, and what to do if nobody runs the class", async () => {
  await visit("class.running.html", async (page) => {
    const running = page.locator("#running");
    assert.match(await running.innerText(), /^¿Sigue en curso\?\s+9\/12/);
    assert.match(await running.innerText(), /hace 7 min\. Si ya nadie corre la clase, labrun class … sigue con los demás\./);
    // Whoever leaves it open is not told what is true no longer.
    await page.getByRole("checkbox").uncheck();
    await page.clock.fastForward(3 * 3600_000);
    assert.match(await running.innerText(), /hace 3 h\./);
    await page.click("[data-speak=en]");
    assert.match(await running.innerText(), /^Still under way\?[\s\S]*was last written 3 h ago\. If nobody runs/);
  }, minutesOld(7.5));
  // One that was opened in time and is not looked at again says nothing of what was written since.
  await visit("class.running.html", async (page) => {
    await page.getByRole("checkbox").uncheck();
    await page.clock.fastForward(3600_000);
    assert.equal(await page.locator("#running .age").first().textContent(), "60 min");
    assert.deepEqual(await shown(page, "#running .late"), [false, false]);
  }, minutesOld(0.5));
  await visit("class.running.html", async (page) => {
    const text = await page.locator("#running").innerText();
    assert.match(text, /escrito 2026-12-01 10:32:05 UTC/);
    assert.match(text, /Si eso fue hace más de 60 s y ya nadie corre la clase, labrun class … sigue/);
  }, { script: false });
});

test("how old a page is goes by the two times and what it may come to, and by nothing else", () =>
  visit("class.running.html", async (page) => {
    const ages = (all) => page.evaluate((all) => all.map((seconds) => age(1e12, 1e12 + seconds * 1000, 60)), all);
    assert.deepEqual(await ages([-3600, 0, 60]), [null, null, null], "neither a clock that is slow nor a page that is young");
    assert.deepEqual(await ages([61, 119, 120, 7199, 7200]), ["1 min", "1 min", "2 min", "119 min", "2 h"]);
    assert.deepEqual(await ages([47.9 * 3600, 48 * 3600, 400 * 86400]), ["47 h", "2 d", "400 d"]);
  }, minutesOld(0)));

test("only a class that runs asks for being looked at again", async () => {
  const refresh = (page) => page.evaluate(() => document.head.innerHTML.includes('http-equiv="refresh"'));
  await visit("class.running.html", async (page) => assert.ok(await refresh(page)), minutesOld(0));
  await visit(CLASS, async (page) => assert.ok(!(await refresh(page)) && (await page.locator("#running").count()) === 0));
});

test("a class of names that want to deceive is shown harmlessly", () =>
  visit("class.hostile.html", async (page) => {
    await page.locator("#grid thead a").first().click();
    await unfold(page);
    const own = await page.evaluate(() => ["script", "img", "iframe", "b b"].map((tag) => document.querySelectorAll(tag).length));
    assert.deepEqual(own, [1, 0, 0, 0]);
    const text = await page.evaluate(() => document.body.innerText);
    for (const said of ["<script>alert(1)</script>", "\\u{1b}[2K", "\\u{202e}", "…(+"]) assert.ok(text.includes(said), said);
    assert.ok(text.length < 200_000, String(text.length));
  }));
