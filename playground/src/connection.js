// SPDX-License-Identifier: Apache-2.0
/** A job whose program reads what the user types: the client of GET /v1/connect (docs/api.md). */

import { accessProtocols } from "./access.js";
import { Collector, parseEvent } from "./events.js";
import { explainConnection, explainEvent, ServiceError } from "./service.js";

/** So many bytes may be under way that the program has not read (docs/api.md). */
const WINDOW_BYTES = 64 * 1024;
const MESSAGE_BYTES = 16 * 1024;
/** So much may wait for the program to read: a large text that was pasted. */
const WAITING_BYTES_MAX = 1024 * 1024;
/** A program prints less (proto/limits.h), even if each byte is escaped. More comes only from something that is no balancer. */
const OUTPUT_BYTES_MAX = 128 * 1024 * 1024;
const TOO_LARGE = 1009;

const LOST = "The connection to the program was lost, so the program was ended. Run it again.";

export class Connection {
  /**
   * Connect and send the job. The connection ends with `signal`, and the job with the connection.
   * @param {object} first the first message
   * @param {{signal: AbortSignal, listener: import("./events.js").Listener}} options
   */
  constructor(first, { signal, listener }) {
    this.collector = new Collector(listener);
    /** @type {Uint8Array[]} */
    this.waiting = [];
    this.waitingBytes = 0;
    this.window = WINDOW_BYTES;
    this.received = 0;
    this.opened = false;
    /** What the program printed, wrote and how it ended. */
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/v1/connect`, accessProtocols());
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("open", () => {
      this.opened = true;
      this.socket.send(JSON.stringify(first));
      this.sendWaiting();
    });
    this.socket.addEventListener("message", (event) => this.receive(event.data));
    this.socket.addEventListener("close", (event) => this.explainClose(event));
    signal.addEventListener("abort", () => this.fail(new DOMException("aborted", "AbortError")));
  }

  /**
   * Send what was typed, as soon as there is room for it.
   * @param {Uint8Array} bytes
   * @returns {boolean} false if too much waits already; then nothing of it is sent
   */
  type(bytes) {
    if (this.waitingBytes + bytes.length > WAITING_BYTES_MAX) return false;
    for (let at = 0; at < bytes.length; at += MESSAGE_BYTES) this.waiting.push(bytes.subarray(at, at + MESSAGE_BYTES));
    this.waitingBytes += bytes.length;
    this.sendWaiting();
    return true;
  }

  /** @param {number} rows @param {number} cols */
  resize(rows, cols) {
    if (this.isOpen) this.socket.send(JSON.stringify({ type: "resize", rows, cols }));
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  sendWaiting() {
    while (this.isOpen && this.waiting.length && this.window > 0) {
      const piece = /** @type {Uint8Array} */ (this.waiting.shift());
      const now = piece.subarray(0, this.window);
      if (now.length < piece.length) this.waiting.unshift(piece.subarray(now.length));
      this.socket.send(/** @type {any} */ (now));
      this.window -= now.length;
      this.waitingBytes -= now.length;
    }
  }

  /** @param {unknown} message */
  receive(message) {
    if (this.collector.ended) return;
    try {
      if (typeof message !== "string" || (this.received += message.length) > OUTPUT_BYTES_MAX) throw new TypeError("no event");
      this.take(parseEvent(message));
    } catch {
      this.fail(new ServiceError("The server sent something that is no event of a program. A proxy may have changed it. Run the program again."));
    }
  }

  /** @param {any} event */
  take(event) {
    if (event.type === "taken" && Number.isSafeInteger(event.bytes) && event.bytes > 0) {
      this.window = Math.min(WINDOW_BYTES, this.window + event.bytes);
      this.sendWaiting();
    } else this.collector.take(event);
    if (this.collector.problem) this.fail(explainEvent(this.collector.problem));
    else if (this.collector.result) this.resolve(this.collector.answer());
    if (this.collector.ended) this.socket.close();
  }

  /** @param {Error} error */
  fail(error) {
    this.reject(error);
    this.socket.close();
  }

  /** @param {CloseEvent} event */
  async explainClose(event) {
    if (this.collector.ended) return;
    if (!this.opened) this.reject(await explainConnection());
    else this.reject(new ServiceError(event.code === TOO_LARGE ? "The files are too large for one message. Remove or shorten a file." : LOST));
  }
}
