// Rows of tables: select all, select a range with shift, move between them by keys.

import { enhances } from "./dom.js";

let lastSelected = null;

function enhanceTable(table) {
  const boxes = [...table.querySelectorAll('tbody input[type="checkbox"]')];
  const corner = table.querySelector("thead th");
  if (boxes.length === 0 || !corner || corner.querySelector("input")) return;
  const all = document.createElement("input");
  all.type = "checkbox";
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
      if (event.shiftKey && boxes.includes(lastSelected)) {
        const [from, to] = [boxes.indexOf(lastSelected), boxes.indexOf(box)].sort((a, b) => a - b);
        for (const one of boxes.slice(from, to + 1)) one.checked = box.checked;
      }
      lastSelected = box;
    });
  }
}

export function step(by) {
  const rows = [...document.querySelectorAll("main tbody tr")];
  if (rows.length === 0) return;
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, here + by))];
  (next.querySelector("th a") ?? next.querySelector("a, button, input"))?.focus();
}

export function selectRow() {
  document.activeElement?.closest("tr")?.querySelector('input[type="checkbox"]')?.click();
}

enhances((part) => {
  for (const table of part.querySelectorAll("table")) enhanceTable(table);
});
