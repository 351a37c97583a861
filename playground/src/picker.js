// SPDX-License-Identifier: Apache-2.0
/** The image picker: a dialog with a search field and categories. Images that accept the open file
 * come first. */

import { acceptsFile } from "./command.js";
import { byId, h } from "./dom.js";

export class Picker {
  /**
   * @param {import("./project.js").Project} project
   * @param {(image: import("./command.js").Image) => void} choose
   */
  constructor(project, choose) {
    this.project = project;
    this.choose = choose;
    this.dialog = byId("picker");
    this.search = byId("picker-search");
    this.list = byId("picker-list");
    this.chips = byId("picker-categories");
    /** @type {import("./command.js").Image[]} */
    this.images = [];
    this.listHasCome = false;
    this.category = "";
    this.search.addEventListener("input", () => this.draw());
    this.search.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.onSearchKey(event));
    this.list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.onListKey(event));
  }

  /** @param {import("./command.js").Image[]} images */
  setImages(images) {
    this.images = images;
    this.listHasCome = true;
    if (this.dialog.open) this.draw();
  }

  open() {
    this.search.value = "";
    this.category = "";
    this.draw();
    this.dialog.showModal();
    this.search.focus();
  }

  /** @param {import("./command.js").Image} image */
  matches(image) {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = `${image.name} ${image.description} ${image.categories?.join(" ")}`.toLowerCase();
    return words.every((/** @type {string} */ word) => text.includes(word)) && (!this.category || image.categories?.includes(this.category));
  }

  draw() {
    const file = this.project.activeFile?.name ?? "";
    const matching = this.images.filter((image) => this.matches(image));
    const fitting = matching.filter((image) => file && acceptsFile(image, file));
    const others = matching.filter((image) => !fitting.includes(image));
    const parts = [];
    if (fitting.length) parts.push(this.heading(`For ${file}`), ...fitting.map((image) => this.item(image)));
    if (others.length) parts.push(fitting.length ? this.heading("Others") : null, ...others.map((image) => this.item(image)));
    this.list.replaceChildren(...parts.filter((part) => part !== null));
    if (!matching.length) this.list.append(h("p", { class: "hint" }, this.images.length ? "No image matches." : !this.listHasCome ? "The list of images is loading." : "The server has no images. Connect a worker that has images, or add one there with “pe-image pull”."));
    this.drawCategories();
  }

  /** @param {string} title */
  heading(title) {
    return h("h3", { class: "picker-heading" }, title);
  }

  /** @param {import("./command.js").Image} image */
  item(image) {
    return h("button", { type: "button", class: "picker-item", "aria-current": image.name === this.project.image, onclick: () => this.take(image) },
      h("span", { class: "picker-name" }, image.name), h("span", { class: "picker-description" }, image.description));
  }

  /** @param {import("./command.js").Image} image */
  take(image) {
    this.dialog.close();
    this.choose(image);
  }

  drawCategories() {
    const categories = [...new Set(this.images.flatMap((image) => image.categories ?? []))].sort();
    this.chips.replaceChildren(...categories.map((category) =>
      h("button", {
        type: "button", class: "chip", "aria-pressed": this.category === category,
        onclick: () => {
          this.category = this.category === category ? "" : category;
          this.draw();
          [...this.chips.children].find((chip) => chip.textContent === category)?.focus();
        },
      }, category)));
  }

  items() {
    return /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll(".picker-item")]);
  }

  /** @param {KeyboardEvent} event */
  onSearchKey(event) {
    if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      if (event.key === "Enter") this.items()[0]?.click();
      else this.items()[0]?.focus();
    }
  }

  /** @param {KeyboardEvent} event */
  onListKey(event) {
    const items = this.items();
    const at = items.indexOf(/** @type {HTMLElement} */ (event.target));
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    const to = at + (event.key === "ArrowDown" ? 1 : -1);
    if (to < 0) this.search.focus();
    else items[Math.min(to, items.length - 1)].focus();
  }
}
