// SPDX-License-Identifier: Apache-2.0
// What a run printed, wrote and took.
import assert from "node:assert/strict";
import { eventually } from "./service.mjs";

/** @typedef {import("./browser.mjs").Explorer} Explorer */
/** @type {[string, (explorer: Explorer) => Promise<void>][]} */
export const tests = [];
const test = (/** @type {string} */ sentence, /** @type {(explorer: Explorer) => Promise<void>} */ body) => tests.push([sentence, body]);

const sh = (/** @type {string} */ text, more = {}) => ({ files: [{ name: "main.sh", text }], ...more });
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGOQz3/9YYsGg94C5xMaNgAqBgWDQ/IjMAAAAABJRU5ErkJggg=="; // 2 by 2 pixels

test("a compile error is shown with its place, which is marked in the editor and leads there", async (explorer) => {
  const page = await explorer.openState({ image: "gcc:14", files: [{ name: "main.c", text: "int main(void)\n{\n    return nothing;\n}\n" }, { name: "other.txt", text: "" }], active: 1 });
  await explorer.run();
  assert.equal(await explorer.status(), "exit 1");
  await explorer.shows("notes", "exit status 1");
  await explorer.shows("stderr", "main.c:3:12: error:");
  await page.locator(".place-error").first().click();
  await eventually(async () => (await page.locator("#editor .cm-activeLine").innerText()).includes("return nothing"), "the cursor is in the line");
  assert.equal(await page.locator("#editor .cm-lint-marker-error").count(), 1);
  await explorer.shoot("compile-error-light");
});

test("colours of the terminal are shown, and what is over a line's end is text like any other", async (explorer) => {
  const page = await explorer.openState(sh("printf '\\033[1;31mred\\033[0m \\033[38;5;46mpalette\\033[0m <b>&amp;</b>\\n'"));
  await explorer.run();
  assert.equal(await explorer.read("stdout"), "red palette <b>&amp;</b>\n");
  assert.equal(await page.locator("#stdout .fg-1.ansi-bold").innerText(), "red");
  assert.equal(await page.locator("#stdout b").count(), 0);
});

test("output that is not UTF-8 is shown with replacement characters, and so is the exit status", async (explorer) => {
  await explorer.openState(sh("printf 'a\\377b\\303'; printf '\\300' >&2; exit 3"));
  await explorer.run();
  assert.equal(await explorer.status(), "exit 3");
  assert.equal(await explorer.read("stdout"), "a\ufffdb\ufffd");
  assert.equal(await explorer.read("stderr"), "\ufffd");
});

test("text that was cut at its limit is shown", async (explorer) => {
  await explorer.openState(sh("printf x; yes \u00e9 | tr -d '\\n' | head -c 1200000"));
  await explorer.run();
  await explorer.shows("notes", "cut");
  assert.match(await explorer.read("stdout"), /^x\u00e9+/);
});

test("other pages can read a result with formData(), whatever bytes the program printed", async (explorer) => {
  const page = await explorer.openState(sh("true"));
  const read = await page.evaluate(async () => {
    const form = new FormData();
    const job = { image: "busybox:1.35", cmd: ["sh", "-c", "printf '\\377'; echo 1 >/output/f; exit 4"] };
    form.append("job", new Blob([JSON.stringify(job)], { type: "application/json" }));
    const answer = await (await fetch("/v1/run", { method: "POST", body: form })).formData();
    const stdout = /** @type {File} */ (answer.get("stdout"));
    return { bytes: [...new Uint8Array(await stdout.arrayBuffer())], exit: JSON.parse(String(answer.get("result"))).exit_code, file: /** @type {File} */ (answer.get("file")).name };
  });
  assert.deepEqual(read, { bytes: [255], exit: 4, file: "f" });
});

test("every name of a file goes to the program and comes back unchanged", async (explorer) => {
  const names = ['a"b.txt', "a%22b.txt", "x%0Ay", "b\\s", "-v.c", "\u00e9 '(*)';=", "100%"];
  const page = await explorer.openState({ files: [{ name: "main.sh", text: "cp -r -- * /output/; rm /output/main.sh; printf 1 >\"$(printf '/output/n\\nl')\"" }, ...names.map((name) => ({ name, text: name }))] });
  await explorer.run();
  await page.click("#tab-files");
  assert.deepEqual((await page.locator(".artefact").evaluateAll((items) => items.map((item) => item.dataset.name))).sort(), [...names, "n\nl"].sort());
});

test("a large output is drawn in portions, with its colours, and the rest when it is asked for", async (explorer) => {
  const page = await explorer.openState(sh("printf '\\033[32mgreen '; yes word | head -n 24000; yes \"$(printf '\\033[31mred\\033[0m')\" | head -n 6000; echo the end"));
  await explorer.run();
  const portions = () => page.locator("#stdout .portion").count();
  const more = page.locator("#stdout .more");
  await more.waitFor();
  const drawn = await portions();
  assert.ok(drawn > 1, `${drawn} portions`);
  assert.match(await explorer.read("stdout"), /the end\n?$/, "the end is shown behind the gap");
  assert.ok((await page.locator("#stdout .portion").nth(1).locator(".fg-2").count()) > 0, "a colour goes on in the next portion");
  await page.locator("#stdout .tail .fg-1").first().waitFor();
  const whole = "green ".length + 24000 * 5 + 6000 * 4 + "the end\n".length;
  const shown = () => page.locator("#stdout").evaluate((pre) => [...pre.querySelectorAll(".portion, .tail")].reduce((sum, part) => sum + (part.textContent?.length ?? 0), 0));
  while ((await shown()) < whole) {
    const before = await portions();
    await more.click();
    await eventually(async () => (await portions()) > before && ((await more.isVisible()) || (await shown()) === whole), "more of it");
  }
  assert.equal(await shown(), whole);
});

test("a real program's output is seen before it ends, and Stop ends it in its VM", async (explorer) => {
  const page = await explorer.openState(sh("echo begun; sleep 3600; echo over", { timeout: 60_000 }));
  await page.keyboard.press("Control+Enter");
  await explorer.shows("stdout", "begun");
  assert.equal(await page.locator("body.running").count(), 1);
  await page.getByRole("button", { name: "Stop" }).click();
  await explorer.shows("notes", "was stopped");
  await eventually(async () => /^pe_jobs_running 0$/m.test(await (await fetch(`${explorer.service.url}/metrics`)).text()), "no job runs");
});

test("a picture that the program drew is seen", async (explorer) => {
  const page = await explorer.openState(sh(`echo ${PNG} | base64 -d >/output/dots.png`));
  await explorer.run();
  await eventually(() => page.locator("img.picture").evaluate((image) => /** @type {HTMLImageElement} */ (image).naturalWidth === 2), "the picture");
  await explorer.shows("panel-files", "dots.png");
  await explorer.shoot("picture-light");
});

test("a text file is read, a strange one is downloaded", async (explorer) => {
  const page = await explorer.openState(sh("seq 3 >/output/numbers.txt; head -c 100 /dev/urandom >/output/random.bin"));
  await explorer.run();
  await page.locator(".artefact", { hasText: "numbers.txt" }).click();
  await eventually(async () => (await page.locator(".viewer-body .cm-content").innerText()) .trim() === "1\n2\n3", "the numbers");
  await page.locator(".artefact", { hasText: "random.bin" }).click();
  await explorer.shows("artefact-viewer", "100 bytes of binary data");
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator(".viewer-head button").click()]);
  assert.equal(download.suggestedFilename(), "random.bin");
});

test("a model is seen in three dimensions, by a viewer that is loaded when one is there", async (explorer) => {
  const facets = [["0 0 0", "10 0 0", "0 10 0"], ["0 0 0", "0 0 10", "10 0 0"], ["0 0 0", "0 10 0", "0 0 10"], ["10 0 0", "0 0 10", "0 10 0"]]
    .map((corners) => `facet normal 0 0 0\nouter loop\n${corners.map((corner) => `vertex ${corner}`).join("\n")}\nendloop\nendfacet`).join("\n");
  const page = await explorer.openState(sh("cat >/output/corner.stl <<'END'\nsolid corner\n" + facets + "\nendsolid corner\nEND"));
  const loaded = [];
  page.on("request", (request) => loaded.push(request.url()));
  await explorer.run();
  const canvas = page.locator(".viewer-body canvas");
  await canvas.waitFor();
  assert.ok(loaded.some((url) => /model-\w+\.js$/.test(url)), loaded.join(" "));
  const colours = await eventually(() => canvas.screenshot().then((png) => png.length > 2000 && png.length), "something is drawn");
  assert.ok(colours > 0);
  await explorer.shoot("model-light");
});

test("a glTF model with a texture inside is seen as well", async (explorer) => {
  const positions = Buffer.from(new Float32Array([0, 0, 0, 1, 0, 0, 0, 1, 0]).buffer);
  const places = Buffer.from(new Float32Array([0, 0, 1, 0, 0, 1]).buffer);
  const model = {
    asset: { version: "2.0" }, scene: 0, scenes: [{ nodes: [0] }], nodes: [{ mesh: 0 }],
    meshes: [{ primitives: [{ attributes: { POSITION: 0, TEXCOORD_0: 1 }, material: 0 }] }],
    materials: [{ pbrMetallicRoughness: { baseColorTexture: { index: 0 } }, doubleSided: true }],
    textures: [{ source: 0 }], images: [{ uri: `data:image/png;base64,${PNG}` }],
    buffers: [{ byteLength: 60, uri: `data:application/octet-stream;base64,${Buffer.concat([positions, places]).toString("base64")}` }],
    bufferViews: [{ buffer: 0, byteLength: 36 }, { buffer: 0, byteOffset: 36, byteLength: 24 }],
    accessors: [{ bufferView: 0, componentType: 5126, count: 3, type: "VEC3", min: [0, 0, 0], max: [1, 1, 0] }, { bufferView: 1, componentType: 5126, count: 3, type: "VEC2" }],
  };
  const page = await explorer.openState({ ...sh("cp model.gltf /output/"), files: [{ name: "main.sh", text: "cp model.gltf /output/" }, { name: "model.gltf", text: JSON.stringify(model) }] });
  await explorer.run();
  await page.locator(".viewer-body canvas").waitFor();
});

test("two runs are compared", async (explorer) => {
  const page = await explorer.openState(sh("seq 5"));
  await explorer.run();
  await explorer.write("seq 3; echo four; echo 5");
  await explorer.run();
  await page.click("#tab-compare");
  await page.locator(".cm-changedText").first().waitFor();
  await explorer.shows("panel-compare", "1 difference.");
  await page.getByLabel("What is compared").selectOption("source: main.sh");
  await eventually(async () => (await page.locator(".compare-host .cm-content").last().innerText()).includes("seq 3; echo four"), "the newer source");
  await explorer.shoot("compare-light");
});

test("the times of a run are told by phase, and a stored result says that it is one", async (explorer) => {
  const page = await explorer.openState(sh(`echo ${Math.random()}`));
  await explorer.run();
  await page.click(".times summary");
  await explorer.shows("times", "the program");
  await explorer.shows("times", "what isolated it from the host");
  assert.ok((await page.locator(".phase").count()) >= 3);
  await explorer.run();
  await explorer.shows("times", "stored");
  await page.keyboard.press("Control+Shift+Enter");
  await eventually(async () => !(await explorer.read("times")).includes("stored"), "with Shift it runs again");
});

test("output that wants to be a script stays output", async (explorer) => {
  const script = "<script>window.top.evil = 1; alert(1)</script><img src=x onerror='window.top.evil = 1'>";
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40" onload="top.evil = 1"><script>top.evil = 1; alert(2)</script><rect width="40" height="40"/></svg>`;
  const page = await explorer.openState({
    files: [{ name: "main.sh", text: "cat page.html; cat page.html >&2; cp page.html picture.svg /output/; cp page.html '/output/<img src=x onerror=alert(3)>.txt'" }, { name: "page.html", text: script }, { name: "picture.svg", text: svg }],
  });
  await explorer.run();
  await page.click("#tab-output");
  assert.equal(await explorer.read("stdout"), script);
  await page.click("#tab-files");
  for (const name of await page.locator(".artefact-name").allInnerTexts()) {
    await page.locator(".artefact", { hasText: name }).click();
    await page.locator(".viewer-body > *").first().waitFor();
  }
  await page.locator(".artefact", { hasText: "picture.svg" }).click();
  await eventually(() => page.locator("img.picture").evaluate((image) => /** @type {HTMLImageElement} */ (image).naturalWidth === 40), "the picture");
  assert.equal(await page.evaluate(() => /** @type {any} */ (window).evil), undefined);
  assert.equal(await page.locator("main script").count(), 0);
});
