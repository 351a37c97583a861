// SPDX-License-Identifier: Apache-2.0
// The real service: pe-lb with the built page, pe-worker and VMs. Everything that it starts ends
// with it.
import { spawn } from "node:child_process";
import { copyFile, cp, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const TOP = fileURLToPath(new URL("../..", import.meta.url));
export const BUILD = process.env.PE_BUILD ?? join(TOP, "build");
export const PAGE = join(TOP, "build/playground");

// As tests/fixtures/engine.py.
const SHORT = { uml: "uml+boot", qemu: "qemu+tcg+snapshot" };
const ENGINE = SHORT[process.env.PE_ENGINE || "uml"] ?? process.env.PE_ENGINE;

/** Opens the page of operators. */
export const ADMIN_TOKEN = "token-of-an-operator";

const IMAGES = ["busybox:1.35", "gcc:14", "python:3"];

export const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Wait until `attempt` returns something true. The failure shows its last error or value.
 * @template T
 * @param {() => Promise<T>|T} attempt
 * @param {string} what
 * @param {number} [ms]
 * @returns {Promise<T>}
 */
export async function eventually(attempt, what, ms = 60_000) {
  let last;
  for (const end = Date.now() + ms; Date.now() < end; await sleep(50)) {
    try {
      last = await attempt();
      if (last) return last;
    } catch (error) {
      last = error;
    }
  }
  throw new Error(`${what}: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
}

/** @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

export class Service {
  async start() {
    this.folder = await mkdtemp(join(tmpdir(), "pe-playground-"));
    this.log = await open(join(this.folder, "log"), "w");
    this.port = await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    await this.startBalancer();
    this.worker = this.spawn("pe-worker", "--server", this.url, "--slots", "2", "--warm", "gcc:14", "--state", join(this.folder, "state"),
      "--store", await this.store(), "--vmm", ENGINE, ...this.guest());
    await eventually(async () => (await this.health()).slots === 2, "the worker joins", 600_000);
  }

  /** The images that these tests use, without the other images of this machine. */
  async store() {
    const whole = join(process.env.PE_HOME ?? join(TOP, "build"), "images");
    const store = join(this.folder, "store");
    await mkdir(join(store, "names"), { recursive: true });
    for (const name of IMAGES) {
      const entry = join("names", `${name}.json`);
      const digest = JSON.parse(await readFile(join(whole, entry), "utf8")).digest.split(":")[1];
      await copyFile(join(whole, entry), join(store, entry));
      await cp(join(whole, digest), join(store, digest), { recursive: true }); // a slot follows no link out of its store
    }
    return store;
  }

  /** Another kernel, as the other suites. */
  guest() {
    const variant = process.env.PE_GUEST;
    const folder = join(TOP, "build/guest", variant ?? "");
    return variant ? ["--kernel", join(folder, "vmlinux"), "--initramfs", join(folder, "initramfs.cpio")] : [];
  }

  /** @param {string} name @param {...string} args */
  spawn(name, ...args) {
    return spawn(join(BUILD, "bin", name), args, { stdio: ["ignore", this.log.fd, this.log.fd] });
  }

  async startBalancer() {
    const tokens = join(this.folder, "admin-tokens");
    await writeFile(tokens, `${ADMIN_TOKEN}\n`, { mode: 0o600 });
    this.balancer = this.spawn("pe-lb", "--listen", `127.0.0.1:${this.port}`, "--playground", PAGE, "--admin-token-file", tokens);
    await eventually(() => this.health(), "the balancer listens");
  }

  async health() {
    return (await fetch(`${this.url}/healthz`)).json();
  }

  async stopBalancer() {
    await end(this.balancer, "SIGKILL");
  }

  async stop() {
    await end(this.worker, "SIGTERM");
    await end(this.balancer, "SIGTERM");
    await this.log.close();
    await rm(this.folder, { recursive: true });
  }

  async readLog() {
    return readFile(join(this.folder, "log"), "utf8");
  }
}

/**
 * @param {import("node:child_process").ChildProcess|undefined} process
 * @param {NodeJS.Signals} signal
 */
async function end(process, signal) {
  if (!process || process.exitCode !== null || process.signalCode !== null) return;
  const gone = new Promise((resolve) => process.once("exit", resolve));
  process.kill(signal);
  const impatient = setTimeout(() => process.kill("SIGKILL"), 20_000);
  await gone;
  clearTimeout(impatient);
}
