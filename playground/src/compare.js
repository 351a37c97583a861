// SPDX-License-Identifier: Apache-2.0
/** Compare two runs side by side: output, written files and source. Loaded when it is needed. */

import { MergeView } from "@codemirror/merge";
import { decodeText } from "./artefacts.js";
import { codeRoot, readOnly, shown } from "./code.js";
import { h } from "./dom.js";
import { joinArguments } from "./argv.js";

/**
 * @typedef {import("./service.js").Run & {source: {name: string, text: string}[], number: number}}
 *   KeptRun
 */

/**
 * What can be compared of two runs: a title, and a function that returns the text.
 * @param {KeptRun} a
 * @param {KeptRun} b
 * @returns {{title: string, of: (run: KeptRun) => Promise<string>}[]}
 */
function subjects(a, b) {
  const names = (/** @type {(run: KeptRun) => {name: string}[]} */ list) => [...new Set([...list(a), ...list(b)].map((each) => each.name))].sort();
  const streams = /** @type {const} */ (["stdout", "stderr"]).map((name) => ({ title: name, of: async (/** @type {KeptRun} */ run) => new TextDecoder().decode(run[name]) }));
  const sources = names((run) => run.source).map((name) => ({
    title: `source: ${name}`, of: async (/** @type {KeptRun} */ run) => run.source.find((file) => file.name === name)?.text ?? "",
  }));
  const outputs = names((run) => run.files).map((name) => ({
    title: `output: ${name}`,
    of: async (/** @type {KeptRun} */ run) => {
      const file = run.files.find((each) => each.name === name);
      return file ? decodeText(new Uint8Array(await file.arrayBuffer())) ?? `(${file.size} bytes that are no text)` : "";
    },
  }));
  const command = { title: "command", of: async (/** @type {KeptRun} */ run) => `${run.image}\n${joinArguments(run.command)}\n` };
  return [...streams, ...outputs, ...sources, command];
}

/** @param {KeptRun} run */
function label(run) {
  return `#${run.number} · ${run.at.toLocaleTimeString()} · ${run.image} · ${run.result.status === "exited" ? `exit ${run.result.exit_code}` : run.result.status}`;
}

/**
 * @param {HTMLElement} panel
 * @param {KeptRun[]} runs oldest first, two at least
 * @returns {() => void} removes the view
 */
export function showComparison(panel, runs) {
  /** @type {MergeView|null} */
  let view = null;
  const chooser = (/** @type {string} */ title, /** @type {number} */ chosen) =>
    /** @type {HTMLSelectElement} */ (h("select", { "aria-label": title, onchange: () => fillSubjects() }, ...runs.map((run, index) => h("option", { value: index, selected: index === chosen }, label(run)))));
  const left = chooser("Left run", runs.length - 2);
  const right = chooser("Right run", runs.length - 1);
  const subject = /** @type {HTMLSelectElement} */ (h("select", { "aria-label": "What is compared", onchange: () => draw() }));
  const verdict = h("span", { class: "verdict", role: "status" });
  const host = h("div", { class: "code-host compare-host" });
  panel.replaceChildren(h("div", { class: "compare-bar" }, left, right, subject, verdict), host);

  const pair = () => [runs[Number(left.value)], runs[Number(right.value)]];

  async function fillSubjects() {
    const chosen = subject.value;
    const options = subjects(pair()[0], pair()[1]);
    subject.replaceChildren(...options.map(({ title }) => h("option", { value: title, selected: title === chosen }, title)));
    await draw();
  }

  async function draw() {
    const [a, b] = pair();
    const chosen = subjects(a, b).find(({ title }) => title === subject.value) ?? subjects(a, b)[0];
    const [before, after] = await Promise.all([chosen.of(a), chosen.of(b)]);
    view?.destroy();
    const root = codeRoot(host);
    const extensions = [shown, readOnly];
    view = new MergeView({
      a: { doc: before, extensions }, b: { doc: after, extensions }, parent: root, root,
      collapseUnchanged: { margin: 3, minSize: 8 }, gutter: true,
    });
    verdict.textContent = before === after ? "No difference." : `${view.chunks.length} ${view.chunks.length === 1 ? "difference" : "differences"}.`;
  }

  fillSubjects();
  return () => view?.destroy();
}

