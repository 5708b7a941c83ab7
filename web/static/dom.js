// What all modules share: parts of the page, buttons, announcements, and enhancing new markup.

export const root = document.documentElement;
export const body = document.body;

const announcer = document.createElement("p");
announcer.className = "visually-hidden";
announcer.setAttribute("role", "status");
body.append(announcer);

// Have a screen reader say a text.
export function say(text) {
  announcer.textContent = text;
}

export function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

const enhancers = [];

// Call a function with the page now, and with every part of it that is replaced later.
export function enhances(act) {
  enhancers.push(act);
  act(document);
}

export function enhance(part) {
  for (const act of enhancers) act(part);
}
