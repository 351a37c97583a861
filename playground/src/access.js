// SPDX-License-Identifier: Apache-2.0
/** The API key of a service that demands one. It is kept for as long as the tab is open. */

const NAME = "pe-key";

/** @returns {string|null} */
export function currentAccess() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null;
  }
}

/** Ask the user for a key. @returns {boolean} false if there is none */
export function askForAccess() {
  try {
    const key = prompt("This service needs an API key. Its operator gives you one.")?.trim();
    if (!key) return false;
    sessionStorage.setItem(NAME, key);
    return true;
  } catch {
    return false;
  }
}

/** @returns {Record<string, string>} headers of a request that starts a job */
export function accessHeaders() {
  const key = currentAccess();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** What a WebSocket offers, since it cannot send a header (docs/api.md). @returns {string[]} */
export function accessProtocols() {
  const key = currentAccess();
  return key ? ["pe.connect.v1", `pe.key.${key}`] : [];
}
