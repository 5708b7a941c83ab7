// The choices of the menu at the right, kept in the cookie that the server reads.

import { body, root } from "./dom.js";

const form = document.querySelector(".preferences");
const YEAR = 31536000;

// Tick a choice and keep all of them.
export function choose(name, value) {
  for (const field of form?.querySelectorAll(`input[name="${name}"]`) ?? []) field.checked = field.value === value;
  keep();
}

function chosen(name) {
  return new FormData(form).get(name);
}

function keep() {
  const values = new URLSearchParams(new FormData(form));
  values.delete("back");
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `qless_py_view=${values}; path=${form.dataset.path}; max-age=${YEAR}; samesite=strict${secure}`;
}

function applyTheme() {
  const theme = chosen("theme");
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
}

const THEMES = ["system", "light", "dark"];

export function nextTheme() {
  if (!form) return;
  choose("theme", THEMES[(THEMES.indexOf(chosen("theme")) + 1) % THEMES.length]);
  applyTheme();
}

// The zone of the browser, which only a script knows.
function offerLocalZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || form.querySelector(`input[name="zone"][value="${CSS.escape(zone)}"]`)) return;
  const label = document.createElement("label");
  const field = document.createElement("input");
  field.type = "radio";
  field.name = "zone";
  field.value = zone;
  label.append(field, ` ${zone}`);
  form.querySelector("[data-zones]").append(label);
}

// `react` maps names to what else happens with the new value.
export function start(react) {
  if (!form) return;
  offerLocalZone();
  form.querySelector(".buttons").hidden = true;
  form.addEventListener("change", (event) => {
    const { name, value } = event.target;
    keep();
    if (name === "theme") applyTheme();
    else if (name === "density") root.dataset.density = value;
    else if (name === "interval") body.dataset.interval = value;
    else if (name === "zone") location.reload();
    react[name]?.(value);
  });
}
