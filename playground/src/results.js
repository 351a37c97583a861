// SPDX-License-Identifier: Apache-2.0
/**
 * The right half of the page: output, written files, the comparison of runs, and the status bar.
 */

import { Artefacts, download } from "./artefacts.js";
import { byId, formatTime, h, walkTabs } from "./dom.js";
import { describeNotes, describeStatus, drawTimes } from "./result_summary.js";
import { drawStream, findFindings } from "./terminal.js";

const KEPT_RUNS = 10;
const TABS = ["output", "files", "compare"];

export class Results {
  /**
   * @param {import("./project.js").Project} project
   * @param {import("./editor.js").Editor} editor
   */
  constructor(project, editor) {
    this.project = project;
    this.editor = editor;
    this.artefacts = new Artefacts();
    /** @type {import("./compare.js").KeptRun[]} */
    this.runs = [];
    this.number = 0;
    this.stopComparing = () => {};
    walkTabs(byId("result-tabs"));
    for (const name of TABS) byId(`tab-${name}`).addEventListener("click", () => this.select(name));
    for (const name of ["stdout", "stderr"])
      byId(`save-${name}`).addEventListener("click", () => {
        const run = this.runs.at(-1);
        if (run) download(`${name}.txt`, new Blob([/** @type {any} */ (run[/** @type {"stdout"} */ (name)])]));
      });
  }

  /** @param {string} name output, files or compare */
  async select(name) {
    for (const each of TABS) {
      const tab = byId(`tab-${each}`);
      tab.setAttribute("aria-selected", String(each === name));
      tab.tabIndex = each === name ? 0 : -1;
      byId(`panel-${each}`).hidden = each !== name;
    }
    this.stopComparing();
    this.stopComparing = () => {};
    if (name !== "compare") return;
    const { showComparison } = await import("./compare.js");
    this.stopComparing = showComparison(byId("panel-compare"), this.runs);
  }

  get selected() {
    return TABS.find((name) => byId(`tab-${name}`).getAttribute("aria-selected") === "true");
  }

  /** Show a short status in the bar at the bottom. `spoken` is also read out by screen readers.
   * @param {string} text @param {string} [kind] */
  setStatus(text, kind = "busy") {
    const status = byId("status");
    status.textContent = text;
    status.dataset.kind = kind;
  }

  /** @param {string} text */
  speak(text) {
    const spoken = byId("spoken");
    if (spoken.textContent !== text) spoken.textContent = text;
  }

  /** @param {boolean} busy */
  setBusy(busy) {
    byId("results").setAttribute("aria-busy", String(busy));
    if (busy) byId("problem").hidden = true;
  }

  markStale() {
    if (this.runs.length) byId("results").classList.add("stale");
  }

  /** @param {string} message @param {string} [title] */
  showProblem(message, title = "The program did not run") {
    byId("problem-title").textContent = title;
    byId("problem-text").textContent = message;
    byId("problem").hidden = false;
    byId("hint").hidden = true;
    this.setStatus(title, "bad");
    byId("times").replaceChildren();
    this.speak(`${title}. ${message}`);
    this.select("output");
  }

  /**
   * @param {import("./service.js").Run} run
   * @param {{files: import("./project.js").SourceFile[], timeout: number, stale: boolean}} job what
   *   ran, in ms, and whether the program is another by now
   */
  show(run, { files, timeout, stale }) {
    const source = files.filter((file) => file.text !== undefined).map(({ name, text }) => ({ name, text: text ?? "" }));
    this.runs.push({ ...run, source, number: ++this.number });
    if (this.runs.length > KEPT_RUNS) this.runs.shift();
    byId("results").classList.toggle("stale", stale);
    byId("hint").hidden = true;
    byId("problem").hidden = true;
    this.showStreams(run, source);
    this.showVerdict(run, timeout);
    this.artefacts.setFiles(run.files);
    this.updateTabs(run);
  }

  /** @param {import("./service.js").Run} run @param {{name: string, text: string}[]} source */
  showStreams(run, source) {
    const names = new Set(source.map((file) => file.name));
    const unchanged = new Set(source.filter(({ name, text }) => this.project.files.some((file) => file.name === name && file.text === text)).map(({ name }) => name));
    const reveal = (/** @type {any} */ place) => {
      document.body.dataset.view = "source"; // on narrow screens only one half is visible
      this.editor.reveal(place.file, place.line, place.column);
    };
    for (const name of /** @type {const} */ (["stdout", "stderr"])) {
      byId(`${name}-part`).hidden = run[name].length === 0;
      drawStream(byId(name), run[name], { names, reveal });
    }
    byId("silence").hidden = run.stdout.length + run.stderr.length > 0;
    byId("silence").textContent = run.files.length ? "The program printed nothing, but it wrote files." : "The program printed nothing.";
    const printed = new TextDecoder().decode(run.stderr.subarray(0, 256 * 1024));
    this.editor.setFindings(/** @type {any} */ (findFindings(printed, unchanged)));
  }

  /** @param {import("./service.js").Run} run @param {number} timeoutMs */
  showVerdict(run, timeoutMs) {
    const status = describeStatus(run.result, timeoutMs);
    const notes = describeNotes(run.result);
    this.setStatus(status.short, status.good ? "good" : "bad");
    byId("status").title = status.text;
    const spoken = [...(status.good ? [] : [status.text]), ...notes];
    byId("notes").hidden = spoken.length === 0;
    byId("notes").replaceChildren(...spoken.map((note) => h("p", {}, note)));
    const times = drawTimes(run);
    if (run.result.cached) times.querySelector("summary")?.append(h("span", { class: "stored", title: "The same job ran before, and this is its stored result. Hold Shift and click Run to run it again." }, "stored"));
    byId("times").replaceChildren(times);
    this.speak(`${status.text} ${notes.join(" ")} It took ${formatTime(Math.round(run.elapsed * 1000))}.`);
  }

  /** @param {import("./service.js").Run} run */
  updateTabs(run) {
    byId("file-count").textContent = run.files.length ? String(run.files.length) : "";
    byId("tab-compare").hidden = this.runs.length < 2;
    const silent = run.stdout.length + run.stderr.length === 0;
    const selected = this.selected;
    if (run.files.length && (silent || selected === "files")) this.select("files");
    else if (selected === "compare") this.select("compare");
    else this.select("output");
  }
}
