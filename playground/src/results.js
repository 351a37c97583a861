// SPDX-License-Identifier: Apache-2.0
/**
 * The right half of the page: output, written files, the comparison of runs, and the status bar.
 */

import { Artefacts } from "./artefacts.js";
import { byId, formatTime, h, walkTabs } from "./dom.js";
import { findFindings } from "./output.js";
import { describeNotes, describeStatus, drawTimes } from "./result_summary.js";
import { Streams } from "./streams.js";

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
    /** The names of the files of the program whose output is shown. @type {Set<string>} */
    this.names = new Set();
    this.streams = new Streams((place) => {
      document.body.dataset.view = "source"; // on narrow screens only one half is visible
      editor.reveal(place.file, place.line, place.column);
    });
    /** The names of the files of a program that has printed nothing yet; then null. @type {Set<string>|null} */
    this.expected = null;
    this.hasPrinted = false;
    this.stopComparing = () => {};
    walkTabs(byId("result-tabs"));
    for (const name of TABS) byId(`tab-${name}`).addEventListener("click", () => this.select(name));
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

  /** The last result is dimmed until the program prints. @param {boolean} busy */
  setBusy(busy) {
    byId("results").setAttribute("aria-busy", String(busy));
    if (busy) byId("problem").hidden = true;
  }

  /**
   * A program begins. What is shown stays until it prints, or is replaced by its terminal.
   * @param {import("./project.js").SourceFile[]} files @param {boolean} inTerminal
   */
  expect(files, inTerminal) {
    this.expected = new Set(files.filter((file) => file.text !== undefined).map((file) => file.name));
    this.names = this.expected;
    this.hasPrinted = false;
    if (!inTerminal) return;
    this.begin();
    this.showTerminal(true);
    this.select("output");
  }

  /** Show the terminal in the place of the streams, or the streams. @param {boolean} shown */
  showTerminal(shown) {
    byId("terminal-part").hidden = !shown;
    byId("panel-output").classList.toggle("has-terminal", shown);
  }

  get inTerminal() {
    return !byId("terminal-part").hidden;
  }

  /** @param {"stdout"|"stderr"} name @param {Uint8Array} bytes what the program printed */
  print(name, bytes) {
    this.begin();
    this.hasPrinted = true;
    if (!this.inTerminal) this.streams.print(name, bytes);
  }

  begin() {
    if (!this.expected) return;
    this.streams.begin(this.expected);
    this.expected = null;
    this.showTerminal(false);
    this.clear();
  }

  /** Hide what belongs to the last result. */
  clear() {
    for (const id of ["hint", "problem", "notes", "silence"]) byId(id).hidden = true;
    byId("times").replaceChildren();
    byId("results").classList.remove("stale");
    byId("results").setAttribute("aria-busy", "false");
  }

  /** What the program printed until now does not count: it begins again. */
  restart() {
    if (this.expected) return;
    this.streams.begin(this.names);
    this.speak("The program begins again.");
  }

  /** The user stopped the program. */
  showStopped() {
    this.setStatus("stopped", "bad");
    this.speak("Stopped.");
    if (this.expected) return; // nothing of it is shown
    this.streams.end();
    this.showNotes(["The program was stopped. Its output until then is shown."]);
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
    if (!this.expected) this.streams.end();
    this.setStatus(title, "bad");
    byId("times").replaceChildren();
    this.speak(`${title}. ${message}`);
    this.select("output");
  }

  /**
   * Show the result of the program whose output was printed.
   * @param {import("./service.js").Run} run
   * @param {{files: import("./project.js").SourceFile[], timeout: number|null, stale: boolean}} job what
   *   ran, its limit in ms if it is known, and whether the program is another by now
   */
  show(run, { files, timeout, stale }) {
    const source = files.filter((file) => file.text !== undefined).map(({ name, text }) => ({ name, text: text ?? "" }));
    this.runs.push({ ...run, source, number: ++this.number });
    if (this.runs.length > KEPT_RUNS) this.runs.shift();
    this.begin();
    this.streams.end();
    byId("results").classList.toggle("stale", stale);
    byId("silence").hidden = this.inTerminal || run.stdout.length + run.stderr.length > 0;
    byId("silence").textContent = run.files.length ? "The program printed nothing, but it wrote files." : "The program printed nothing.";
    this.showVerdict(run, timeout);
    this.markFindings(run, source);
    this.artefacts.setFiles(run.files);
    this.updateTabs(run);
  }

  /** Mark in the editor what a compiler found in files that have not changed since.
   * @param {import("./service.js").Run} run @param {{name: string, text: string}[]} source */
  markFindings(run, source) {
    const unchanged = new Set(source.filter(({ name, text }) => this.project.files.some((file) => file.name === name && file.text === text)).map(({ name }) => name));
    const printed = new TextDecoder().decode(run.stderr.subarray(0, 256 * 1024));
    this.editor.setFindings(/** @type {any} */ (findFindings(printed, unchanged)));
  }

  /** @param {import("./service.js").Run} run @param {number|null} timeoutMs */
  showVerdict(run, timeoutMs) {
    const status = describeStatus(run.result, timeoutMs);
    const notes = describeNotes(run.result);
    this.setStatus(status.short, status.good ? "good" : "bad");
    byId("status").title = status.text;
    const spoken = [...(status.good ? [] : [status.text]), ...notes];
    this.showNotes(spoken);
    const times = drawTimes(run);
    if (run.result.cached) times.querySelector("summary")?.append(h("span", { class: "stored", title: "The same job ran before, and this is its stored result. Hold Shift and click Run to run it again." }, "stored"));
    byId("times").replaceChildren(times);
    this.speak(`${status.text} ${notes.join(" ")} It took ${formatTime(Math.round(run.elapsed * 1000))}.`);
  }

  /** @param {string[]} notes sentences that are shown above the output */
  showNotes(notes) {
    byId("notes").hidden = notes.length === 0;
    byId("notes").replaceChildren(...notes.map((note) => h("p", {}, note)));
  }

  /** @param {import("./service.js").Run} run */
  updateTabs(run) {
    byId("file-count").textContent = run.files.length ? String(run.files.length) : "";
    byId("tab-compare").hidden = this.runs.length < 2;
    const silent = !this.inTerminal && run.stdout.length + run.stderr.length === 0;
    const selected = this.selected;
    if (run.files.length && (silent || selected === "files")) this.select("files");
    else if (selected === "compare") this.select("compare");
    else this.select("output");
  }
}
