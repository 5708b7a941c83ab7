// Keys: single letters are ignored in fields, and can be turned off. The help lists what is bound,
// here and by [data-key] on a control of the page: the same declaration binds and explains a key.

import { body, button, say } from "./dom.js";
import { toggleLive } from "./live.js";
import { nextTheme } from "./preferences.js";

const GO_MS = 1500;
const NAMES = { ArrowDown: "↓", ArrowUp: "↑" };
let isGoing = false;

const help = document.createElement("dialog");
help.setAttribute("aria-label", "Keyboard shortcuts");
body.append(help);

// The links of the menu, each with the letter that opens it.
const pages = [...document.querySelectorAll("a[data-go]")];

// Keys with what they do, in words and as a function; without one the browser does it. A function
// that returns false leaves the key to the browser.
const shortcuts = [];

export function bind(keys, text, act) {
  shortcuts.push({ keys, text, act });
}

function controls() {
  return [...document.querySelectorAll("[data-key]")];
}

function use(control) {
  if (!control.checkVisibility()) {
    say("Select jobs first");
  } else if (control.matches("summary")) {
    control.click();
    if (control.parentElement.open) control.parentElement.querySelector("input:not([type=hidden]), select")?.focus();
  } else if (control.matches("input:not([type=checkbox])")) {
    control.focus();
  } else {
    control.click();
  }
}

function shortcutsAreOn() {
  return localStorage.getItem("qless_py_keys") !== "off";
}

function wordsOf(control) {
  return control.dataset.does ?? control.textContent.replace(/[\d,…]+/g, "").trim();
}

function fillHelp() {
  const list = document.createElement("dl");
  list.className = "facts";
  const bound = shortcuts.map(({ keys, text }) => [keys.map((key) => NAMES[key] ?? key).join(" "), text]);
  for (const [key, text] of [...bound, ...controls().map((one) => [one.dataset.key, wordsOf(one)])]) {
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

function goWords() {
  return `go to a page: then ${pages.map((one) => `${one.dataset.go} ${one.firstChild.textContent}`).join(", ")}`;
}

function search() {
  (document.querySelector("main [data-completes]") ?? document.getElementById("search"))?.focus();
}

function isTyping(target) {
  const fields = "input:not([type=checkbox]), textarea, select, [contenteditable]";
  return target.closest?.(fields) !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key !== "?" && !shortcutsAreOn()) return;
  const page = isGoing && pages.find((one) => one.dataset.go === event.key);
  const bound = shortcuts.find(({ keys, act }) => act && keys.includes(event.key));
  const control = bound || help.open ? null : controls().find((one) => one.dataset.key === event.key);
  if (page) {
    isGoing = false;
    location.assign(page.href);
  } else if (bound && !help.open) {
    if (bound.act() === false) return;
  } else if (control) {
    use(control);
  } else {
    return;
  }
  event.preventDefault();
});

for (const opener of document.querySelectorAll("[data-help]")) {
  opener.hidden = false;
  opener.addEventListener("click", showHelp);
}

bind(["/"], "search", search);
bind(["p"], "pause or resume live updates", toggleLive);
bind(["t"], "change theme", nextTheme);
bind(["?"], "keyboard shortcuts", showHelp);
bind(["g"], goWords(), go);
