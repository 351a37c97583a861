// SPDX-License-Identifier: Apache-2.0
// The page of operators.
import assert from "node:assert/strict";
import { findBarriers } from "./barriers.mjs";
import { ADMIN_TOKEN, eventually } from "./service.mjs";
import { StandIn } from "./stand_in.mjs";

/** @typedef {import("./browser.mjs").Explorer} Explorer */
/** @type {[string, (explorer: Explorer) => Promise<void>][]} */
export const tests = [];
const test = (/** @type {string} */ sentence, /** @type {(explorer: Explorer) => Promise<void>} */ body) => tests.push([sentence, body]);

/** @param {Explorer} explorer */
async function logIn(explorer, token = ADMIN_TOKEN) {
  await explorer.page.fill("#token", token);
  await explorer.page.click("#login button");
}

const hosts = async (/** @type {Explorer} */ explorer) =>
  (await (await fetch(`${explorer.service.url}/v1/hosts`, { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } })).json()).hosts;

test("an operator sees hosts, slots, queue and images, drains a host and puts it back", async (explorer) => {
  const page = await explorer.open("/admin");
  await logIn(explorer, "wrong");
  await explorer.shows("problem", "not valid");
  assert.equal(await page.locator("#state").isVisible(), false);
  await logIn(explorer);
  const [host] = await hosts(explorer);
  await explorer.shows("hosts", host.name);
  await explorer.shows("numbers", /slots\s*2/);
  for (const image of ["busybox:1.35", "gcc:14", "python:3"]) await explorer.shows("images", image);
  await page.click("#hosts button");
  await explorer.shows("hosts", /drained/);
  assert.equal((await hosts(explorer))[0].drained, true);
  await explorer.shoot("admin-drained");
  await page.click("#hosts button");
  await explorer.shows("hosts", "in service");
  assert.equal((await hosts(explorer))[0].drained, false);
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
  assert.ok(!kept.includes("token-of-an-operator"), kept);
  await page.click("#leave");
  assert.equal(await page.locator("#hosts tbody").innerText(), "");
  await page.reload();
  assert.equal(await page.locator("#state").isVisible(), false);
});

test("what hosts and errors say is text on the page of operators, and a balancer that is away is said", async (explorer) => {
  const standIn = new StandIn(explorer.service);
  await standIn.start();
  explorer.base = standIn.url;
  const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  const json = (/** @type {object} */ body) => (/** @type {any} */ _, /** @type {import("node:http").ServerResponse} */ response) => response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  const host = { name: hostile, isolation: "kernel", slots: 1, vms: 1, ready: 1, running: 0, images: 1, stopping: false, drained: false, away: false };
  standIn.answers["/v1/hosts"] = json({ hosts: [host] });
  standIn.answers["/v1/admin"] = json({ workers: 1, slots: 1, ready: 1, running: 0, queued: 3, queued_bytes: 2048, expected_wait_ms: 1500, jobs_lost: 0,
    errors: [{ time: "2026-01-01T00:00:00Z", level: "error", request: null, message: hostile }] });
  try {
    const page = await explorer.open("/admin", { bypassCSP: true });
    const title = await page.title();
    await logIn(explorer);
    await explorer.shows("errors", hostile);
    await explorer.shows("hosts", hostile);
    await explorer.shows("numbers", /2\.0 KiB/);
    assert.equal(await page.title(), title);
    assert.deepEqual(await findBarriers(page), []);
    standIn.answers["/v1/admin"] = (_, response) => response.destroy();
    await explorer.shows("problem", "cannot be reached");
    standIn.answers["/v1/admin"] = json({ workers: 0, slots: 0, ready: 0, running: 0, queued: 0, queued_bytes: 0, expected_wait_ms: 0, jobs_lost: 0, errors: [] });
    await explorer.shows("errors", "There were none");
    await eventually(async () => !(await page.locator("#problem").isVisible()), "the problem is over");
  } finally {
    standIn.close();
  }
});
