// SPDX-License-Identifier: Apache-2.0
/** The client of the balancer (docs/api.md): the catalog, one job, the state of a job. Every error
 * message says what failed and what the user can do. */

import { fromBase64 } from "./base64.js";
import { createFormBody } from "./form.js";
import { parseEnvironment } from "./project.js";

/**
 * @typedef {{status: string, exit_code: number|null, signal: number|null, reason?: string, image: string, image_digest: string, isolation?: string|null,
 *            usage: {wall_ms: number, user_ms: number, system_ms: number, max_rss_kib: number}, stdout_truncated: boolean,
 *            stderr_truncated: boolean, outputs_dropped: number, dropped?: {name: string, type: string}[], cached: boolean, timing_ms: Record<string, number>,
 *            phases_us?: Record<string, number>}} Result
 * @typedef {{result: Result, stdout: Uint8Array, stderr: Uint8Array, files: File[], elapsed: number, at: Date, command: string[], image: string}} Run
 * @typedef {{state: string, position: number|null, wait_ms: number|null, running_ms: number|null}} JobState
 */

/** An error with a message for the user. */
export class ServiceError extends Error {
  /** @param {string} message @param {number|null} [retryAfter] seconds */
  constructor(message, retryAfter = null) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

const UNREACHABLE = "The server cannot be reached. Your program is still in this page and its link. Run it again when the connection is back.";

/** @param {string} url @param {RequestInit} [init] */
async function request(url, init) {
  try {
    return await fetch(url, { credentials: "omit", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ServiceError(UNREACHABLE);
  }
}

/** The error of a response (RFC 9457). @param {Response} response */
async function explain(response) {
  const problem = await response.json().catch(() => null);
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  const detail = typeof problem?.detail === "string" ? problem.detail : typeof problem?.title === "string" ? problem.title : `The server answered ${response.status}.`;
  const hint = response.status === 503 ? ` Try again ${retryAfter ? `in ${retryAfter} s` : "in a moment"}.`
    : response.status === 429 ? ` Wait ${retryAfter ? `${retryAfter} s` : "a moment"}.`
    : response.status === 404 ? " Choose another image."
    : response.status === 413 ? " Remove or shorten a file." : "";
  const sentence = detail.charAt(0).toUpperCase() + detail.slice(1);
  return new ServiceError(sentence + (/[.!?]$/.test(sentence) ? "" : ".") + hint, retryAfter);
}

/**
 * @returns {Promise<{images: import("./command.js").Image[], defaults: Record<string, number>}>}
 */
export async function fetchCatalog() {
  const response = await request("/v1/images", { headers: { Accept: "application/json" } });
  if (!response.ok) throw await explain(response);
  try {
    const catalog = await response.json();
    if (!Array.isArray(catalog.images)) throw new TypeError("no images");
    return catalog;
  } catch {
    throw new ServiceError("The list of images from the server is incomplete. Reload the page.");
  }
}

export function createJobId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The state of a job, or null if the server does not report it.
 * @param {string} id
 * @returns {Promise<JobState|null>}
 */
export async function fetchJobState(id) {
  try {
    const response = await fetch(`/v1/jobs/${id}`, { credentials: "omit" });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/**
 * A name for the file with standard input that no file of the project has.
 * @param {import("./project.js").Project} project
 */
function stdinName(project) {
  let name = ".stdin";
  while (project.files.some((file) => file.name === name)) name += "_";
  return name;
}

/**
 * The body of the request. Throws a ServiceError if the project is not a valid job.
 * @param {import("./project.js").Project} project
 * @param {string[]} command
 * @param {{fresh: boolean}} options
 * @returns {Blob}
 */
export function createRequestBody(project, command, { fresh }) {
  const { env, error } = parseEnvironment(project.env);
  if (error) throw new ServiceError(error);
  /** @type {Record<string, any>} */
  const job = { image: project.image, cmd: command };
  if (env && Object.keys(env).length) job.env = env;
  if (project.timeout) job.timeout_ms = project.timeout;
  if (fresh) job.cache = false;
  const files = project.files.map((file) => ({ name: file.name, content: file.text ?? file.bytes ?? "" }));
  if (project.stdin !== "") {
    job.stdin = stdinName(project);
    files.push({ name: job.stdin, content: project.stdin });
  }
  return createFormBody(job, files);
}

/** @param {string|{base64: string}} value */
function bytesOf(value) {
  return typeof value === "string" ? new TextEncoder().encode(value) : fromBase64(value.base64);
}

/** @param {any} answer the JSON form of a result, in which text is text and other bytes are base64 */
function readAnswer(answer) {
  const { stdout, stderr, files, ...result } = answer;
  return {
    result,
    stdout: bytesOf(stdout),
    stderr: bytesOf(stderr),
    files: files.map((/** @type {any} */ file) => new File([/** @type {any} */ (bytesOf(file.text ?? file))], file.name)),
  };
}

/**
 * Run one job.
 * @param {Blob} body @param {{id: string, signal: AbortSignal}} options
 * @returns {Promise<{result: Result, stdout: Uint8Array, stderr: Uint8Array, files: File[]}>}
 */
export async function runJob(body, { id, signal }) {
  const response = await request("/v1/run", { method: "POST", body, signal, headers: { Accept: "application/json", "X-Request-Id": id } });
  if (!response.ok) throw await explain(response);
  let text;
  try {
    text = await response.text();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ServiceError("The connection was lost while the result was being received. Run the program again.");
  }
  try {
    return readAnswer(JSON.parse(text));
  } catch {
    throw new ServiceError("The response is not a valid result. A proxy may have changed it. Run the program again.");
  }
}
