// SPDX-License-Identifier: Apache-2.0
// The server's side of a WebSocket (RFC 6455), as far as a test needs it.
import { createHash } from "node:crypto";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;

/** A frame without a mask. @param {number} opcode @param {Buffer} payload */
function frame(opcode, payload) {
  const head = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  head[1] = payload.length < 126 ? payload.length : payload.length < 65536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(payload.length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
}

/** One connection: messages are read with next(), in order. */
export class ServerSocket {
  /** Accept a handshake. @param {import("node:http").IncomingMessage} request @param {import("node:net").Socket} socket */
  constructor(request, socket) {
    this.socket = socket;
    this.bytes = Buffer.alloc(0);
    /** @type {Buffer[]} */
    this.fragments = [];
    /** @type {(string|Buffer|null)[]} null is the end of the connection */
    this.messages = [];
    /** @type {(() => void)[]} */
    this.waiting = [];
    this.closed = new Promise((resolve) => socket.once("close", resolve));
    const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + GUID).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    socket.on("data", (bytes) => this.read(bytes));
    socket.on("error", () => {});
    socket.once("close", () => this.put(null));
  }

  /** @param {string|Buffer|null} message */
  put(message) {
    this.messages.push(message);
    this.waiting.splice(0).forEach((wake) => wake());
  }

  /** @param {Buffer} bytes */
  read(bytes) {
    this.bytes = Buffer.concat([this.bytes, bytes]);
    while (this.bytes.length >= 2) {
      let [size, at] = [this.bytes[1] & 127, 2];
      if (this.bytes.length < at + 8) if (size > 125) return;
      if (size === 126) [size, at] = [this.bytes.readUInt16BE(2), 4];
      else if (size === 127) [size, at] = [Number(this.bytes.readBigUInt64BE(2)), 10];
      if (this.bytes.length < at + 4 + size) return;
      const mask = this.bytes.subarray(at, at + 4);
      const payload = Buffer.from(this.bytes.subarray(at + 4, at + 4 + size).map((byte, index) => byte ^ mask[index % 4]));
      this.take(this.bytes[0], payload);
      this.bytes = this.bytes.subarray(at + 4 + size);
    }
  }

  /** @param {number} first byte of a frame @param {Buffer} payload */
  take(first, payload) {
    const opcode = first & 15;
    if (opcode === CLOSE) return this.close(1000);
    if (opcode > BINARY) return;
    if (opcode) this.kind = opcode;
    this.fragments.push(payload);
    if (!(first & 0x80)) return;
    const whole = Buffer.concat(this.fragments.splice(0));
    this.put(this.kind === TEXT ? whole.toString() : whole);
  }

  /** The next message: JSON of a text, a Buffer, or null at the end. @returns {Promise<any>} */
  async next() {
    while (!this.messages.length) await new Promise((resolve) => this.waiting.push(() => resolve(undefined)));
    const message = this.messages.shift();
    if (message === null) this.messages.push(null);
    return typeof message === "string" ? JSON.parse(message) : message;
  }

  /** @param {object|string|Buffer} message */
  send(message) {
    const text = typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message);
    this.socket.write(frame(Buffer.isBuffer(text) ? BINARY : TEXT, Buffer.from(text)));
  }

  /** @param {number} code */
  close(code) {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.socket.end(frame(CLOSE, payload));
  }
}
