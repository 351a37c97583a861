// SPDX-License-Identifier: Apache-2.0
/** The state of the job that is under way, in the status bar. */

import { formatTime } from "./dom.js";
import { fetchJobState } from "./service.js";

const ASK_EVERY_MS = 1000;
const DRAW_EVERY_MS = 100;

/** @param {import("./service.js").JobState} state */
function describe(state) {
  if (state.state === "queued") return `waiting${state.position ? `, number ${state.position}` : ""}`;
  return state.state === "answering" ? "receiving" : "running";
}

export class Progress {
  /** @param {import("./results.js").Results} results @param {AbortSignal} signal ends it, too @param {string} [text] */
  constructor(results, signal, text = "running") {
    this.results = results;
    this.begun = performance.now();
    this.text = text;
    this.over = false;
    /** @type {string|null} */
    this.key = null; // of the job
    this.drawing = setInterval(() => this.draw(), DRAW_EVERY_MS);
    this.asking = 0;
    signal.addEventListener("abort", () => this.stop());
    this.draw();
  }

  /** Ask for the state of the job until it has started. @param {string} id */
  follow(id) {
    clearInterval(this.asking);
    if (!this.over) this.asking = setInterval(() => this.ask(id), ASK_EVERY_MS);
  }

  /** The program runs: nobody needs to be asked any more. */
  start() {
    clearInterval(this.asking);
    this.show("running");
  }

  /** @param {string} id */
  async ask(id) {
    const state = await fetchJobState(id, this.key);
    if (!this.over && state) this.show(describe(state));
  }

  /** @param {string} text */
  show(text) {
    if (text !== this.text) this.results.speak(text);
    this.text = text;
  }

  draw() {
    this.results.setStatus(`${this.text} · ${formatTime(Math.round((performance.now() - this.begun) / 100) * 100_000)}`);
  }

  stop() {
    this.over = true;
    clearInterval(this.drawing);
    clearInterval(this.asking);
  }
}
