// An enhancement only: everything can be read, opened and linked to without it.
"use strict";
const root = document.documentElement;

// Languages: the page holds both, the style shows the one that `data-lang` names.
function speak(lang) {
  root.lang = root.dataset.lang = lang;
  document.title = document.querySelector("h1 [lang=" + lang + "], h1 bdi").textContent + " · labrun";
  for (const button of document.querySelectorAll("[data-speak]")) {
    button.setAttribute("aria-pressed", String(button.dataset.speak === lang));
  }
}
for (const button of document.querySelectorAll("[data-speak]")) {
  button.addEventListener("click", () => speak(button.dataset.speak));
}
document.querySelector(".languages").hidden = false;

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

// A link to a check opens it.
function open() {
  const check = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (check instanceof HTMLDetailsElement) check.open = true;
}
addEventListener("hashchange", open);
open();
