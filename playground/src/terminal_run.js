// SPDX-License-Identifier: Apache-2.0
/** Runs programs in the terminal of the page. */

import { Connection } from "./connection.js";
import { byId } from "./dom.js";
import { createFirstMessage } from "./service.js";

/** What the buttons of the terminal type: for keyboards without these keys. */
const KEYS = /** @type {Record<string, string>} */ ({ "Ctrl-C": "\x03", "Ctrl-D": "\x04", Esc: "\x1b", Tab: "\t", "↑": "\x1b[A", "↓": "\x1b[B" });

export class TerminalRunner {
  /** @param {(text: string) => void} notify */
  constructor(notify) {
    this.notify = notify;
    /** @type {import("./terminal.js").TerminalScreen|null} */
    this.screen = null;
    /** @type {Connection|null} */
    this.connection = null;
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-key]")))
      button.addEventListener("click", () => {
        this.type(new TextEncoder().encode(KEYS[button.dataset.key ?? ""]));
        this.screen?.focus();
      });
    this.spoken = byId("terminal-spoken");
    this.spoken.addEventListener("click", () => this.setSpoken(this.spoken.getAttribute("aria-pressed") !== "true"));
  }

  /** @param {boolean} on */
  setSpoken(on) {
    this.spoken.setAttribute("aria-pressed", String(on));
    this.screen?.setSpoken(on);
  }

  /** @param {Uint8Array} bytes */
  type(bytes) {
    if (this.connection && !this.connection.type(bytes)) this.notify("The program does not read what was typed or pasted. It was left out.");
  }

  async createScreen() {
    const { TerminalScreen } = await import("./terminal.js");
    this.screen ??= new TerminalScreen(byId("terminal-screen"), {
      type: (bytes) => this.type(bytes),
      resize: (rows, cols) => this.connection?.resize(rows, cols),
      leave: () => byId("tab-output").focus(),
    });
    return this.screen;
  }

  /**
   * Run one job in the terminal, which is visible already.
   * @param {import("./project.js").Project} project
   * @param {string[]} command
   * @param {{signal: AbortSignal, listener: import("./events.js").Listener}} options
   */
  async run(project, command, { signal, listener }) {
    const screen = await this.createScreen();
    signal.throwIfAborted();
    const size = screen.begin();
    const connection = new Connection(createFirstMessage(project, command, size), {
      signal,
      listener: {
        ...listener,
        print: (name, bytes) => (screen.write(bytes), listener.print(name, bytes)),
        restarted: () => (screen.clear(), listener.restarted()),
      },
    });
    this.connection = connection;
    try {
      return await connection.answer;
    } finally {
      if (this.connection === connection) this.connection = null;
    }
  }

  /** Say in the terminal how the program ended. @param {string} sentence */
  end(sentence) {
    this.screen?.end(sentence);
  }
}
