// SPDX-License-Identifier: Apache-2.0
// The page in Debian's chromium, and what a test does with it. In every test the page must send
// requests to its own server only, obey its Content-Security-Policy, open no dialog and throw no
// error.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { chromium } from "playwright-core";
import { BUILD, eventually } from "./service.mjs";

export const SHOTS = join(BUILD, "artefacts/playground");
const RUN_MS = 240_000; // a run of a job, or an action of a user, on a busy machine
// Chromium logs every response that is an error, and every WebSocket that is not opened. When text replaces a selection, Chromium also
// tries to keep the colour of the old text with a style attribute. The policy forbids that, and
// CodeMirror draws the text itself.
const TOLERATED = /^Failed to load resource|^WebSocket connection to|^Applying inline style violates|^policy violated: style-src-attr inline/;

export function launch() {
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage"],
  });
}

/** A fragment as the page writes it. @param {object} state */
export function fragment(state) {
  const saved = { image: "busybox:1.35", files: [], active: 0, options: {}, cmd: null, env: "", stdin: "", timeout: null, auto: false, ...state };
  return `#1${deflateRawSync(JSON.stringify(saved)).toString("base64url")}`;
}

export class Explorer {
  /**
   * @param {import("playwright-core").Browser} browser
   * @param {import("./service.mjs").Service} service
   */
  constructor(browser, service) {
    this.browser = browser;
    this.service = service;
    /** The server of the page. */
    this.base = service.url;
    /** @type {string[]} */
    this.faults = [];
    /** @type {import("playwright-core").BrowserContext[]} */
    this.contexts = [];
  }

  /** A page of a browser that was never here before.
   * @param {string} path @param {import("playwright-core").BrowserContextOptions} [options] */
  async open(path = "/", options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    this.contexts.push(context);
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`));
    });
    const page = await context.newPage();
    page.setDefaultTimeout(RUN_MS); // to draw much output takes long on a busy machine
    this.page = page;
    this.watch(page);
    await page.goto(path.startsWith("/") ? this.base + path : path);
    return page;
  }

  /** @param {import("playwright-core").Page} page */
  watch(page) {
    page.on("pageerror", (error) => this.faults.push(`error in the page: ${error.stack ?? error}`));
    page.on("dialog", (dialog) => {
      this.faults.push(`a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on("console", (message) => {
      const text = message.text();
      if (message.type() === "error" && !TOLERATED.test(text)) this.faults.push(`console: ${text}`);
    });
    page.on("request", (request) => {
      const url = new URL(request.url());
      const own = [this.base, ...(this.others ?? [])].includes(url.origin) || ["blob:", "data:"].includes(url.protocol);
      if (!own) this.faults.push(`a request to ${url.origin}`);
    });
  }

  /** Opens a state, waits for the catalog. @param {object} state @param {object} [options] */
  async openState(state, options) {
    const page = await this.open(`/${fragment(state)}`, options);
    await this.ready();
    return page;
  }

  ready() {
    return this.page.waitForSelector("body[data-ready]");
  }

  async close() {
    for (const context of this.contexts.splice(0)) await context.close();
    const faults = this.faults.splice(0);
    if (faults.length) throw new Error(faults.join("; "));
  }

  /** Replaces the text of the open file, by the keyboard. @param {string} text */
  async write(text) {
    await this.page.locator("#editor .cm-content").click();
    await this.page.keyboard.press("Control+a");
    await this.page.keyboard.insertText(text);
  }

  text() {
    return this.page.locator("#editor .cm-content").evaluate((element) => [...element.querySelectorAll(".cm-line")].map((line) => line.textContent).join("\n"));
  }

  async finished() {
    await this.page.waitForSelector("body.running", { timeout: 2000 }).catch(() => {}); // it may be over already
    await this.ended();
  }

  /** The end of a program of which it is known that it has begun. */
  async ended() {
    await this.page.waitForSelector("body:not(.running)", { timeout: RUN_MS });
  }

  async run() {
    await this.page.keyboard.press("Control+Enter");
    await this.finished();
  }

  /** @param {string} id */
  read(id) {
    return this.page.locator(`#${id}`).innerText();
  }

  status() {
    return this.read("status");
  }

  /** @param {string} id @param {string|RegExp} wanted */
  async shows(id, wanted) {
    await eventually(async () => {
      const text = await this.read(id);
      if (typeof wanted === "string" ? text.includes(wanted) : wanted.test(text)) return true;
      throw new Error(`it says ${JSON.stringify(text.slice(0, 300))}`);
    }, `#${id} shows ${wanted}`);
  }

  /** @param {string} name */
  async shoot(name) {
    await mkdir(SHOTS, { recursive: true });
    await this.page.screenshot({ path: join(SHOTS, `${name}.png`) });
  }
}
