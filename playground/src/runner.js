// SPDX-License-Identifier: Apache-2.0
/** Runs the job of the project. A new run cancels the previous one. */

import { byId } from "./dom.js";
import { Progress } from "./progress.js";
import { describeStatus } from "./result_summary.js";
import { createJobId, createRequest, runJob, ServiceError } from "./service.js";
import { TerminalRunner } from "./terminal_run.js";

const SETTLE_MS = 700;

export class Runner {
  /**
   * @param {import("./project.js").Project} project
   * @param {import("./setup.js").Setup} setup
   * @param {import("./results.js").Results} results
   * @param {Record<string, number>} limits of the catalog; filled in later
   * @param {(text: string) => void} notify
   */
  constructor(project, setup, results, limits, notify) {
    this.project = project;
    this.setup = setup;
    this.results = results;
    this.limits = limits;
    this.terminal = new TerminalRunner(notify);
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
    if (!this.project.auto || this.project.terminal) return; // a new program would take the keyboard away from its user
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
    this.results.showStopped();
    if (this.results.inTerminal) this.terminal.end("You stopped the program.");
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
    const timeout = this.project.timeout ?? (this.project.terminal ? null : this.limits.timeout_ms ?? 10_000);
    const started = performance.now();
    try {
      this.results.expect(files, this.project.terminal);
      const answer = await this.start(command.argv, { fresh, controller });
      if (this.running === controller)
        this.show({ ...answer, elapsed: performance.now() - started, at: new Date(), command: command.argv, image }, { files, timeout, stale: revision !== this.project.revision });
    } catch (error) {
      if (this.running === controller) this.explain(error);
    } finally {
      if (this.running === controller) {
        this.running = null;
        this.showIdle();
      }
    }
  }

  /**
   * Run the program, and show what it prints.
   * @param {string[]} command @param {{fresh: boolean, controller: AbortController}} options
   */
  async start(command, { fresh, controller }) {
    const { project, results } = this;
    const { signal } = controller;
    const progress = new Progress(results, signal, project.terminal ? "connecting" : "running");
    const listener = {
      queued: (/** @type {string} */ id) => progress.follow(id),
      started: () => progress.start(),
      print: (/** @type {"stdout"|"stderr"} */ name, /** @type {Uint8Array} */ bytes) => void (this.running === controller && results.print(name, bytes)),
      restarted: () => void (this.running === controller && results.restart()),
    };
    try {
      if (project.terminal) return await this.terminal.run(project, command, { signal, listener });
      const id = createJobId();
      const job = await createRequest(project, command, { fresh });
      progress.key = job.key;
      progress.follow(id);
      return await runJob(job, { id, signal, listener });
    } finally {
      progress.stop();
    }
  }

  /** @param {import("./service.js").Run} run @param {{files: import("./project.js").SourceFile[], timeout: number|null, stale: boolean}} job */
  show(run, job) {
    this.results.show(run, job);
    const { status, exit_code } = run.result;
    if (this.results.inTerminal) this.terminal.end(status === "exited" ? `The program ended with exit status ${exit_code}.` : describeStatus(run.result, job.timeout).text);
  }

  /** @param {any} error */
  explain(error) {
    if (error?.name === "AbortError") return;
    const text = error instanceof ServiceError ? error.message : `This page has a bug: ${error?.message ?? error}. Reload the page. Your program is in the link.`;
    const title = this.results.hasPrinted ? "The program was interrupted" : "The program did not run";
    this.results.showProblem(text, title);
    if (this.results.inTerminal) this.terminal.end(`${title}.`);
  }
}
