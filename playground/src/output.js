// SPDX-License-Identifier: Apache-2.0
/** Draw text that a program printed. ANSI colours become CSS classes, and positions in files become
 * links. Everything else is text, never HTML. */

import Anser from "anser";
import { h } from "./dom.js";

const COLOURS = /** @type {Record<string, number>} */ ({ black: 0, red: 1, green: 2, yellow: 3, blue: 4, magenta: 5, cyan: 6, white: 7 });
const DECORATIONS = new Set(["bold", "dim", "italic", "underline", "strikethrough", "reverse", "hidden"]);

/**
 * @param {string} name a name as Anser reports it: ansi-red, ansi-bright-red, ansi-palette-N,
 *   ansi-truecolor
 */
function colourNumber(name) {
  const match = /^ansi-(bright-)?([a-z]+)$/.exec(name ?? "");
  return match && match[2] in COLOURS ? COLOURS[match[2]] + (match[1] ? 8 : 0) : -1;
}

/** @param {number} n an index from 16 to 255 in xterm's palette */
function paletteColour(n) {
  if (n >= 232) return `rgb(${Array(3).fill(8 + (n - 232) * 10).join(" ")})`;
  const level = (/** @type {number} */ each) => (each ? 55 + each * 40 : 0);
  const at = n - 16;
  return `rgb(${level(Math.floor(at / 36))} ${level(Math.floor(at / 6) % 6)} ${level(at % 6)})`;
}

/**
 * @param {HTMLElement} span
 * @param {"color"|"backgroundColor"} property
 * @param {string} name
 * @param {string|null} truecolor
 */
function paint(span, property, name, truecolor) {
  const number = colourNumber(name);
  const palette = /^ansi-palette-(\d{1,3})$/.exec(name ?? "");
  if (number >= 0) span.classList.add(`${property === "color" ? "fg" : "bg"}-${number}`);
  else if (palette) span.style[property] = paletteColour(Number(palette[1]));
  else if (name === "ansi-truecolor" && /^\d{1,3}, ?\d{1,3}, ?\d{1,3}$/.test(truecolor ?? "")) span.style[property] = `rgb(${truecolor})`;
}

/** @param {any} piece of Anser's */
function drawPiece(piece) {
  const decorations = (piece.decorations ?? []).filter((/** @type {string} */ each) => DECORATIONS.has(each));
  if (!piece.fg && !piece.bg && !decorations.length) return document.createTextNode(piece.content);
  const span = h("span", { class: decorations.map((/** @type {string} */ each) => `ansi-${each}`).join(" ") || false }, piece.content);
  paint(span, "color", piece.fg, piece.fg_truecolor);
  paint(span, "backgroundColor", piece.bg, piece.bg_truecolor);
  return span;
}

const GCC_PLACE = /^(?:\.\/|\/work\/|\/input\/)?([^\s:][^:\n]*):(\d+)(?::(\d+))?:(?:\s*(fatal error|error|warning|note|info)\b:?)?\s*(.*)$/;
const PYTHON_PLACE = /^\s*File "(?:\/work\/|\/input\/|\.\/)?([^"]+)", line (\d+)(.*)$/;

/** The position in one of the files that a line of output names, or null.
 * @param {string} the line without colours @param {Set<string>} names of the project's files */
export function findPlace(line, names) {
  const match = GCC_PLACE.exec(line) ?? PYTHON_PLACE.exec(line);
  if (!match || !names.has(match[1])) return null;
  const gcc = match.length > 4;
  const kind = gcc ? match[4] : "error";
  return {
    file: match[1], line: Math.max(1, Number(match[2])), column: gcc ? Number(match[3] ?? 1) : 1,
    severity: /** @type {"error"|"warning"|"info"} */ (kind?.endsWith("error") ? "error" : kind === "warning" ? "warning" : "info"),
    message: gcc ? match[5] : "", isFinding: gcc && kind !== undefined,
  };
}

/** @param {string} text */
export function stripAnsi(text) {
  return Anser.ansiToText(text);
}

/** The findings of compilers in their output. @param {string} text @param {Set<string>} names */
export function findFindings(text, names) {
  return stripAnsi(text).split("\n").slice(0, 5000).map((line) => findPlace(line, names)).filter((place) => place?.isFinding).slice(0, 200);
}

/**
 * @param {HTMLElement} target
 * @param {any[]} pieces of Anser's
 * @param {Set<string>} names
 * @param {(place: {file: string, line: number, column: number}) => void} reveal
 */
function drawPieces(target, pieces, names, reveal) {
  /** @type {Node[]} */
  let line = [];
  let plain = "";
  const finish = (/** @type {string} */ end) => {
    const place = findPlace(plain, names);
    if (place) {
      const show = (/** @type {Event} */ event) => (event.preventDefault(), reveal(place));
      line = [h("a", { class: `place place-${place.severity}`, href: "#", title: `Show ${place.file}, line ${place.line}`, onclick: show }, ...line)];
    }
    target.append(...line, end);
    line = [];
    plain = "";
  };
  for (const piece of pieces) {
    piece.content.split("\n").forEach((/** @type {string} */ content, /** @type {number} */ index) => {
      if (index > 0) finish("\n");
      if (content) line.push(drawPiece({ ...piece, content }));
      plain += content;
    });
  }
  if (plain) finish("");
  target.normalize(); // merges the text nodes of all lines
}

/**
 * Draw text into an element. The colours that `anser` has at the end go on in the next text.
 * @param {HTMLElement} target
 * @param {string} text
 * @param {any} anser
 * @param {{names: Set<string>, reveal: (place: {file: string, line: number, column: number}) => void}} places
 */
export function drawText(target, text, anser, { names, reveal }) {
  // SGR 10 selects the default font. Anser gives no colour to text before the first sequence.
  drawPieces(target, anser.ansiToJson(`\x1b[10m${text}`, { use_classes: true, json: true, remove_empty: true }), names, reveal);
}

/** A copy that goes on with the same colours. @param {any} anser */
export function copyColours(anser) {
  return Object.assign(new Anser(), anser, { decorations: [...anser.decorations] });
}
