// SPDX-License-Identifier: Apache-2.0
// One call through a published client: client.mjs CLIENT SERVER METHOD [REQUEST as JSON]. Prints
// what the client returns.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [client, server, method, text] = process.argv.slice(2);
const request = text === undefined ? undefined : JSON.parse(text);
// The clients are installed into the build directory, and this file is not.
const require = createRequire(pathToFileURL(path.join(process.env.PISTON_CLIENTS, "package.json")));

async function open() {
    if (client === "piston-client") {
        const { default: piston } = await import(pathToFileURL(require.resolve("piston-client")));
        return piston({ server });
    }
    const classes = require("piston-api-client");
    return new classes[client === "piston-api-client" ? "PistonClient" : "NodePistonClient"]({ server });
}

console.log(JSON.stringify(await (await open())[method](request)));
process.exit(0); // piston-api-client keeps a timer for a day
