// Enhances pages that work without JavaScript. It fetches only pages of this dashboard and never puts
// text into markup. A page adds a module of its own in the block `assets` of its template.

import "./charts.js";
import "./completion.js";
import "./keys.js";
import "./menus.js";
import "./rows.js";
import "./text.js";
import { setLive } from "./live.js";
import { start } from "./preferences.js";

start({ live: (value) => setLive(value === "on") });
