// Completion of search fields: a combobox whose list is filled by the server.

import { body, say } from "./dom.js";

const WAIT_MS = 120;
let made = 0;

function enhanceField(input) {
  const list = document.createElement("ul");
  made += 1;
  list.id = `completions-${made}`;
  list.className = "completions";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Completions");
  const box = document.createElement("span");
  box.className = "combobox";
  input.before(box);
  box.append(input, list);
  for (const [name, value] of [
    ["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"],
    ["aria-controls", list.id], ["autocomplete", "off"], ["spellcheck", "false"],
  ]) input.setAttribute(name, value);

  const state = { found: null, active: -1, timer: 0, asked: 0 };

  function close() {
    clearTimeout(state.timer);
    state.asked += 1;
    state.active = -1;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function activate(index) {
    const options = [...list.children];
    state.active = (index + options.length) % options.length;
    options.forEach((one, at) => one.setAttribute("aria-selected", String(at === state.active)));
    const chosen = options[state.active];
    chosen.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", chosen.id);
  }

  // A field continues with its values; a whole term ends with a space.
  function accept(index) {
    const { start, end, options } = state.found;
    const [text] = options[index];
    const rest = input.value.slice(end);
    const added = text.endsWith(":") || rest.startsWith(" ") ? text : `${text} `;
    input.value = input.value.slice(0, start) + added + rest;
    const at = start + added.length;
    input.setSelectionRange(at, at);
    close();
    if (text.endsWith(":")) ask();
  }

  function show(found) {
    state.found = found;
    state.active = -1;
    input.removeAttribute("aria-activedescendant");
    list.replaceChildren(
      ...found.options.map(([text, meaning], index) => {
        const option = document.createElement("li");
        option.id = `${list.id}-${index}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        const term = document.createElement("span");
        term.className = "mono";
        term.textContent = text;
        const note = document.createElement("span");
        note.className = "quiet";
        note.textContent = meaning;
        option.append(term, note);
        // The field keeps the focus.
        option.addEventListener("pointerdown", (event) => event.preventDefault());
        option.addEventListener("click", () => accept(index));
        return option;
      }),
    );
    const isOpen = found.options.length > 0;
    list.hidden = !isOpen;
    input.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) say(`${found.options.length} completions`);
  }

  async function ask() {
    state.asked += 1;
    const own = state.asked;
    const query = new URLSearchParams({ q: input.value, at: String(input.selectionStart) });
    try {
      const answer = await fetch(`${body.dataset.complete}?${query}`, { headers: { Accept: "application/json" } });
      const found = answer.ok ? await answer.json() : { options: [] };
      if (own === state.asked && document.activeElement === input) show(found);
    } catch {
      close();
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(state.timer);
    state.timer = setTimeout(ask, WAIT_MS);
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && list.hidden) ask();
    else if (list.hidden) return;
    else if (event.key === "ArrowDown") activate(state.active + 1);
    else if (event.key === "ArrowUp") activate(state.active < 0 ? list.children.length - 1 : state.active - 1);
    else if (event.key === "Escape") close();
    else if (event.key === "Enter" && state.active >= 0) accept(state.active);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

for (const input of document.querySelectorAll("input[data-completes]")) enhanceField(input);
