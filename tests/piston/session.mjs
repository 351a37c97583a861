// SPDX-License-Identifier: Apache-2.0
// An interactive session through the published library piston-api, unchanged: session.mjs SERVER SOURCE LANGUAGE.
// Prints the library's events as lines of JSON; each line of its standard input is sent to the program.
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const [server, source, language] = process.argv.slice(2);
const require = createRequire(pathToFileURL(path.join(process.env.PISTON_CLIENTS, "package.json")));
const { PistonClient } = require("piston-api");
const piston = new PistonClient({ baseUrl: server });
const note = (...what) => process.stdout.write(`${JSON.stringify(what)}\n`);

for (const event of ["sessionReady", "sessionStage", "sessionOutput", "sessionCompleted", "sessionError"])
    piston.on(event, (_, ...details) => note(event, ...details));
const id = await piston.runInteractive(source, language, { runTimeout: 15000 });
readline.createInterface({ input: process.stdin }).on("line", (line) => piston.sendInput(id, `${line}\n`));
