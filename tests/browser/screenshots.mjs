// PNGs of the pages into the folder that is named: `make screenshots`. What each is meant to show, docs/pages.md says.
import path from "node:path";
import { start, stop, visit } from "./browser.mjs";

const [folder] = process.argv.slice(2);
const REPORT = "report.real.html";

/** One picture: what is done to the page, and how much of it is taken. */
async function picture(name, page, { height, act = async () => {}, ...more }) {
  await visit(
    page,
    async (opened) => {
      await opened.setViewportSize({ width: more.width, height });
      await act(opened);
      await opened.screenshot({ path: path.join(folder, name + ".png"), animations: "disabled" });
    },
    more,
  );
  console.log(path.join(folder, name + ".png"));
}

const evidence = async (page) => {
  const check = page.locator(".check[data-outcome=fail]").first();
  await check.locator(".raw > summary").click();
  await check.evaluate((element) => element.closest(".step").scrollIntoView({ block: "start" }));
};
const drawing = (page) => page.locator("section.world").evaluate((element) => element.scrollIntoView({ block: "start" }));
const drill = async (page) => {
  await page.locator("#grid thead a[href='#c-lab1/port/bound']").click();
  await page.evaluate(() => scrollTo(0, 0));
};

await start();
try {
  await picture("report-light", REPORT, { width: 1100, height: 1250, colorScheme: "light" });
  await picture("report-dark", REPORT, { width: 1100, height: 1250, colorScheme: "dark", reducedMotion: "reduce", act: evidence });
  await picture("drawing", "report.one_of_everything.html", { width: 1100, height: 1200, reducedMotion: "reduce", colorScheme: "light", act: drawing });
  await picture("report-mobile", REPORT, { width: 360, height: 780, deviceScaleFactor: 2, colorScheme: "light" });
  await picture("class", "class.done.html", { width: 1320, height: 1150, colorScheme: "light", act: drill });
  await picture("class-running", "class.running.html", { width: 1320, height: 900, colorScheme: "dark" });
} finally {
  await stop();
}
