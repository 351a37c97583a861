#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The playground in a real browser, with the real service behind it. Each test is a sentence about
// the page; PE_TEST chooses among them. Screenshots stay in build/artefacts/playground.
import { Explorer, launch } from "./browser.mjs";
import { Service } from "./service.mjs";
import { tests as admin } from "./admin_test.mjs";
import { tests as appearance } from "./appearance_test.mjs";
import { tests as editing } from "./editing_test.mjs";
import { tests as failures } from "./failures_test.mjs";
import { tests as events } from "./events_test.mjs";
import { tests as links } from "./links_test.mjs";
import { tests as results } from "./results_test.mjs";
import { tests as terminal } from "./terminal_test.mjs";
import { tests as units } from "./units_test.mjs";

const TEST_MS = 600_000;

/** @param {Promise<any>} work */
function limited(work) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`not over after ${TEST_MS / 1000} s`)), TEST_MS)));
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** A name without case, punctuation and the kind of its spaces. @param {string} name */
const searchable = (name) => name.toLowerCase().replaceAll("'", "").replace(/[^a-z0-9]+/g, "_");
const wanted = searchable(process.env.PE_TEST ?? "");
const chosen = [...units, ...editing, ...results, ...events, ...terminal, ...links, ...failures, ...admin, ...appearance].filter(([sentence]) => searchable(sentence).includes(wanted));
if (chosen.length === 0) process.exit(0);
const started = Date.now();
const service = new Service();
let passed = 0;
let failed = 0;
let browser;
try {
  await service.start();
  browser = await launch();
  for (const [sentence, test] of chosen) {
    const explorer = new Explorer(browser, service);
    try {
      await limited(test(explorer));
      await explorer.close();
      console.log(`ok ${sentence}`);
      passed++;
    } catch (error) {
      failed++;
      console.log(`not ok ${sentence}\n  ${error instanceof Error ? error.message : error}`);
      await explorer.shoot(`failed-${failed}`).catch(() => {});
      await explorer.close().catch(() => {});
    }
  }
  if (failed && process.env.PE_TEST_LOG) console.log(await service.readLog());
} finally {
  await browser?.close();
  await service.stop();
}
console.log(`${passed} passed, ${failed} failed (${((Date.now() - started) / 1000).toFixed(1)} s)`);
process.exit(failed ? 1 : 0);
