// SPDX-License-Identifier: Apache-2.0
/** The client of the balancer (docs/api.md): the catalog, one job, the state of a job. Every error
 * message says what failed and what the user can do. */

import { fromBase64, toBase64 } from "./base64.js";
import { bytesOf, Collector, ConnectionLost, failToRead, parseEvent, readLines } from "./events.js";
import { accessHeaders, askForAccess } from "./access.js";
import { createFormBody } from "./form.js";
import { computeJobKey } from "./job_key.js";
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

/** What went wrong, for the user. @param {any} problem of RFC 9457, or null @param {number} status @param {number|null} retryAfter */
function describeProblem(problem, status, retryAfter) {
  const detail = typeof problem?.detail === "string" ? problem.detail : typeof problem?.title === "string" ? problem.title : `The server answered ${status}.`;
  const hint = status === 503 ? ` Try again ${retryAfter ? `in ${retryAfter} s` : "in a moment"}.`
    : status === 429 ? ` Wait ${retryAfter ? `${retryAfter} s` : "a moment"}.`
    : status === 404 ? " Choose another image."
    : status === 413 ? " Remove or shorten a file." : "";
  const sentence = detail.charAt(0).toUpperCase() + detail.slice(1);
  return new ServiceError(sentence + (/[.!?]$/.test(sentence) ? "" : ".") + hint, retryAfter);
}

/** The error of a response. @param {Response} response */
async function explain(response) {
  return describeProblem(await response.json().catch(() => null), response.status, Number(response.headers.get("Retry-After")) || null);
}

/** The error of an event. @param {any} problem */
export function explainEvent(problem) {
  return describeProblem(problem, Number(problem.status) || 500, null);
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

/** The header that leads to the balancer of a job. @param {string|null} key @returns {Record<string, string>} */
const keyHeader = (key) => (key ? { "PE-Job-Key": key } : {});

/**
 * The state of a job, or null if the server does not report it.
 * @param {string} id
 * @param {string|null} key of computeJobKey
 * @returns {Promise<JobState|null>}
 */
export async function fetchJobState(id, key) {
  try {
    const response = await fetch(`/v1/jobs/${id}`, { credentials: "omit", headers: keyHeader(key) });
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
 * The job without its files and its input. Throws a ServiceError if the project is not a valid job.
 * @param {import("./project.js").Project} project
 * @param {string[]} command
 */
function createJob(project, command) {
  const { env, error } = parseEnvironment(project.env);
  if (error) throw new ServiceError(error);
  /** @type {Record<string, any>} */
  const job = { image: project.image, cmd: command };
  if (env && Object.keys(env).length) job.env = env;
  if (project.timeout) job.timeout_ms = project.timeout;
  return job;
}

/**
 * The body of the request, and the key of the job. Throws a ServiceError if the project is not a valid job.
 * @param {import("./project.js").Project} project
 * @param {string[]} command
 * @param {{fresh: boolean}} options
 * @returns {Promise<{body: Blob, key: string|null}>}
 */
export async function createRequest(project, command, { fresh }) {
  const job = createJob(project, command);
  if (fresh) job.cache = false;
  const files = project.files.map((file) => ({ name: file.name, content: file.text ?? file.bytes ?? "" }));
  if (project.stdin !== "") {
    job.stdin = stdinName(project);
    files.push({ name: job.stdin, content: project.stdin });
  }
  return { body: createFormBody(job, files), key: await computeJobKey(/** @type {any} */ (job), files) };
}

/**
 * The first message of a connection, with the job and its files. Throws a ServiceError if the
 * project is not a valid job.
 * @param {import("./project.js").Project} project
 * @param {string[]} command
 * @param {{rows: number, cols: number}} size of the terminal
 */
export function createFirstMessage(project, command, { rows, cols }) {
  const contents = project.files.map((file) => [file.name, file.text ?? { base64: toBase64(file.bytes ?? new Uint8Array()) }]);
  return { type: "run", job: { ...createJob(project, command), files: Object.fromEntries(contents) }, tty: { rows, cols, term: "xterm-256color" } };
}

/** Why a WebSocket was not opened, which browsers do not tell. @returns {Promise<ServiceError>} */
export async function explainConnection() {
  try {
    const response = await request("/v1/connect", { headers: { Accept: "application/json", ...accessHeaders() } });
    if (response.status === 404 || response.status === 405 || response.status === 501)
      return new ServiceError("This server has no terminals. Switch “Terminal” off to run the program with the standard input of “Setup”.");
    if (response.status === 401) return new ServiceError(askForAccess() ? "The API key is kept until this tab is closed. Run the program again." : "This service needs an API key.");
    if (response.status === 429 || response.status === 503) return await explain(response);
    return new ServiceError("The server opens no connection to the program. A proxy before it may not let WebSockets pass. Switch “Terminal” off to run the program without one.");
  } catch (error) {
    return error instanceof ServiceError ? error : new ServiceError(UNREACHABLE);
  }
}

/**
 * Read the events of a job.
 * @param {Response} response @param {import("./events.js").Listener} listener
 */
async function readEvents(response, listener) {
  const collector = new Collector(listener);
  for await (const line of readLines(/** @type {ReadableStream<Uint8Array>} */ (response.body))) {
    collector.take(parseEvent(line));
    if (collector.ended) break;
  }
  if (collector.problem) throw explainEvent(collector.problem);
  if (!collector.result) throw new ConnectionLost();
  return collector.answer();
}

/** Read the result of a server that does not send events: as JSON, in which text is text and other bytes are base64.
 * @param {Response} response @param {import("./events.js").Listener} listener */
async function readResult(response, listener) {
  const { stdout, stderr, files, ...result } = JSON.parse(await response.text().catch(failToRead));
  const bytes = (/** @type {any} */ value) => bytesOf(typeof value === "string" ? { text: value } : value);
  const printed = { stdout: bytes(stdout), stderr: bytes(stderr) };
  for (const name of /** @type {const} */ (["stdout", "stderr"])) listener.print(name, printed[name]);
  return { result, ...printed, files: files.map((/** @type {any} */ file) => new File([/** @type {any} */ (bytesOf(file))], file.name)) };
}

const LOST = "The connection was lost while the program ran or its result was being received. Run the program again.";
const INVALID = "The response is not a valid result. A proxy may have changed it. Run the program again.";

/**
 * Run one job. What it prints is passed on while it runs, if the server sends events.
 * @param {{body: Blob, key: string|null}} job @param {{id: string, signal: AbortSignal, listener: import("./events.js").Listener}} options
 * @returns {Promise<{result: Result, stdout: Uint8Array, stderr: Uint8Array, files: File[]}>}
 */
export async function runJob({ body, key }, { id, signal, listener }) {
  const accepted = "application/x-ndjson, application/json;q=0.9";
  const send = () => request("/v1/run", { method: "POST", body, signal, headers: { Accept: accepted, "X-Request-Id": id, ...keyHeader(key), ...accessHeaders() } });
  let response = await send();
  if (response.status === 401 && askForAccess()) response = await send();
  if (!response.ok) throw await explain(response);
  const read = response.headers.get("Content-Type")?.startsWith("application/x-ndjson") ? readEvents : readResult;
  try {
    return await read(response, listener);
  } catch (error) {
    if (error instanceof ServiceError || (error instanceof DOMException && error.name === "AbortError")) throw error;
    throw new ServiceError(error instanceof ConnectionLost ? LOST : INVALID);
  }
}
