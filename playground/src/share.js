/** The link that holds everything, kept in the address bar, and the dialog that gives it away. */

import { byId } from "./dom.js";
import { encodeLink } from "./link.js";

const SETTLE_MS = 400;

export class Share {
  /** @param {import("./project.js").Project} project @param {(text: string) => void} say */
  constructor(project, say) {
    this.project = project;
    this.say = say;
    this.timer = 0;
    /** @type {string|null} the fragment that this page has written itself; null while that of a link stands there */
    this.own = "";
    /** the fragment that was there when this page last looked; another one is a link that is being opened */
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

  /** A link is being opened: what this page wrote before is no longer there. */
  yield() {
    this.own = null;
  }

  /** The link is open: from now on the address bar is this page's again. */
  resume() {
    this.known = location.hash;
  }

  /** Writes the state into the address bar; a state that fits into no link leaves nothing there, rather than an older one.
   * @returns {Promise<{hash: string, left: string[]}>} "" when it is too large, and the files that no link holds */
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
    if (hash === "" && this.own !== "") this.say("This program has become too large for a link: the address bar does not hold it, and closing the page loses it.");
    this.own = hash;
    byId("open-full").href = `/${hash}`;
    try {
      history.replaceState(null, "", hash || location.pathname + location.search);
    } catch {
      // a browser takes only so many in a while; the next one will do
    }
    this.known = location.hash;
  }

  async open() {
    const { hash, left } = await this.update();
    byId("share-link").value = hash && `${location.origin}/${hash}`;
    byId("share-embed").value = hash && `<iframe src="${location.origin}/embed${hash}" title="Program Explorer" width="100%" height="480" loading="lazy"></iframe>`;
    byId("share-note").textContent = hash === "" ? "This program is too large for a link."
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
