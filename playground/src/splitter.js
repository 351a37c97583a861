// SPDX-License-Identifier: Apache-2.0
/** The bar between program and result. It is dragged, or moved with the arrow keys. */

import { byId } from "./dom.js";

const LEAST = 20;
const MOST = 80;

export function startSplitter() {
  const bar = byId("splitter");
  const main = byId("main");
  const set = (/** @type {number} */ percent) => {
    const share = Math.min(MOST, Math.max(LEAST, percent));
    main.style.setProperty("--split", `${share}%`);
    bar.setAttribute("aria-valuenow", String(Math.round(share)));
  };
  bar.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    bar.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  bar.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    if (!bar.hasPointerCapture(event.pointerId)) return;
    const box = main.getBoundingClientRect();
    set(((event.clientX - box.left) / box.width) * 100);
  });
  bar.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    set(Number(bar.getAttribute("aria-valuenow")) + step);
  });
}
