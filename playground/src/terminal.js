// SPDX-License-Identifier: Apache-2.0
/** A terminal in the page: xterm.js, as build.mjs changes it. Loaded when it is needed. It is in a
 * shadow root, as the editor is. */

import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import xtermStyle from "@xterm/xterm/css/xterm.css" with { type: "text" };
import { defineConstructedStyle } from "./constructed_style.js";
import { h } from "./dom.js";

defineConstructedStyle();

const SCROLLBACK_LINES = 5000;
const RESIZE_AFTER_MS = 100;
/** The contrast that WCAG 2.1 asks of text (success criterion 1.4.3). */
const CONTRAST = 4.5;
const STYLE = `
  :host { display: block; }
  .screen { position: absolute; inset: 8px 4px 4px 16px; }
  .xterm { height: 100%; }
  .xterm .xterm-viewport { background: none !important; }
`;
/** Sequences of xterm (ctlseqs): leave the second screen, which full-screen programs use, and set colours and modes back. */
const FIRST_SCREEN = "\x1b[?1049l";
const BACK_TO_NORMAL = "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?7h\x1b[!p\x1b[m";

/** The colours of the page. */
function colours() {
  const style = getComputedStyle(document.documentElement);
  const value = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white", "brightBlack", "brightRed", "brightGreen", "brightYellow", "brightBlue", "brightMagenta", "brightCyan", "brightWhite"];
  return {
    background: value("ground"), foreground: value("text"), cursor: value("accent"), cursorAccent: value("ground"), selectionBackground: value("selection"),
    scrollbarSliderBackground: value("border"), scrollbarSliderHoverBackground: value("faint"), scrollbarSliderActiveBackground: value("faint"),
    ...Object.fromEntries(names.map((name, index) => [name, value(`a${index}`)])),
  };
}

export class TerminalScreen {
  /**
   * @param {HTMLElement} host takes the terminal, and has its size
   * @param {{type: (bytes: Uint8Array) => void, resize: (rows: number, cols: number) => void, leave: () => void}} actions
   */
  constructor(host, actions) {
    this.host = host;
    this.actions = actions;
    const style = getComputedStyle(document.documentElement);
    this.root = host.attachShadow({ mode: "open" });
    this.term = new Terminal({
      scrollback: SCROLLBACK_LINES, fontFamily: style.getPropertyValue("--mono").trim(), fontSize: 13.5, lineHeight: 1.2,
      minimumContrastRatio: CONTRAST, theme: colours(), cursorBlink: false, cursorInactiveStyle: "outline", macOptionIsMeta: true,
    });
    this.decoder = new TextDecoder();
    this.fit = new FitAddon();
    this.term.loadAddon(this.fit);
    this.open();
    this.listen();
  }

  open() {
    for (const text of [xtermStyle, STYLE]) {
      const style = document.createElement("constructed-style");
      style.textContent = text;
      this.root.append(style);
    }
    const screen = h("div", { class: "screen" });
    this.root.append(screen);
    this.term.open(screen);
    this.term.textarea?.setAttribute("aria-label", "Terminal: input of the program. Shift-Tab leaves it.");
    this.fit.fit();
  }

  listen() {
    const encoder = new TextEncoder();
    this.term.onData((text) => this.actions.type(encoder.encode(text)));
    this.term.onBinary((text) => this.actions.type(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    this.term.onResize(({ rows, cols }) => this.actions.resize(rows, cols));
    this.term.attachCustomKeyEventHandler((event) => this.takesKey(event));
    let timer = 0;
    new ResizeObserver(() => {
      clearTimeout(timer);
      timer = setTimeout(() => this.host.offsetParent && this.fit.fit(), RESIZE_AFTER_MS);
    }).observe(this.host);
    const paint = () => (this.term.options.theme = colours());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
    new MutationObserver(paint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  /** Whether a key is for the program. The others do what they do elsewhere in the page. @param {KeyboardEvent} event */
  takesKey(event) {
    const command = event.ctrlKey || event.metaKey;
    if (event.key === "Tab" && (event.shiftKey || this.term.options.disableStdin)) {
      if (event.type === "keydown" && event.shiftKey) {
        event.preventDefault();
        this.actions.leave();
      }
      return false;
    }
    if (this.term.options.disableStdin || (event.key === "Enter" && command)) return false; // Ctrl-Enter runs the program again
    if (!event.ctrlKey || event.altKey) return true;
    if (event.key.toLowerCase() === "v") return false; // the browser pastes
    if (event.key.toLowerCase() !== "c" || !this.term.hasSelection()) return true;
    setTimeout(() => this.term.clearSelection()); // the browser copies the selection; without one, the program is interrupted
    return false;
  }

  /** The terminal of a new program, without what the last one printed. @returns {{rows: number, cols: number}} */
  begin() {
    this.clear();
    this.term.options.disableStdin = false;
    this.term.options.cursorInactiveStyle = "outline";
    this.fit.fit();
    this.term.focus();
    return { rows: this.term.rows, cols: this.term.cols };
  }

  /** @param {Uint8Array} bytes */
  write(bytes) {
    this.term.write(this.decoder.decode(bytes, { stream: true })); // xterm.js drops bytes that are not UTF-8
  }

  /** The program begins again, and what it printed does not count. */
  clear() {
    this.decoder = new TextDecoder();
    this.term.reset();
  }

  /** The program reads and prints nothing more. @param {string} sentence */
  end(sentence) {
    this.term.options.disableStdin = true;
    this.term.options.cursorInactiveStyle = "none";
    this.term.write(this.decoder.decode(), () => {
      if (this.term.buffer.active.type === "alternate") this.term.write(FIRST_SCREEN);
      this.term.write(BACK_TO_NORMAL, () => this.term.write(`${this.term.buffer.active.cursorX ? "\r\n" : ""}\x1b[?25l\x1b[90m── ${sentence}\x1b[m`));
    });
  }

  focus() {
    this.term.focus();
  }

  /** Keep the lines as text that screen readers find, and announce new ones. @param {boolean} on */
  setSpoken(on) {
    this.term.options.screenReaderMode = on;
  }
}
