// SPDX-License-Identifier: Apache-2.0
/** The entry point: creates the parts of the page and connects them. */

import { acceptsFile } from "./command.js";
import { byId } from "./dom.js";
import { Editor } from "./editor.js";
import { decodeLink } from "./link.js";
import { Picker } from "./picker.js";
import { Project } from "./project.js";
import { Results } from "./results.js";
import { Runner } from "./runner.js";
import { fetchCatalog } from "./service.js";
import { Setup } from "./setup.js";
import { Share } from "./share.js";
import { startSplitter } from "./splitter.js";
import { startTheme } from "./theme.js";
import { Upload } from "./upload.js";

const CATALOG_RETRY_MS = 3000;

const embedded = location.pathname === "/embed";
const query = new URLSearchParams(location.search);
const readOnly = embedded && query.has("readonly");

/** @type {import("./command.js").Image[]} */
let images = [];
let listHasCome = false;
/** The number of links that were opened. A link that is still being decoded is dropped if a later
 * one was opened. */
let linksOpened = 0;
/** @type {Record<string, number>} */
const limits = {};
/** The text of the example while the user has not changed it, otherwise "". */
let example = "";

const project = new Project();
const currentImage = () => images.find((image) => image.name === project.image);
const editor = new Editor(project, { run: () => runner.run(), notify, readOnly });
const setup = new Setup(project, currentImage, () => listHasCome);
const results = new Results(project, editor);
const runner = new Runner(project, setup, results, limits, notify);
const share = new Share(project, notify);
const picker = new Picker(project, chooseImage);
if (!readOnly) new Upload(project, notify, limits);

/** @param {string} text a short sentence, shown for some seconds */
function notify(text) {
  const notice = byId("notice");
  notice.textContent = text;
  notice.hidden = false;
  clearTimeout(Number(notice.dataset.timer));
  notice.dataset.timer = String(setTimeout(() => (notice.hidden = true), 6000));
}

/** @param {import("./command.js").Image} image */
function loadExample(image) {
  const first = image.examples?.[0];
  if (!first) return;
  project.files = [{ name: first.file, text: first.text }];
  project.active = 0;
  project.changed("all");
  example = first.text;
}

/**
 * Switch to an image. The user's files stay, an unchanged example is replaced.
 * @param {import("./command.js").Image} image
 */
function chooseImage(image) {
  const untouched = project.files.length === 0 || (project.files.length === 1 && example !== "" && project.files[0].text === example);
  project.setImage(image.name);
  if (untouched) loadExample(image);
  runner.runSoon();
  drawImage();
  editor.focus();
}

function drawImage() {
  byId("image-name").textContent = project.image || "Choose an image";
  byId("image-description").textContent = currentImage()?.description ?? "";
  const unknown = images.length > 0 && project.image !== "" && !currentImage();
  byId("image").classList.toggle("unknown", unknown);
  if (unknown) byId("image-description").textContent = "not on this server";
}

/** The image for a page without a link: one with an example, preferably a compiler. */
function firstImage() {
  const withExample = images.filter((image) => image.examples?.length);
  return withExample.find((image) => image.categories?.includes("c")) ?? withExample[0] ?? images[0];
}

async function loadFragment() {
  const link = ++linksOpened;
  share.yield();
  if (location.hash.length < 2) return share.resume();
  try {
    const saved = await decodeLink(location.hash.slice(1));
    if (link !== linksOpened) return;
    project.load(saved);
    example = "";
  } catch (error) {
    if (link !== linksOpened) return;
    runner.stop();
    results.showProblem(error instanceof Error ? error.message : String(error), "This link cannot be opened");
  }
  share.resume();
  if (!project.image && images.length) chooseFirst();
  drawImage();
}

async function loadCatalog() {
  try {
    const catalog = await fetchCatalog();
    images = catalog.images;
    listHasCome = true;
    Object.assign(limits, catalog.defaults);
  } catch (error) {
    byId("offline").hidden = false;
    byId("offline").textContent = `${error instanceof Error ? error.message : error} Trying again…`;
    setTimeout(loadCatalog, CATALOG_RETRY_MS);
    return;
  }
  byId("offline").hidden = true;
  picker.setImages(images);
  setup.timeoutMost = limits.timeout_ms_max ?? setup.timeoutMost;
  byId("timeout").max = String(setup.timeoutMost / 1000);
  byId("timeout").placeholder = String((limits.timeout_ms ?? 10_000) / 1000);
  if (!project.image && images.length) chooseFirst();
  if (!images.length) setTimeout(loadCatalog, CATALOG_RETRY_MS);
  setup.draw();
  drawImage();
}

function chooseFirst() {
  const file = project.activeFile?.name;
  const image = (file && images.find((each) => acceptsFile(each, file))) || firstImage();
  project.setDefaultImage(image.name);
  if (!project.files.length) loadExample(image);
}

function listenToKeys() {
  window.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !event.repeat) return;
    event.preventDefault(); // a key that is held down counts once
    event.stopPropagation();
  }, true);
  window.addEventListener("keydown", (event) => {
    const command = event.ctrlKey || event.metaKey;
    if (event.key === "Enter" && command && !event.defaultPrevented) {
      event.preventDefault();
      runner.run({ fresh: event.shiftKey });
    } else if (event.key === "Escape" && runner.running && !event.defaultPrevented && !document.querySelector("dialog[open]")) {
      runner.stop();
    } else if (event.key === "o" && command && !embedded) {
      event.preventDefault();
      picker.open();
    }
  });
}

function listenToButtons() {
  byId("image").addEventListener("click", () => picker.open());
  byId("help").addEventListener("click", () => byId("help-dialog").showModal());
  for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => /** @type {HTMLDialogElement} */ (button.closest("dialog")).close());
  for (const dialog of document.querySelectorAll("dialog"))
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close(); // a click on the backdrop has the dialog as its target
    });
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-show]")))
    button.addEventListener("click", () => (document.body.dataset.view = button.dataset.show));
}

async function start() {
  document.body.classList.toggle("embed", embedded);
  document.body.classList.toggle("readonly", readOnly);
  document.body.classList.toggle("apple", /Mac|iP(hone|ad)/.test(navigator.platform));
  startTheme(query.get("theme"));
  startSplitter();
  listenToKeys();
  listenToButtons();
  window.addEventListener("hashchange", () => {
    if (location.hash !== share.own) loadFragment();
  });
  await loadFragment();
  await loadCatalog();
  document.body.dataset.ready = "true";
}

start();
