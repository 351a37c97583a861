// SPDX-License-Identifier: Apache-2.0
// Writing a program, saying how it is run, and running it.
import assert from "node:assert/strict";
import { eventually } from "./service.mjs";

/** @typedef {import("./browser.mjs").Explorer} Explorer */
/** @type {[string, (explorer: Explorer) => Promise<void>][]} */
export const tests = [];
const test = (/** @type {string} */ sentence, /** @type {(explorer: Explorer) => Promise<void>} */ body) => tests.push([sentence, body]);

const sh = (/** @type {string} */ text, more = {}) => ({ files: [{ name: "main.sh", text }], ...more });

test("a visitor writes a program, runs it with Ctrl-Enter and sees what it prints", async (explorer) => {
  await explorer.open();
  await explorer.ready();
  await explorer.shows("image-name", "gcc:14");
  await explorer.write('#include <stdio.h>\nint main(void) { printf("six times seven is %d\\n", 6 * 7); }\n');
  await explorer.run();
  await explorer.shows("stdout", "six times seven is 42");
  assert.equal(await explorer.status(), "exit 0");
  await explorer.shoot("first-run-light");
});

test("two files make one program", async (explorer) => {
  const page = await explorer.openState({ image: "gcc:14", files: [{ name: "main.c", text: '#include "twice.h"\n#include <stdio.h>\nint main(void) { printf("%d\\n", twice(21)); }\n' }] });
  await page.click("#new-file");
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText("twice.c");
  await page.keyboard.press("Enter");
  await explorer.write('#include "twice.h"\nint twice(int n) { return 2 * n; }\n');
  await page.click("#new-file");
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText("twice.h");
  await page.keyboard.press("Enter");
  await explorer.write("int twice(int n);\n");
  assert.deepEqual(await page.locator("#file-tabs .tab-name").allInnerTexts(), ["main.c", "twice.c", "twice.h"]);
  assert.match(await page.inputValue("#command"), /main\.c twice\.c$/);
  await explorer.run();
  await explorer.shows("stdout", "42");
});

test("a file is renamed and removed on its tab, and a name that cannot be is refused in words", async (explorer) => {
  const page = await explorer.openState({ files: [{ name: "a.sh", text: "echo a" }, { name: "b.sh", text: "echo b" }] });
  await page.focus("#file-tab-0");
  await page.keyboard.press("F2");
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText("../etc/passwd");
  await page.keyboard.press("Enter");
  await explorer.shows("notice", '".." cannot be a part of a name');
  await page.focus("#file-tab-0");
  await page.keyboard.press("F2");
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText("b.sh");
  await page.keyboard.press("Enter");
  await explorer.shows("notice", "There is already a file b.sh");
  await page.focus("#file-tab-1");
  await page.keyboard.press("Delete");
  assert.deepEqual(await page.locator("#file-tabs .tab-name").allInnerTexts(), ["a.sh"]);
  await explorer.run();
  await explorer.shows("stdout", "a");
});

test("the form of the image's options changes the command that is shown and run", async (explorer) => {
  const page = await explorer.openState({ image: "gcc:14", files: [{ name: "main.c", text: '#include <stdio.h>\nint main(void) { puts(NAME); }\n' }] });
  assert.match(await page.inputValue("#command"), /-O1 main\.c$/);
  await page.getByLabel("Optimisation").selectOption("3");
  await page.getByLabel("All warnings").check();
  await page.getByLabel("Macro").fill('NAME="from the form"');
  assert.match(await page.inputValue("#command"), /-O3 -Wall -Wextra '-DNAME="from the form"' main\.c$/);
  await explorer.run();
  await explorer.shows("stdout", "from the form");
});

test("the command line is edited by hand, checked while it is written, and given back to the image", async (explorer) => {
  const page = await explorer.openState(sh("echo unused"));
  assert.equal(await page.inputValue("#command"), "sh main.sh");
  await page.fill("#command", "echo 'one word' two");
  await explorer.run();
  await explorer.shows("stdout", "one word two");
  await page.fill("#command", "echo 'never closed");
  await explorer.shows("command-problem", "an unclosed");
  await explorer.run();
  await explorer.shows("problem", "an unclosed");
  await page.click("#command-reset");
  assert.equal(await page.inputValue("#command"), "sh main.sh");
});

test("standard input, environment and time limit reach the program", async (explorer) => {
  const page = await explorer.openState(sh('read -r line; echo "$line, $NAME"; ls -A'));
  await page.click(".more-setup summary");
  await page.fill("#stdin", "good evening\n");
  await page.fill("#env", "NAME=Ada\nOTHER=a=b");
  await explorer.run();
  await explorer.shows("stdout", "good evening, Ada");
  await page.fill("#env", "no equals sign");
  await explorer.shows("env-problem", "is not KEY=value");
});

test("the picker shows first the images for the open file, and is used with the keyboard alone", async (explorer) => {
  const page = await explorer.openState({ image: "gcc:14", files: [{ name: "count.sh", text: "echo counted" }] });
  await page.keyboard.press("Control+o");
  assert.deepEqual(await page.locator("#picker-list > *").allInnerTexts().then((all) => all.map((text) => text.split("\n")[0])), ["For count.sh", "busybox:1.35", "Others", "gcc:14", "python:3"]);
  await page.keyboard.insertText("busy");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await explorer.shows("image-name", "busybox:1.35");
  await explorer.run();
  await explorer.shows("stdout", "counted");
});

test("categories narrow the picker", async (explorer) => {
  const page = await explorer.openState(sh("echo"));
  await page.click("#image");
  await page.locator(".chip", { hasText: "compiler" }).click();
  assert.deepEqual(await page.locator(".picker-name").allInnerTexts(), ["gcc:14"]);
  await page.keyboard.press("Escape");
});

test("another image brings its example as long as nobody has written anything", async (explorer) => {
  const page = await explorer.open();
  await explorer.ready();
  await page.click("#image");
  await page.locator(".picker-item", { hasText: "busybox" }).click();
  await eventually(async () => (await explorer.text()).includes("The most frequent words"), "the example of busybox");
  await explorer.write("echo mine");
  await page.click("#image");
  await page.locator(".picker-item", { hasText: "gcc" }).click();
  assert.equal(await explorer.text(), "echo mine");
});

test("with “Run as I type” the program runs when the typing pauses", async (explorer) => {
  const page = await explorer.openState(sh("echo before"));
  await page.check("#auto");
  await explorer.write("echo typed and");
  await page.keyboard.type(" run");
  await explorer.shows("stdout", "typed and run");
});

test("a program that runs is stopped with Escape", async (explorer) => {
  const page = await explorer.openState(sh("sleep 55", { timeout: 60000 }));
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector("body.running");
  await explorer.shows("status", "running");
  await page.keyboard.press("Escape");
  await page.waitForSelector("body:not(.running)");
  assert.equal(await explorer.status(), "stopped");
  await eventually(async () => (await explorer.service.health()).running === 0, "the job is cancelled");
});

test("a byte order mark and line ends of Windows are kept, also when the text is edited", async (explorer) => {
  const page = await explorer.openState(sh("od -An -c words.txt"));
  await page.setInputFiles("#upload-files", [{ name: "words.txt", mimeType: "text/plain", buffer: Buffer.from("\ufeffa\r\nb\r\n") }]);
  await explorer.run();
  assert.equal((await explorer.read("stdout")).trim().replace(/ +/g, " "), "357 273 277 a \\r \\n b \\r \\n");
  await page.locator("#editor .cm-line").nth(1).click();
  await page.keyboard.type("c");
  await explorer.run();
  assert.equal((await explorer.read("stdout")).trim().replace(/ +/g, " "), "357 273 277 a \\r \\n b c \\r \\n");
});

test("files are chosen from the machine or dropped on the page; what is no text is sent as it is", async (explorer) => {
  const page = await explorer.openState(sh("od -An -tx1 data.bin; cat words.txt"));
  await page.setInputFiles("#upload-files", [{ name: "data.bin", mimeType: "application/octet-stream", buffer: Buffer.from([0, 255, 16]) }]);
  await explorer.shows("binary", "of binary data");
  const drop = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["dropped words\n"], "words.txt", { type: "text/plain" }));
    return transfer;
  });
  await page.dispatchEvent("main", "dragenter", { dataTransfer: drop });
  await page.dispatchEvent("main", "drop", { dataTransfer: drop });
  await eventually(async () => (await page.locator("#file-tabs .tab-name").allInnerTexts()).includes("words.txt"), "the dropped file");
  await explorer.run();
  await explorer.shows("stdout", /00 ff 10\s+dropped words/);
});
