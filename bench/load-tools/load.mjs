// SPDX-License-Identifier: Apache-2.0
/* Sends jobs to a service at given times, and measures how long the answers take.
 *
 *   node load.mjs <PLAN
 *
 * PLAN is JSON: {"url", "token"?, "seed", "seconds", "rate" | "users" and "think_ms", "patience_seconds",
 * "jobs": [{"name", "weight", "body"}]}. `body` is that of POST /v1/run in JSON.
 *
 * With `rate`, jobs per second, the times between jobs are random (a Poisson process) and do not depend on the
 * answers. With `users`, each sends a job, waits for the answer, and thinks for a random time with the mean
 * `think_ms`. A latency always begins at the time at which the job was due, so a slow service cannot hide that
 * jobs were sent late because of it (coordinated omission).
 *
 * Prints one line of JSON; the end of class Run says what is in it. SIGTERM ends it with a report about the jobs
 * that have been answered by then. */
import http from "node:http";
import https from "node:https";
import hdr from "hdr-histogram-js";

const PERCENTILES = [50, 90, 95, 99, 99.9];
const HOUR_US = 3600e6;

/* A random number generator with a seed (mulberry32). */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

/* A duration with the given mean, as between the events of a Poisson process. */
const randomGap = (random, mean) => -mean * Math.log(1 - random());

function choose(random, jobs) {
  let left = random() * jobs.reduce((sum, job) => sum + job.weight, 0);
  for (const job of jobs) {
    left -= job.weight;
    if (left < 0) return job;
  }
  return jobs.at(-1);
}

const now = () => performance.now();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Durations {
  constructor() {
    this.histogram = hdr.build({ highestTrackableValue: HOUR_US, numberOfSignificantValueDigits: 3 });
  }

  add(ms) {
    this.histogram.recordValue(Math.min(HOUR_US, Math.max(0, Math.round(ms * 1000))));
  }

  /* Milliseconds. `histogram` is HdrHistogram's compressed form, so that files can be merged. */
  summary() {
    const h = this.histogram;
    const summary = { count: h.totalCount, mean: h.mean / 1000, max: h.maxValue / 1000 };
    for (const p of PERCENTILES) summary[`p${p}`] = h.getValueAtPercentile(p) / 1000;
    summary.histogram = hdr.encodeIntoCompressedBase64(h);
    return summary;
  }
}

class Service {
  constructor(plan) {
    this.url = new URL("/v1/run", plan.url);
    this.client = this.url.protocol === "https:" ? https : http;
    this.agent = new this.client.Agent({ keepAlive: true });
    this.patience = plan.patience_seconds * 1000;
    this.headers = { "Content-Type": "application/json", Accept: "application/json" };
    if (plan.token) this.headers.Authorization = `Bearer ${plan.token}`;
  }

  /* The status, the headers and the text of the answer. */
  async post(body) {
    try {
      return await this.postOnce(body);
    } catch (error) {
      // A kept connection that the server has just closed says nothing about the service.
      if (!error.reused) throw error;
      return await this.postOnce(body);
    }
  }

  postOnce(body) {
    return new Promise((resolve, reject) => {
      const options = { method: "POST", agent: this.agent, headers: this.headers, timeout: this.patience };
      const request = this.client.request(this.url, options, (response) => {
        const pieces = [];
        response.on("data", (piece) => pieces.push(piece));
        response.on("end", () =>
          resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(pieces).toString() }),
        );
        response.on("error", reject);
        response.on("aborted", () => reject(new Error("response cut off")));
      });
      request.on("timeout", () => request.destroy(new Error("no answer")));
      request.on("error", (error) => {
        error.reused = request.reusedSocket && error.code === "ECONNRESET";
        reject(error);
      });
      request.end(body);
    });
  }
}

const count = (counts, name) => (counts[name] = (counts[name] ?? 0) + 1);

/* What Cache-Status says, in one word. */
function cacheWord(header = "") {
  if (header.includes("; hit")) return "hit";
  if (header.includes("collapsed")) return "shared";
  return header.includes("fwd=bypass") ? "not asked for" : "miss";
}

class Run {
  constructor(plan) {
    this.plan = plan;
    this.random = randomFrom(plan.seed);
    this.service = new Service(plan);
    this.outcomes = {};
    this.cache = {};
    this.late = new Durations();
    this.kinds = new Map(plan.jobs.map((job) => [job.name, this.newKind()]));
    this.all = this.newKind();
    this.bodies = new Map(plan.jobs.map((job) => [job.name, JSON.stringify(job.body)]));
    this.sent = 0;
  }

  newKind() {
    return { latency: new Durations(), queue: new Durations(), vm: new Durations(), samples: [] };
  }

  async job(due) {
    const chosen = choose(this.random, this.plan.jobs);
    this.sent++;
    this.late.add(now() - due);
    try {
      this.note(chosen, due, await this.service.post(this.bodies.get(chosen.name)));
    } catch (error) {
      count(this.outcomes, ["no answer", "response cut off"].includes(error.message) ? error.message : "connection lost");
    }
  }

  note(chosen, due, answer) {
    const ms = now() - due;
    const result = JSON.parse(answer.text);
    if (answer.status !== 200) {
      count(this.outcomes, `${answer.status} ${String(result.type).split("/").at(-1)}`);
      return;
    }
    count(this.outcomes, result.status);
    count(this.cache, cacheWord(answer.headers["cache-status"]));
    for (const kind of [this.kinds.get(chosen.name), this.all]) {
      kind.latency.add(ms);
      kind.samples.push(Math.round(ms * 1000) / 1000);
      if (!result.cached) {
        kind.queue.add(result.timing_ms.queue);
        kind.vm.add(result.timing_ms.vm);
      }
    }
  }

  /* Jobs that come at their times, whatever the service does. */
  async openLoop(began) {
    const { rate, seconds } = this.plan;
    const pending = new Set();
    for (let due = began; ; ) {
      due += randomGap(this.random, 1000 / rate);
      if (due >= began + seconds * 1000) break;
      if (due > now()) await sleep(due - now());
      const job = this.job(due).finally(() => pending.delete(job));
      pending.add(job);
    }
    await Promise.all(pending);
  }

  /* A user thinks before each job; the first thought spreads the users. */
  async user(began) {
    const end = began + this.plan.seconds * 1000;
    for (;;) {
      const due = now() + randomGap(this.random, this.plan.think_ms);
      if (due >= end) return;
      await sleep(due - now());
      await this.job(due);
    }
  }

  async work() {
    const began = (this.began = now());
    if (this.plan.rate) await this.openLoop(began);
    else await Promise.all(Array.from({ length: this.plan.users }, () => this.user(began)));
    this.took = (now() - began) / 1000;
    this.service.agent.destroy();
  }

  report() {
    const summary = (kind) => ({
      latency_ms: kind.latency.summary(),
      queue_ms: kind.queue.summary(),
      vm_ms: kind.vm.summary(),
      samples_ms: kind.samples,
    });
    return {
      sent: this.sent, // jobs
      seconds: this.took ?? (now() - this.began) / 1000, // from the beginning to the last answer
      outcomes: this.outcomes, // how many jobs ended in each way: a status of the result, or an error
      cache: this.cache, // how many results came from where
      late_ms: this.late.summary(), // how late this program was; much, and it has measured itself
      all: summary(this.all), // answered jobs
      kinds: Object.fromEntries([...this.kinds].map(([name, kind]) => [name, summary(kind)])),
    };
  }
}

let text = "";
for await (const piece of process.stdin) text += piece;
const run = new Run(JSON.parse(text));
process.on("SIGTERM", () => {
  console.log(JSON.stringify(run.report()));
  process.exit(0);
});
await run.work();
console.log(JSON.stringify(run.report()));
