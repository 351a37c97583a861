// SPDX-License-Identifier: Apache-2.0
/** What the user works on: files, image, options, command, environment and input. It reports
 * changes as events, and has no elements of the page. */

import { fromBase64, toBase64 } from "./base64.js";

/**
 * @typedef {{name: string, text?: string, bytes?: Uint8Array}} SourceFile has either text or bytes
 * @typedef {{image: string, files: {name: string, text?: string, base64?: string}[], active: number, options: Record<string, any>,
 *            cmd: string[]|null, env: string, stdin: string, timeout: number|null, auto: boolean, terminal: boolean}} Saved
 */

export const FILE_COUNT_MAX = 256;
const PATH_BYTES_MAX = 1024; // these three are from proto/limits.h
const PATH_PART_BYTES_MAX = 255;
const PATH_DEPTH_MAX = 32;
/** Larger files are left out of links. */
export const LINKED_FILE_BYTES_MAX = 256 * 1024;

const countBytes = (/** @type {string} */ text) => new TextEncoder().encode(text).length;

/**
 * Why a path is not allowed for a file of a job, or "" (the rules of proto/path.h).
 * @param {string} path
 */
export function checkPath(path) {
  if (path === "") return "A file needs a name.";
  if (countBytes(path) > PATH_BYTES_MAX) return "This name is too long.";
  if (path.startsWith("/")) return "A name must not begin with /.";
  if ([...path].some((c) => c < " " || c === "\x7f")) return "A name must not contain control characters.";
  if (/\p{Surrogate}/u.test(path)) return "A name must be valid Unicode.";
  const parts = path.split("/");
  if (parts.length > PATH_DEPTH_MAX) return `A name can have at most ${PATH_DEPTH_MAX} parts.`;
  const bad = parts.find((part) => part === "" || part === "." || part === ".." || countBytes(part) > PATH_PART_BYTES_MAX);
  return bad === undefined ? "" : bad === "" ? "A name must not have empty parts." : `"${bad.slice(0, 20)}" cannot be a part of a name.`;
}

/** `detail` of the event is the kind of change. */
class Change extends Event {
  /** @param {string} detail */
  constructor(detail) {
    super("change");
    this.detail = detail;
  }
}

export class Project extends EventTarget {
  constructor() {
    super();
    /** @type {SourceFile[]} */
    this.files = [];
    this.active = 0;
    this.image = "";
    /** @type {Record<string, any>} */
    this.options = {};
    /** @type {string[]|null} null: what the image says */
    this.cmd = null;
    this.env = "";
    this.stdin = "";
    /** @type {number|null} ms; null: the service's default */
    this.timeout = null;
    this.auto = false;
    /** Whether the program runs in a terminal, and reads what the user types. */
    this.terminal = false;
    /** Increases with every change of what would be run. */
    this.revision = 0;
  }

  /**
   * @param {string} what files, active, text, setup: a change by the user; auto: the check box;
   *   all, default: a change by a link or by the page
   */
  changed(what) {
    if (what !== "active" && what !== "auto") this.revision++;
    this.dispatchEvent(new Change(what));
  }

  /** @returns {SourceFile|undefined} */
  get activeFile() {
    return this.files[this.active];
  }

  /** @param {number} index */
  select(index) {
    this.active = Math.max(0, Math.min(index, this.files.length - 1));
    this.changed("active");
  }

  /** Add a file, or replace the file with the same name. @param {SourceFile} file */
  put(file) {
    const at = this.files.findIndex((other) => other.name === file.name);
    if (at >= 0) this.files[at] = file;
    else this.files.push(file);
    this.active = at >= 0 ? at : this.files.length - 1;
    this.changed("files");
  }

  /** @param {number} index */
  remove(index) {
    this.files.splice(index, 1);
    if (this.active >= index && this.active > 0) this.active--;
    this.changed("files");
  }

  /** Why the file cannot have this name, or "". @param {number} index @param {string} name */
  rename(index, name) {
    const problem = checkPath(name);
    if (problem) return problem;
    if (this.files.some((file, other) => other !== index && file.name === name)) return `There is already a file ${name}.`;
    this.files[index].name = name;
    this.changed("files");
    return "";
  }

  /** A name that no file has yet: name.c, name2.c, ... @param {string} wish */
  freeName(wish) {
    const dot = wish.lastIndexOf(".");
    const [stem, end] = dot > 0 ? [wish.slice(0, dot), wish.slice(dot)] : [wish, ""];
    let name = wish;
    for (let n = 2; this.files.some((file) => file.name === name); n++) name = `${stem}${n}${end}`;
    return name;
  }

  /** @param {string} image */
  setImage(image) {
    if (image === this.image) return;
    this.image = image;
    this.options = {};
    this.cmd = null;
    this.changed("setup");
  }

  /** Set the default image of a program that has none. @param {string} image */
  setDefaultImage(image) {
    this.image = image;
    this.changed("default");
  }

  /** @param {Saved} saved */
  load(saved) {
    Object.assign(this, saved, {
      files: saved.files.map((file) => (file.text !== undefined ? { name: file.name, text: file.text } : { name: file.name, bytes: fromBase64(file.base64 ?? "") })),
    });
    this.changed("all");
  }

  /** The state for a link, and the names of the files that are too large for it.
   * @returns {{saved: Saved, left: string[]}} */
  save() {
    const size = (/** @type {SourceFile} */ file) => file.text?.length ?? file.bytes?.length ?? 0;
    const kept = this.files.filter((file) => size(file) <= LINKED_FILE_BYTES_MAX);
    const saved = {
      image: this.image,
      files: kept.map((file) => (file.text !== undefined ? { name: file.name, text: file.text } : { name: file.name, base64: toBase64(file.bytes ?? new Uint8Array()) })),
      active: Math.max(0, kept.indexOf(/** @type {any} */ (this.activeFile))),
      options: this.options,
      cmd: this.cmd,
      env: this.env,
      stdin: this.stdin,
      timeout: this.timeout,
      auto: this.auto,
      terminal: this.terminal,
    };
    return { saved, left: this.files.filter((file) => !kept.includes(file)).map((file) => file.name) };
  }
}

/** Parse KEY=value lines into an object, or return what is wrong with them. @param {string} text */
export function parseEnvironment(text) {
  /** @type {Record<string, string>} */
  const env = Object.create(null);
  for (const line of text.split("\n").filter((each) => each.trim() !== "")) {
    const at = line.indexOf("=");
    const name = line.slice(0, at).trim();
    if (at < 1 || !/^[A-Za-z_]\w*$/.test(name)) return { error: `Environment: "${line.slice(0, 30)}" is not KEY=value.` };
    env[name] = line.slice(at + 1);
  }
  return { env: Object.fromEntries(Object.entries(env)) };
}
