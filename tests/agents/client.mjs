// SPDX-License-Identifier: Apache-2.0
// What an official client of the Model Context Protocol does with a server, as one line of JSON:
//     node client.mjs CLIENT URL [TOOL ARGUMENTS]
// CLIENT is "legacy" (it begins with initialize), "modern" (revision 2026-07-28) or "sdk", the SDK's
// first version. The packages are in AGENT_CLIENTS.
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

const [kind, url, name, text] = process.argv.slice(2);
const client = await connect(kind, url);
const { tools } = await client.listTools();
const answer = {
    server: client.getServerVersion().name,
    version: client.getNegotiatedProtocolVersion?.() ?? null,
    tools: tools.map((tool) => tool.name),
};
if (name) answer.result = await client.callTool({ name, arguments: JSON.parse(text) });
await client.close();
console.log(JSON.stringify(answer));
