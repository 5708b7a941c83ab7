// Rows of tables: select them one by one, as a range or all; move between them by keys; copy jids.
// The bar of actions says how many are selected.

import { enhances } from "./dom.js";
import { bind } from "./keys.js";
import { copyButton } from "./text.js";

let lastSelected = null;

function boxesOf(part) {
  return [...part.querySelectorAll('tbody input[type="checkbox"]')];
}

function selectRange(boxes, box, isChecked) {
  if (!boxes.includes(lastSelected)) return;
  const [from, to] = [boxes.indexOf(lastSelected), boxes.indexOf(box)].sort((a, b) => a - b);
  for (const one of boxes.slice(from, to + 1)) one.checked = isChecked;
}

function enhanceTable(table) {
  const boxes = boxesOf(table);
  const corner = table.querySelector("thead th");
  if (boxes.length === 0 || !corner || corner.querySelector("input")) return;
  const all = document.createElement("input");
  all.type = "checkbox";
  all.dataset.key = "a";
  all.dataset.does = "select all on this page";
  all.setAttribute("aria-label", "Select all on this page");
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
  });
  corner.append(all);
  for (const box of boxes) {
    // Enter in a checkbox would submit the form; here it opens the row, as in the rest of it.
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      box.closest("tr").querySelector("th a")?.click();
    });
    box.addEventListener("click", (event) => {
      if (event.shiftKey) selectRange(boxes, box, box.checked);
      lastSelected = box;
    });
  }
}

function countSelected(form) {
  const boxes = boxesOf(form);
  const number = boxes.filter((one) => one.checked).length;
  const isAll = form.querySelector('input[name="all"]')?.checked ?? false;
  const text = isAll ? "All matches selected" : number > 0 ? `${number} selected` : "Select jobs to change them";
  form.querySelector(".selected-count").textContent = text;
  form.querySelector(".selection-bar").toggleAttribute("data-idle", !isAll && number === 0);
  const corner = form.querySelector("thead input");
  if (corner) {
    corner.checked = number > 0 && number === boxes.length;
    corner.indeterminate = number > 0 && number < boxes.length;
  }
}

// Enter in a field of the bar presses the button beside it, not the first one of the form.
function pressOwnButton(event) {
  if (event.key !== "Enter" || !event.target.matches(".popup-body input")) return;
  event.preventDefault();
  event.target.closest(".popup-body").querySelector("button").click();
}

function enhanceForm(form) {
  form.addEventListener("change", () => countSelected(form));
  form.addEventListener("keydown", pressOwnButton);
  // The browser restores what was selected when the user comes back.
  addEventListener("pageshow", () => countSelected(form));
  countSelected(form);
}

function rowOf(element) {
  return element?.closest("main tbody tr");
}

function step(by) {
  const rows = [...document.querySelectorAll("main tbody tr")];
  if (rows.length === 0) return;
  const here = rows.indexOf(rowOf(document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, here + by))];
  (next.querySelector("th a") ?? next.querySelector("a, button, input"))?.focus();
}

// The arrows scroll the page unless a row has the focus.
function stepInRows(by) {
  return rowOf(document.activeElement) ? step(by) : false;
}

function boxHere() {
  return rowOf(document.activeElement)?.querySelector('input[type="checkbox"]');
}

function selectToHere() {
  const box = boxHere();
  if (!box) return;
  box.checked = true;
  selectRange(boxesOf(box.closest("table")), box, true);
  lastSelected = box;
  box.dispatchEvent(new Event("change", { bubbles: true }));
}

bind(["j"], "next row", () => step(1));
bind(["k"], "previous row", () => step(-1));
bind(["ArrowDown"], "next row, from within a list", () => stepInRows(1));
bind(["ArrowUp"], "previous row, from within a list", () => stepInRows(-1));
bind(["x"], "select the row", () => boxHere()?.click());
bind(["X"], "select the rows up to this one", selectToHere);
bind(["Enter"], "open the row", null);

enhances((part) => {
  for (const table of part.querySelectorAll("table")) enhanceTable(table);
  for (const row of part.querySelectorAll("tr[data-jid]")) {
    row.querySelector("th.jid")?.append(copyButton(row.dataset.jid, "Copy the jid"));
  }
  const form = part.closest?.("form.selection");
  if (form) countSelected(form);
});
for (const form of document.querySelectorAll("form.selection")) enhanceForm(form);
