/** Dark or light: the system's choice, or the user's. */

import { byId } from "./dom.js";

const KEY = "theme";
const ORDER = ["system", "light", "dark"];
const ICONS = { system: "◐", light: "☀", dark: "☾" };

function stored() {
  try {
    return localStorage.getItem(KEY) ?? "system";
  } catch {
    return "system"; // no storage here: another site's frame, or the user said so
  }
}

/** @param {string} theme */
function apply(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const button = byId("theme");
  button.textContent = ICONS[/** @type {"system"} */ (theme)];
  button.setAttribute("aria-label", `Theme: ${theme}. Change it`);
  button.title = `Theme: ${theme}`;
}

/** @param {string|null} asked a page that embeds this one may say light or dark */
export function startTheme(asked) {
  let theme = ORDER.includes(asked ?? "") ? /** @type {string} */ (asked) : ORDER.includes(stored()) ? stored() : "system";
  apply(theme);
  byId("theme").addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    apply(theme);
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // then it lasts as long as the page
    }
  });
}
