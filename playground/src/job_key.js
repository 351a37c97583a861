// SPDX-License-Identifier: Apache-2.0
/** The header PE-Job-Key (docs/api.md): a proxy in front of several balancers sends jobs with the same
 * key to the same one. pe-run computes the same (cli/job_key.c). */

/** @param {Uint8Array} bytes */
async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", /** @type {any} */ (bytes)));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The key of a job, or null where the page cannot hash: browsers only do it on pages that come over
 * TLS or from this machine.
 * @param {{image: string, cmd?: string[]}} job
 * @param {{name: string, content: string|Uint8Array}[]} files
 * @returns {Promise<string|null>}
 */
export async function computeJobKey(job, files) {
  if (!globalThis.crypto?.subtle) return null;
  const encoder = new TextEncoder();
  const texts = [job.image, ...(job.cmd ?? []), ""];
  for (const { name, content } of files)
    texts.push(name, await sha256(typeof content === "string" ? encoder.encode(content) : content));
  return sha256(encoder.encode(texts.map((text) => `${text}\0`).join("")));
}
