// SPDX-License-Identifier: Apache-2.0
// The parts of the page that need no browser: globs with the rules of the balancer, command lines,
// commands of images, and links.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { createDeflateRaw, createInflateRaw } from "node:zlib";
import { buildCommand, checkOption, optionArguments, acceptsFile } from "../../playground/src/command.js";
import { computeJobKey } from "../../playground/src/job_key.js";
import { globMatches } from "../../playground/src/glob.js";
import { decodeLink, encodeLink } from "../../playground/src/link.js";
import { checkPath, parseEnvironment, Project } from "../../playground/src/project.js";
import { joinArguments, splitArguments } from "../../playground/src/argv.js";
import { TOP } from "./service.mjs";

// Browsers have "deflate-raw"; Debian's node has it in zlib only.
for (const [name, create] of /** @type {const} */ ([["CompressionStream", createDeflateRaw], ["DecompressionStream", createInflateRaw]]))
  globalThis[name] = /** @type {any} */ (function () {
    return Duplex.toWeb(create());
  });

/** @type {[string, () => Promise<void>|void][]} */
export const tests = [];
const test = (/** @type {string} */ sentence, /** @type {() => Promise<void>|void} */ body) => tests.push([sentence, body]);

test("the page's globs match what the balancer's do: tests/unit/test_glob.c", async () => {
  const source = await readFile(join(TOP, "tests/unit/test_glob.c"), "utf8");
  const checks = [...source.matchAll(/check\(("(?:[^"\\]|\\.)*"),\s*("(?:[^"\\]|\\.)*"),\s*(true|false)\)/g)];
  assert.ok(checks.length >= 20);
  for (const [, glob, path, wanted] of checks) assert.equal(globMatches(JSON.parse(glob), JSON.parse(path)), wanted === "true", `${glob} ${path}`);
});

test("the key of a job is the one that pe-run computes: tests/unit/test_job_key.c", async () => {
  const source = await readFile(join(TOP, "tests/unit/test_job_key.c"), "utf8");
  const [, key] = /KEY "([0-9a-f]{64})"/.exec(source) ?? [];
  const files = [{ name: "main.c", content: "int main;" }, { name: "ü", content: new Uint8Array([0, 255]) }];
  assert.equal(await computeJobKey({ image: "gcc:14", cmd: ["sh", "-c", "é"] }, files), key);
});

test("a command line is what it was after it was written and read", () => {
  for (const words of [["sh", "-c", "echo 'it''s' \"$X\" > /output/a"], ["", " ", "\t\n"], ["a\\b", "-DX=\"y z\"", "ünïcode", "*"]])
    assert.deepEqual(splitArguments(joinArguments(words)), { argv: words });
  assert.deepEqual(splitArguments(`a "b \\"c\\" $d" 'e f'g\\ h ''`), { argv: ["a", 'b "c" $d', "e fg h", ""] });
  for (const line of ["'", 'a "b', "a\\"]) assert.ok("error" in splitArguments(line), line);
});

const image = {
  name: "cc:1", digest: "", description: "", categories: [], examples: [], default_cmd: ["cc", "{options}", "{files:**.c}"],
  inputs: [{ type: "text/x-c", patterns: ["*.c"] }], commands: [{ files: "Makefile", cmd: ["make"] }],
  options: { properties: { level: { type: "string", enum: ["0", "1"], default: "1", argv: ["-O{}"] }, all: { type: "boolean", argv: ["-Wall"] }, jobs: { type: "integer", minimum: 1, maximum: 8, argv: ["-j", "{}"] } } },
};

test("an image's command is built for the files and options", () => {
  assert.deepEqual(buildCommand(image, ["a.c", "sub/b.c", "x.h"], {}), { argv: ["cc", "-O1", "a.c", "sub/b.c"] });
  assert.deepEqual(buildCommand(image, ["Makefile", "a.c"], {}), { argv: ["make"] });
  assert.deepEqual(buildCommand(image, ["-v.c", "+x.c", "@a.c", "a-b.c"], {}), { argv: ["cc", "-O1", "./-v.c", "./+x.c", "./@a.c", "a-b.c"] });
  assert.deepEqual(optionArguments(image, { all: true, jobs: 3, level: "0", strange: "x" }), ["-O0", "-Wall", "-j", "3"]);
  assert.match(JSON.stringify(buildCommand(image, ["a.txt"], {})), /needs a file that matches \*\.c/);
  assert.match(JSON.stringify(buildCommand({ ...image, default_cmd: [] }, ["a.c"], {})), /has no default command/);
  assert.equal(acceptsFile(image, "deep/main.c"), true);
  assert.equal(acceptsFile(image, "main.py"), false);
});

test("an option takes no value that its schema does not allow, wherever it comes from", () => {
  const { level, jobs } = image.options.properties;
  assert.equal(checkOption(level, "2"), "one of 0, 1");
  for (const value of ["0", "9", "1.5", "x"]) assert.notEqual(checkOption(jobs, value), "", value);
  assert.deepEqual(optionArguments(image, { level: "2", jobs: 99, all: "yes", __proto__: { all: true } }), []);
});

test("a link holds the whole state, and what is wrong in one is refused in words", async () => {
  const project = new Project();
  project.put({ name: "a.txt", text: "text ünïcode \u0000" });
  project.put({ name: "b.bin", bytes: new Uint8Array([0, 255]) });
  Object.assign(project, { image: "cc:1", options: { all: true }, cmd: ["x", ""], env: "A=b", stdin: "in", timeout: 5, auto: true, terminal: true });
  const saved = await decodeLink(await encodeLink(project.save().saved));
  const other = new Project();
  other.load(saved);
  assert.deepEqual(other.save().saved, project.save().saved);
  for (const [json, words] of [[[], "no program"], [{ files: [{ name: "../x", text: "" }] }, "whose name is not allowed"], [{ files: [{ name: "x" }] }, "no content for x"], [{ files: [{ name: "x", base64: "not*base64" }] }, "no content for x"], [{ files: [{ name: "x", text: "" }, { name: "x", text: "" }] }, "two files with the same name"]])
    await assert.rejects(decodeLink(await encodeLink(json)), new RegExp(words));
  await assert.rejects(decodeLink("2abc"), /another version/);
  await assert.rejects(decodeLink("1%%%"), /damaged/);
  const hostile = await decodeLink(await encodeLink({ files: [], options: { a: { b: 1 }, c: null }, cmd: [1], timeout: -1, active: 7, image: 5 }));
  assert.deepEqual(hostile, { image: "", files: [], active: 0, options: {}, cmd: null, env: "", stdin: "", timeout: null, auto: false, terminal: false });
});

test("names and variables that no job could have are told before they are sent", () => {
  for (const name of ["", "/a", "a//b", "..", "a/./b", "a\nb", "x".repeat(300)]) assert.notEqual(checkPath(name), "", name);
  for (const name of ["ü".repeat(128), "a/".repeat(32) + "a", "\ud800"]) assert.notEqual(checkPath(name), "", name);
  assert.deepEqual(parseEnvironment("__proto__=1"), { env: Object.fromEntries([["__proto__", "1"]]) });
  for (const name of ["main.c", "src/a b.c", "ünïcode", "-x", "...", "a%22b", "a%0db"]) assert.equal(checkPath(name), "", name);
  assert.deepEqual(parseEnvironment("A=1\n\nB_2=x=y "), { env: { A: "1", B_2: "x=y " } });
  assert.ok(parseEnvironment("1A=2").error);
});
