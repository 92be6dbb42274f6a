// What holds for every page: wide and narrow, light and dark, whatever a machine or a student is called.
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { findings, overflow, pages, place, start, stop, treacherous, unfold, visit } from "./browser.mjs";

before(start);
after(stop);

const all = [...pages("report"), ...pages("class")];
// The page of a class that runs is not opened anew while it is looked at.
const kept = { "labrun-class": { follow: false } };
assert.ok(pages("report").length > 3 && pages("class").length > 2, "there are pages to look at");

for (const name of all) {
  describe(name, () => {
    test("axe finds nothing serious in light, no character deceives, and all is said in both languages", () =>
      visit(
        name,
        async (page) => {
          await unfold(page);
          assert.deepEqual(await findings(page), []);
          assert.deepEqual(await treacherous(page), []);
          for (const [lang, other] of [["en", "es"], ["es", "en"]]) {
            await page.click(`[data-speak=${lang}]`);
            assert.equal(await page.getAttribute("html", "lang"), lang);
            const left = await page.locator(`[lang=${other}]:not(.both)`).evaluateAll((elements) =>
              elements.filter((element) => element.checkVisibility()).map((element) => element.textContent),
            );
            assert.deepEqual(left, []);
          }
        },
        { colorScheme: "light", kept },
      ));
    test("axe finds nothing serious in dark, and nothing is wider than 360 pixels", () =>
      visit(
        name,
        async (page) => {
          await unfold(page);
          assert.deepEqual(await overflow(page), []);
          assert.deepEqual(await findings(page), []);
        },
        { colorScheme: "dark", width: 360, kept },
      ));
  });
}

test("no page is large, however much there is to show", () => {
  for (const name of all) assert.ok(statSync(place(name)).size < 4 << 20, name);
});

test("the theme is the system's until one is chosen, and stays", () =>
  visit(
    pages("report")[0],
    async (page) => {
      const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const pressed = (theme) => page.getAttribute(`[data-choose=${theme}]`, "aria-pressed");
      const dark = await paper();
      await page.emulateMedia({ colorScheme: "light" });
      const light = await paper();
      assert.notEqual(dark, light);
      await page.click("[data-choose=dark]");
      assert.deepEqual([await paper(), await pressed("dark"), await pressed("system")], [dark, "true", "false"]);
      await page.reload();
      assert.deepEqual([await paper(), await pressed("dark")], [dark, "true"]);
      await page.emulateMedia({ colorScheme: "dark" });
      await page.click("[data-choose=light]");
      assert.equal(await paper(), light);
      await page.click("[data-choose=system]");
      assert.deepEqual([await paper(), await pressed("system")], [dark, "true"]);
      // Paper is white, whatever the screen was.
      await page.click("[data-choose=dark]");
      await page.emulateMedia({ media: "print" });
      assert.equal(await paper(), "rgb(255, 255, 255)");
    },
    { colorScheme: "dark" },
  ));
