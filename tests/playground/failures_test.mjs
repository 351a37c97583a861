// SPDX-License-Identifier: Apache-2.0
// What goes wrong is said in words, with what to do.
import assert from "node:assert/strict";
import { eventually } from "./service.mjs";

/** @typedef {import("./browser.mjs").Explorer} Explorer */
/** @type {[string, (explorer: Explorer) => Promise<void>][]} */
export const tests = [];
const test = (/** @type {string} */ sentence, /** @type {(explorer: Explorer) => Promise<void>} */ body) => tests.push([sentence, body]);

const sh = (/** @type {string} */ text, more = {}) => ({ files: [{ name: "main.sh", text }], ...more });

test("a program that takes too long is ended, and what it had printed is there", async (explorer) => {
  await explorer.openState(sh("echo so far; sleep 50", { timeout: 1500 }));
  await explorer.run();
  assert.equal(await explorer.status(), "timeout");
  await explorer.shows("notes", "longer than 1.50 s");
  await explorer.shows("stdout", "so far");
});

test("a signal and an exit status are told apart", async (explorer) => {
  const page = await explorer.openState(sh("kill -SEGV $$"));
  await explorer.run();
  assert.equal(await explorer.status(), "SIGSEGV");
  await explorer.shows("notes", "memory that is not its own");
  await explorer.write("exit 7");
  await explorer.run();
  assert.equal(await explorer.status(), "exit 7");
  assert.ok(await page.locator("#silence").isVisible());
});

test("an image that the server does not have is marked, and running it says what to do", async (explorer) => {
  const page = await explorer.openState(sh("echo", { image: "cobol:85", cmd: ["true"] }));
  await explorer.shows("image-description", "not on this server");
  await page.click("#run");
  await explorer.shows("problem", "Choose another image");
});

test("when the balancer is away the page says so, keeps the program, and works again when it is back", async (explorer) => {
  const page = await explorer.openState(sh("echo here again"));
  await explorer.service.stopBalancer();
  await explorer.run();
  await explorer.shows("problem", "The server cannot be reached");
  await explorer.shoot("unreachable-light");
  await explorer.service.startBalancer();
  await eventually(async () => (await explorer.service.health()).ready >= 1, "the worker is back", 60_000);
  await page.click("#again");
  await explorer.finished();
  await explorer.shows("stdout", "here again");
});

test("a page whose list of images does not come asks again by itself", async (explorer) => {
  const page = await explorer.open("about:blank");
  let refused = 1;
  await page.route("**/v1/images", (route) => (refused-- > 0 ? route.abort() : route.continue()));
  await page.goto(explorer.service.url);
  await explorer.shows("offline", "Trying again");
  await explorer.shows("image-name", "gcc:14");
  assert.equal(await page.locator("#offline").isVisible(), false);
});
