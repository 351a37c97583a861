// SPDX-License-Identifier: Apache-2.0
// Print a file in HashiCorp's configuration language as JSON: node to_json.mjs FOLDER FILE
// FOLDER has the npm package @cdktf/hcl2json, which is HashiCorp's own reader compiled to WebAssembly.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, file] = process.argv.slice(2);
const { parse } = createRequire(`${folder}/package.json`)("@cdktf/hcl2json");
console.log(JSON.stringify(await parse(file, readFileSync(file, "utf8"))));
