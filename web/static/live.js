// Live numbers: from a stream of snapshots, by polling if there is none; both can be paused.

import { body, say } from "./dom.js";
import { choose } from "./preferences.js";
import { isRefreshing, refresh } from "./regions.js";

const POLL_MS = 5000;
const live = { isOn: body.dataset.liveUpdates !== "off", stream: null, timer: 0, refreshTimer: null, refreshedAt: 0, isFirst: true, isLazy: false, wasUnavailable: false, freshAt: performance.now(), patience: 0 };
const liveButton = document.querySelector("[data-live-button]");

// The least time between two updates of the regions of a page.
function intervalMs() {
  return 1000 * Number(body.dataset.interval);
}

function showState(word) {
  if (!liveButton) return;
  liveButton.hidden = false;
  liveButton.textContent = live.isOn ? word : "Paused";
  liveButton.dataset.liveState = word;
  liveButton.setAttribute("aria-pressed", String(live.isOn));
  liveButton.title = live.isOn ? "Pause live updates" : "Resume live updates";
}

export function toggleLive() {
  setLive(!live.isOn);
  choose("live", live.isOn ? "on" : "off");
}

export function setLive(isOn) {
  live.isOn = isOn;
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
  live.patience = 0;
  stream.addEventListener("unchanged", confirmNumbers);
  stream.addEventListener("snapshot", (event) => {
    showState("Live");
    confirmNumbers();
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
    live.patience = POLL_MS;
    confirmNumbers();
    applySnapshot(await answer.json());
  } catch {
    showState("Disconnected");
  }
  live.timer = setTimeout(poll, POLL_MS);
}

// Numbers that were not confirmed for some seconds are shown as old, at the bottom of the window,
// where nothing moves. Who has paused updates knows.
const staleNote = document.createElement("p");
staleNote.className = "stale";
staleNote.hidden = true;
body.append(staleNote);

function confirmNumbers() {
  live.freshAt = performance.now();
  showAge();
}

function showAge() {
  const age = performance.now() - live.freshAt;
  const isStale = age > 1000 * Number(body.dataset.staleAfter) + live.patience;
  const isShown = isStale && live.isOn && !document.querySelector("[data-unavailable]");
  if (isShown) {
    const who = liveButton.dataset.liveState === "Store unavailable" ? "store" : "dashboard";
    staleNote.textContent = `Numbers are ${Math.round(age / 1000)} s old: the ${who} does not respond.`;
    if (staleNote.hidden) say(staleNote.textContent);
  }
  staleNote.hidden = !isShown;
}

const numbers = new Intl.NumberFormat("en");

function showNumber(element, value) {
  const text = numbers.format(value);
  if (element.textContent !== text) element.textContent = text;
}

// Shows the number of failed jobs in the menu and in the title of the page.
function showFailed(failed) {
  for (const badge of document.querySelectorAll('.menu [data-total="failed"]')) badge.hidden = failed === 0;
  const title = document.title.replace(/^\([\d,+]+\) /, "");
  const shown = failed ? `(${numbers.format(failed)}) ${title}` : title;
  if (document.title !== shown) document.title = shown;
}

function applySnapshot(snapshot) {
  if (document.querySelector("[data-unavailable]")) {
    // The store responds again, or only the data of this page cannot be read.
    live.refreshTimer ??= setTimeout(() => location.reload(), live.wasUnavailable ? 0 : POLL_MS);
    return;
  }
  const totals = { ...snapshot.totals, failed: snapshot.failed, complete: snapshot.complete };
  showFailed(snapshot.failed);
  for (const [name, value] of Object.entries(totals)) {
    for (const element of document.querySelectorAll(`[data-total="${name}"]`)) showNumber(element, value);
  }
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
  live.refreshTimer = setTimeout(refreshIfIdle, Math.max(0, from + intervalMs() - Date.now()));
}

function refreshIfIdle() {
  live.refreshTimer = null;
  live.isLazy = false;
  if (!live.isOn || document.hidden) return;
  live.refreshedAt = Date.now();
  if (isRefreshing() || document.querySelector("dialog[open]")) live.refreshTimer = setTimeout(refreshIfIdle, intervalMs());
  else refresh().then(watch, () => showState("Disconnected"));
}

// A job can report progress while no count changes, so a page of a live job is refreshed regularly.
function watch() {
  if (live.refreshTimer !== null || !document.querySelector("[data-watch]")) return;
  live.isLazy = true;
  live.refreshTimer = setTimeout(refreshIfIdle, intervalMs());
}

liveButton?.addEventListener("click", toggleLive);
if (liveButton) {
  document.addEventListener("visibilitychange", connect);
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", connect);
  setInterval(showAge, 1000);
}
