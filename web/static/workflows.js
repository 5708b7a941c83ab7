// Zooming a graph without loading the page again, and moving it by dragging.

const frame = document.querySelector(".graph-frame");
const links = [...document.querySelectorAll(".graph-zoom [data-zoom]")];

function drawing() {
  return frame.querySelector(".graph");
}

// Keep what is in the middle of the frame there.
function scale(percent) {
  const svg = drawing();
  if (!svg) return;
  const before = svg.getBoundingClientRect().width || 1;
  const middle = { x: frame.scrollLeft + frame.clientWidth / 2, y: frame.scrollTop + frame.clientHeight / 2 };
  frame.classList.toggle("graph-fit", percent === 0);
  const box = svg.viewBox.baseVal;
  svg.setAttribute("width", (box.width * (percent || 100)) / 100);
  svg.setAttribute("height", (box.height * (percent || 100)) / 100);
  const grown = svg.getBoundingClientRect().width / before;
  frame.scrollTo(middle.x * grown - frame.clientWidth / 2, middle.y * grown - frame.clientHeight / 2);
}

function zoomBy(link) {
  scale(Number(link.dataset.zoom));
  for (const other of links) other.toggleAttribute("aria-current", false);
  link.setAttribute("aria-current", "true");
  // The next update of the page draws it at this zoom.
  const url = new URL(location.href);
  url.searchParams.set("zoom", link.dataset.zoom === "0" ? "fit" : link.dataset.zoom);
  history.replaceState(null, "", url);
}

for (const link of links) {
  link.addEventListener("click", (event) => {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    zoomBy(link);
  });
}

let drag = null;

function end() {
  drag = null;
  frame.classList.remove("is-dragged");
}

frame?.addEventListener("pointerdown", (event) => {
  if (event.pointerType !== "mouse" || event.button || event.target.closest("a")) return;
  drag = { x: event.clientX + frame.scrollLeft, y: event.clientY + frame.scrollTop };
  frame.setPointerCapture(event.pointerId);
  frame.classList.add("is-dragged");
});
frame?.addEventListener("pointermove", (event) => {
  if (drag) frame.scrollTo(drag.x - event.clientX, drag.y - event.clientY);
});
frame?.addEventListener("pointerup", end);
frame?.addEventListener("pointercancel", end);
