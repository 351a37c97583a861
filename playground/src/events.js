// SPDX-License-Identifier: Apache-2.0
/** The events of a job (docs/api.md), which come as lines of JSON in a response, or as messages of a
 * WebSocket. */

import { fromBase64 } from "./base64.js";

/** A file of 16 MiB, of which each byte is escaped, and more. */
const LINE_BYTES_MAX = 128 * 1024 * 1024;
const NEWLINE = 10;

/** The rest of a response did not come. */
export class ConnectionLost extends Error {}

/** An aborted request stays one. @param {unknown} error @returns {never} */
export function failToRead(error) {
  if (error instanceof DOMException && error.name === "AbortError") throw error;
  throw new ConnectionLost();
}

/** @param {Uint8Array[]} pieces of one line */
function decodeLine(pieces) {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode();
}

/**
 * The lines of a response, each as soon as it is complete. Empty lines are left out.
 * @param {ReadableStream<Uint8Array>} stream
 * @param {number} [most] bytes of a line
 * @returns {AsyncGenerator<string>}
 */
export async function* readLines(stream, most = LINE_BYTES_MAX) {
  const reader = stream.getReader();
  /** @type {Uint8Array[]} */
  let pieces = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(failToRead);
      if (done) break;
      let start = 0;
      for (let end = value.indexOf(NEWLINE); end >= 0; end = value.indexOf(NEWLINE, start)) {
        const line = decodeLine([...pieces, value.subarray(start, end)]);
        if (line !== "") yield line;
        pieces = [];
        size = 0;
        start = end + 1;
      }
      pieces.push(value.subarray(start));
      size += value.length - start;
      if (size > most) throw new RangeError("a line is too long");
    }
    const last = decodeLine(pieces);
    if (last !== "") yield last;
  } finally {
    reader.cancel().catch(() => {}); // a client that stops reading ends its job
  }
}

/** An event, checked as far as every event must be. Throws an error otherwise. @param {string} json */
export function parseEvent(json) {
  const event = JSON.parse(json);
  if (typeof event?.type !== "string") throw new TypeError("no event");
  return event;
}

/** The bytes of an event or of a file. @param {{text?: unknown, base64?: unknown}} event */
export function bytesOf(event) {
  if (typeof event.text === "string") return new TextEncoder().encode(event.text);
  if (typeof event.base64 === "string") return fromBase64(event.base64);
  throw new TypeError("no bytes");
}

/**
 * Collects the events of one job.
 * @typedef {{queued?: (id: string) => void, started?: () => void, print: (name: "stdout"|"stderr", bytes: Uint8Array) => void, restarted: () => void}} Listener
 */
export class Collector {
  /** @param {Listener} listener */
  constructor(listener) {
    this.listener = listener;
    this.forget();
  }

  forget() {
    /** @type {{stdout: Uint8Array[], stderr: Uint8Array[]}} */
    this.printed = { stdout: [], stderr: [] };
    /** @type {File[]} */
    this.files = [];
    /** @type {any} the result, if it has come */
    this.result = null;
    /** @type {any} what went wrong (RFC 9457) */
    this.problem = null;
  }

  /** Whether the last event has come. */
  get ended() {
    return this.result !== null || this.problem !== null;
  }

  /** Events of a kind that is not known are ignored. @param {any} event */
  take(event) {
    const { type, ...members } = event;
    if (this.ended) return;
    if (type === "stdout" || type === "stderr") this.print(type, bytesOf(event));
    else if (type === "queued") this.listener.queued?.(String(event.id));
    else if (type === "started") this.listener.started?.();
    else if (type === "file") this.files.push(new File([/** @type {any} */ (bytesOf(event))], String(event.name)));
    else if (type === "result") this.result = members;
    else if (type === "problem") this.problem = members.problem ?? {};
    else if (type === "restarted") {
      this.forget();
      this.listener.restarted();
    }
  }

  /** @param {"stdout"|"stderr"} name @param {Uint8Array} bytes */
  print(name, bytes) {
    this.printed[name].push(bytes);
    this.listener.print(name, bytes);
  }

  /** What the job printed, wrote and how it ended, after its result has come. */
  answer() {
    const { stdout, stderr } = this.printed;
    return { result: this.result, stdout: join(stdout), stderr: join(stderr), files: this.files };
  }
}

/** @param {Uint8Array[]} pieces */
function join(pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
