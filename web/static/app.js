// Enhances pages that work without JavaScript: live numbers and lists, keyboard shortcuts, a theme
// switch, a crosshair on charts. It fetches only pages of this dashboard and never puts text into
// markup.
//
// Sections: theme · live numbers · regions · charts · rows · times and copying · keys · start.

const root = document.documentElement;
const body = document.body;
const announcer = document.createElement("p");
announcer.className = "visually-hidden";
announcer.setAttribute("role", "status");
body.append(announcer);

/* Theme: follows the system until the user chooses one. */

const THEMES = ["system", "light", "dark"];

function theme() {
  const saved = localStorage.getItem("qless_py_theme");
  return THEMES.includes(saved) ? saved : "system";
}

function applyTheme() {
  if (theme() === "system") delete root.dataset.theme;
  else root.dataset.theme = theme();
}

function nextTheme() {
  localStorage.setItem("qless_py_theme", THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
  applyTheme();
  themeButton.textContent = `Theme: ${theme()}`;
}

function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

/* Live numbers: from a stream of snapshots, by polling if there is none; both can be paused. */

const POLL_MS = 5000;
const live = { isOn: localStorage.getItem("qless_py_live") !== "off", stream: null, timer: 0, refreshTimer: null, refreshedAt: 0, isFirst: true, isLazy: false, wasUnavailable: false };
const liveButton = button("", toggleLive);
const themeButton = button(`Theme: ${theme()}`, nextTheme);
const controls = document.createElement("p");
controls.className = "controls";
controls.append(themeButton);

function showState(word) {
  liveButton.textContent = live.isOn ? `● ${word}` : "Paused";
  liveButton.dataset.liveState = word;
  liveButton.setAttribute("aria-pressed", String(live.isOn));
  liveButton.title = live.isOn ? "Pause live updates" : "Resume live updates";
}

function toggleLive() {
  live.isOn = !live.isOn;
  localStorage.setItem("qless_py_live", live.isOn ? "on" : "off");
  if (live.isOn) connect();
  else disconnect();
}

function disconnect() {
  live.stream?.close();
  live.stream = null;
  clearTimeout(live.timer);
  showState("Live");
}

function connect() {
  disconnect();
  if (!live.isOn || document.hidden || !body.dataset.live) return;
  showState("Connecting");
  live.isFirst = true;
  watch();
  const stream = new EventSource(body.dataset.live);
  live.stream = stream;
  stream.addEventListener("snapshot", (event) => {
    showState("Live");
    applySnapshot(JSON.parse(event.data));
  });
  stream.addEventListener("away", () => {
    live.wasUnavailable = true;
    showState("Store unavailable");
  });
  stream.addEventListener("error", () => {
    // A refused stream stays closed; after a lost connection the browser reconnects by itself.
    if (stream.readyState === EventSource.CLOSED) poll();
    else showState("Disconnected");
  });
}

// Names the queues on this page: the counts of thousands of others would be a megabyte.
function pollUrl() {
  const url = new URL(body.dataset.poll, location.href);
  const rows = document.querySelectorAll("[data-queue]");
  for (const row of rows) url.searchParams.append("queue", row.dataset.queue);
  if (!rows.length) url.searchParams.append("queue", "");
  return url.href.length < 6000 ? url.href : body.dataset.poll;
}

async function poll() {
  if (!live.isOn || document.hidden) return;
  try {
    const answer = await fetch(pollUrl(), { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.statusText);
    showState("Polling");
    applySnapshot(await answer.json());
  } catch {
    showState("Disconnected");
  }
  live.timer = setTimeout(poll, POLL_MS);
}

const numbers = new Intl.NumberFormat("en");

function showNumber(element, value) {
  const text = numbers.format(value);
  if (element && element.textContent !== text) element.textContent = text;
}

function applySnapshot(snapshot) {
  if (document.querySelector("[data-unavailable]")) {
    // The store responds again, or only the data of this page cannot be read.
    live.refreshTimer ??= setTimeout(() => location.reload(), live.wasUnavailable ? 0 : POLL_MS);
    return;
  }
  for (const [name, value] of Object.entries(snapshot.totals)) {
    for (const element of document.querySelectorAll(`[data-total="${name}"]`)) showNumber(element, value);
  }
  showNumber(document.querySelector("[data-failed]"), snapshot.failed);
  showNumber(document.querySelector("[data-workers]"), snapshot.workers);
  for (const row of document.querySelectorAll("[data-queue]")) {
    const counts = snapshot.queues[row.dataset.queue];
    if (!counts) continue;
    for (const cell of row.querySelectorAll("[data-count]")) {
      showNumber(cell, counts[cell.dataset.count]);
      if (cell.dataset.count === "stalled") cell.toggleAttribute("data-late", counts.stalled > 0);
    }
  }
  scheduleRefresh();
}

// A change right after a refresh is shown by the next one, even if nothing changes after it. The
// first snapshot is no change: the page is about as new, so its refresh can wait for a change.
function scheduleRefresh() {
  const { isFirst } = live;
  live.isFirst = false;
  if (live.isLazy && !isFirst) {
    clearTimeout(live.refreshTimer);
    live.refreshTimer = null;
    live.isLazy = false;
  }
  if (live.refreshTimer !== null) return;
  live.isLazy = isFirst;
  const from = isFirst ? Date.now() : live.refreshedAt;
  live.refreshTimer = setTimeout(refreshIfIdle, Math.max(0, from + POLL_MS - Date.now()));
}

function refreshIfIdle() {
  live.refreshTimer = null;
  live.isLazy = false;
  if (!live.isOn || document.hidden) return;
  live.refreshedAt = Date.now();
  if (isFetching || document.querySelector("dialog[open]")) live.refreshTimer = setTimeout(refreshIfIdle, POLL_MS);
  else refresh().then(watch);
}

// A job can report progress while no count changes, so a page of a live job is refreshed regularly.
function watch() {
  if (live.refreshTimer !== null || !document.querySelector("[data-watch]")) return;
  live.isLazy = true;
  live.refreshTimer = setTimeout(refreshIfIdle, POLL_MS);
}

/* Regions: the page is fetched again, and changed regions are replaced unless they are in use. */

function isBusy(region) {
  const selection = getSelection();
  return (
    region.contains(document.activeElement) ||
    region.matches(":hover") ||
    region.querySelector("details[open], input:checked") !== null ||
    [...region.querySelectorAll("input:not([type=hidden], [type=checkbox]), textarea")].some((field) => field.value !== field.defaultValue) ||
    (selection && !selection.isCollapsed && region.contains(selection.anchorNode))
  );
}

function isIdle() {
  const isInUse = document.querySelector("main details[open], main tbody input:checked") !== null;
  return document.activeElement === body && !isInUse && getSelection().isCollapsed;
}

let isFetching = false;
// The markup of each region as sent by the server, because this script changes what is shown.
const sources = new Map();
for (const region of document.querySelectorAll("[data-region]")) sources.set(region, region.innerHTML);

async function refresh() {
  const regions = [...document.querySelectorAll("[data-region]")];
  if (regions.length === 0) return;
  isFetching = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const text = await answer.text();
    // Closing a dialog returns focus to where it was, which must still exist.
    if (answer.ok && !document.querySelector("dialog[open]")) replaceRegions(regions, text);
  } catch {
    showState("Disconnected");
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
  return [...part.querySelectorAll(".alert")].slice(0, 5).map((one) => one.textContent.trim()).join(". ");
}

function announce(region) {
  if (region.dataset.region !== "alerts") return;
  const text = alertText(region);
  const kinds = text.replace(/[\d.,]+ ?(ms|s|min|h|d)?/g, "#");
  if (kinds === announced.text || performance.now() - announced.at < ANNOUNCE_MS) return;
  announced.at = performance.now();
  announced.text = kinds;
  announcer.textContent = text || "All clear: nothing is stuck, failing or growing.";
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

/* Charts: shows the values at the pointer, or at the position chosen with the arrow keys. */

function enhanceChart(chart) {
  const data = JSON.parse(chart.dataset.chart);
  const figure = chart.closest("figure");
  const values = [...figure.querySelectorAll(".legend strong")];
  const last = values.map((one) => one.textContent);
  const crosshair = document.createElementNS("http://www.w3.org/2000/svg", "line");
  crosshair.setAttribute("class", "crosshair");
  crosshair.setAttribute("y1", String(data.top));
  crosshair.setAttribute("y2", String(data.bottom));
  let at = data.times.length - 1;

  function show(index) {
    at = Math.max(0, Math.min(data.times.length - 1, index));
    const step = (data.right - data.left) / Math.max(data.times.length - 1, 1);
    crosshair.setAttribute("x1", String(data.left + at * step));
    crosshair.setAttribute("x2", String(data.left + at * step));
    chart.append(crosshair);
    values.forEach((one, line) => {
      one.textContent = `${data.lines[line][1][at] ?? "–"} at ${data.times[at]}`;
    });
  }

  function hide() {
    crosshair.remove();
    values.forEach((one, line) => {
      one.textContent = last[line];
    });
  }

  chart.setAttribute("tabindex", "0");
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * data.width;
    show(Math.round(((x - data.left) / (data.right - data.left)) * (data.times.length - 1)));
  });
  chart.addEventListener("pointerleave", hide);
  chart.addEventListener("blur", hide);
  chart.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(at - 1);
    else if (event.key === "ArrowRight") show(at + 1);
    else return;
    event.preventDefault();
  });
}

/* Rows: select all, select a range with shift, move between them with j and k. */

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

/* Times: the tooltip shows the user's time zone beside UTC. */

const localTimes = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function enhanceTime(time) {
  const instant = new Date(time.dateTime);
  if (!Number.isNaN(instant.getTime())) time.title = `${localTimes.format(instant)} (${time.dateTime})`;
}

function enhance(part) {
  for (const time of part.querySelectorAll("time[datetime]")) enhanceTime(time);
  for (const chart of part.querySelectorAll("svg[data-chart]")) enhanceChart(chart);
  for (const table of part.querySelectorAll("table")) enhanceTable(table);
  for (const code of part.querySelectorAll(".command pre")) addCopyButton(code);
}

function addCopyButton(pre) {
  const copy = button("Copy", async () => {
    const text = pre.textContent;
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else getSelection().selectAllChildren(pre);
    announcer.textContent = navigator.clipboard ? "Copied" : "Selected for copying";
    copy.textContent = announcer.textContent;
  });
  pre.after(copy);
}

/* Keys: single letters are ignored in fields, and can be turned off. */

const PAGES = {
  o: "overview", q: "queues", j: "jobs", f: "failures", c: "completed", r: "recurring",
  w: "workers", t: "throttles", g: "tags", k: "tracked", s: "config",
};
const GO_MS = 1500;
let isGoing = false;

const help = document.createElement("dialog");
help.setAttribute("aria-label", "Keyboard shortcuts");

// Each key, its description, and what it does; Enter is handled by the browser.
const SHORTCUTS = [
  ["/", "search", () => document.getElementById("search")?.focus()],
  ["j", "next row", () => step(1)],
  ["k", "previous row", () => step(-1)],
  ["x", "select the row", selectRow],
  ["Enter", "open the row", null],
  ["p", "pause or resume live updates", toggleLive],
  ["t", "change theme", nextTheme],
  ["?", "keyboard shortcuts", showHelp],
  ["g", `go to a page: then ${Object.entries(PAGES).map(([key, name]) => `${key} ${name}`).join(", ")}`, go],
];
const HANDLERS = new Map(SHORTCUTS.filter(([, , act]) => act).map(([key, , act]) => [key, act]));

function shortcutsAreOn() {
  return localStorage.getItem("qless_py_keys") !== "off";
}

function fillHelp() {
  const list = document.createElement("dl");
  list.className = "facts";
  for (const [key, text] of SHORTCUTS) {
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

function step(by) {
  const rows = [...document.querySelectorAll("main tbody tr")];
  if (rows.length === 0) return;
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, here + by))];
  (next.querySelector("th a") ?? next.querySelector("a, button, input"))?.focus();
}

function selectRow() {
  document.activeElement?.closest("tr")?.querySelector('input[type="checkbox"]')?.click();
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
  if (isGoing && PAGES[event.key]) {
    isGoing = false;
    const base = body.dataset.root;
    location.assign(event.key === "o" ? base : base + PAGES[event.key]);
  } else if (HANDLERS.has(event.key) && !help.open) {
    HANDLERS.get(event.key)();
  } else {
    return;
  }
  event.preventDefault();
});

/* Start */

applyTheme();
document.querySelector(".menu [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
document.querySelector(".identity")?.before(liveButton);
document.querySelector(".bottom")?.prepend(controls, button("Shortcuts", showHelp));
body.append(help);
enhance(document);
if (document.querySelector(".identity")) {
  document.addEventListener("visibilitychange", connect);
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", connect);
}
