// SPDX-License-Identifier: Apache-2.0
/** The files that a job wrote: a list, and a viewer for the selected one. Pictures are <img>
 * elements of blobs, in which the scripts of an SVG do not run. Text is shown as text. Models have
 * a viewer of their own. Other files can only be downloaded. */

import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { codeRoot, codeView, readOnly, shown } from "./code.js";
import { byId, formatBytes, h } from "./dom.js";
import { loadLanguage } from "./languages.js";

const SHOWN_TEXT_BYTES = 2 * 1024 * 1024;
const IMAGES = /** @type {Record<string, string>} */ ({
  png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp", avif: "image/avif", bmp: "image/bmp", ico: "image/x-icon", svg: "image/svg+xml",
});
const MODELS = new Set(["gltf", "glb", "stl"]);

/** @param {string} name */
export function endOf(name) {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
}

/** The bytes decoded as UTF-8, with their byte order mark, or null if they are not valid UTF-8.
 * @param {Uint8Array} bytes */
export function decodeText(bytes) {
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** @param {string} name @returns {"image"|"model"|"other"} */
export function kindOf(name) {
  const end = endOf(name);
  return Object.hasOwn(IMAGES, end) ? "image" : MODELS.has(end) ? "model" : "other";
}

/** Download a blob under a file name. @param {string} name @param {Blob} blob */
export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name.slice(name.lastIndexOf("/") + 1) }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export class Artefacts {
  constructor() {
    this.list = byId("artefact-list");
    this.viewer = byId("artefact-viewer");
    /** @type {(() => void)[]} releases what the shown file uses: URLs and views */
    this.cleanups = [];
    /** @type {File[]} */
    this.files = [];
    this.chosen = "";
    this.list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.walk(event));
  }

  /** @param {File[]} files */
  setFiles(files) {
    this.files = files;
    const again = files.find((file) => file.name === this.chosen);
    this.list.replaceChildren(...files.map((file) => this.createItem(file)));
    if (files.length) this.show(again ?? files.find((file) => kindOf(file.name) !== "other") ?? files[0]);
    else this.clear();
  }

  /** @param {File} file */
  createItem(file) {
    return h("button", { class: "artefact", type: "button", role: "option", "aria-selected": false, tabindex: -1, "data-name": file.name, onclick: () => this.show(file) },
      h("span", { class: "artefact-name" }, file.name), h("span", { class: "artefact-size" }, formatBytes(file.size)));
  }

  /** @param {KeyboardEvent} event */
  walk(event) {
    const at = this.files.findIndex((file) => file.name === this.chosen);
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1 }[event.key];
    if (to === undefined || !this.files[to]) return;
    event.preventDefault();
    this.show(this.files[to]);
    this.list.children[to].focus();
  }

  clear() {
    for (const cleanup of this.cleanups.splice(0)) cleanup();
    this.viewer.replaceChildren();
  }

  /** @param {File} file */
  async show(file) {
    this.clear();
    this.chosen = file.name;
    for (const item of this.list.children) {
      item.setAttribute("aria-selected", String(item.dataset.name === file.name));
      item.tabIndex = item.dataset.name === file.name ? 0 : -1;
    }
    const head = h("div", { class: "viewer-head" }, h("span", { class: "viewer-name" }, file.name),
      h("button", { type: "button", class: "quiet", onclick: () => download(file.name, file) }, "Download"));
    const body = h("div", { class: "viewer-body" });
    this.viewer.replaceChildren(head, body);
    const kind = kindOf(file.name);
    if (kind === "image") this.showImage(file, body);
    else if (kind === "model") await this.showModel(file, body);
    else await this.showText(file, body);
  }

  /** @param {File} file @param {HTMLElement} body */
  showImage(file, body) {
    const url = URL.createObjectURL(new Blob([file], { type: IMAGES[endOf(file.name)] }));
    this.cleanups.push(() => URL.revokeObjectURL(url));
    const image = h("img", { src: url, alt: `${file.name}, as the program drew it`, class: "picture" });
    image.addEventListener("error", () => body.replaceChildren(h("p", { class: "hint" }, `${file.name} cannot be shown as a picture by this browser. You can download it.`)));
    body.classList.add("checkered");
    body.append(image);
  }

  /** @param {File} file @param {HTMLElement} body */
  async showModel(file, body) {
    body.append(h("p", { class: "hint" }, "Loading the viewer…"));
    try {
      const { showModel } = await import("./model.js");
      if (!body.isConnected) return;
      body.replaceChildren();
      const stop = await showModel(body, file, endOf(file.name));
      if (body.isConnected) this.cleanups.push(stop);
      else stop();
    } catch (error) {
      body.replaceChildren(h("p", { class: "hint" }, `${file.name} cannot be shown: ${error instanceof Error ? error.message : error}. You can download it.`));
    }
  }

  /** @param {File} file @param {HTMLElement} body */
  async showText(file, body) {
    const bytes = new Uint8Array(await file.slice(0, SHOWN_TEXT_BYTES).arrayBuffer());
    const text = decodeText(bytes);
    if (text === null || !body.isConnected) {
      body.append(h("p", { class: "hint" }, text === null ? `${formatBytes(file.size)} of binary data. You can download it.` : ""));
      return;
    }
    const language = await loadLanguage(file.name);
    const host = h("div", { class: "code-host" });
    body.append(host);
    codeRoot(host);
    const view = codeView(host, EditorState.create({ doc: text, extensions: [shown, readOnly, language, EditorView.contentAttributes.of({ "aria-label": `Text of ${file.name}` })] }));
    this.cleanups.push(() => view.destroy());
    if (file.size > SHOWN_TEXT_BYTES) body.append(h("p", { class: "hint" }, `The first ${formatBytes(SHOWN_TEXT_BYTES)} of ${formatBytes(file.size)}.`));
  }
}
