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

test("what audits found is shown with the hosts, and what they say is text", async (explorer) => {
  const standIn = new StandIn(explorer.service);
  await standIn.start();
  explorer.base = standIn.url;
  const json = (/** @type {object} */ body) => (/** @type {any} */ _, /** @type {import("node:http").ServerResponse} */ response) => response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  const host = (/** @type {string} */ name, /** @type {number} */ differences, stopping = false) =>
    ({ name, isolation: "kernel", slots: 1, vms: 1, ready: 1, running: 0, images: 1, stopping, drained: false, away: false, differences });
  const hostile = "<b onmouseover=document.title=1>" + "x".repeat(200);
  const said = `audit: the results of host '${hostile}' differed from those of others for 3 jobs; drain it. `;
  const errors = Array.from({ length: 64 }, (_, i) => ({ time: "2026-01-01T00:00:00Z", level: "warning", request: null, message: said + i }));
  standIn.answers["/v1/hosts"] = json({ hosts: [host("one", 1), host("several", 3), host("none", 0), host("idle", 0, true), host(hostile, 2)] });
  standIn.answers["/v1/admin"] = json({ workers: 5, slots: 5, ready: 5, running: 0, queued: 0, queued_bytes: 0, expected_wait_ms: 0, jobs_lost: 0, errors });
  try {
    const page = await explorer.open("/admin", { bypassCSP: true });
    const title = await page.title();
    await logIn(explorer);
    await explorer.shows("hosts", "in service; 1 result differed");
    await explorer.shows("hosts", "in service; 3 results differed");
    await explorer.shows("hosts", "stopping or paused");
    await explorer.shows("errors", `${said}63`);
    assert.equal(await page.locator("#hosts tbody tr", { hasText: "none" }).locator("td").nth(2).innerText(), "in service");
    assert.equal(await page.locator("#errors tbody tr").count(), 64);
    assert.equal(await page.locator("#hosts b, #errors b").count(), 0);
    assert.equal(await page.title(), title);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `long names make the page ${wide} pixels too wide`);
    await explorer.shoot("admin-audits");
  } finally {
    standIn.close();
  }
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
