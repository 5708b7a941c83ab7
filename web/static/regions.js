// Regions: the page is fetched again, and changed regions are replaced unless they are in use.

import { body, button, enhance, say } from "./dom.js";

// Parts that a user has opened; `data-open` marks those that come open from the server.
const OPENED = "details[open]:not([data-open])";

function isBusy(region) {
  const selection = getSelection();
  return (
    region.contains(document.activeElement) ||
    region.matches(":hover") ||
    region.querySelector(`${OPENED}, details[data-open]:not([open]), input:checked`) !== null ||
    [...region.querySelectorAll("input:not([type=hidden], [type=checkbox]), textarea")].some((field) => field.value !== field.defaultValue) ||
    (selection && !selection.isCollapsed && region.contains(selection.anchorNode))
  );
}

function isIdle() {
  const isInUse = document.querySelector(`main :is(${OPENED}), main tbody input:checked`) !== null;
  return document.activeElement === body && !isInUse && getSelection().isCollapsed;
}

// The markup of each region as sent by the server, because scripts change what is shown.
const sources = new Map();
for (const region of document.querySelectorAll("[data-region]")) sources.set(region, region.innerHTML);

// What this page shows was removed. It stays as it is, since someone may still read it.
function showGone(text) {
  if (document.querySelector(".gone")) return;
  const known = new DOMParser().parseFromString(text, "text/html").querySelector("main [role=alert]");
  const note = document.createElement("p");
  note.className = "stale gone";
  note.setAttribute("role", "status");
  note.append("What this page shows no longer exists. ", ...(known?.childNodes ?? []), " ", button("Reload", () => location.reload()));
  body.append(note);
  for (const region of document.querySelectorAll("[data-watch]")) region.removeAttribute("data-watch");
}

let isFetching = false;

export function isRefreshing() {
  return isFetching;
}

// Fetch this page and show what has changed; raises an error if the dashboard does not respond.
export async function refresh() {
  const regions = [...document.querySelectorAll("[data-region]")];
  if (regions.length === 0) return;
  isFetching = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const text = await answer.text();
    // Closing a dialog returns focus to where it was, which must still exist.
    if (answer.status === 404) showGone(text);
    if (answer.ok && !document.querySelector("dialog[open]")) replaceRegions(regions, text);
  } finally {
    isFetching = false;
  }
}

// The markup without relative times, whose change is not worth offering an update.
function withoutTimes(markup) {
  return markup.replace(/(<time [^>]*>)[^<]*/g, "$1");
}

// Keep what is under the pointer where it is, though what is above it has another height now.
function keepPosition(regions, change) {
  const held = [...document.querySelectorAll("main :is(tr, li, a, button):hover")].at(-1);
  if (!held) {
    for (const region of regions) region.style.minHeight = "";
    change();
    return;
  }
  const before = held.getBoundingClientRect().top;
  const heights = new Map(regions.map((region) => [region, region.offsetHeight]));
  change();
  for (const [region, height] of heights) {
    const isAbove = region.compareDocumentPosition(held) & Node.DOCUMENT_POSITION_FOLLOWING && !region.contains(held);
    if (isAbove && region.offsetHeight < height) region.style.minHeight = `${height}px`;
  }
  scrollBy({ top: held.getBoundingClientRect().top - before, behavior: "instant" });
}

function replaceRegions(regions, text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const find = (region) => fresh.querySelector(`[data-region="${CSS.escape(region.dataset.region)}"]`);
  if (!regions.every(find) && isIdle()) {
    // An empty list now has rows, or the reverse: the page has other regions.
    location.reload();
    return;
  }
  keepPosition(regions, () => replaceChanged(regions, find));
}

function replaceChanged(regions, find) {
  for (const region of regions) {
    const other = find(region);
    if (!other || sources.get(region) === other.innerHTML) continue;
    const source = other.innerHTML;
    if (isBusy(region)) {
      if (withoutTimes(sources.get(region)) !== withoutTimes(source)) offerUpdate(region, other, source);
    } else {
      sources.set(region, source);
      region.toggleAttribute("data-watch", other.hasAttribute("data-watch"));
      region.replaceChildren(...other.childNodes);
      enhance(region);
      announce(region);
    }
  }
}

// Announce only alerts to screen readers, at most twice a minute.
const ANNOUNCE_MS = 30000;
const announced = { at: -ANNOUNCE_MS, text: "" };

function alertText(part) {
  return [...part.querySelectorAll(".alert-text")].slice(0, 5).map((one) => one.textContent.trim()).join(". ");
}

function announce(region) {
  if (region.dataset.region !== "alerts") return;
  const text = alertText(region);
  const kinds = text.replace(/[\d.,]+ ?(ms|s|min|h|d)?/g, "#");
  if (kinds === announced.text || performance.now() - announced.at < ANNOUNCE_MS) return;
  announced.at = performance.now();
  announced.text = kinds;
  say(text || "All clear: nothing is stuck, failing or growing.");
}

function offerUpdate(region, other, source) {
  if (region.dataset.region !== "list") return;
  // Behind the list, where it moves no row under the pointer.
  let bar = region.nextElementSibling;
  if (!bar?.classList.contains("update")) {
    bar = document.createElement("p");
    bar.className = "update";
    region.after(bar);
  }
  bar.replaceChildren(
    button("List updated: refresh", () => {
      bar.remove();
      sources.set(region, source);
      region.replaceChildren(...other.childNodes);
      enhance(region);
    }),
  );
}
