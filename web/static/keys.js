// Keys: single letters are ignored in fields, and can be turned off. The help lists what is bound.

import { body, button } from "./dom.js";
import { toggleLive } from "./live.js";
import { nextTheme } from "./preferences.js";
import { selectRow, step } from "./rows.js";

const GO_MS = 1500;
let isGoing = false;

const help = document.createElement("dialog");
help.setAttribute("aria-label", "Keyboard shortcuts");
body.append(help);

// The links of the menu, each with the letter that opens it.
const pages = [...document.querySelectorAll("a[data-go]")];

// Each key, its description, and what it does; Enter is handled by the browser.
const shortcuts = [
  ["/", "search", () => document.getElementById("search")?.focus()],
  ["j", "next row", () => step(1)],
  ["k", "previous row", () => step(-1)],
  ["x", "select the row", selectRow],
  ["Enter", "open the row", null],
  ["p", "pause or resume live updates", toggleLive],
  ["t", "change theme", nextTheme],
  ["?", "keyboard shortcuts", showHelp],
  ["g", `go to a page: then ${pages.map((one) => `${one.dataset.go} ${one.firstChild.textContent}`).join(", ")}`, go],
];

// Bind another key; the help lists it.
export function bind(key, text, act) {
  shortcuts.push([key, text, act]);
}

function shortcutsAreOn() {
  return localStorage.getItem("qless_py_keys") !== "off";
}

function fillHelp() {
  const list = document.createElement("dl");
  list.className = "facts";
  for (const [key, text] of shortcuts) {
    const term = document.createElement("dt");
    const meaning = document.createElement("dd");
    term.textContent = key;
    meaning.textContent = text;
    list.append(term, meaning);
  }
  const toggle = button(shortcutsAreOn() ? "Turn shortcuts off" : "Turn shortcuts on", () => {
    localStorage.setItem("qless_py_keys", shortcutsAreOn() ? "off" : "on");
    help.close();
  });
  const title = document.createElement("h2");
  title.textContent = "Keyboard shortcuts";
  const buttons = document.createElement("p");
  buttons.className = "buttons";
  buttons.append(button("Close", () => help.close()), toggle);
  help.replaceChildren(title, list, buttons);
}

function showHelp() {
  if (help.open) return;
  fillHelp();
  help.showModal();
}

function go() {
  isGoing = true;
  setTimeout(() => {
    isGoing = false;
  }, GO_MS);
}

function isTyping(target) {
  const fields = "input:not([type=checkbox]), textarea, select, [contenteditable]";
  return target.closest?.(fields) !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key !== "?" && !shortcutsAreOn()) return;
  const page = isGoing && pages.find((one) => one.dataset.go === event.key);
  const act = shortcuts.find(([key]) => key === event.key)?.[2];
  if (page) {
    isGoing = false;
    location.assign(page.href);
  } else if (act && !help.open) {
    act();
  } else {
    return;
  }
  event.preventDefault();
});

for (const opener of document.querySelectorAll("[data-help]")) {
  opener.hidden = false;
  opener.addEventListener("click", showHelp);
}
