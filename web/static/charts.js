// Charts: shows the values at the pointer, or at the position chosen with the arrow keys.

import { enhances } from "./dom.js";

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

enhances((part) => {
  for (const chart of part.querySelectorAll("svg[data-chart]")) enhanceChart(chart);
});
