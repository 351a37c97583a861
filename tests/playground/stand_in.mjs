// SPDX-License-Identifier: Apache-2.0
// A server in front of the balancer. It answers some requests itself, in ways that a balancer does
// only when something goes wrong or when a program takes its time; all others are the balancer's.
import { createServer, request as forward } from "node:http";
import { ServerSocket } from "./web_socket.mjs";

/** A result as the last event has it. */
export const RESULT = {
  type: "result", status: "exited", exit_code: 0, signal: null, image: "busybox:1.35", image_digest: "sha256:0", isolation: "kernel",
  usage: { wall_ms: 5, user_ms: 1, system_ms: 1, max_rss_kib: 1000 }, stdout_truncated: false, stderr_truncated: false, outputs_dropped: 0, cached: false,
  timing_ms: { queue: 0, vm: 1, input: 1, run: 5, output: 1 },
};

export class StandIn {
  /** @param {import("./service.mjs").Service} service */
  constructor(service) {
    this.target = new URL(service.url);
    /** @type {Record<string, (request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => void>} */
    this.answers = {};
    /** @type {((socket: ServerSocket) => Promise<void>)|null} */
    this.onConnect = null;
    this.server = createServer((request, response) => (this.answers[request.url ?? ""] ?? ((_, __) => this.pass(request, response)))(request, response));
    this.server.on("upgrade", (request, socket) => {
      const connection = this.onConnect && new ServerSocket(request, /** @type {any} */ (socket));
      if (connection) this.onConnect?.(connection).catch(() => socket.destroy());
      else socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    });
  }

  async start() {
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", () => resolve(undefined)));
    const { port } = /** @type {import("node:net").AddressInfo} */ (this.server.address());
    this.url = `http://127.0.0.1:${port}`;
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  pass(request, response) {
    const { host, port } = this.target;
    const onward = forward({ host: host.split(":")[0], port, path: request.url, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  }

  /**
   * Answer POST /v1/run with events.
   * @param {(send: (...events: (object|string)[]) => void, response: import("node:http").ServerResponse) => void|Promise<void>} body
   */
  stream(body) {
    this.answers["/v1/run"] = (request, response) => {
      request.resume();
      response.writeHead(200, { "Content-Type": "application/x-ndjson" });
      body((...events) => events.forEach((event) => response.write(typeof event === "string" ? event : `${JSON.stringify(event)}\n`)), response);
    };
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** A function that adds a test to a list. The page of the test has a stand-in of its own.
 * @typedef {import("./browser.mjs").Explorer} Explorer
 * @param {[string, (explorer: Explorer) => Promise<void>][]} tests */
export const testsWithStandIn = (tests) =>
  (/** @type {string} */ sentence, /** @type {(explorer: Explorer, standIn: StandIn) => Promise<void>} */ body) =>
    tests.push([sentence, async (explorer) => {
      const standIn = new StandIn(explorer.service);
      await standIn.start();
      explorer.base = standIn.url;
      try {
        await body(explorer, standIn);
      } finally {
        standIn.close();
      }
    }]);
