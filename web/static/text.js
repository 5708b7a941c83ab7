// Times with the zone of the user in their tooltips, and buttons that copy text.

import { button, enhances, say } from "./dom.js";

const localTimes = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function enhanceTime(time) {
  const instant = new Date(time.dateTime);
  if (!Number.isNaN(instant.getTime())) time.title = `${localTimes.format(instant)} (${time.dateTime})`;
}

// Without a secure origin there is no clipboard, so the text is selected for copying by hand.
async function copy(text, shown) {
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else if (!copyBySelection(text)) getSelection().selectAllChildren(shown);
  say("Copied");
}

function copyBySelection(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  const focused = document.activeElement;
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused?.focus({ preventScroll: true });
  return isCopied;
}

function addCopyButton(pre) {
  const made = button("Copy", async () => {
    await copy(pre.textContent, pre);
    made.textContent = "Copied";
  });
  pre.after(made);
}

function enableCopyButton(made) {
  made.hidden = false;
  made.addEventListener("click", async () => {
    await copy(made.dataset.copy, made);
    made.classList.add("done");
    setTimeout(() => made.classList.remove("done"), 2000);
  });
}

enhances((part) => {
  for (const time of part.querySelectorAll("time[datetime]")) enhanceTime(time);
  for (const code of part.querySelectorAll(".command pre")) addCopyButton(code);
  for (const made of part.querySelectorAll("button[data-copy]")) enableCopyButton(made);
});
