// SPDX-License-Identifier: Apache-2.0
// Output that is shown while the program runs. A stand-in sends the events, one after the other and also
// in ways in which no balancer does.
import assert from "node:assert/strict";
import { eventually } from "./service.mjs";
import { RESULT, testsWithStandIn } from "./stand_in.mjs";

/** @typedef {import("./browser.mjs").Explorer} Explorer */
/** @type {[string, (explorer: Explorer) => Promise<void>][]} */
export const tests = [];
const test = testsWithStandIn(tests);

const sh = (/** @type {string} */ text, more = {}) => ({ files: [{ name: "main.sh", text }], ...more });
const stdout = (/** @type {string} */ text) => ({ type: "stdout", text });
const stderr = (/** @type {string} */ text) => ({ type: "stderr", text });
const QUEUED = [{ type: "queued", id: "0" }, { type: "started" }];

/** A promise, and the function that resolves it. @returns {[Promise<any>, (value?: any) => void]} */
function signal() {
  let resolve = (/** @type {any} */ _) => {};
  return [new Promise((done) => (resolve = done)), resolve];
}

test("output is shown while the program runs, and what belongs to the last result is not", async (explorer, standIn) => {
  const page = await explorer.openState(sh("echo"));
  standIn.stream((send, response) => (send(...QUEUED, stderr("what failed\n"), { ...RESULT, exit_code: 3 }), response.end()));
  await explorer.run();
  await explorer.shows("notes", "exit status 3");
  const [goOn, go] = signal();
  standIn.stream(async (send, response) => {
    send(...QUEUED, stdout("one\n"), "\n", stdout("tw"));
    await goOn;
    send(stderr("a warning\n"), stdout("o\n"), { type: "file", name: "a.txt", size: 1, mode: "0644", text: "x" }, { type: "news" }, RESULT);
    response.end();
  });
  await page.keyboard.press("Control+Enter");
  await explorer.shows("stdout", "one\ntw");
  assert.equal(await page.locator("body.running").count(), 1);
  assert.equal(await page.locator("#stderr-part").isVisible(), false);
  assert.equal(await page.locator("#notes").isVisible(), false);
  await explorer.shows("status", "running");
  await explorer.shoot("running-light");
  go();
  await explorer.ended();
  assert.equal(await explorer.read("stdout"), "one\ntwo\n");
  assert.equal(await explorer.read("stderr"), "a warning\n");
  assert.equal(await explorer.status(), "exit 0");
  assert.equal(await explorer.read("file-count"), "1");
});

test("bytes that are not UTF-8, characters in two pieces, colours and returns are shown as in a terminal", async (explorer, standIn) => {
  const page = await explorer.openState(sh("echo"));
  const bytes = (/** @type {Buffer} */ all) => ({ type: "stdout", base64: all.toString("base64") });
  const euro = Buffer.from("€");
  standIn.stream((send, response) => {
    send(bytes(Buffer.from([0x61, 0xff, 0x62, 10])), bytes(euro.subarray(0, 1)), bytes(euro.subarray(1)), stdout("\n\u001b[3"), stdout("1mred\u001b[0m\n"));
    for (let percent = 0; percent <= 100; percent++) send(stdout(`\r${percent} %`));
    send(stdout("\r\ndone\n"), RESULT);
    response.end();
  });
  await explorer.run();
  assert.equal(await explorer.read("stdout"), "a\ufffdb\n€\nred\n100 %\ndone\n");
  assert.equal(await page.locator("#stdout .fg-1").innerText(), "red");
});

test("of much output the page holds the beginning and the end, while it comes and afterwards", async (explorer, standIn) => {
  const page = await explorer.openState(sh("yes"));
  const line = `${"0123456789".repeat(10)}\n`;
  const count = 100_000; // 10 MB
  const [goOn, go] = signal();
  const bounded = async (/** @type {string} */ end) => {
    await eventually(() => page.locator("#stdout").evaluate((pre, wanted) => pre.textContent?.endsWith(wanted), end), `the end of the output, ${end.slice(0, 20)}`);
    const { length, elements } = await page.locator("#stdout").evaluate((pre) => ({ length: pre.textContent?.length ?? 0, elements: pre.querySelectorAll("*").length }));
    assert.ok(length > 600_000 && length < 900_000 && elements < 100, `${length} characters in ${elements} elements`);
    assert.ok(await page.locator("#stdout .more").isVisible());
  };
  standIn.stream(async (send, response) => {
    send(...QUEUED, stdout("\u001b[32mfirst\u001b[0m\n"));
    for (let n = 0; n < count; n += 1000) send(stdout(line.repeat(1000)));
    send(stdout("\u001b[31mlater\n"));
    await goOn;
    send(stdout("last\n"), RESULT);
    response.end();
  });
  await page.keyboard.press("Control+Enter");
  await bounded("later\n");
  assert.equal(await page.locator("#stdout .tail .fg-1").innerText(), "later");
  await explorer.shoot("much-output-light");
  go();
  await explorer.ended();
  await bounded("last\n");
  const left = await explorer.read("stdout");
  await page.locator("#stdout .more").click();
  await eventually(async () => (await explorer.read("stdout")).length > left.length + 300_000, "more of it");
});

test("output that goes on is followed to its end, unless the user reads elsewhere", async (explorer, standIn) => {
  const page = await explorer.openState(sh("yes"));
  const panel = page.locator("#panel-output");
  const place = () => panel.evaluate((element) => [element.scrollTop, element.scrollHeight - element.clientHeight - element.scrollTop]);
  let [goOn, go] = signal();
  standIn.stream(async (send, response) => {
    for (let n = 0; n < 4; n++) {
      send(stdout(`${n}\n`.repeat(100)));
      await goOn;
      [goOn, go] = signal();
    }
    send(RESULT);
    response.end();
  });
  await page.keyboard.press("Control+Enter");
  await eventually(async () => (await explorer.read("stdout")).includes("0\n"), "the beginning");
  assert.equal((await place())[0], 0);
  await page.waitForTimeout(1100);
  go();
  await eventually(async () => (await explorer.read("stdout")).includes("1\n") && (await place())[1] < 5, "the end is in view");
  await panel.evaluate((element) => (element.scrollTop = 100));
  go();
  await eventually(async () => (await explorer.read("stdout")).includes("2\n"), "more");
  assert.equal((await place())[0], 100);
  go();
  await eventually(async () => (await explorer.read("stdout")).includes("3\n"), "more");
  go();
  await explorer.ended();
});

test("a program that had to begin again is shown once", async (explorer, standIn) => {
  await explorer.openState(sh("echo"));
  standIn.stream((send, response) => {
    send(...QUEUED, stdout("first try\n"), stderr("lost\n"), { type: "file", name: "old", text: "" }, { type: "restarted", reason: "the worker went away" }, { type: "started" }, stdout("second try\n"), RESULT);
    response.end();
  });
  await explorer.run();
  assert.equal(await explorer.read("stdout"), "second try\n");
  assert.equal(await explorer.page.locator("#stderr-part").isVisible(), false);
  assert.equal(await explorer.read("file-count"), "");
});

test("Stop ends the request, and what was printed stays and can be downloaded", async (explorer, standIn) => {
  const page = await explorer.openState(sh("echo"));
  const [closed, close] = signal();
  standIn.stream((send, response) => {
    send(...QUEUED, stdout("so far\n"));
    response.on("close", close);
  });
  await page.keyboard.press("Control+Enter");
  await explorer.shows("stdout", "so far");
  await page.getByRole("button", { name: "Stop" }).click();
  await closed;
  assert.equal(await explorer.status(), "stopped");
  await explorer.shows("notes", "was stopped. Its output until then is shown");
  await explorer.shows("stdout", "so far");
  await explorer.shoot("stopped-light");
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#save-stdout").click()]);
  const text = await (await download.createReadStream()).toArray();
  assert.equal(Buffer.concat(text).toString(), "so far\n");
});

for (const [what, words, end] of /** @type {[string, string, (send: (...events: any[]) => void, response: any) => void][]} */ ([
  ["is reported as an event", "No slot is left. Try again in a moment", (send, response) => (send({ type: "problem", problem: { status: 503, title: "x", detail: "no slot is left" } }), response.end())],
  ["is a connection that ends too early", "The connection was lost", (_, response) => response.end()],
  ["is a connection that breaks", "The connection was lost", (_, response) => response.destroy()],
  ["is a line that is no event", "not a valid result", (send, response) => (send("<html>\n"), response.end())],
  ["is an event without a type", "not a valid result", (send, response) => (send([1]), response.end())],
  ["is output in no encoding", "not a valid result", (send, response) => (send({ type: "stdout", base64: "*" }), response.end())],
]))
  test(`a failure after the program has printed is told, with what it printed: what failed ${what}`, async (explorer, standIn) => {
    const page = await explorer.openState(sh("echo"));
    standIn.stream(async (send, response) => {
      send(...QUEUED, stdout("so far\n"));
      await eventually(async () => (await explorer.read("stdout")).includes("so far"), "the output");
      end(send, response);
    });
    await explorer.run();
    await explorer.shows("problem", words);
    assert.equal(await explorer.read("problem-title"), "The program was interrupted");
    assert.equal(await explorer.read("stdout"), "so far\n");
  });

test("a stored result that comes as events says that it is one", async (explorer, standIn) => {
  await explorer.openState(sh("echo"));
  standIn.stream((send, response) => (send(stdout("again\n"), { ...RESULT, cached: true }), response.end()));
  await explorer.run();
  await explorer.shows("stdout", "again");
  await explorer.shows("times", "stored");
});

test("a server that sends no events is asked for a result in JSON", async (explorer, standIn) => {
  await explorer.openState(sh("echo"));
  let accepted = "";
  standIn.answers["/v1/run"] = (request, response) => {
    accepted = request.headers.accept ?? "";
    request.resume();
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ ...RESULT, type: undefined, stdout: { base64: "YQo=" }, stderr: "b\n", files: [{ name: "f", size: 1, text: "x" }] }));
  };
  await explorer.run();
  assert.match(accepted, /application\/x-ndjson, application\/json;q=0\.\d/);
  assert.equal(await explorer.read("stdout"), "a\n");
  assert.equal(await explorer.read("stderr"), "b\n");
  assert.equal(await explorer.read("file-count"), "1");
});
