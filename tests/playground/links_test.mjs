// SPDX-License-Identifier: Apache-2.0
// The link that holds everything, and the page in other pages.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { fragment } from "./browser.mjs";
import { eventually } from "./service.mjs";

/** @typedef {import("./browser.mjs").Explorer} Explorer */
/** @type {[string, (explorer: Explorer) => Promise<void>][]} */
export const tests = [];
const test = (/** @type {string} */ sentence, /** @type {(explorer: Explorer) => Promise<void>} */ body) => tests.push([sentence, body]);

test("a shared link opens the same program, options, input and command in another browser", async (explorer) => {
  let page = await explorer.open();
  await explorer.ready();
  await explorer.write('#include <stdio.h>\nint main(void) { char s[20]; scanf("%19s", s); printf("%s %d ünïcode\\n", s, LEVEL); }\n');
  await page.getByLabel("Macro").fill("LEVEL=7");
  await page.click(".more-setup summary");
  await page.fill("#stdin", "shared");
  await page.click("#share");
  await explorer.shows("share-note", "The server stores nothing");
  const link = await page.inputValue("#share-link");
  assert.ok(link.startsWith(`${explorer.service.url}/#1`), link);
  page = await explorer.open(link);
  await explorer.ready();
  assert.equal(await page.inputValue("#stdin"), "shared");
  assert.match(await page.inputValue("#command"), /-DLEVEL=7/);
  await explorer.run();
  await explorer.shows("stdout", "shared 7 ünïcode");
});

test("the server never sees what is in a link", async (explorer) => {
  const page = await explorer.open();
  const seen = [];
  page.on("request", (request) => seen.push(request.url() + (request.postData() ?? "")));
  await explorer.ready();
  await explorer.write("a secret of mine");
  await eventually(() => page.url().length > explorer.service.url.length + 20, "the link is in the address bar");
  assert.equal(seen.filter((each) => each.includes("#") || each.includes("secret")).length, 0);
});

test("a damaged link says so", async (explorer) => {
  await explorer.open("/#1damaged");
  await explorer.shows("problem", "This link is damaged");
  await explorer.ready();
});

test("a link that grows without bound when it is unpacked is refused", async (explorer) => {
  await explorer.open(`/${fragment({ files: [{ name: "big.txt", text: " ".repeat(5 << 20) }] })}`);
  await explorer.shows("problem", "This link is damaged");
});

test("of two links opened one after the other the later one counts", async (explorer) => {
  const page = await explorer.open();
  await explorer.ready();
  const large = fragment({ files: [{ name: "old.txt", text: Array.from({ length: 60000 }, (_, i) => i * 7919 % 65521).join(" ") }] });
  const small = fragment({ files: [{ name: "new.txt", text: "the later one" }] });
  await page.evaluate(([first, second]) => {
    location.hash = first;
    location.hash = second;
  }, [large, small]);
  await eventually(async () => (await explorer.text()).includes("the later one"), "the later link");
  await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.ok((await explorer.text()).includes("the later one"));
});

test("a program that became too large for a link leaves no older one in the address bar", async (explorer) => {
  const page = await explorer.openState({ files: [{ name: "main.sh", text: "echo small" }] });
  await explorer.write("echo still small");
  await eventually(() => new URL(page.url()).hash.length > 2, "a link");
  const noise = (/** @type {number} */ seed) => Array.from({ length: 40000 }, (_, i) => Math.imul(i + seed, 2654435761) >>> 0).join(" ").slice(0, 250 << 10);
  await page.setInputFiles("#upload-files", Array.from({ length: 8 }, (_, i) => ({ name: `${i}.txt`, mimeType: "text/plain", buffer: Buffer.from(noise(i * 77777)) })));
  await explorer.shows("notice", "too large for a link");
  await eventually(() => new URL(page.url()).hash === "", "no link");
});

test("a file too large for a link is named", async (explorer) => {
  const page = await explorer.openState({ files: [{ name: "main.sh", text: "wc -c large.txt" }] });
  await page.setInputFiles("#upload-files", [{ name: "large.txt", mimeType: "text/plain", buffer: Buffer.alloc(300 << 10, "x") }]);
  await explorer.shows("notice", "too large for a link");
  await page.click("#share");
  await explorer.shows("share-note", "large.txt");
  await page.keyboard.press("Escape");
  await explorer.run();
  await explorer.shows("stdout", "307200 large.txt");
});

test("another site's page embeds the explorer, and cannot embed the whole page", async (explorer) => {
  const state = fragment({ files: [{ name: "main.sh", text: "echo from a frame" }] });
  const host = createServer((request, response) => {
    response.setHeader("content-type", "text/html");
    const path = request.url === "/whole" ? "/" : "/embed";
    response.end(`<!doctype html><title>A blog</title><p>Try it:</p><iframe src="${explorer.service.url}${path}${state}" width="900" height="420"></iframe>`);
  });
  await new Promise((resolve) => host.listen(0, "127.0.0.1", () => resolve(null)));
  try {
    const origin = `http://127.0.0.1:${/** @type {any} */ (host.address()).port}`;
    explorer.others = [origin];
    const page = await explorer.open(`${origin}/blog`);
    const frame = page.frameLocator("iframe");
    await frame.locator("body[data-ready].embed").waitFor();
    await frame.locator("#run").click();
    await eventually(async () => (await frame.locator("#stdout").innerText()).includes("from a frame"), "the output in the frame", 60_000);
    await explorer.shoot("embed-light");
    const [full] = await Promise.all([page.waitForEvent("popup"), frame.locator("#open-full").click()]);
    await full.waitForSelector("body[data-ready]:not(.embed)");
    assert.equal(await full.locator("#editor .cm-line").first().innerText(), "echo from a frame");
    const refused = page.waitForEvent("console", (message) => /frame-ancestors/.test(message.text()));
    await page.goto(`${origin}/whole`);
    await refused;
    explorer.faults = explorer.faults.filter((fault) => !fault.includes("frame-ancestors"));
  } finally {
    host.close();
    host.closeAllConnections();
  }
});

test("an embedded program can be for reading only", async (explorer) => {
  const page = await explorer.open(`/embed?readonly&theme=dark${fragment({ files: [{ name: "main.sh", text: "echo as it is" }] })}`);
  await explorer.ready();
  await page.locator("#editor .cm-content").click();
  await page.keyboard.type("changed");
  assert.equal(await explorer.text(), "echo as it is");
  await page.click("#run");
  await explorer.shows("stdout", "as it is");
  await explorer.shoot("embed-readonly-dark");
});
