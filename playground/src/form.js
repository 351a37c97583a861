// SPDX-License-Identifier: Apache-2.0
/** multipart/form-data with exact file names. FormData of browsers writes a quote as %22 and a
 * percent sign as itself, so the balancer could not tell the names a"b and a%22b apart. */

/** A name as the parameter filename* has it (RFC 8187). @param {string} name */
function encodeName(name) {
  return encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * The body of a request to run a job. Its type names the boundary.
 * @param {object} job
 * @param {{name: string, content: string|Uint8Array}[]} files
 * @returns {Blob}
 */
export function createFormBody(job, files) {
  const boundary = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const head = (/** @type {string} */ disposition, /** @type {string} */ type) =>
    `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\nContent-Type: ${type}\r\n\r\n`;
  const parts = [head('name="job"', "application/json"), JSON.stringify(job), "\r\n"];
  for (const { name, content } of files)
    parts.push(head(`name="file"; filename*=UTF-8''${encodeName(name)}`, "application/octet-stream"), /** @type {any} */ (content), "\r\n");
  return new Blob([...parts, `--${boundary}--\r\n`], { type: `multipart/form-data; boundary=${boundary}` });
}
