// Enlivens pages that work without it: fresh numbers and lists, keys, a theme, charts with a
// cross-hair. It gets nothing but pages of this dashboard, and puts no text into markup.
//
// In this order: theme · live numbers · regions that are exchanged · charts · rows · times and
// copying · keys · begin.

const root = document.documentElement;
const body = document.body;
const say = document.createElement("p");
say.className = "unseen";
say.setAttribute("role", "status");
body.append(say);

/* Theme: the system's, until somebody chooses. */

const THEMES = ["system", "light", "dark"];

function theme() {
  const kept = localStorage.getItem("qless_py_theme");
  return THEMES.includes(kept) ? kept : "system";
}

function paint() {
  if (theme() === "system") delete root.dataset.theme;
  else root.dataset.theme = theme();
}

function nextTheme() {
  localStorage.setItem("qless_py_theme", THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
  paint();
  themeButton.textContent = `Theme: ${theme()}`;
}

function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

/* Live: one stream of snapshots, or polling where there is none; both can be paused. */

const SLOW = 5000;
const live = { isOn: localStorage.getItem("qless_py_live") !== "off", stream: null, timer: 0, later: null, seen: 0, wasAway: false };
const liveButton = button("", toggleLive);
const themeButton = button(`Theme: ${theme()}`, nextTheme);
const controls = document.createElement("p");
controls.className = "controls";
controls.append(themeButton);

function state(word) {
  liveButton.textContent = live.isOn ? `● ${word}` : "Paused";
  liveButton.dataset.liveState = word;
  liveButton.setAttribute("aria-pressed", String(live.isOn));
  liveButton.title = live.isOn ? "Stop the updates of this page" : "Go on updating this page";
}

function toggleLive() {
  live.isOn = !live.isOn;
  localStorage.setItem("qless_py_live", live.isOn ? "on" : "off");
  if (live.isOn) listen();
  else hush();
}

function hush() {
  live.stream?.close();
  live.stream = null;
  clearTimeout(live.timer);
  state("Live");
}

function listen() {
  hush();
  if (!live.isOn || document.hidden || !body.dataset.live) return;
  state("Connecting");
  const stream = new EventSource(body.dataset.live);
  live.stream = stream;
  stream.addEventListener("snapshot", (event) => {
    state("Live");
    apply(JSON.parse(event.data));
  });
  stream.addEventListener("away", () => {
    live.wasAway = true;
    state("Store away");
  });
  stream.addEventListener("error", () => {
    // A stream that was refused stays closed; one that broke comes back by itself.
    if (stream.readyState === EventSource.CLOSED) poll();
    else state("Disconnected");
  });
}

async function poll() {
  if (!live.isOn || document.hidden) return;
  try {
    const answer = await fetch(body.dataset.poll, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.statusText);
    state("Polling");
    apply(await answer.json());
  } catch {
    state("Disconnected");
  }
  live.timer = setTimeout(poll, SLOW);
}

const grouped = new Intl.NumberFormat("en");

function number(value) {
  return grouped.format(value).replaceAll(",", "\u202f");
}

function write(element, value) {
  const text = number(value);
  if (element && element.textContent !== text) element.textContent = text;
}

function apply(snapshot) {
  if (document.querySelector("[data-away]")) {
    // The store is back, or it is this page alone that cannot be read.
    live.later ??= setTimeout(() => location.reload(), live.wasAway ? 0 : SLOW);
    return;
  }
  for (const [name, value] of Object.entries(snapshot.totals)) {
    for (const element of document.querySelectorAll(`[data-total="${name}"]`)) write(element, value);
  }
  write(document.querySelector("[data-failed]"), snapshot.failed);
  write(document.querySelector("[data-workers]"), snapshot.workers);
  for (const row of document.querySelectorAll("[data-queue]")) {
    const counts = snapshot.queues[row.dataset.queue];
    if (!counts) continue;
    for (const cell of row.querySelectorAll("[data-count]")) {
      write(cell, counts[cell.dataset.count]);
      if (cell.dataset.count === "stalled") cell.toggleAttribute("data-late", counts.stalled > 0);
    }
  }
  // What changes soon after the page was renewed must not have to wait for the next change.
  live.later ??= setTimeout(renew, Math.max(0, live.seen + SLOW - Date.now()));
}

function renew() {
  live.later = null;
  if (!live.isOn || document.hidden) return;
  live.seen = Date.now();
  if (isFetching || document.querySelector("dialog[open]")) live.later = setTimeout(renew, SLOW);
  else refresh();
}

/* Regions: the page is fetched again, and what changed is exchanged, unless the reader is in it. */

function isBusy(region) {
  const selection = getSelection();
  return (
    region.contains(document.activeElement) ||
    region.matches(":hover") ||
    region.querySelector("details[open], input:checked") !== null ||
    (selection && !selection.isCollapsed && region.contains(selection.anchorNode))
  );
}

function isIdle() {
  const isTaken = document.querySelector("main details[open], main tbody input:checked") !== null;
  return document.activeElement === body && !isTaken && getSelection().isCollapsed;
}

let isFetching = false;
// The markup of each region as the server sent it, for this script adds to what is shown.
const sources = new Map();
for (const region of document.querySelectorAll("[data-region]")) sources.set(region, region.innerHTML);

async function refresh() {
  const regions = [...document.querySelectorAll("[data-region]")];
  if (regions.length === 0) return;
  isFetching = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const text = await answer.text();
    // Who opened a dialog meanwhile comes back to where they were.
    if (answer.ok && !document.querySelector("dialog[open]")) exchange(regions, text);
  } catch {
    state("Disconnected");
  } finally {
    isFetching = false;
  }
}

// What a list says but for how long ago, which is no news to somebody who reads it.
function ageless(markup) {
  return markup.replace(/(<time [^>]*>)[^<]*/g, "$1");
}

function exchange(regions, text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const find = (region) => fresh.querySelector(`[data-region="${CSS.escape(region.dataset.region)}"]`);
  if (!regions.every(find) && isIdle()) {
    // A list that was empty has rows now, or the other way round: the page has other parts.
    location.reload();
    return;
  }
  for (const region of regions) {
    const other = find(region);
    if (!other || sources.get(region) === other.innerHTML) continue;
    const source = other.innerHTML;
    if (isBusy(region)) {
      if (ageless(sources.get(region)) !== ageless(source)) offer(region, other, source);
    } else {
      sources.set(region, source);
      region.replaceChildren(...other.childNodes);
      enliven(region);
      announce(region);
    }
  }
}

// Only what needs attention is told to screen readers, and that twice a minute at most.
const QUIET = 30000;
const announced = { at: -QUIET, text: "" };

function attention(part) {
  return [...part.querySelectorAll(".sign")].slice(0, 5).map((one) => one.textContent.trim()).join(". ");
}

function announce(region) {
  if (region.dataset.region !== "attention") return;
  const text = attention(region);
  const kinds = text.replace(/[\d.,\u202f]+ ?(ms|s|min|h|d)?/g, "#");
  if (kinds === announced.text || performance.now() - announced.at < QUIET) return;
  announced.at = performance.now();
  announced.text = kinds;
  say.textContent = text || "Nothing is stuck, failing or growing.";
}

function offer(region, other, source) {
  if (region.dataset.region !== "list") return;
  let bar = region.previousElementSibling;
  if (!bar?.classList.contains("newer")) {
    bar = document.createElement("p");
    bar.className = "newer";
    region.before(bar);
  }
  bar.replaceChildren(
    button("This list has changed: show it", () => {
      bar.remove();
      sources.set(region, source);
      region.replaceChildren(...other.childNodes);
      enliven(region);
    }),
  );
}

/* Charts: the values under the pointer, or under the arrow keys. */

function enlivenChart(chart) {
  const told = JSON.parse(chart.dataset.chart);
  const figure = chart.closest("figure");
  const values = [...figure.querySelectorAll(".legend strong")];
  const last = values.map((one) => one.textContent);
  const cross = document.createElementNS("http://www.w3.org/2000/svg", "line");
  cross.setAttribute("class", "cross");
  cross.setAttribute("y1", String(told.top));
  cross.setAttribute("y2", String(told.bottom));
  let at = told.times.length - 1;

  function show(index) {
    at = Math.max(0, Math.min(told.times.length - 1, index));
    const step = (told.right - told.left) / Math.max(told.times.length - 1, 1);
    cross.setAttribute("x1", String(told.left + at * step));
    cross.setAttribute("x2", String(told.left + at * step));
    chart.append(cross);
    values.forEach((one, line) => {
      one.textContent = `${told.lines[line][1][at] ?? "–"} at ${told.times[at]}`;
    });
  }

  function hide() {
    cross.remove();
    values.forEach((one, line) => {
      one.textContent = last[line];
    });
  }

  chart.setAttribute("tabindex", "0");
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * told.width;
    show(Math.round(((x - told.left) / (told.right - told.left)) * (told.times.length - 1)));
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

/* Rows: choose all, choose a stretch with shift, go through them with j and k. */

let lastChosen = null;

function enlivenTable(table) {
  const boxes = [...table.querySelectorAll('tbody input[type="checkbox"]')];
  const corner = table.querySelector("thead th");
  if (boxes.length === 0 || !corner || corner.querySelector("input")) return;
  const all = document.createElement("input");
  all.type = "checkbox";
  all.setAttribute("aria-label", "Choose all on this page");
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
  });
  corner.append(all);
  for (const box of boxes) {
    // Enter in a box would send the form: here it opens the row, as beside the box.
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      box.closest("tr").querySelector("th a")?.click();
    });
    box.addEventListener("click", (event) => {
      if (event.shiftKey && boxes.includes(lastChosen)) {
        const [from, to] = [boxes.indexOf(lastChosen), boxes.indexOf(box)].sort((a, b) => a - b);
        for (const one of boxes.slice(from, to + 1)) one.checked = box.checked;
      }
      lastChosen = box;
    });
  }
}

/* Times: the reader's own zone beside the instant in UTC. */

const zoned = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function enlivenTime(time) {
  const instant = new Date(time.dateTime);
  if (!Number.isNaN(instant.getTime())) time.title = `${zoned.format(instant)} (${time.dateTime})`;
}

function enliven(part) {
  for (const time of part.querySelectorAll("time[datetime]")) enlivenTime(time);
  for (const chart of part.querySelectorAll("svg[data-chart]")) enlivenChart(chart);
  for (const table of part.querySelectorAll("table")) enlivenTable(table);
  for (const code of part.querySelectorAll(".command pre")) offerCopy(code);
}

function offerCopy(pre) {
  const copy = button("Copy", async () => {
    const text = pre.textContent;
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else getSelection().selectAllChildren(pre);
    say.textContent = navigator.clipboard ? "Copied" : "Marked, to be copied";
    copy.textContent = say.textContent;
  });
  pre.after(copy);
}

/* Keys; single letters never count in fields, and can be switched off. */

const PLACES = {
  o: "overview", q: "queues", j: "jobs", f: "failures", c: "completed", r: "recurring",
  w: "workers", t: "throttles", g: "tags", k: "tracked", s: "config",
};
const PATIENCE = 1500;
let isGoing = false;

const help = document.createElement("dialog");
help.setAttribute("aria-label", "Keys");

// Each key, what the help says of it, and what it does; Enter is the browser's own.
const KEYS = [
  ["/", "search", () => document.getElementById("search")?.focus()],
  ["j", "next row", () => step(1)],
  ["k", "row before", () => step(-1)],
  ["x", "choose the row", chooseRow],
  ["Enter", "open the row", null],
  ["p", "pause or resume updates", toggleLive],
  ["t", "theme", nextTheme],
  ["?", "these keys", showHelp],
  ["g", `and then ${Object.entries(PLACES).map(([key, name]) => `${key} ${name}`).join(", ")}`, go],
];
const ACTS = new Map(KEYS.filter(([, , act]) => act).map(([key, , act]) => [key, act]));

function keysAreOn() {
  return localStorage.getItem("qless_py_keys") !== "off";
}

function fillHelp() {
  const list = document.createElement("dl");
  list.className = "facts";
  for (const [key, text] of KEYS) {
    const term = document.createElement("dt");
    const meaning = document.createElement("dd");
    term.textContent = key;
    meaning.textContent = text;
    list.append(term, meaning);
  }
  const toggle = button(keysAreOn() ? "Switch these keys off" : "Switch these keys on", () => {
    localStorage.setItem("qless_py_keys", keysAreOn() ? "off" : "on");
    help.close();
  });
  const title = document.createElement("h2");
  title.textContent = "Keys";
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

function chooseRow() {
  document.activeElement?.closest("tr")?.querySelector('input[type="checkbox"]')?.click();
}

function go() {
  isGoing = true;
  setTimeout(() => {
    isGoing = false;
  }, PATIENCE);
}

function isTyping(target) {
  const fields = "input:not([type=checkbox]), textarea, select, [contenteditable]";
  return target.closest?.(fields) !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key !== "?" && !keysAreOn()) return;
  if (isGoing && PLACES[event.key]) {
    isGoing = false;
    const base = body.dataset.root;
    location.assign(event.key === "o" ? base : base + PLACES[event.key]);
  } else if (ACTS.has(event.key) && !help.open) {
    ACTS.get(event.key)();
  } else {
    return;
  }
  event.preventDefault();
});

/* Begin */

paint();
document.querySelector(".menu [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
document.querySelector(".person")?.before(liveButton);
document.querySelector(".bottom")?.prepend(controls, button("Keys", showHelp));
body.append(help);
enliven(document);
if (document.querySelector(".person")) {
  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", hush);
  addEventListener("pageshow", listen);
}
