// Times with the zone of the user in their tooltips, and buttons that copy text.

import { button, enhances, say } from "./dom.js";

const localTimes = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function enhanceTime(time) {
  const instant = new Date(time.dateTime);
  if (!Number.isNaN(instant.getTime())) time.title = `${localTimes.format(instant)} (${time.dateTime})`;
}

// Without a secure origin there is no clipboard, and the browser may refuse to write to it. Then the
// text is copied as a selection or, where that fails too, selected for copying by hand.
async function copy(text, shown) {
  if (!(await writeToClipboard(text)) && !copyBySelection(text)) getSelection().selectAllChildren(shown);
  say("Copied");
}

async function writeToClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
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

// A button that copies a text, for markup that would repeat the text.
export function copyButton(text, label) {
  const made = button("", () => {});
  made.className = "copy";
  made.dataset.copy = text;
  made.title = label;
  made.setAttribute("aria-label", label);
  enableCopyButton(made);
  return made;
}

enhances((part) => {
  for (const time of part.querySelectorAll("time[datetime]")) enhanceTime(time);
  for (const code of part.querySelectorAll(".command pre")) addCopyButton(code);
  for (const made of part.querySelectorAll("button[data-copy]")) enableCopyButton(made);
});
