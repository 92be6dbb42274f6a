// Copying a command; a page opened as a file may have no clipboard of its own.
async function copy(button) {
  const code = button.parentElement.querySelector("code");
  let copied = true;
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    getSelection().selectAllChildren(code);
    copied = document.execCommand("copy");
  }
  if (!copied) return;
  button.dataset.copied = "";
  document.getElementById("copied").hidden = false;
  setTimeout(() => {
    delete button.dataset.copied;
    document.getElementById("copied").hidden = true;
  }, 2000);
}
for (const button of document.querySelectorAll(".copy")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}

// Showing checks of one outcome, and with them the steps and labs that have any.
const checks = [...document.querySelectorAll(".check")];
const choices = [...document.querySelectorAll("[name=show]")];
const told = document.querySelector("#shown b");
function show(outcome) {
  const left = (element) => outcome !== "all" && element.querySelector(".check:not([hidden])") === null;
  for (const check of checks) check.hidden = outcome !== "all" && check.dataset.outcome !== outcome;
  for (const step of document.querySelectorAll(".step")) step.hidden = left(step);
  for (const lab of document.querySelectorAll(".lab")) lab.hidden = left(lab);
  told.textContent = checks.filter((check) => !check.hidden).length + "/" + checks.length;
}
for (const choice of choices) choice.addEventListener("change", () => show(choice.value));

// Opening all checks, or closing them.
const unfold = document.getElementById("unfold");
unfold.addEventListener("click", () => {
  const open = unfold.getAttribute("aria-pressed") === "false";
  press([unfold], () => open);
  for (const check of checks) check.open = open;
});
document.querySelector(".tools").hidden = false;

// A link to a check opens it, also where it is filtered out.
function open() {
  const check = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!check?.matches(".check, .step, .lab")) return;
  if (check.closest("[hidden]")) {
    choices.find((choice) => choice.value === "all").checked = true;
    show("all");
    check.scrollIntoView();
  }
  if (check instanceof HTMLDetailsElement) check.open = true;
}
addEventListener("hashchange", open);
// The same link once more changes nothing that an event would tell.
addEventListener("click", (event) => event.target.closest("a[href^='#']") && setTimeout(open));
open();
