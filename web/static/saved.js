// Saved searches of this user in this browser. Without scripts a bookmark does the same.

import { button, say } from "./dom.js";

const MOST = 50;
const MAX_NAME = 100;
const menu = document.querySelector("details[data-saved]");
const key = `qless_py_searches ${menu.dataset.saved}`;

function read() {
  try {
    const found = JSON.parse(localStorage.getItem(key));
    return Array.isArray(found) ? found.filter((one) => typeof one.name === "string" && typeof one.q === "string") : [];
  } catch {
    return [];
  }
}

function write(searches) {
  try {
    localStorage.setItem(key, JSON.stringify(searches.slice(-MOST)));
  } catch {
    say("This browser does not store searches");
  }
  fill();
}

function row(search) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `${menu.dataset.jobs}?${new URLSearchParams({ q: search.q })}`;
  link.textContent = search.name;
  link.title = search.q;
  const remove = button("×", () => {
    write(read().filter((one) => one.name !== search.name));
    menu.querySelector("summary").focus();
  });
  remove.className = "remove";
  remove.setAttribute("aria-label", `Remove ${search.name}`);
  item.append(link, remove);
  return item;
}

function fill() {
  const searches = read();
  const list = menu.querySelector("ul");
  list.replaceChildren(...searches.map(row));
  list.hidden = searches.length === 0;
  const count = menu.querySelector("summary .count");
  count.textContent = searches.length;
  count.hidden = searches.length === 0;
}

menu.hidden = false;
const form = menu.querySelector("form");
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { q } = menu.dataset;
  const name = form.elements.name.value.trim().slice(0, MAX_NAME) || q;
  write([...read().filter((one) => one.name !== name), { name, q }]);
  form.elements.name.value = "";
  say(`Saved ${name}`);
});
fill();
