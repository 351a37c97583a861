// SPDX-License-Identifier: Apache-2.0
// The messages of Piston's own command line client, "piston run -t", with the WebSocket library that it
// uses: connect.mjs SERVER INIT as JSON. Its standard input is that of the program. It prints each message
// of the server and the code of the close frame as a line of JSON.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [server, init] = process.argv.slice(2);
const require = createRequire(pathToFileURL(path.join(process.env.PISTON_CLIENTS, "package.json")));
const WebSocket = require("ws");
const socket = new WebSocket(`${server.replace("http", "ws")}/api/v2/connect`);
const note = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

for (const signal of ["SIGINT", "SIGUSR1"]) process.on(signal, () => socket.send(JSON.stringify({ type: "signal", signal })));
socket.on("open", () => {
    socket.send(JSON.stringify({ type: "init", ...JSON.parse(init) }));
    process.stdin.on("data", (data) => socket.send(JSON.stringify({ type: "data", stream: "stdin", data: data.toString() })));
});
socket.on("message", (data) => note(JSON.parse(data)));
socket.on("error", (error) => note({ failed: error.message }));
socket.on("close", (code, reason) => {
    note({ closed: code, reason: String(reason) });
    process.stdin.destroy();
});
