// Finding a student by any part of what their row says.
const find = document.getElementById("find");
const rows = [...document.querySelectorAll("#grid tbody tr")];
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
find.parentElement.hidden = false;
find.addEventListener("input", () => {
  for (const row of rows) row.hidden = !plain(row.cells[0].textContent).includes(plain(find.value));
});

// The table by keyboard: arrows go from cell to cell, Enter opens the report at the check, and a line says what a cell is.
const grid = document.getElementById("grid");
const line = document.getElementById("cell");
const addresses = [...document.querySelectorAll("#grid thead tr:nth-child(2) th")].map((head) => head.title);
const FIRST = 2;
const shown = (element) => element.querySelector("[lang=" + root.lang + "], bdi")?.textContent ?? "";
function claim(address) {
  return shown(document.getElementById("c-" + address).querySelector(".what"));
}
function words(outcome) {
  const mark = document.querySelector(".legend-line .mark." + outcome);
  return mark ? shown(mark) : "";
}
const firstCell = rows[0]?.cells[FIRST];
if (firstCell) firstCell.tabIndex = 0;
function go(cell) {
  if (!cell || cell.cellIndex < FIRST) return;
  grid.querySelector("td[tabindex='0']")?.setAttribute("tabindex", "-1");
  cell.tabIndex = 0;
  cell.focus();
}
const visible = () => rows.filter((row) => !row.hidden);
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
  line.hidden = false;
  line.textContent = student + " · " + words(cell.classList[0]) + " · " + claim(address) + " (" + address + ")";
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
