// The class: finding, filtering and sorting students, what became of one check, and the table by keyboard.
const FIRST = 2;
const grid = document.getElementById("grid");
const body = grid.tBodies[0];
const rows = [...body.rows];
const columns = [...grid.tHead.rows[1].cells];
const addresses = columns.map((head) => head.title);
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const nameOf = (row) => plain(row.cells[0].textContent);
const shown = (element) => element.querySelector("[lang=" + root.lang + "], bdi")?.textContent ?? "";
const visible = () => [...body.rows].filter((row) => !row.hidden);
const outcomeIn = (row, column) => row.cells[FIRST + column].classList[0];
const MARKS = ["fail", "blocked", "unknown", "deferred", "pass", "none"];

// What somebody is looking for outlives the page, which is written anew while the class runs.
const find = document.getElementById("find");
const state = { find: "", show: "", sort: "roster", check: "", follow: true, ...memory() };
function memory() {
  try {
    return JSON.parse(sessionStorage.getItem("labrun-class")) ?? {};
  } catch {
    return {};
  }
}
function remember(change) {
  Object.assign(state, change);
  try {
    sessionStorage.setItem("labrun-class", JSON.stringify(state));
  } catch {}
}

// Whom the table shows, and in which order.
const orders = {
  roster: () => rows,
  name: () => rows.toSorted((a, b) => nameOf(a).localeCompare(nameOf(b))),
  least: () => rows.toSorted((a, b) => a.dataset.sum - b.dataset.sum),
  most: () => rows.toSorted((a, b) => b.dataset.sum - a.dataset.sum),
  check: () => {
    const column = addresses.indexOf(state.check);
    const rank = (row) => (column < 0 ? 0 : MARKS.indexOf(outcomeIn(row, column)));
    return rows.toSorted((a, b) => rank(a) - rank(b));
  },
};
function arrange() {
  const wanted = plain(state.find);
  for (const row of rows) {
    const has = state.show === "" || row.dataset.has.split(" ").includes(state.show);
    row.hidden = !has || !nameOf(row).includes(wanted);
  }
  body.append(...orders[state.sort]());
  document.querySelector("#shown b").textContent = visible().length + "/" + rows.length;
}
for (const choice of document.querySelectorAll("#map .filter input")) {
  choice.checked = state[choice.name] === choice.value;
  choice.addEventListener("change", () => {
    remember({ [choice.name]: choice.value });
    arrange();
  });
}
find.value = state.find;
find.addEventListener("input", () => {
  remember({ find: find.value });
  arrange();
});
find.parentElement.hidden = false;
document.querySelector("#map .tools").hidden = false;

// What became of one check, beside the table: how it came out for whom, and the hints that were given.
const drill = document.getElementById("drill");
function drillInto(address) {
  const column = addresses.indexOf(address);
  for (const head of columns) head.classList.toggle("picked", head === columns[column]);
  drill.hidden = column < 0;
  remember({ check: drill.hidden ? "" : address });
  if (state.sort === "check") arrange();
  if (drill.hidden) return;
  const about = document.getElementById("c-" + address);
  const copies = (selector) => [...about.querySelector(selector).childNodes].map((node) => node.cloneNode(true));
  document.getElementById("drill-claim").replaceChildren(...copies(".what"));
  drill.querySelector(".about-check").replaceChildren(...copies(".more-of"));
  const groups = MARKS.flatMap((outcome) => {
    const those = rows.filter((row) => outcomeIn(row, column) === outcome);
    const mark = document.querySelector(".legend-line .mark." + outcome);
    if (those.length === 0 || !mark) return [];
    const group = document.createElement("details");
    group.open = outcome !== "pass";
    const summary = document.createElement("summary");
    summary.append(mark.cloneNode(true), " " + those.length);
    const list = document.createElement("ul");
    for (const row of those) {
      const link = row.cells[0].querySelector("a").cloneNode(true);
      link.href = link.getAttribute("href") + "#" + encodeURIComponent(address);
      const item = document.createElement("li");
      item.append(link);
      list.append(item);
    }
    group.append(summary, list);
    return [group];
  });
  drill.querySelector(".groups").replaceChildren(...groups);
}
function closeDrill() {
  const head = columns[addresses.indexOf(state.check)];
  drillInto("");
  head?.querySelector("a").focus();
}
drill.querySelector(".close").addEventListener("click", closeDrill);
drill.addEventListener("keydown", (event) => event.key === "Escape" && closeDrill());
addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#c-']");
  if (!link) return;
  event.preventDefault();
  drillInto(link.getAttribute("href").slice("#c-".length));
  drill.focus();
  drill.scrollIntoView({ block: "nearest" });
});

// The table by keyboard: arrows go from cell to cell, Enter opens the report at the check, and a line says what a cell is.
const line = document.getElementById("cell");
const firstCell = rows[0]?.cells[FIRST];
if (firstCell) firstCell.tabIndex = 0;
function go(cell) {
  if (!cell || cell.cellIndex < FIRST) return;
  grid.querySelector("td[tabindex='0']")?.setAttribute("tabindex", "-1");
  cell.tabIndex = 0;
  cell.focus();
}
grid.addEventListener("keydown", (event) => {
  const cell = event.target.closest("tbody td");
  if (!cell) return;
  const all = visible();
  const at = all.indexOf(cell.parentElement);
  const to = {
    ArrowRight: () => cell.nextElementSibling,
    ArrowLeft: () => cell.previousElementSibling,
    ArrowDown: () => all[at + 1]?.cells[cell.cellIndex],
    ArrowUp: () => all[at - 1]?.cells[cell.cellIndex],
    Home: () => cell.parentElement.cells[FIRST],
    End: () => cell.parentElement.cells[cell.parentElement.cells.length - 1],
  }[event.key];
  if (to) {
    event.preventDefault();
    go(to());
  } else if (event.key === "Enter") {
    visit(cell);
  }
});
function visit(cell) {
  const link = cell.parentElement.cells[0].querySelector("a").getAttribute("href");
  location.href = link + "#" + encodeURIComponent(addresses[cell.cellIndex - FIRST]);
}
function tell(cell) {
  if (!cell || cell.cellIndex < FIRST) return;
  const address = addresses[cell.cellIndex - FIRST];
  const student = cell.parentElement.cells[0].querySelector("bdi").textContent;
  const mark = document.querySelector(".legend-line .mark." + cell.classList[0]);
  const claim = shown(document.getElementById("c-" + address).querySelector(".what"));
  line.hidden = false;
  line.textContent = student + " · " + (mark ? shown(mark) : "") + " · " + claim + " (" + address + ")";
}
grid.addEventListener("focusin", (event) => tell(event.target.closest("tbody td")));
grid.addEventListener("mouseover", (event) => tell(event.target.closest("tbody td")));
grid.addEventListener("click", (event) => {
  const cell = event.target.closest("tbody td");
  if (cell && cell.cellIndex >= FIRST) go(cell);
});
grid.addEventListener("dblclick", (event) => {
  const cell = event.target.closest("tbody td");
  if (cell && cell.cellIndex >= FIRST) visit(cell);
});

drillInto(state.check);
arrange();

// How old a page is that was written at one time and is read at another, where that is older than it may be.
function age(written, now, lateAfter) {
  const minutes = Math.floor((now - written) / 60_000);
  if (!(now - written > lateAfter * 1000)) return null;
  if (minutes < 120) return minutes + " min";
  return minutes < 48 * 60 ? Math.floor(minutes / 60) + " h" : Math.floor(minutes / 60 / 24) + " d";
}

// While the class runs the page looks at itself again, unless somebody says not to, or is busy in it.
const follow = document.getElementById("follow");
if (follow) {
  follow.checked = state.follow;
  follow.addEventListener("change", () => remember({ follow: follow.checked }));
  document.querySelector(".follow").hidden = false;
  const idle = () => !document.hidden && !document.activeElement?.closest("#grid, #drill, .find");
  const running = document.getElementById("running");
  // A run that was killed leaves a page that says it runs. What tells is how old the page was when it was opened: whatever
  // was written since is not seen before it is opened again.
  const written = Date.parse(running.querySelector("time").dateTime);
  const wasLate = age(written, Date.now(), running.dataset.lateAfter) !== null;
  for (const part of running.querySelectorAll(".fresh")) part.hidden = wasLate;
  for (const part of running.querySelectorAll(".late")) part.hidden = !wasLate;
  const tellAge = () => {
    for (const part of running.querySelectorAll(".age")) part.textContent = age(written, Date.now(), running.dataset.lateAfter);
  };
  tellAge();
  setInterval(() => {
    tellAge();
    if (!follow.checked || !idle()) return;
    remember({ at: document.activeElement?.id || document.activeElement?.name || "" });
    location.reload();
  }, running.dataset.every * 1000);
  if (state.at) document.querySelector(`#${state.at}, [name="${state.at}"]:checked`)?.focus({ preventScroll: true });
}
