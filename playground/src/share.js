/** The link that holds everything, kept in the address bar, and the dialog that gives it away. */

import { byId } from "./dom.js";
import { encodeLink } from "./link.js";

const SETTLE_MS = 400;

export class Share {
  /** @param {import("./project.js").Project} project */
  constructor(project) {
    this.project = project;
    this.timer = 0;
    /** the fragment that this page has written itself */
    this.own = "";
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

  /** Writes the state into the address bar. Says which files a link cannot hold, or null when nothing fits.
   * @returns {Promise<string[]|null>} */
  async update() {
    clearTimeout(this.timer);
    const { saved, left } = this.project.save();
    try {
      const fragment = await encodeLink(saved);
      this.own = `#${fragment}`;
      history.replaceState(null, "", this.own);
      byId("open-full").href = `/${this.own}`;
      return left;
    } catch {
      return null;
    }
  }

  async open() {
    const left = await this.update();
    const link = `${location.origin}/${this.own}`;
    byId("share-link").value = left ? link : "";
    byId("share-embed").value = left ? `<iframe src="${location.origin}/embed${this.own}" title="Program Explorer" width="100%" height="480" loading="lazy"></iframe>` : "";
    byId("share-note").textContent = left === null ? "This program is too large for a link."
      : left.length ? `Too large for a link, and not in it: ${left.join(", ")}.`
      : "Everything is in the link itself; the server keeps nothing.";
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
      button.textContent = "Press Ctrl-C"; // without a secure context there is no clipboard
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }
}
