// Says a schedule in words with its next times while somebody types it.

import { enhances } from "./dom.js";

const WAIT = 250; // Milliseconds without a key before the server is asked.

function line(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function show(place, found) {
  place.replaceChildren();
  if (found.error) {
    const message = line("p", found.error);
    message.className = "error";
    place.append(message);
  } else if (found.words) {
    const words = document.createElement("p");
    words.append(line("strong", found.words));
    const times = document.createElement("ol");
    times.className = "times";
    times.append(...found.next.map((time) => line("li", time)));
    place.append(words, times);
  }
}

function follow(place) {
  const form = place.closest("form");
  let timer;
  let number = 0;
  const ask = async () => {
    const mine = (number += 1);
    const url = new URL(place.dataset.preview, location.href);
    for (const name of ["interval", "cron", "zone"]) url.searchParams.set(name, form.elements[name].value.trim());
    const answer = await fetch(url, { headers: { Accept: "application/json" } }).catch(() => null);
    if (answer?.ok && mine === number) show(place, await answer.json());
  };
  form.addEventListener("input", (event) => {
    if (!["interval", "cron", "zone"].includes(event.target.name)) return;
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  });
  form.querySelector("[name=only_preview]").hidden = true;
  if (form.elements.cron.value || form.elements.interval.value) ask();
}

enhances((part) => {
  for (const place of part.querySelectorAll("[data-preview]")) follow(place);
});
