// SPDX-License-Identifier: Apache-2.0
/** Show a stream while a program prints it. The beginning is drawn in portions, so that the page
 * keeps responding. Of a longer stream, the page shows the beginning and the end, and draws what is
 * between them when the user asks: the number of elements has a bound, the output may have 16 MiB. */

import Anser from "anser";
import { formatBytes, h } from "./dom.js";
import { copyColours, drawText } from "./output.js";

/** The most that is drawn at a time. */
const PORTION = { length: 64 * 1024, lines: 2000, colours: 1000 };
/** Further portions are drawn only when the user asks. */
const DRAWN_PORTIONS = 10;
/** The end of a stream that is longer. It is drawn again with each change. */
const TAIL = { length: 16 * 1024, lines: 200, colours: 1000 };
/** Longer escape sequences can be cut at the end of a portion. */
const ESCAPE_LENGTH = 64;
/** A line that is longer is drawn before its end has come. */
const OPEN_LINE_LENGTH = 16 * 1024;
const DRAW_EVERY_MS = 60;
/** So many colours that were set in the part between beginning and end are applied to the end. */
const COLOURS_KEPT = 64;

/** Sequences that move the cursor, set the window title or make links. They are removed. Anser
 * handles CSI (ECMA-48, xterm's ctlseqs). */
const INVISIBLE = /\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)?|[()*+][\w<>=]|[=>78cDEHMZ])/g;
const COLOUR = /\x1b\[([\d;]*)m/g;

/** The text that is seen of whole lines: what a program overwrote after a carriage return is not.
 * @param {string} text */
function visible(text) {
  const returned = text.includes("\r") ? text.replaceAll("\r\n", "\n").replace(/^.*\r(?!$)/gm, "") : text;
  return returned.replace(INVISIBLE, "");
}

/**
 * The end of the portion that begins at `start` and fits into `room`. It ends with a line if
 * possible.
 * @param {string} text
 * @param {number} start
 * @param {{length: number, lines: number, colours: number}} room
 * @returns {{end: number, lines: number, colours: number}} also what the portion has of each
 */
function portionAt(text, start, room) {
  const most = Math.min(text.length, start + room.length);
  const breaks = /\n|\x1b\[/g;
  breaks.lastIndex = start;
  let lines = 0;
  let colours = 0;
  let lineEnd = start;
  for (let match = breaks.exec(text); match && match.index < most; match = breaks.exec(text)) {
    if (match[0] === "\n") lineEnd = match.index + 1;
    if (match[0] === "\n" ? ++lines >= room.lines : ++colours > room.colours) return { end: lineEnd > start ? lineEnd : match.index, lines, colours };
  }
  if (most === text.length) return { end: most, lines, colours };
  if (lineEnd > start) return { end: lineEnd, lines, colours };
  const escape = text.lastIndexOf("\x1b", most);
  if (escape > start && most - escape < ESCAPE_LENGTH) return { end: escape, lines, colours };
  return { end: /[\ud800-\udbff]/.test(text[most - 1]) ? most - 1 : most, lines, colours };
}

/** Where the last lines of the text begin, at `from` or later. @param {string} text @param {number} from */
function startOfTail(text, from) {
  const first = Math.max(from, text.length - TAIL.length);
  let start = text.length;
  for (let lines = 0; lines <= TAIL.lines && start > first; lines++) start = text.lastIndexOf("\n", start - 2) + 1;
  if (start >= first) return start;
  const lineEnd = text.indexOf("\n", first);
  if (first === from || (lineEnd >= 0 && lineEnd + 1 < text.length)) return first === from ? first : lineEnd + 1;
  return /[\udc00-\udfff]/.test(text[first]) ? first + 1 : first;
}

export class OutputView {
  /**
   * @param {HTMLElement} pre
   * @param {{names: Set<string>, reveal: (place: any) => void, after: () => void}} options the files
   *   of the program, what a click on a place in them does, and what is done after each drawing
   */
  constructor(pre, { names, reveal, after }) {
    this.places = { names, reveal };
    this.after = after;
    /** @type {Uint8Array[]} */
    this.chunks = [];
    this.size = 0;
    this.decoder = new TextDecoder();
    this.anser = new Anser();
    /** Whole lines, as they are seen. */
    this.text = "";
    /** A line that has not ended. */
    this.rest = "";
    /** Up to here, the text is drawn in portions. */
    this.drawn = 0;
    this.portions = 0;
    this.allowed = DRAWN_PORTIONS;
    this.room = { length: 0, lines: 0, colours: 0 };
    this.skim = { from: 0, to: 0, colours: /** @type {string[]} */ ([]) };
    this.ended = false;
    this.timer = 0;
    this.head = h("span", { class: "wrap" });
    this.more = h("button", { class: "more", type: "button", hidden: true, onclick: () => this.drawMore() });
    this.tail = h("span", { class: "tail", hidden: true });
    this.body = h("span", { class: "wrap" }, this.head, this.more, this.tail);
    pre.replaceChildren(this.body);
  }

  /** @param {Uint8Array} bytes */
  append(bytes) {
    this.chunks.push(bytes);
    this.size += bytes.length;
    this.take(this.decoder.decode(bytes, { stream: true }));
  }

  /** Nothing more comes. */
  end() {
    if (this.ended) return;
    this.take(this.decoder.decode());
    this.text += visible(this.rest);
    this.rest = "";
    this.ended = true;
    clearTimeout(this.timer);
    this.draw();
  }

  /** All that was appended. @returns {Uint8Array} */
  bytes() {
    const bytes = new Uint8Array(this.size);
    let at = 0;
    for (const chunk of this.chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    this.chunks = [bytes];
    return bytes;
  }

  /** @param {string} text */
  take(text) {
    const lineEnd = text.lastIndexOf("\n") + 1;
    if (lineEnd) {
      this.text += visible(this.rest + text.slice(0, lineEnd));
      this.rest = text.slice(lineEnd);
    } else this.rest += text;
    const returned = this.rest.lastIndexOf("\r", this.rest.length - 2);
    if (returned >= 0) this.rest = this.rest.slice(returned + 1); // the rest of the line is written over what was before
    if (this.rest.length > OPEN_LINE_LENGTH) this.takeOpenLine();
    this.timer ||= setTimeout(() => this.draw(), DRAW_EVERY_MS);
  }

  takeOpenLine() {
    const escape = this.rest.lastIndexOf("\x1b");
    const end = escape > this.rest.length - ESCAPE_LENGTH ? escape : this.rest.length - (/[\r\ud800-\udbff]/.test(this.rest.at(-1) ?? "") ? 1 : 0);
    this.text += visible(this.rest.slice(0, end));
    this.rest = this.rest.slice(end);
  }

  draw() {
    this.timer = 0;
    if (!this.body.isConnected) return;
    this.drawPortion();
    this.drawEnd();
    this.after();
    if (this.drawn < this.text.length && this.mayDraw()) this.timer = setTimeout(() => this.draw(), 0);
  }

  mayDraw() {
    return this.portions < this.allowed || (this.room.length > 0 && this.room.lines > 0 && this.room.colours > 0);
  }

  drawPortion() {
    if (this.drawn >= this.text.length || !this.mayDraw()) return;
    let { end, lines, colours } = portionAt(this.text, this.drawn, this.room);
    if (end === this.drawn || this.room.length <= 0 || this.room.lines <= 0 || this.room.colours <= 0) {
      if (this.portions === this.allowed) return void (this.room = { length: 0, lines: 0, colours: 0 });
      this.portions++;
      this.room = { ...PORTION };
      /** @type {HTMLElement|null} */ (this.head.lastChild)?.classList.add("full"); // a block of its own: its lines are not laid out again
      this.head.append(h("span", { class: "portion" }));
      ({ end, lines, colours } = portionAt(this.text, this.drawn, this.room));
    }
    drawText(/** @type {HTMLElement} */ (this.head.lastChild), this.text.slice(this.drawn, end), this.anser, this.places);
    this.room.length -= end - this.drawn;
    this.room.lines -= lines;
    this.room.colours -= colours;
    this.drawn = end;
  }

  /** Draw the last lines, which are drawn again when there are more of them. */
  drawEnd() {
    this.tail.replaceChildren();
    if (this.drawn < this.text.length && this.mayDraw()) {
      this.more.hidden = this.tail.hidden = true;
      return;
    }
    const start = startOfTail(this.text, this.drawn);
    const text = this.text.slice(start) + visible(this.rest).replace(/\r$/, "");
    this.more.hidden = start === this.drawn;
    this.more.textContent = `Show more (${formatBytes(start - this.drawn)} left)`;
    this.tail.hidden = text === "";
    if (text) drawText(this.tail, text, this.coloursAt(start), this.places);
  }

  /** The colours that the program had set before a place behind what is drawn. @param {number} place */
  coloursAt(place) {
    const skim = this.skim.from === this.drawn && this.skim.to <= place ? this.skim : { from: this.drawn, to: this.drawn, colours: [] };
    for (const [sequence, numbers] of this.text.slice(skim.to, place).matchAll(COLOUR)) {
      if (/^0*$/.test(numbers)) skim.colours = [];
      skim.colours.push(sequence);
    }
    skim.colours.splice(0, skim.colours.length - COLOURS_KEPT);
    skim.to = place;
    this.skim = skim;
    const anser = copyColours(this.anser);
    anser.ansiToJson(`\x1b[10m${skim.colours.join("")}`, { json: true });
    return anser;
  }

  drawMore() {
    this.allowed = this.portions + DRAWN_PORTIONS;
    this.draw();
  }
}
