// SPDX-License-Identifier: Apache-2.0
/** Keeps the link with the whole state in the address bar, and shows it in the Share dialog. */

import { byId } from "./dom.js";
import { encodeLink } from "./link.js";

const SETTLE_MS = 400;

export class Share {
  /** @param {import("./project.js").Project} project @param {(text: string) => void} notify */
  constructor(project, notify) {
    this.project = project;
    this.notify = notify;
    this.timer = 0;
    /**
     * @type {string|null} the fragment that this page wrote last; null while the fragment is that
     *   of a link
     */
    this.own = "";
    /** the fragment at the last check; a different one means that a link is being opened */
    this.known = location.hash;
    this.updates = 0;
    project.addEventListener("change", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.update(), SETTLE_MS);
    });
    const full = byId("open-full");
    full.href = `/${location.hash}`;
    for (const event of ["pointerenter", "focus"]) full.addEventListener(event, () => this.update());
    byId("share").addEventListener("click", () => this.open());
    for (const name of ["link", "embed"]) byId(`copy-${name}`).addEventListener("click", () => this.copy(name));
  }

  /** A link is being opened: the fragment is no longer the one that this page wrote. */
  yield() {
    this.own = null;
  }

  /** The link was opened: this page writes the fragment again from now on. */
  resume() {
    this.known = location.hash;
  }

  /**
   * Write the state into the address bar. If the state does not fit into a link, the fragment is
   * removed.
   * @returns {Promise<{hash: string, left: string[]}>} the fragment, or "" if the state is too
   *   large, and the files that were left out
   */
  async update() {
    clearTimeout(this.timer);
    const update = ++this.updates;
    const { saved, left } = this.project.save();
    const hash = await encodeLink(saved).then((fragment) => `#${fragment}`, () => "");
    if (update === this.updates && location.hash === this.known) this.write(hash);
    return { hash, left };
  }

  /** @param {string} hash */
  write(hash) {
    if (hash === "" && this.own !== "") this.notify("This program is now too large for a link. The address bar does not contain it, and it is lost when the page is closed.");
    this.own = hash;
    byId("open-full").href = `/${hash}`;
    try {
      history.replaceState(null, "", hash || location.pathname + location.search);
    } catch {
      // browsers limit the rate of changes; the next change will succeed
    }
    this.known = location.hash;
  }

  async open() {
    const { hash, left } = await this.update();
    byId("share-link").value = hash && `${location.origin}/${hash}`;
    byId("share-embed").value = hash && `<iframe src="${location.origin}/embed${hash}" title="Program Explorer" width="100%" height="480" loading="lazy"></iframe>`;
    byId("share-note").textContent = hash === "" ? "This program is too large for a link."
      : left.length ? `These files are too large for a link and are left out: ${left.join(", ")}.`
      : "The link itself contains everything. The server stores nothing.";
    byId("share-dialog").showModal();
    byId("share-link").select();
  }

  /** @param {string} name */
  async copy(name) {
    const field = byId(`share-${name}`);
    const button = byId(`copy-${name}`);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Press Ctrl-C"; // the clipboard needs a secure context
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }
}
