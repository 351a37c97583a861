// SPDX-License-Identifier: Apache-2.0
// What a first visit loads, how the page looks, and whether everyone can use it.
import assert from "node:assert/strict";
import { findBarriers } from "./barriers.mjs";

/** @typedef {import("./browser.mjs").Explorer} Explorer */
/** @type {[string, (explorer: Explorer) => Promise<void>][]} */
export const tests = [];
const test = (/** @type {string} */ sentence, /** @type {(explorer: Explorer) => Promise<void>} */ body) => tests.push([sentence, body]);

const FIRST_LOAD_MAX = 250 * 1024;

test("a first visit loads less than 250 KiB", async (explorer) => {
  const page = await explorer.open("about:blank");
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  let bytes = 0;
  session.on("Network.loadingFinished", (event) => (bytes += event.encodedDataLength));
  await page.goto(explorer.service.url);
  await explorer.ready();
  await page.waitForLoadState("networkidle");
  assert.ok(bytes > 50 * 1024 && bytes < FIRST_LOAD_MAX, `${bytes} bytes`);
});

test("the page's policy lets no script run that does not come from its server as a file", async (explorer) => {
  const page = await explorer.open();
  await explorer.ready();
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.evil = 1";
    document.body.append(script);
    const image = document.createElement("img");
    image.setAttribute("onerror", "window.evil = 1");
    image.src = "/nothing";
    document.body.append(image);
  });
  await page.waitForTimeout(300);
  assert.equal(await page.evaluate(() => /** @type {any} */ (window).evil), undefined);
  assert.ok(explorer.faults.some((fault) => fault.includes("policy violated")), "the policy should have been broken");
  explorer.faults = explorer.faults.filter((fault) => !/policy violated|Content Security Policy/.test(fault));
});

for (const theme of /** @type {const} */ (["light", "dark"])) {
  test(`nobody is kept out of the ${theme} page, as far as axe can tell`, async (explorer) => {
    const page = await explorer.openState({ image: "gcc:14", files: [{ name: "main.c", text: "int main(void)\n{\n    int unused; // a comment\n    return x;\n}\n" }] }, { colorScheme: theme, bypassCSP: true });
    await explorer.run();
    assert.deepEqual(await findBarriers(page), []);
    await page.click("#image");
    assert.deepEqual(await findBarriers(page), []);
    await explorer.shoot(`picker-${theme}`);
  });

  test(`a result in the ${theme} theme`, async (explorer) => {
    const page = await explorer.openState({ image: "gcc:14", files: [{ name: "hello.c", text: '#include <stdio.h>\n\n/* Squares, the slow way. */\nstatic int square(int n)\n{\n    int sum = 0;\n    for (int i = 0; i < n; i++)\n        sum += n;\n    return sum;\n}\n\nint main(void)\n{\n    for (int n = 1; n <= 8; n++)\n        printf("\\033[3%dm%2d squared is %2d\\033[0m\\n", n % 7 + 1, n, square(n));\n    return 0;\n}\n' }, { name: "notes.md", text: "# Notes\n" }] }, { colorScheme: theme });
    await explorer.run();
    await page.click(".times summary");
    await explorer.shows("stdout", "8 squared is 64");
    await explorer.shoot(`result-${theme}`);
  });
}

test("a phone shows program and result one after the other, and nothing is wider than it", async (explorer) => {
  const page = await explorer.openState({ image: "gcc:14", files: [{ name: "a-rather-long-name-of-a-file.c", text: `int main(void) { return 0; } // ${"long ".repeat(60)}\n` }] }, { viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true });
  const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(await overflow(), 0);
  await explorer.shoot("phone-program-light");
  await page.tap("#run");
  await explorer.finished();
  assert.equal(await page.locator("#results").isVisible(), true);
  assert.equal(await explorer.status(), "exit 0");
  assert.equal(await overflow(), 0);
  await explorer.shoot("phone-result-light");
  await page.tap('[data-show="source"]');
  assert.equal(await page.locator("#editor").isVisible(), true);
});

test("the keyboard reaches everything: from the address bar to a result and its files", async (explorer) => {
  const page = await explorer.openState({ files: [{ name: "main.sh", text: "echo with keys; echo x >/output/x.txt" }] });
  const visited = [];
  for (let i = 0; i < 40 && !visited.includes("run"); i++) {
    await page.keyboard.press("Tab");
    visited.push(await page.evaluate(() => document.activeElement?.id ?? ""));
  }
  assert.ok(visited.includes("image") && visited.includes("auto") && visited.includes("run"), visited.join(" "));
  await page.keyboard.press("Enter");
  await explorer.finished();
  await explorer.shows("stdout", "with keys");
  for (let i = 0; i < 60 && (await page.evaluate(() => document.activeElement?.id)) !== "tab-output"; i++) {
    if (await page.evaluate(() => document.activeElement?.id === "editor")) await page.keyboard.press("Escape"); // then Tab leaves the editor
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.locator("#panel-files").isVisible(), true);
  await explorer.shows("artefact-viewer", "x.txt");
});
