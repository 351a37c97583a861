/** What became of a job, in words, and where its time went. */

import { formatBytes, formatTime, h } from "./dom.js";

/** Name and meaning of signals, by their number on Linux. */
const SIGNALS = /** @type {Record<number, [string, string]>} */ ({
  1: ["SIGHUP", ""], 2: ["SIGINT", ""], 3: ["SIGQUIT", ""], 4: ["SIGILL", "an instruction that does not exist"], 5: ["SIGTRAP", ""],
  6: ["SIGABRT", "it gave up by itself"], 7: ["SIGBUS", "memory that is not there"], 8: ["SIGFPE", "an arithmetic error, often a division by zero"],
  9: ["SIGKILL", "it was killed"], 11: ["SIGSEGV", "it used memory that is not its own"], 13: ["SIGPIPE", "nobody read what it wrote"], 14: ["SIGALRM", ""],
  15: ["SIGTERM", ""], 24: ["SIGXCPU", "too much processor time"], 25: ["SIGXFSZ", "a file grew too large"], 31: ["SIGSYS", "a system call that is not allowed"],
});

/** @param {import("./service.js").Result} result @param {number} timeoutMs
 *  @returns {{good: boolean, short: string, words: string}} */
export function describeStatus(result, timeoutMs) {
  switch (result.status) {
    case "exited":
      return { good: result.exit_code === 0, short: `exit ${result.exit_code}`, words: result.exit_code === 0 ? "It ended well." : `It ended with exit status ${result.exit_code}.` };
    case "signaled": {
      const [name, meaning] = SIGNALS[result.signal ?? 0] ?? [`signal ${result.signal}`, ""];
      return { good: false, short: name, words: `A signal ended it: ${name}${meaning ? `, ${meaning}` : ""}.` };
    }
    case "timeout":
      return { good: false, short: "timeout", words: `It ran longer than ${formatTime(timeoutMs * 1000)} and was ended. What it had printed until then is here. The limit is in “Setup”.` };
    case "oom":
      return { good: false, short: "out of memory", words: "It wanted more memory than a job may have, and was ended." };
    case "output_limit":
      return { good: result.exit_code === 0, short: `exit ${result.exit_code}, too many files`, words: `It wrote more than may be sent back: ${result.outputs_dropped} of its files are missing here.` };
    case "vm_error":
      return { good: false, short: "VM failed", words: `The virtual machine failed${result.reason ? `: ${result.reason}` : ""}. That is not your program's fault; run it again.` };
    default:
      return { good: false, short: result.status, words: `The server says "${result.status}".` };
  }
}

/** Words on what is missing or special. @param {import("./service.js").Result} result */
export function describeNotes(result) {
  const notes = [];
  if (result.stdout_truncated) notes.push("Standard output was cut at its limit.");
  if (result.stderr_truncated) notes.push("Standard error was cut at its limit.");
  if (result.outputs_dropped && result.status !== "output_limit") notes.push(`${result.outputs_dropped} things in /output were no files, or too large, and are missing.`);
  return notes;
}

const PHASES = [
  ["queue", "waiting for a slot"], ["vm", "waiting for a VM"], ["input", "files into the VM"], ["exec", "start of the program"],
  ["program", "the program"], ["output", "output out of the VM"], ["network", "network and page"],
];

/** Where the time went, in microseconds, in order. @param {import("./service.js").Run} run */
export function phasesOf(run) {
  const { timing_ms: timing, phases_us: us } = run.result;
  const elapsed = Math.round(run.elapsed * 1000);
  if (run.result.cached || !timing) return [{ name: "network", title: run.result.cached ? "answered from the store" : PHASES[6][1], us: elapsed }];
  const program = us?.program ?? timing.run * 1000;
  const values = /** @type {Record<string, number>} */ ({
    queue: timing.queue * 1000, vm: timing.vm * 1000, input: us?.input ?? timing.input * 1000,
    exec: us ? (us.go ?? 0) + (us.exec ?? 0) : 0, program, output: us ? (us.output ?? 0) + (us.parse ?? 0) : timing.output * 1000,
  });
  values.network = Math.max(0, elapsed - Object.values(values).reduce((sum, each) => sum + each, 0));
  return PHASES.map(([name, title]) => ({ name, title, us: Math.round(values[name]) })).filter((phase) => phase.us > 0);
}

/** A bar of the phases, and a table of them behind a summary. @param {import("./service.js").Run} run */
export function drawTimes(run) {
  const phases = phasesOf(run);
  const total = phases.reduce((sum, phase) => sum + phase.us, 0) || 1;
  const bar = h("span", { class: "phase-bar", "aria-hidden": "true" });
  for (const phase of phases) {
    const part = h("span", { class: `phase phase-${phase.name}`, title: `${phase.title}: ${formatTime(phase.us)}` });
    part.style.flexGrow = String(phase.us / total);
    bar.append(part);
  }
  const rows = phases.map((phase) => h("tr", {}, h("td", {}, h("span", { class: `phase-dot phase-${phase.name}` }), phase.title), h("td", { class: "number" }, formatTime(phase.us))));
  const usage = run.result.usage;
  const facts = usage ? [
    ["processor time of the program", formatTime((usage.user_ms + usage.system_ms) * 1000)],
    ["its most memory", formatBytes(usage.max_rss_kib * 1024)],
  ] : [];
  const factRows = facts.map(([title, value]) => h("tr", {}, h("td", {}, title), h("td", { class: "number" }, value)));
  return h("details", { class: "times" },
    h("summary", { title: "Where the time went" }, h("span", { class: "total" }, formatTime(Math.round(run.elapsed * 1000))), bar),
    h("table", { class: "times-table" }, h("tbody", {}, ...rows, ...factRows)));
}
