// SPDX-License-Identifier: Apache-2.0
/** Describe the result of a job in a sentence, and its time by phase. */

import { formatBytes, formatTime, h } from "./dom.js";

/** Names and meanings of signals, by their numbers on Linux. */
const SIGNALS = /** @type {Record<number, [string, string]>} */ ({
  1: ["SIGHUP", ""], 2: ["SIGINT", ""], 3: ["SIGQUIT", ""], 4: ["SIGILL", "an illegal instruction"], 5: ["SIGTRAP", ""],
  6: ["SIGABRT", "the program aborted itself"], 7: ["SIGBUS", "access to memory that does not exist"], 8: ["SIGFPE", "an arithmetic error, often a division by zero"],
  9: ["SIGKILL", "the program was killed"], 11: ["SIGSEGV", "access to memory that is not its own"], 13: ["SIGPIPE", "the reader of its output has closed it"], 14: ["SIGALRM", ""],
  15: ["SIGTERM", ""], 24: ["SIGXCPU", "too much CPU time"], 25: ["SIGXFSZ", "a file became too large"], 31: ["SIGSYS", "a system call that is not allowed"],
});

/** @param {import("./service.js").Result} result @param {number|null} timeoutMs
 *  @returns {{good: boolean, short: string, text: string}} */
export function describeStatus(result, timeoutMs) {
  switch (result.status) {
    case "exited":
      return { good: result.exit_code === 0, short: `exit ${result.exit_code}`, text: result.exit_code === 0 ? "The program ended successfully." : `The program ended with exit status ${result.exit_code}.` };
    case "signaled": {
      const [name, meaning] = SIGNALS[result.signal ?? 0] ?? [`signal ${result.signal}`, ""];
      return { good: false, short: name, text: `A signal ended the program: ${name}${meaning ? `, ${meaning}` : ""}.` };
    }
    case "timeout":
      return { good: false, short: "timeout", text: timeoutMs === null ? "The program ran longer than a program in a terminal may, and was stopped." : `The program ran longer than ${formatTime(timeoutMs * 1000)} and was stopped. Its output until then is shown. The limit is in “Setup”.` };
    case "oom":
      return { good: false, short: "out of memory", text: "The program used more memory than a job may use, and was stopped." };
    case "output_limit":
      return { good: result.exit_code === 0, short: `exit ${result.exit_code}, too many files`, text: `The program wrote more than can be sent back: ${result.outputs_dropped} of its files are missing.` };
    case "stream_limit":
      return { good: false, short: "too much output", text: "The program printed more than is kept, and was stopped. The beginning of its output is shown." };
    case "vm_error":
      return { good: false, short: "VM failed", text: `The virtual machine failed${result.reason ? `: ${result.reason}` : ""}. This is not a fault of your program. Run it again.` };
    default:
      return { good: false, short: result.status, text: `The server reports the status "${result.status}".` };
  }
}

/** Notes on what is missing from the result. @param {import("./service.js").Result} result */
export function describeNotes(result) {
  const notes = [];
  if (result.stdout_truncated) notes.push("Standard output was cut at its limit.");
  if (result.stderr_truncated) notes.push("Standard error was cut at its limit.");
  const names = (result.dropped ?? []).map((entry) => entry.name).join(", ");
  const more = names && result.outputs_dropped > (result.dropped ?? []).length ? " and others" : "";
  if (names) notes.push(`Missing from /output, because they are not regular files or do not fit: ${names}${more}.`);
  else if (result.outputs_dropped && result.status !== "output_limit") notes.push(`${result.outputs_dropped} entries of /output are missing, because they are not regular files or do not fit.`);
  return notes;
}

const PHASES = [
  ["queue", "waiting for a slot"], ["vm", "waiting for a VM"], ["input", "files into the VM"], ["exec", "start of the program"],
  ["program", "the program"], ["output", "output out of the VM"], ["network", "network and page"],
];

/** The phases of the job in order, in microseconds. @param {import("./service.js").Run} run */
export function phasesOf(run) {
  const { timing_ms: timing, phases_us: us } = run.result;
  const elapsed = Math.round(run.elapsed * 1000);
  if (run.result.cached || !timing) return [{ name: "network", title: run.result.cached ? "answered from the cache" : PHASES[6][1], us: elapsed }];
  const program = us?.program ?? timing.run * 1000;
  const values = /** @type {Record<string, number>} */ ({
    queue: timing.queue * 1000, vm: timing.vm * 1000, input: us?.input ?? timing.input * 1000,
    exec: us ? (us.go ?? 0) + (us.exec ?? 0) : 0, program, output: us ? (us.output ?? 0) + (us.parse ?? 0) : timing.output * 1000,
  });
  values.network = Math.max(0, elapsed - Object.values(values).reduce((sum, each) => sum + each, 0));
  return PHASES.map(([name, title]) => ({ name, title, us: Math.round(values[name]) })).filter((phase) => phase.us > 0);
}

/** @type {Record<string, string>} */
const ISOLATIONS = { hardware: "hardware", kernel: "a guest kernel", emulation: "emulation" };

/** A bar of the phases, with a table in its details. @param {import("./service.js").Run} run */
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
  const isolation = ISOLATIONS[run.result.isolation ?? ""];
  if (isolation) facts.push(["what isolated it from the host", isolation]);
  const factRows = facts.map(([title, value]) => h("tr", {}, h("td", {}, title), h("td", { class: "number" }, value)));
  return h("details", { class: "times" },
    h("summary", { title: "Where the time went" }, h("span", { class: "total" }, formatTime(Math.round(run.elapsed * 1000))), bar),
    h("table", { class: "times-table" }, h("tbody", {}, ...rows, ...factRows)));
}
