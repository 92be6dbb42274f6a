// What all pages can do beside being read. An enhancement only: without it everything is shown.
"use strict";
const root = document.documentElement;

// Presses the one of `buttons` of which `is` holds.
function press(buttons, is) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(is(button)));
}

// What somebody chose is kept, where the browser keeps anything for this page.
const kept = {
  get(name) {
    try {
      return localStorage.getItem("labrun-" + name);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem("labrun-" + name, value);
    } catch {}
  },
};

// Languages: the page holds both, the style shows the one that `data-lang` names.
const tongues = document.querySelectorAll("[data-speak]");
function speak(lang) {
  root.lang = root.dataset.lang = lang;
  document.title = document.querySelector("h1 [lang=" + lang + "], h1 bdi").textContent + " · labrun";
  press(tongues, (button) => button.dataset.speak === lang);
}
for (const button of tongues) button.addEventListener("click", () => speak(button.dataset.speak));

// Themes: the system's, unless one was chosen.
const themes = document.querySelectorAll("[data-choose]");
function choose(theme) {
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  else delete root.dataset.theme;
  press(themes, (button) => button.dataset.choose === (root.dataset.theme ?? "system"));
}
for (const button of themes) {
  button.addEventListener("click", () => {
    choose(button.dataset.choose);
    kept.set("theme", button.dataset.choose);
  });
}
choose(kept.get("theme"));
document.querySelector(".switches").hidden = false;
