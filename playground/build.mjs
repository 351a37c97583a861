// SPDX-License-Identifier: Apache-2.0
// Bundle the pages: node build.mjs [TARGET]. TARGET (default ../build/playground) gets index.html, admin.html,
// assets/ with hashes of the content in the file names, and a .gz and a .br of every file. Prints
// the size of a first visit.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2] ?? join(here, "../build/playground");
const FIRST_LOAD_MAX = 250 * 1024;

/** @param {string} path @param {Uint8Array} bytes */
async function writeCompressed(path, bytes) {
  await mkdir(dirname(path), { recursive: true });
  const brotli = await promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });
  const gzipped = await promisify(gzip)(bytes, { level: 9 });
  await Promise.all([writeFile(path, bytes), writeFile(`${path}.br`, brotli), writeFile(`${path}.gz`, gzipped)]);
  return { brotli: brotli.length, gzip: gzipped.length };
}

/** Write the license of every package in the bundle, as the licenses require. */
async function writeLicenses() {
  const packages = new Set(Object.keys(result.metafile.inputs).map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean));
  let text = "The playground contains these packages.\n";
  for (const name of [...packages].sort()) {
    const folder = join(here, "node_modules", name);
    const about = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const license = (await readdir(folder)).find((file) => /^licen[sc]e/i.test(file));
    text += `\n${"-".repeat(72)}\n${name} ${about.version}, ${about.license}\n\n${license ? await readFile(join(folder, license), "utf8") : ""}`;
  }
  const name = `assets/licenses-${createHash("sha256").update(text).digest("hex").slice(0, 8)}.txt`;
  sizes.set(name, await writeCompressed(join(unfinished, name), Buffer.from(text)));
  return `/${name}`;
}

/** xterm.js makes <style> elements and style attributes, which the Content-Security-Policy of the
 * page forbids. The bundle has elements of src/constructed_style.js and properties instead. */
const stylesOfTerminal = {
  name: "styles of the terminal",
  /** @param {import("esbuild").PluginBuild} build */
  setup(build) {
    build.onLoad({ filter: /xterm\/lib\/xterm\.mjs$/ }, async ({ path }) => {
      let contents = await readFile(path, "utf8");
      for (const [pattern, replacement, count] of /** @type {const} */ ([
        [/createElement\("style"\)/g, 'createElement("constructed-style")', 3],
        [/\.setAttribute\("style",`\$\{\w+\.getAttribute\("style"\)\|\|""\}\$\{(\w+)\};`\)/g, ".style.cssText+=`${$1};`", 1],
        [/"style"/g, "", 0],
      ])) {
        const found = contents.match(pattern)?.length ?? 0;
        if (found !== count) throw new Error(`${path} has ${pattern} ${found} times, not ${count}: adapt build.mjs to this version of xterm.js`);
        contents = contents.replace(pattern, replacement);
      }
      return { contents, loader: "js" };
    });
  },
};

const result = await build({
  absWorkingDir: here,
  entryPoints: { main: "src/main.js", style: "src/style.css", icon: "src/icon.svg" },
  outdir: "/out/assets",
  bundle: true,
  splitting: true,
  format: "esm",
  minify: true,
  metafile: true,
  write: false,
  target: ["chrome109", "firefox115", "safari16.4"],
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".svg": "copy" },
  plugins: [stylesOfTerminal],
  legalComments: "none", // see writeLicenses
});

// The page of operators shares sources with the playground, but no file: neither loads more for the other.
const admin = await build({
  absWorkingDir: here,
  entryPoints: { admin: "src/admin.js", "admin-style": "src/admin.css" },
  outdir: "/out/assets",
  bundle: true,
  format: "esm",
  minify: true,
  write: false,
  target: ["chrome109", "firefox115", "safari16.4"],
  entryNames: "[name]-[hash]",
  legalComments: "none",
});

const unfinished = `${target}.unfinished`;
await rm(unfinished, { recursive: true, force: true });
const sizes = new Map();
/** @type {Record<string, string>} */
const entries = {};
const placeholders = { main: "script", style: "style", icon: "icon", admin: "admin-script", "admin-style": "admin-style" };
for (const file of [...result.outputFiles, ...admin.outputFiles]) {
  const name = relative("/out", file.path);
  sizes.set(name, await writeCompressed(join(unfinished, name), file.contents));
  const entry = /^(main|style|icon|admin|admin-style)-\w+\.(js|css|svg)$/.exec(basename(name));
  if (entry) entries[placeholders[entry[1]]] = `/${name}`;
}
entries.licenses = await writeLicenses();
for (const page of ["index.html", "admin.html"]) {
  const html = (await readFile(join(here, "src", page), "utf8")).replace(/@(script|style|icon|licenses|admin-script|admin-style)@/g, (_, name) => entries[name]);
  sizes.set(page, await writeCompressed(join(unfinished, page), Buffer.from(html)));
}
await rm(target, { recursive: true, force: true });
await rename(unfinished, target);

// A first visit loads the page, its entry points, and their static imports.
const outputs = Object.fromEntries(Object.entries(result.metafile.outputs).map(([path, output]) => [basename(path), output]));
const first = new Set(["index.html"]);
/** @param {string} name */
function take(name) {
  if (first.has(`assets/${name}`)) return;
  first.add(`assets/${name}`);
  for (const imported of outputs[name].imports) if (imported.kind === "import-statement") take(basename(imported.path));
}
for (const [kind, path] of Object.entries(entries)) if (["script", "style", "icon"].includes(kind)) take(basename(path));
const sum = (/** @type {"brotli"|"gzip"} */ kind) => [...first].reduce((total, name) => total + sizes.get(name)[kind], 0);
console.log(`playground: ${sizes.size} files; a first visit loads ${first.size} of them, ${(sum("brotli") / 1024).toFixed(1)} KiB with brotli, ${(sum("gzip") / 1024).toFixed(1)} KiB with gzip`);
if (sum("gzip") > FIRST_LOAD_MAX) throw new Error(`a first visit may load ${FIRST_LOAD_MAX / 1024} KiB`);
