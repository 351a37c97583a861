// SPDX-License-Identifier: Apache-2.0
/** The element <constructed-style>. Its text is a style sheet for the shadow root that it is in, as
 * that of <style> is. The Content-Security-Policy of the page forbids the latter, and allows
 * constructed style sheets. */

class ConstructedStyle extends HTMLElement {
  #sheet = new CSSStyleSheet();

  /** @param {string} text */
  set textContent(text) {
    this.#sheet.replaceSync(text);
  }

  connectedCallback() {
    this.hidden = true;
    this.#root = /** @type {ShadowRoot} */ (this.getRootNode());
    this.#root.adoptedStyleSheets = [...this.#root.adoptedStyleSheets, this.#sheet];
  }

  disconnectedCallback() {
    if (this.#root) this.#root.adoptedStyleSheets = this.#root.adoptedStyleSheets.filter((sheet) => sheet !== this.#sheet);
  }

  /** @type {ShadowRoot|undefined} */
  #root;
}

export function defineConstructedStyle() {
  if (!customElements.get("constructed-style")) customElements.define("constructed-style", ConstructedStyle);
}
