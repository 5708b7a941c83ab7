// A live tail of events: it adds those that come at the top, and keeps at most 500 rows. It waits
// while the page is hidden, paused, or its rows are selected or focused.

import { button } from "./dom.js";

const POLL_MS = 1000;
const MOST_ROWS = 500;
const table = document.querySelector("[data-events]");
const rows = table?.tBodies[0];
const state = document.querySelector("[data-event-state]");
let after = table?.dataset.after;
let isPaused = false;

function link(url, text) {
  const made = document.createElement("a");
  made.href = url;
  made.textContent = text;
  return made;
}

function cell(name, label, content, kind) {
  const made = document.createElement(name);
  if (label) made.dataset.label = label;
  else made.scope = "row";
  if (kind) made.className = kind;
  made.append(content);
  return made;
}

function shortJid(jid) {
  if (/^[0-9a-f]{32}$/.test(jid)) return jid.slice(0, 8);
  return jid.length <= 24 ? jid : `${jid.slice(0, 14)}…${jid.slice(-9)}`;
}

function row(event) {
  const made = document.createElement("tr");
  const time = document.createElement("time");
  const at = new Date(event.at * 1000);
  time.dateTime = at.toISOString();
  time.title = at.toISOString();
  time.textContent = at.toLocaleTimeString();
  const job = event.jid ? link(table.dataset.job.replace("JID", encodeURIComponent(event.jid)), shortJid(event.jid)) : "";
  const queue = event.queue ? link(table.dataset.queue.replace("NAME", encodeURIComponent(event.queue)), event.queue) : "";
  made.append(
    cell("th", "", time), cell("td", "Event", event.kind), cell("td", "Job", job, "mono"),
    cell("td", "Class", event.klass, "mono"), cell("td", "Queue", queue), cell("td", "Worker", event.worker),
    cell("td", "Details", event.details, "details quiet"),
  );
  return made;
}

function skippedRow(number) {
  const made = document.createElement("tr");
  const only = cell("td", "Events", `…and ${number.toLocaleString("en")} more`, "quiet");
  only.colSpan = 7;
  made.append(only);
  return made;
}

function isInUse() {
  return rows.contains(document.activeElement) || !document.getSelection().isCollapsed;
}

function show(answer) {
  after = answer.last;
  if (!answer.events.length && !answer.skipped) return;
  document.querySelector("[data-no-events]")?.remove();
  if (answer.skipped) rows.prepend(skippedRow(answer.skipped));
  for (const event of answer.events) rows.prepend(row(event));
  while (rows.rows.length > MOST_ROWS) rows.lastElementChild.remove();
}

async function poll() {
  if (isPaused || document.hidden || isInUse()) return;
  const url = new URL(table.dataset.events, location.href);
  url.searchParams.set("after", after);
  try {
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.status);
    show(await answer.json());
    state.textContent = `Live: new events appear at the top, at most ${MOST_ROWS} are shown.`;
  } catch {
    state.textContent = "The events cannot be read; trying again.";
  }
}

async function run() {
  await poll();
  setTimeout(run, POLL_MS);
}

if (table) {
  const pause = button("Pause", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Resume" : "Pause";
    pause.setAttribute("aria-pressed", String(isPaused));
    state.textContent = isPaused ? "Paused: events that come meanwhile are counted." : "Live";
  });
  const clear = button("Clear", () => rows.replaceChildren());
  document.querySelector("[data-event-buttons]").append(pause, " ", clear);
  run();
}
