// SPDX-License-Identifier: Apache-2.0
/** The standard output and standard error of the program that runs or ran last. */

import { download } from "./artefacts.js";
import { byId } from "./dom.js";
import { OutputView } from "./output_view.js";

const NAMES = /** @type {const} */ (["stdout", "stderr"]);
/** The output of a program that goes on printing for so long is followed to its end. What comes at
 * once is read from its beginning, as the errors of a compiler are. */
const FOLLOW_AFTER_MS = 1000;
const AT_THE_END_PX = 40;

/** Keeps the end of a panel in view while it grows, unless the user has scrolled elsewhere. */
class Following {
  /** @param {HTMLElement} panel */
  constructor(panel) {
    this.panel = panel;
    this.wanted = true;
    this.since = 0;
    this.top = 0;
    panel.addEventListener("scroll", () => {
      if (Math.abs(panel.scrollTop - this.top) > 2) this.wanted = panel.scrollHeight - panel.scrollTop - panel.clientHeight < AT_THE_END_PX;
      this.top = panel.scrollTop;
    });
  }

  begin() {
    this.wanted = true;
    this.since = performance.now();
    this.panel.scrollTop = this.top = 0;
  }

  follow() {
    if (!this.wanted || performance.now() - this.since < FOLLOW_AFTER_MS) return;
    this.panel.scrollTop = this.panel.scrollHeight;
    this.top = this.panel.scrollTop;
  }
}

export class Streams {
  /** @param {(place: {file: string, line: number, column: number}) => void} reveal shows a place in a file of the program */
  constructor(reveal) {
    this.reveal = reveal;
    this.following = new Following(byId("panel-output"));
    /** @type {Partial<Record<"stdout"|"stderr", OutputView>>} */
    this.views = {};
    for (const name of NAMES) byId(`save-${name}`).addEventListener("click", () => download(`${name}.txt`, new Blob([/** @type {any} */ (this.bytes(name))])));
  }

  /** Remove what is shown. @param {Set<string>} names the files of the program that begins to print */
  begin(names) {
    for (const name of NAMES) {
      this.views[name] = new OutputView(byId(name), {
        names, reveal: this.reveal,
        after: () => this.following.follow(),
      });
      byId(`${name}-part`).hidden = true;
    }
    this.following.begin();
  }

  /** @param {"stdout"|"stderr"} name @param {Uint8Array} bytes */
  print(name, bytes) {
    if (!bytes.length) return;
    byId(`${name}-part`).hidden = false;
    this.views[name]?.append(bytes);
  }

  /** The program prints nothing more. */
  end() {
    for (const name of NAMES) this.views[name]?.end();
  }

  hide() {
    for (const name of NAMES) byId(`${name}-part`).hidden = true;
  }

  /** What was printed. @param {"stdout"|"stderr"} name */
  bytes(name) {
    return this.views[name]?.bytes() ?? new Uint8Array();
  }
}
