// Charts: a tooltip with the values at the pointer, or at the point chosen with the arrow keys, and
// zooming by dragging, or with Shift and the arrow keys and Enter.

import { enhances, say } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const LEAST_DRAG = 6; // Pixels; less is a click.

function part(name, kind, attributes) {
  const made = document.createElementNS(SVG, name);
  made.setAttribute("class", kind);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

// Values are written as the server writes them.
const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

function number(value) {
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return grouped.format(value);
  return Math.abs(value) >= 10 ? value.toFixed(1) : String(Number(value.toPrecision(2)));
}

const rounded = (value) => (value >= 9.95 ? value.toFixed(0) : String(Number(value.toFixed(1))));

function duration(seconds) {
  for (const [unit, name, least] of [[86400, "d", 84600], [3600, "h", 3570], [60, "min", 59.5], [1, "s", 0.9995]]) {
    if (seconds >= least) return `${rounded(seconds / unit)} ${name}`;
  }
  return seconds ? `${rounded(seconds * 1000)} ms` : "0 s";
}

function share(value) {
  if (value <= 0 || value >= 1) return `${(100 * value).toFixed(0)}%`;
  const percent = Math.min(Math.max(100 * value, 0.1), 99.9);
  return `${percent < 10 || percent > 99 ? Number(percent.toFixed(1)) : Math.round(percent)}%`;
}

const UNITS = { number, duration: (ms) => duration(ms / 1000), share };

// A time with its date and zone, as far as the browser knows the zone.
function times(zone) {
  const form = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short", hourCycle: "h23" };
  try {
    return new Intl.DateTimeFormat("en-GB", { ...form, timeZone: zone });
  } catch {
    return new Intl.DateTimeFormat("en-GB", { ...form, timeZone: "UTC" });
  }
}

function enhanceChart(chart) {
  const data = JSON.parse(chart.dataset.chart);
  if (!data.count) return;
  const figure = chart.closest("figure");
  const zoomUrl = chart.closest("[data-zoom]")?.dataset.zoom;
  const [left, right, top, bottom, width] = data.box;
  const colours = [...figure.querySelectorAll(".legend .swatch")].map((one) => one.className);
  const form = times(data.zone);
  const crosshair = part("line", "crosshair", { y1: top, y2: bottom });
  const selected = part("rect", "selected", { y: top, height: bottom - top });
  const tooltip = document.createElement("p");
  tooltip.className = "tooltip";
  let at = data.count - 1;
  let from = null; // Where a selection began.

  const x = (index) => left + (index * (right - left)) / Math.max(data.count - 1, 1);
  const instant = (index) => data.first + index * data.step;

  function deployed(index) {
    const near = (mark) => Math.abs(mark[0] - instant(index)) <= data.step / 2;
    return (data.marks ?? []).filter(near).map(([, name]) => `Deployed ${name}`);
  }

  function rows(index) {
    return data.lines.map(([label, values]) => [label, values[index] === null ? "–" : UNITS[data.unit](values[index])]);
  }

  function fillTooltip() {
    const head = document.createElement("b");
    head.textContent = form.format(1000 * instant(at));
    const lines = rows(at).map(([label, value], line) => {
      const row = document.createElement("span");
      const name = document.createElement("span");
      const swatch = document.createElement("i");
      swatch.className = colours[line] ?? "";
      name.append(swatch, label);
      const shown = document.createElement("strong");
      shown.textContent = value;
      row.append(name, shown);
      return row;
    });
    const marks = deployed(at).map((text) => {
      const row = document.createElement("span");
      row.textContent = text;
      return row;
    });
    tooltip.replaceChildren(head, ...lines, ...marks);
  }

  function place() {
    const box = chart.getBoundingClientRect();
    const outer = figure.getBoundingClientRect();
    const middle = box.left - outer.left + (x(at) / width) * box.width;
    const isRight = middle + tooltip.offsetWidth + 16 > outer.width;
    tooltip.style.left = `${Math.max(4, isRight ? middle - tooltip.offsetWidth - 12 : middle + 12)}px`;
    tooltip.style.top = `${box.top - outer.top + 16}px`;
  }

  function show(index) {
    at = Math.max(0, Math.min(data.count - 1, index));
    crosshair.setAttribute("x1", String(x(at)));
    crosshair.setAttribute("x2", String(x(at)));
    chart.append(crosshair);
    fillTooltip();
    figure.append(tooltip);
    place();
    if (from !== null && from !== at) {
      selected.setAttribute("x", String(Math.min(x(from), x(at))));
      selected.setAttribute("width", String(Math.abs(x(at) - x(from))));
      chart.append(selected);
    } else selected.remove();
  }

  function hide() {
    from = null;
    crosshair.remove();
    tooltip.remove();
    selected.remove();
  }

  // Opens the page of the selected time, up to the end of its last interval.
  function zoom() {
    if (!zoomUrl || from === null || from === at) return;
    const url = new URL(zoomUrl, location.href);
    const [first, last] = [from, at].sort((a, b) => a - b);
    url.searchParams.set("from", new Date(1000 * instant(first)).toISOString());
    url.searchParams.set("to", new Date(1000 * (instant(last) + data.step)).toISOString());
    location.assign(url);
  }

  function indexAt(event) {
    const box = chart.getBoundingClientRect();
    const place = ((event.clientX - box.left) / box.width) * width;
    return Math.round(((place - left) / (right - left)) * (data.count - 1));
  }

  let pressedAt = 0;
  chart.setAttribute("tabindex", "0");
  chart.addEventListener("pointerdown", (event) => {
    if (!zoomUrl || event.button !== 0 || event.pointerType === "touch") return;
    show(indexAt(event));
    from = at;
    pressedAt = event.clientX;
    chart.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  chart.addEventListener("pointermove", (event) => show(indexAt(event)));
  chart.addEventListener("pointerup", (event) => {
    if (Math.abs(event.clientX - pressedAt) >= LEAST_DRAG) zoom();
    from = null;
    selected.remove();
  });
  chart.addEventListener("pointercancel", hide);
  chart.addEventListener("pointerleave", () => from === null && hide());
  chart.addEventListener("blur", hide);
  chart.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: data.count - 1 };
    if (event.key in moves) {
      if (event.shiftKey) from ??= at;
      else from = null;
      show(moves[event.key]);
      say(`${form.format(1000 * instant(at))}: ${[...rows(at).map((one) => one.join(" ")), ...deployed(at)].join(", ")}`);
    } else if (event.key === "Enter") zoom();
    else if (event.key === "Escape") hide();
    else return;
    event.preventDefault();
  });
}

enhances((place) => {
  for (const chart of place.querySelectorAll("svg[data-chart]")) enhanceChart(chart);
});
