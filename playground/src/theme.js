// SPDX-License-Identifier: Apache-2.0
/** The theme: dark, light, or that of the system. */

import { byId } from "./dom.js";

const KEY = "theme";
const ORDER = ["system", "light", "dark"];
const ICONS = { system: "◐", light: "☀", dark: "☾" };

function stored() {
  try {
    return localStorage.getItem(KEY) ?? "system";
  } catch {
    return "system"; // storage is blocked, in a frame of another site or by the user
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

/** @param {string|null} asked the theme that an embedding page asks for: light or dark */
export function startTheme(asked) {
  let theme = ORDER.includes(asked ?? "") ? /** @type {string} */ (asked) : ORDER.includes(stored()) ? stored() : "system";
  apply(theme);
  byId("theme").addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    apply(theme);
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // without storage the choice lasts as long as the page
    }
  });
}
