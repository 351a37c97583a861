// SPDX-License-Identifier: Apache-2.0
// Programs that read what the user types, in a terminal. A stand-in takes the place of the program.
import assert from "node:assert/strict";
import { findBarriers } from "./barriers.mjs";
import { eventually } from "./service.mjs";
import { RESULT, testsWithStandIn } from "./stand_in.mjs";

/** @typedef {import("./browser.mjs").Explorer} Explorer */
/** @typedef {import("./stand_in.mjs").StandIn} StandIn */
/** @type {[string, (explorer: Explorer) => Promise<void>][]} */
export const tests = [];
const test = testsWithStandIn(tests);

const STATE = { files: [{ name: "main.sh", text: "read name; echo hello $name" }, { name: "a.bin", base64: "/wA=" }], terminal: true };
const WINDOW = 65536;

/** The text that the terminal shows. @param {import("playwright-core").Page} page */
const screen = (page) => page.locator("#terminal-screen").evaluate((host) => [...(host.shadowRoot?.querySelectorAll(".xterm-rows > div") ?? [])].map((row) => row.textContent?.replaceAll("\u00a0", " ").trimEnd()).join("\n").trimEnd());

/** @param {Explorer} explorer @param {string|RegExp} wanted */
const shows = (explorer, wanted) => eventually(async () => {
  const text = await screen(explorer.page);
  if (typeof wanted === "string" ? text.includes(wanted) : wanted.test(text)) return true;
  throw new Error(`it shows ${JSON.stringify(text.slice(0, 500))}`);
}, `the terminal shows ${wanted}`);

/**
 * Wait for a connection, and for its first message.
 * @param {StandIn} standIn
 * @returns {Promise<{socket: import("./web_socket.mjs").ServerSocket, first: any}>}
 */
const connected = (standIn) => new Promise((resolve) => {
  standIn.onConnect = async (socket) => resolve({ socket, first: await socket.next() });
});

/** Press Ctrl-Enter, and let the stand-in be the program. @param {Explorer} explorer @param {StandIn} standIn */
async function begin(explorer, standIn) {
  const connecting = connected(standIn);
  await explorer.page.keyboard.press("Control+Enter");
  const { socket, first } = await connecting;
  socket.send({ type: "queued", id: "0" });
  socket.send({ type: "started", input_window: WINDOW });
  return { socket, first };
}

/** The bytes that were typed, from now on. @param {import("./web_socket.mjs").ServerSocket} socket @param {number} count */
async function typed(socket, count) {
  let bytes = Buffer.alloc(0);
  while (bytes.length < count) {
    const message = await socket.next();
    assert.notEqual(message, null, `the connection ended after ${bytes.length} bytes`);
    if (Buffer.isBuffer(message)) bytes = Buffer.concat([bytes, message]);
  }
  return bytes;
}

test("a program in a terminal gets what is typed, and how it ended is said in the terminal", async (explorer, standIn) => {
  const page = await explorer.openState(STATE);
  const loaded = [];
  page.on("request", (request) => loaded.push(request.url()));
  const { socket, first } = await begin(explorer, standIn);
  assert.ok(loaded.some((url) => /terminal-\w+\.js$/.test(url)), "the terminal is loaded when it is needed");
  const { rows, cols, term } = first.tty;
  assert.ok(rows > 10 && cols > 40 && term === "xterm-256color", JSON.stringify(first.tty));
  assert.deepEqual([first.type, first.job.image, first.job.files["main.sh"], first.job.files["a.bin"]], ["run", "busybox:1.35", STATE.files[0].text, { base64: "/wA=" }]);
  assert.equal("stdin" in first.job, false);
  socket.send({ type: "stdout", text: "Who are you? " });
  await shows(explorer, "Who are you?");
  await page.keyboard.type("Ünal");
  await page.keyboard.press("Enter");
  assert.equal((await typed(socket, 6)).toString(), "Ünal\r");
  socket.send({ type: "stdout", base64: Buffer.concat([Buffer.from("Ünal\r\n\x1b[1;32mhello\x1b[0m \x1b[38;2;200;30;90mÜnal\x1b[0m "), Buffer.from([0xff])]).toString("base64") });
  await shows(explorer, "hello Ünal \ufffd");
  const colours = await page.locator("#terminal-screen").evaluate((host) => [...(host.shadowRoot?.querySelectorAll(".xterm-rows span") ?? [])].map((span) => getComputedStyle(span).color));
  assert.ok(colours.includes("rgb(200, 30, 90)") && new Set(colours).size >= 3, colours.join(" "));
  await explorer.shows("status", "running");
  await explorer.shoot("terminal-running-light");
  socket.send({ type: "file", name: "out.txt", size: 1, mode: "0644", text: "x" });
  socket.send({ ...RESULT, exit_code: 4 });
  await explorer.ended();
  await shows(explorer, "── The program ended with exit status 4.");
  assert.equal(await explorer.status(), "exit 4");
  assert.equal(await explorer.read("file-count"), "1");
  assert.equal(await page.locator("#silence").isVisible(), false);
  await explorer.shoot("terminal-light");
});

test("keys go to the program while it runs: Ctrl-C, Tab and Esc too, but Shift-Tab leaves the terminal", async (explorer, standIn) => {
  const page = await explorer.openState(STATE);
  const { socket } = await begin(explorer, standIn);
  socket.send({ type: "stdout", text: "> " });
  await shows(explorer, ">");
  for (const key of ["Control+c", "Tab", "Escape", "Control+d", "ArrowUp"]) await page.keyboard.press(key);
  assert.equal((await typed(socket, 7)).toString(), "\x03\t\x1b\x04\x1b[A");
  await page.click("[data-key='Ctrl-D']");
  assert.equal((await typed(socket, 1)).toString(), "\x04");
  await page.keyboard.press("x");
  assert.equal((await typed(socket, 1)).toString(), "x");
  await page.keyboard.press("Shift+Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "tab-output");
  await page.keyboard.press("Escape");
  await explorer.ended();
  assert.equal(await explorer.status(), "stopped");
});

test("the program is told when its terminal has another size", async (explorer, standIn) => {
  const page = await explorer.openState(STATE);
  const { socket, first } = await begin(explorer, standIn);
  await page.setViewportSize({ width: 900, height: 500 });
  const resize = await socket.next();
  assert.equal(resize.type, "resize");
  assert.ok(resize.cols < first.tty.cols && resize.rows < first.tty.rows, JSON.stringify(resize));
});

test("no more is under way than the program has room for, whatever is pasted", async (explorer, standIn) => {
  const page = await explorer.openState(STATE);
  const { socket } = await begin(explorer, standIn);
  const paste = (/** @type {number} */ size) => page.evaluate((length) => {
    const data = new DataTransfer();
    data.setData("text/plain", "0123456789".repeat(length / 10));
    const terminal = document.getElementById("terminal-screen")?.shadowRoot?.querySelector("textarea");
    terminal?.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  }, size);
  await paste(200_000);
  assert.equal((await typed(socket, WINDOW)).length, WINDOW);
  await page.waitForTimeout(300);
  assert.equal(socket.messages.length, 0);
  socket.send({ type: "taken", bytes: 10 });
  assert.equal((await typed(socket, 10)).length, 10);
  for (const bytes of [-5, 1e300, "x", null]) socket.send({ type: "taken", bytes });
  await paste(2_000_000);
  await explorer.shows("notice", "was left out");
  for (let got = WINDOW + 10; got < 200_000; ) {
    socket.send({ type: "taken", bytes: WINDOW });
    got += (await typed(socket, Math.min(WINDOW, 200_000 - got))).length;
  }
  socket.send(RESULT);
  await explorer.ended();
});

test("a selection is copied with Ctrl-C, and the program is not interrupted", async (explorer, standIn) => {
  const page = await explorer.openState(STATE, { permissions: ["clipboard-read", "clipboard-write"] });
  const { socket } = await begin(explorer, standIn);
  socket.send({ type: "stdout", text: "copythis" });
  await shows(explorer, "copythis");
  const { x, y } = await page.locator("#terminal-screen").evaluate((host) => host.getBoundingClientRect());
  await page.mouse.dblclick(x + 40, y + 16);
  await page.keyboard.press("Control+c");
  await eventually(() => page.evaluate(async () => (await navigator.clipboard.readText()) === "copythis"), "the clipboard");
  await page.keyboard.press("Control+c");
  assert.equal((await typed(socket, 1)).toString(), "\x03");
});

test("Stop ends the connection of a terminal", async (explorer, standIn) => {
  const page = await explorer.openState(STATE);
  const { socket } = await begin(explorer, standIn);
  socket.send({ type: "stdout", text: "so far" });
  await shows(explorer, "so far");
  await page.getByRole("button", { name: "Stop" }).click();
  await socket.closed;
  await shows(explorer, "── You stopped the program.");
  assert.equal(await explorer.status(), "stopped");
});

test("a terminal is left clean by a program that used the whole screen, and a new program gets a new one", async (explorer, standIn) => {
  await explorer.openState(STATE);
  const first = await begin(explorer, standIn);
  first.socket.send({ type: "stdout", text: "before\r\n\u001b[?1049h\u001b[?25l\u001b[?1003h\u001b[41mfull screen" });
  await shows(explorer, "full screen");
  first.socket.send({ ...RESULT, status: "signaled", signal: 11, exit_code: null });
  await explorer.ended();
  await shows(explorer, /before\n── A signal ended the program: SIGSEGV/);
  const second = await begin(explorer, standIn);
  second.socket.send({ type: "stdout", text: "second" });
  await shows(explorer, /^second/);
  second.socket.send({ type: "restarted", reason: "x" });
  second.socket.send({ type: "stdout", text: "again" });
  await shows(explorer, /^again/);
  second.socket.send(RESULT);
  await explorer.ended();
});

test("much output goes through a terminal, which keeps the last lines of it", async (explorer, standIn) => {
  const page = await explorer.openState(STATE);
  const { socket } = await begin(explorer, standIn);
  for (let n = 0; n < 64; n++) socket.send({ type: "stdout", text: `${"word ".repeat(12)}\r\n`.repeat(1000) });
  socket.send({ type: "stdout", text: "the end\r\n" });
  socket.send(RESULT);
  await explorer.ended();
  await shows(explorer, "the end");
  const elements = await page.locator("#terminal-screen").evaluate((host) => host.shadowRoot?.querySelectorAll("*").length ?? 0);
  assert.ok(elements < 5000, `${elements} elements`);
});

test("after the terminal, a program without one shows its streams again", async (explorer, standIn) => {
  const page = await explorer.openState(STATE);
  const { socket } = await begin(explorer, standIn);
  socket.send(RESULT);
  await explorer.ended();
  await page.uncheck("#terminal");
  standIn.stream((send, response) => (send({ type: "stdout", text: "plain\n" }, RESULT), response.end()));
  await page.keyboard.press("Control+Enter");
  await explorer.shows("stdout", "plain");
  assert.equal(await page.locator("#terminal-part").isVisible(), false);
});

for (const theme of /** @type {const} */ (["light", "dark"]))
  test(`nobody is kept out of a terminal in the ${theme} page, as far as axe can tell`, async (explorer, standIn) => {
    const page = await explorer.openState(STATE, { colorScheme: theme, bypassCSP: true });
    const { socket } = await begin(explorer, standIn);
    socket.send({ type: "stdout", text: "plain \u001b[33myellow\u001b[0m \u001b[7mreverse\u001b[0m \u001b[38;2;250;250;150mpale\u001b[0m " });
    await shows(explorer, "pale");
    assert.deepEqual(await findBarriers(page), []);
    await page.keyboard.press("Shift+Tab");
    for (let n = 0; n < 10 && (await page.evaluate(() => document.activeElement?.id)) !== "terminal-spoken"; n++) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await page.getAttribute("#terminal-spoken", "aria-pressed"), "true");
    const lines = () => page.locator("#terminal-screen").evaluate((host) => host.shadowRoot?.querySelector(".xterm-accessibility")?.textContent ?? "");
    await eventually(async () => (await lines()).includes("plain yellow"), "the lines for screen readers");
    assert.deepEqual(await findBarriers(page), []);
    await explorer.shoot(`terminal-spoken-${theme}`);
    socket.send(RESULT);
    await explorer.ended();
    assert.deepEqual(await findBarriers(page), []);
  });

for (const [what, words, act] of /** @type {[string, string, (socket: import("./web_socket.mjs").ServerSocket) => void][]} */ ([
  ["a limit of the service", "Too many programs read from a terminal. Wait a moment", (socket) => (socket.send({ type: "problem", problem: { status: 429, detail: "too many programs read from a terminal" } }), socket.close(1000))],
  ["a connection that breaks", "The connection to the program was lost", (socket) => socket.socket.destroy()],
  ["a message that is too large", "too large for one message", (socket) => socket.close(1009)],
  ["a message that is no event", "no event of a program", (socket) => socket.send("{")],
  ["bytes in the place of an event", "no event of a program", (socket) => socket.send(Buffer.from([1, 2]))],
]))
  test(`the page says what went wrong with a terminal: ${what}`, async (explorer, standIn) => {
    const page = await explorer.openState(STATE);
    const { socket } = await begin(explorer, standIn);
    socket.send({ type: "stdout", text: "so far" });
    await shows(explorer, "so far");
    act(socket);
    await explorer.ended();
    assert.equal(await page.locator("#problem").isVisible(), true);
    await explorer.shows("problem", words);
    await shows(explorer, "so far");
    await socket.closed;
  });

test("a server without terminals is told from one that is away", async (explorer, standIn) => {
  const page = await explorer.openState(STATE);
  standIn.answers["/v1/connect"] = (_, response) => response.writeHead(404).end();
  await explorer.run();
  await explorer.shows("problem", "This server has no terminals");
  standIn.answers["/v1/connect"] = (_, response) => response.writeHead(503, { "Content-Type": "application/problem+json", "Retry-After": "7" }).end('{"detail": "all terminals are taken"}');
  await explorer.run();
  await explorer.shows("problem", "All terminals are taken. Try again in 7 s.");
  standIn.close();
  await page.click("#again");
  await explorer.finished();
  await explorer.shows("problem", "The server cannot be reached");
});

tests.push(["a shell of the real service is a terminal: it has a size, edits its line, obeys Ctrl-C and ends", async (explorer) => {
  const page = await explorer.openState({ files: [{ name: "a.txt", text: "content" }], cmd: ["sh"], terminal: true });
  await page.keyboard.press("Control+Enter");
  await shows(explorer, /[#$]$/);
  await page.keyboard.type("stty size; cat a.txt; echo x >/output/made; sleep 3600");
  await page.keyboard.press("Enter");
  await shows(explorer, /^\d+ \d+\ncontent/m);
  await page.keyboard.press("Control+c");
  await page.keyboard.type("exix");
  await page.keyboard.press("Backspace");
  await page.keyboard.type("t 5");
  await page.keyboard.press("Enter");
  await explorer.ended();
  await shows(explorer, "── The program ended with exit status 5.");
  assert.equal(await explorer.status(), "exit 5");
  assert.equal(await explorer.read("file-count"), "1");
  await explorer.shoot("terminal-shell-light");
}]);

tests.push(["a terminal of the real service that is stopped frees its slot", async (explorer) => {
  const page = await explorer.openState({ image: "python:3", cmd: ["python3", "-q"], terminal: true });
  await page.keyboard.press("Control+Enter");
  await shows(explorer, ">>>");
  await page.keyboard.type("6 * 7");
  await page.keyboard.press("Enter");
  await shows(explorer, "42");
  await explorer.shoot("terminal-python-light");
  await page.getByRole("button", { name: "Stop" }).click();
  await shows(explorer, "── You stopped the program.");
  await eventually(async () => /^pe_interactive_jobs 0$/m.test(await (await fetch(`${explorer.service.url}/metrics`)).text()), "no interactive job is left");
}]);
