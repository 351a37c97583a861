// SPDX-License-Identifier: Apache-2.0
/** Runs the job of the project. A new run cancels the previous one. */

import { byId, formatTime } from "./dom.js";
import { createJobId, createRequestBody, fetchJobState, runJob, ServiceError } from "./service.js";

const SETTLE_MS = 700;
const ASK_AFTER_MS = 1000;

export class Runner {
  /**
   * @param {import("./project.js").Project} project
   * @param {import("./setup.js").Setup} setup
   * @param {import("./results.js").Results} results
   * @param {Record<string, number>} limits of the catalog; filled in later
   */
  constructor(project, setup, results, limits) {
    this.project = project;
    this.setup = setup;
    this.results = results;
    this.limits = limits;
    /** @type {AbortController|null} */
    this.running = null;
    this.settling = 0;
    this.button = byId("run");
    this.button.addEventListener("click", (/** @type {MouseEvent} */ event) => (this.running ? this.stop() : this.run({ fresh: event.shiftKey })));
    byId("again").addEventListener("click", () => this.run());
    const auto = byId("auto");
    auto.addEventListener("change", () => {
      project.auto = auto.checked;
      project.changed("auto");
    });
    project.addEventListener("change", (event) => {
      const what = /** @type {CustomEvent} */ (event).detail;
      auto.checked = project.auto;
      if (what === "active") return;
      if (what !== "auto") this.results.markStale();
      if (what === "all") this.stop();
      else if (what !== "default") this.runSoon(); // the content of a link runs only when the user asks
    });
  }

  runSoon() {
    clearTimeout(this.settling);
    if (!this.project.auto) return;
    this.settling = setTimeout(() => {
      if ("argv" in this.setup.currentCommand()) this.run({ automatic: true });
    }, SETTLE_MS);
  }

  stop() {
    clearTimeout(this.settling);
    if (!this.running) return;
    this.running.abort();
    this.running = null;
    this.showIdle();
    this.results.setStatus("stopped", "bad");
    this.results.speak("Stopped.");
  }

  showIdle() {
    document.body.classList.remove("running");
    this.button.setAttribute("aria-label", "Run");
    byId("run-label").textContent = "Run";
    this.results.setBusy(false);
  }

  showBusy() {
    document.body.classList.add("running");
    this.button.setAttribute("aria-label", "Stop");
    byId("run-label").textContent = "Stop";
    this.results.setBusy(true);
  }

  /** @param {{fresh?: boolean, automatic?: boolean}} [options] */
  async run({ fresh = false, automatic = false } = {}) {
    clearTimeout(this.settling);
    this.running?.abort();
    const command = this.setup.currentCommand();
    if ("error" in command) {
      this.running = null;
      this.showIdle();
      this.results.showProblem(command.error);
      return;
    }
    const controller = new AbortController();
    this.running = controller;
    this.showBusy();
    if (!automatic) document.body.dataset.view = "results";
    const { image, revision } = this.project;
    const files = this.project.files.map((file) => ({ ...file }));
    const timeout = this.project.timeout ?? this.limits.timeout_ms ?? 10_000;
    const id = createJobId();
    const stopShowing = this.showProgress(id, controller.signal);
    const started = performance.now();
    try {
      const answer = await runJob(createRequestBody(this.project, command.argv, { fresh }), { id, signal: controller.signal });
      if (this.running === controller)
        this.results.show({ ...answer, elapsed: performance.now() - started, at: new Date(), command: command.argv, image }, { files, timeout, stale: revision !== this.project.revision });
    } catch (error) {
      if (this.running === controller) this.explain(error);
    } finally {
      stopShowing();
      if (this.running === controller) {
        this.running = null;
        this.showIdle();
      }
    }
  }

  /** @param {any} error */
  explain(error) {
    if (error?.name === "AbortError") return;
    this.results.showProblem(error instanceof ServiceError ? error.message : `This page has a bug: ${error?.message ?? error}. Reload the page. Your program is in the link.`);
  }

  /** Show the state of the job in the status bar, until the returned function is called.
   * @param {string} id @param {AbortSignal} signal @returns {() => void} */
  showProgress(id, signal) {
    const started = performance.now();
    let shown = "running";
    let over = false;
    const draw = () => this.results.setStatus(`${shown} · ${formatTime(Math.round((performance.now() - started) / 100) * 100_000)}`);
    const ask = async () => {
      const state = await fetchJobState(id);
      if (over || !state) return;
      const stateText = state.state === "queued" ? `waiting${state.position ? `, number ${state.position}` : ""}` : state.state === "answering" ? "receiving" : "running";
      if (stateText !== shown) this.results.speak(stateText);
      shown = stateText;
    };
    const drawing = setInterval(draw, 100);
    const asking = setInterval(ask, ASK_AFTER_MS);
    const stop = () => {
      over = true;
      clearInterval(drawing);
      clearInterval(asking);
    };
    signal.addEventListener("abort", stop);
    draw();
    return stop;
  }
}
