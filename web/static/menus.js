// Menus are <details>, which open without a script. Escape and a click elsewhere close them.

function openMenus() {
  return document.querySelectorAll("details.popup[open]");
}

document.addEventListener("click", (event) => {
  if (event.target.closest("dialog")) return;
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  for (const menu of openMenus()) {
    const hadFocus = menu.contains(document.activeElement);
    menu.open = false;
    if (hadFocus) menu.querySelector("summary").focus();
  }
});
