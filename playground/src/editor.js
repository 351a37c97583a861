// SPDX-License-Identifier: Apache-2.0
/** The editor of the project's files. Each file has a tab, and one CodeMirror view shows the active
 * file. */

import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { codeView, edited, shown } from "./code.js";
import { byId, formatBytes, h, walkTabs } from "./dom.js";
import { loadLanguage } from "./languages.js";

/**
 * @typedef {{file: string, line: number, column: number, severity: "error"|"warning"|"info",
 *   message: string}} Finding
 */

/** The line end of a text, which CodeMirror does not keep: CRLF if it has no other. @param {string} text */
function lineEndOf(text) {
  return text.includes("\r\n") && !/(^|[^\r])\n/.test(text) ? "\r\n" : "\n";
}

export class Editor {
  /**
   * @param {import("./project.js").Project} project
   * @param {{run: () => void, notify: (text: string) => void, readOnly: boolean}} actions
   */
  constructor(project, actions) {
    this.project = project;
    this.actions = actions;
    this.tabs = byId("file-tabs");
    this.host = byId("editor");
    this.binary = byId("binary");
    this.language = new Compartment();
    /** @type {Map<object, EditorState>} the states of the files that are not shown */
    this.states = new Map();
    /** @type {Finding[]} */
    this.findings = [];
    this.view = codeView(this.host, EditorState.create());
    walkTabs(this.tabs);
    byId("new-file").addEventListener("click", () => this.addFile());
    project.addEventListener("change", (event) => {
      const what = /** @type {CustomEvent} */ (event).detail;
      if (what === "all") this.findings = [];
      if (what === "all") this.states.clear();
      if (what === "all" || what === "files" || what === "active") this.show();
    });
  }

  focus() {
    this.view.focus();
  }

  /** @param {import("./project.js").SourceFile} file */
  createState(file) {
    const lineEnd = lineEndOf(file.text ?? "");
    return EditorState.create({
      doc: file.text ?? "",
      extensions: [
        shown,
        edited,
        this.language.of([]),
        keymap.of([{ key: "Mod-Enter", run: () => (this.actions.run(), true), preventDefault: true }]),
        lintGutter(),
        EditorState.readOnly.of(this.actions.readOnly),
        EditorView.contentAttributes.of({ "aria-label": `Text of ${file.name}` }),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged || this.shownFile !== file) return;
          file.text = update.state.doc.sliceString(0, update.state.doc.length, lineEnd);
          this.project.changed("text");
        }),
      ],
    });
  }

  show() {
    if (this.shownFile) this.states.set(this.shownFile, this.view.state);
    const file = this.project.activeFile;
    this.drawTabs();
    const isText = file?.text !== undefined;
    this.host.hidden = !isText;
    this.binary.hidden = isText;
    if (!isText) {
      this.shownFile = undefined;
      this.binary.textContent = file ? `${file.name}: ${formatBytes(file.bytes?.length ?? 0)} of binary data. It is sent with the job unchanged.` : "No file. Add one with + or drop some here.";
      return;
    }
    if (file !== this.shownFile) {
      this.shownFile = file;
      this.view.setState(this.states.get(file) ?? this.createState(file));
    }
    this.setLanguage(file);
    this.markFindings();
  }

  /** @param {import("./project.js").SourceFile} file */
  async setLanguage(file) {
    const language = await loadLanguage(file.name);
    if (this.shownFile === file) this.view.dispatch({ effects: this.language.reconfigure(language) });
  }

  drawTabs() {
    const tabs = this.project.files.map((file, index) => this.createTab(file, index));
    const focused = this.tabs.contains(document.activeElement);
    this.tabs.replaceChildren(...tabs);
    if (focused) /** @type {HTMLElement|null} */ (this.tabs.querySelector('[aria-selected="true"]'))?.focus();
  }

  /** @param {import("./project.js").SourceFile} file @param {number} index */
  createTab(file, index) {
    const selected = index === this.project.active;
    const tab = h("button", {
      role: "tab", class: "tab", id: `file-tab-${index}`, "aria-selected": selected, "aria-controls": "editor-panel", tabindex: selected ? 0 : -1,
      title: `${file.name} (double click or F2 renames, Delete removes)`,
      onclick: () => this.project.select(index),
      ondblclick: () => this.renameFile(index),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === "F2") this.renameFile(index);
        else if (event.key === "Delete") this.removeFile(index);
      },
    }, h("span", { class: "tab-name" }, file.name));
    const close = h("button", {
      class: "tab-close", type: "button", tabindex: -1, "aria-hidden": "true", title: `Remove ${file.name}`, // the Delete key on the tab removes the file, too
      onclick: () => this.removeFile(index),
    }, "×");
    return h("span", { class: "tab-pair", role: "presentation" }, tab, this.actions.readOnly ? null : close);
  }

  addFile() {
    const old = this.project.activeFile?.name ?? "main.txt";
    const end = old.includes(".") ? old.slice(old.lastIndexOf(".")) : "";
    this.project.put({ name: this.project.freeName(`file${end}`), text: "" });
    this.renameFile(this.project.active);
  }

  /** @param {number} index */
  removeFile(index) {
    if (this.actions.readOnly) return;
    const file = this.project.files[index];
    this.states.delete(file);
    if (this.shownFile === file) this.shownFile = undefined;
    this.project.remove(index);
    this.actions.notify(`${file.name} was removed.`);
    /** @type {HTMLElement|null} */ (this.tabs.querySelector('[aria-selected="true"]'))?.focus();
  }

  /** Turn the tab into a text field. Enter accepts the name, Escape discards it. @param {number} index */
  renameFile(index) {
    if (this.actions.readOnly) return;
    const file = this.project.files[index];
    const field = /** @type {HTMLInputElement} */ (h("input", { class: "tab-rename", "aria-label": "Name of the file", value: file.name, spellcheck: "false", autocomplete: "off", size: Math.max(8, file.name.length) }));
    let over = false;
    const finish = (/** @type {boolean} */ take) => {
      if (over) return;
      const problem = take && field.value !== file.name ? this.project.rename(index, field.value.trim()) : "";
      if (problem) this.actions.notify(problem);
      over = true;
      this.show();
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "Escape") {
        event.preventDefault();
        finish(event.key === "Enter");
        this.focus();
      }
    });
    field.addEventListener("blur", () => finish(true));
    this.tabs.children[index].replaceChildren(field);
    field.focus();
    field.setSelectionRange(0, file.name.lastIndexOf(".") > 0 ? file.name.lastIndexOf(".") : file.name.length);
  }

  /** @param {Finding[]} findings */
  setFindings(findings) {
    this.findings = findings;
    this.markFindings();
  }

  markFindings() {
    if (!this.shownFile) return;
    const doc = this.view.state.doc;
    const diagnostics = this.findings.filter((finding) => finding.file === this.shownFile?.name && finding.line <= doc.lines).map((finding) => {
      const line = doc.line(finding.line);
      const from = Math.min(line.from + Math.max(0, finding.column - 1), line.to);
      const word = this.view.state.wordAt(from);
      return { from, to: word ? word.to : Math.min(from + 1, line.to), severity: finding.severity, message: finding.message };
    });
    this.view.dispatch(setDiagnostics(this.view.state, diagnostics));
  }

  /** Show a position in a file. @param {string} name @param {number} line @param {number} column */
  reveal(name, line, column) {
    const index = this.project.files.findIndex((file) => file.name === name);
    if (index < 0) return;
    this.project.select(index);
    const doc = this.view.state.doc;
    const at = doc.line(Math.min(line, doc.lines));
    const anchor = Math.min(at.from + Math.max(0, column - 1), at.to);
    this.view.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: "center" }) });
    this.focus();
  }
}
