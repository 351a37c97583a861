// SPDX-License-Identifier: Apache-2.0
/**
 * Upload files: selected in a dialog, or dropped anywhere on the page. Directories are included.
 */

import { decodeText } from "./artefacts.js";
import { byId, formatBytes } from "./dom.js";
import { checkPath, FILE_COUNT_MAX, LINKED_FILE_BYTES_MAX } from "./project.js";

const EDITED_BYTES_MAX = 2 * 1024 * 1024;

/**
 * @param {any} entry an entry of the File and Directory Entries API
 * @param {string} folder
 * @returns {Promise<{name: string, file: File}[]>}
 */
async function readEntry(entry, folder) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ name: folder + entry.name, file }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length || found.length > FILE_COUNT_MAX) return found;
    for (const each of entries) found.push(...(await readEntry(each, `${folder}${entry.name}/`)));
  }
}

/** @param {DataTransfer} transfer */
async function readTransfer(transfer) {
  const sources = [...transfer.items].filter((item) => item.kind === "file").map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  const lists = await Promise.all(sources.map(({ entry, file }) => (entry ? readEntry(entry, "") : file ? [{ name: file.name, file }] : [])));
  return lists.flat();
}

export class Upload {
  /**
   * @param {import("./project.js").Project} project
   * @param {(text: string) => void} notify
   * @param {{input_bytes?: number}} limits
   */
  constructor(project, notify, limits) {
    this.project = project;
    this.notify = notify;
    this.limits = limits;
    const chooser = byId("upload-files");
    byId("upload").addEventListener("click", () => chooser.click());
    chooser.addEventListener("change", async () => {
      await this.take([...chooser.files].map((file) => ({ name: file.webkitRelativePath || file.name, file })));
      chooser.value = "";
    });
    this.listenToDrops();
  }

  listenToDrops() {
    const overlay = byId("drop");
    let depth = 0;
    const holdsFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
    const show = (/** @type {number} */ change) => {
      depth = Math.max(0, depth + change);
      overlay.hidden = depth === 0;
    };
    window.addEventListener("dragenter", (event) => holdsFiles(event) && show(1));
    window.addEventListener("dragleave", (event) => holdsFiles(event) && show(-1));
    window.addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
    window.addEventListener("drop", async (event) => {
      if (!holdsFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      event.stopPropagation();
      show(-depth);
      await this.take(await readTransfer(event.dataTransfer));
    }, true);
  }

  /** @param {{name: string, file: File}[]} dropped */
  async take(dropped) {
    const problems = [];
    let large = 0;
    for (const { name, file } of dropped) {
      const problem = checkPath(name) || this.checkRoom(name, file.size);
      if (problem) {
        problems.push(`${name}: ${problem}`);
        continue;
      }
      const bytes = new Uint8Array(await file.arrayBuffer());
      const text = bytes.length <= EDITED_BYTES_MAX ? decodeText(bytes) : null;
      if (bytes.length > LINKED_FILE_BYTES_MAX) large++;
      this.project.put(text === null ? { name, bytes } : { name, text });
    }
    if (problems.length) this.notify(problems.slice(0, 3).join(" "));
    else if (large) this.notify(`${large === 1 ? "One file is" : `${large} files are`} too large for a link. A shared link will not contain ${large === 1 ? "it" : "them"}.`);
  }

  /** @param {string} name @param {number} size */
  checkRoom(name, size) {
    const others = this.project.files.filter((file) => file.name !== name);
    const total = others.reduce((sum, file) => sum + (file.text?.length ?? file.bytes?.length ?? 0), size);
    if (others.length >= FILE_COUNT_MAX) return `a program can have at most ${FILE_COUNT_MAX} files.`;
    const most = this.limits.input_bytes ?? Infinity;
    return total > most ? `all files together can have at most ${formatBytes(most)}.` : "";
  }
}
