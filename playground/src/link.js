// SPDX-License-Identifier: Apache-2.0
/** Encode the state of the page as a URL fragment, and decode it: "#1" and base64url of deflated
 * JSON. Browsers do not send the fragment to the server. */

import { fromBase64, toBase64 } from "./base64.js";
import { FILE_COUNT_MAX, checkPath } from "./project.js";

const VERSION = "1";
const LINK_BYTES_MAX = 512 * 1024;
/** The size of a slice of compressed data. Deflate can expand a slice by a factor of 1032, and the
 * browser keeps the whole expansion in memory. */
const SLICE_BYTES = 1024;
const STATE_BYTES_MAX = 4 * 1024 * 1024;

/** @param {ReadableStream} stream @param {number} most */
async function readAll(stream, most) {
  const chunks = [];
  let size = 0;
  for (const reader = stream.getReader();;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) {
      reader.cancel().catch(() => {});
      throw new Error("too large");
    }
    chunks.push(value);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** @param {Uint8Array} bytes @returns {ReadableStream} the bytes in slices, each made on demand */
function sliced(bytes) {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, (at += SLICE_BYTES)));
    },
  }, { highWaterMark: 0 });
}

/**
 * @param {object} state plain JSON
 * @returns {Promise<string>} the fragment without '#'; throws if it would exceed the size of a link
 */
export async function encodeLink(state) {
  const json = new Blob([JSON.stringify(state)]);
  if (json.size > STATE_BYTES_MAX) throw new Error("too large"); // decodeLink would refuse it
  const deflated = json.stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = await readAll(deflated, LINK_BYTES_MAX);
  return VERSION + toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * @param {string} fragment without '#'
 * @returns {Promise<import("./project.js").Saved>} the checked state; throws an error with a
 *   message for the user
 */
export async function decodeLink(fragment) {
  if (fragment[0] !== VERSION) throw new Error("This link was made by another version of this page.");
  if (fragment.length > 1 + Math.ceil((LINK_BYTES_MAX * 4) / 3)) throw new Error("This link is too long. This page makes no link of this length.");
  let json;
  try {
    const bytes = fromBase64(fragment.slice(1).replaceAll("-", "+").replaceAll("_", "/"));
    const inflated = sliced(bytes).pipeThrough(new DecompressionStream("deflate-raw"));
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await readAll(inflated, STATE_BYTES_MAX)));
  } catch {
    throw new Error("This link is damaged. A part of it may be missing.");
  }
  return checkSaved(json);
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const isText = (/** @type {any} */ value) => typeof value === "string";
const isObject = (/** @type {any} */ value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @param {any} file */
function checkFile(file) {
  if (!isObject(file) || !isText(file.name) || checkPath(file.name) !== "") throw new Error("This link contains a file whose name is not allowed.");
  if (!isText(file.text) && (!isText(file.base64) || !BASE64.test(file.base64))) throw new Error(`This link has no content for ${file.name}.`);
  return isText(file.text) ? { name: file.name, text: file.text } : { name: file.name, base64: file.base64 };
}

/** @param {any} json */
function checkSaved(json) {
  if (!isObject(json) || !Array.isArray(json.files) || json.files.length > FILE_COUNT_MAX) throw new Error("This link contains no program, or too many files.");
  const files = json.files.map(checkFile);
  if (new Set(files.map((/** @type {any} */ file) => file.name)).size !== files.length) throw new Error("This link contains two files with the same name.");
  const scalars = Object.entries(isObject(json.options) ? json.options : {}).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  return {
    image: isText(json.image) ? json.image : "",
    files,
    active: Number.isInteger(json.active) && json.active >= 0 && json.active < files.length ? json.active : 0,
    options: Object.fromEntries(scalars),
    cmd: Array.isArray(json.cmd) && json.cmd.every(isText) ? json.cmd : null,
    env: isText(json.env) ? json.env : "",
    stdin: isText(json.stdin) ? json.stdin : "",
    timeout: Number.isInteger(json.timeout) && json.timeout > 0 ? json.timeout : null,
    auto: json.auto === true,
    terminal: json.terminal === true,
  };
}
