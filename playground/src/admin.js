// SPDX-License-Identifier: Apache-2.0
/** The page of operators. The token is a variable of this page and nothing else: it is in no storage, no
 * cookie and no URL, so no other page has it or can make the browser send it. All that is shown was written
 * by workers and clients, and is inserted as text. */
import { byId, formatBytes, h } from "./dom.js";

const PERIOD_MS = 2000;

let token = "";
/** @type {ReturnType<typeof setTimeout>|undefined} */
let timer;

class Refused extends Error {}

/** @param {string} path @param {string} [method] */
async function ask(path, method = "GET") {
  const response = await fetch(path, { method, headers: { Authorization: `Bearer ${token}` }, credentials: "omit", cache: "no-store", redirect: "error" });
  if (response.status === 401) throw new Refused("This token is not valid.");
  if (response.status === 204) return null;
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail ?? body.title ?? `status ${response.status}`);
  return body;
}

/** @param {string} text */
function complain(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

/** What audits found, behind the state. @param {any} host */
function doubtsAbout(host) {
  if (!host.differences) return "";
  return `; ${host.differences} ${host.differences === 1 ? "result" : "results"} differed`;
}

/** @param {any} host */
function stateOf(host) {
  if (host.away) return "away";
  if (host.stopping) return "stopping or paused";
  if (host.drained) return host.running ? "draining" : "drained";
  return "in service";
}

/** @param {any} host */
async function toggleDrain(host) {
  try {
    await ask(`/v1/hosts/${encodeURIComponent(host.name)}/drain`, host.drained ? "DELETE" : "POST");
    await refresh();
  } catch (error) {
    fail(error);
  }
}

/** @param {string} id @param {HTMLElement[]} rows @param {string} nothing */
function fill(id, rows, nothing) {
  const body = byId(id).querySelector("tbody");
  body.replaceChildren(...(rows.length ? rows : [h("tr", {}, h("td", { colspan: 8, class: "hint" }, nothing))]));
}

/** A table is written again only if it shows something else, so that a button keeps the focus.
 * @type {Map<string, string>} */
const shown = new Map();

/** @param {string} id @param {any} data @param {() => void} draw */
function redraw(id, data, draw) {
  const text = JSON.stringify(data);
  if (shown.get(id) === text) return;
  shown.set(id, text);
  draw();
}

/** @param {any[]} hosts */
function drawHosts(hosts) {
  const cell = (/** @type {any} */ value) => h("td", {}, String(value));
  fill("hosts", hosts.map((host) =>
    h("tr", {}, cell(host.name), cell(host.isolation), cell(stateOf(host) + doubtsAbout(host)), cell(host.slots), cell(host.ready), cell(host.running), cell(host.images),
      h("td", {}, h("button", { type: "button", "aria-label": `${host.drained ? "Resume" : "Drain"} ${host.name}`, onclick: () => toggleDrain(host) }, host.drained ? "Resume" : "Drain")))), "No host is connected.");
}

/** @param {any[]} images */
function drawImages(images) {
  fill("images", images.map((image) => h("tr", {}, h("td", {}, image.name), h("td", {}, String(image.hosts)), h("td", { class: "code" }, image.digest))), "No host has an image.");
}

/** @param {any[]} errors */
function drawErrors(errors) {
  fill("errors", errors.map((error) => h("tr", {}, h("td", {}, error.time), h("td", { class: error.level }, error.level), h("td", { class: "code" }, error.request ?? ""), h("td", { class: "message" }, error.message))), "There were none since the balancer was started.");
}

/** @param {any} state */
function drawNumbers(state) {
  const numbers = { hosts: state.workers, slots: state.slots, "ready slots": state.ready, "jobs running": state.running, "jobs waiting": state.queued,
    "memory of the queue": formatBytes(state.queued_bytes), "expected wait": `${(state.expected_wait_ms / 1000).toFixed(1)} s`, "slots lost with a job": state.jobs_lost };
  byId("numbers").replaceChildren(...Object.entries(numbers).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))));
}

async function refresh() {
  clearTimeout(timer);
  const [state, { hosts }, { images }] = await Promise.all([ask("/v1/admin"), ask("/v1/hosts"), ask("/v1/images")]);
  if (!token) return; // forgotten meanwhile
  complain("");
  byId("login").hidden = true;
  byId("state").hidden = byId("leave").hidden = false;
  const { errors, ...numbers } = state;
  redraw("numbers", numbers, () => drawNumbers(numbers));
  redraw("hosts", hosts, () => drawHosts(hosts));
  redraw("images", images, () => drawImages(images));
  redraw("errors", errors, () => drawErrors(errors));
  clearTimeout(timer);
  timer = setTimeout(() => refresh().catch(fail), PERIOD_MS);
}

function forget() {
  token = "";
  clearTimeout(timer);
  shown.clear();
  for (const id of ["hosts", "images", "errors"]) byId(id).querySelector("tbody").replaceChildren();
  byId("numbers").replaceChildren();
  byId("state").hidden = byId("leave").hidden = true;
  byId("login").hidden = false;
  byId("token").focus();
}

/** @param {unknown} error */
function fail(error) {
  complain(error instanceof TypeError ? "The balancer cannot be reached. Trying again." : error instanceof Error ? error.message : String(error));
  if (error instanceof Refused) forget();
  else if (token) timer = setTimeout(() => refresh().catch(fail), PERIOD_MS);
}

byId("login").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  byId("token").value = "";
  refresh().catch(fail);
});
byId("leave").addEventListener("click", () => {
  forget();
  complain("");
});
byId("token").focus();
