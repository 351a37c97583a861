// SPDX-License-Identifier: Apache-2.0
// What an official client of the Model Context Protocol does with a server, as one line of JSON:
//     node client.mjs CLIENT URL [TOOL ARGUMENTS [WHAT]]
// CLIENT is "legacy" (it begins with initialize), "modern" (revision 2026-07-28) or "sdk", the SDK's
// first version. With WHAT "progress", each progress notification of the call is a line before that
// line; with "cancel", the first one whose message is "cancel me\n" ends the call. The packages are in
// AGENT_CLIENTS.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.AGENT_CLIENTS + "/");
const load = (name) => import(pathToFileURL(require.resolve(name)));

async function connect(kind, url) {
    const who = { name: "test", version: "1" };
    if (kind === "sdk") {
        const { Client } = await load("@modelcontextprotocol/sdk/client/index.js");
        const { StreamableHTTPClientTransport } = await load(
            "@modelcontextprotocol/sdk/client/streamableHttp.js",
        );
        const client = new Client(who);
        await client.connect(new StreamableHTTPClientTransport(new URL(url)));
        return client;
    }
    const { Client, StreamableHTTPClientTransport } = await load("@modelcontextprotocol/client");
    const mode = kind === "modern" ? "auto" : "legacy";
    const client = new Client(who, { versionNegotiation: { mode } });
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    return client;
}

/** Options of a call whose progress is printed. */
function progressOptions(what) {
    const abort = new AbortController();
    const onprogress = (progress) => {
        console.log(JSON.stringify(progress));
        if (what === "cancel" && progress.message === "cancel me\n") abort.abort("enough");
    };
    return { onprogress, signal: abort.signal };
}

async function call(client, kind, parameters, what) {
    if (!what) return client.callTool(parameters);
    const options = progressOptions(what);
    const done =
        kind === "sdk"
            ? client.callTool(parameters, undefined, options)
            : client.callTool(parameters, options);
    return what === "cancel" ? done.catch((error) => String(error)) : done;
}

const [kind, url, name, text, what] = process.argv.slice(2);
const client = await connect(kind, url);
const { tools } = await client.listTools();
const answer = {
    server: client.getServerVersion().name,
    version: client.getNegotiatedProtocolVersion?.() ?? null,
    tools: tools.map((tool) => tool.name),
};
if (name) answer.result = await call(client, kind, { name, arguments: JSON.parse(text) }, what);
await client.close();
console.log(JSON.stringify(answer));
