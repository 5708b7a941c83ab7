// Sends the forms of the page that describes the HTTP API, and shows the answers.
"use strict";

const token = document.getElementById("token");

function quoted(text) {
  return "'" + text.replaceAll("'", "'\\''") + "'";
}

function requestOf(form) {
  let url = form.dataset.url;
  const query = new URLSearchParams();
  const headers = {};
  for (const field of form.querySelectorAll("input[data-in]")) {
    const value = field.value.trim();
    if (field.dataset.in === "path") url = url.replace(`{${field.name}}`, encodeURIComponent(value));
    else if (value && field.dataset.in === "query") query.append(field.name, value);
    else if (value) headers[field.name] = value;
  }
  if (query.size) url += `?${query}`;
  const body = form.elements.body ? form.elements.body.value : undefined;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token.value) headers.Authorization = `Bearer ${token.value}`;
  return { url, options: { method: form.dataset.method, headers, body } };
}

// The same on the command line; the token is left out on purpose.
function curl({ url, options }) {
  const parts = ["curl", "--request", options.method, quoted(location.origin + url)];
  for (const [name, value] of Object.entries(options.headers))
    parts.push("--header", name === "Authorization" ? '"Authorization: Bearer $TOKEN"' : quoted(`${name}: ${value}`));
  if (options.body !== undefined) parts.push("--data-binary", quoted(options.body));
  return parts.join(" ");
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function send(form) {
  const shown = form.querySelector(".answer");
  const command = form.querySelector(".curl");
  const request = requestOf(form);
  command.textContent = curl(request);
  shown.textContent = "…";
  command.hidden = shown.hidden = false;
  try {
    const answer = await fetch(request.url, request.options);
    if (answer.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      shown.textContent = `${answer.status}\n\nThe stream runs on: follow it with the command above.`;
      await answer.body.cancel();
      return;
    }
    const text = await answer.text();
    shown.textContent = `${answer.status} ${answer.statusText}\n\n${pretty(text)}`;
  } catch (error) {
    shown.textContent = `No answer: ${error.message}`;
  }
}

for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}

// A link to an operation opens it.
function open() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", open);
open();
