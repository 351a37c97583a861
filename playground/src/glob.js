// SPDX-License-Identifier: Apache-2.0
/** Globs with the semantics of codec/glob.h, for the paths of a job's files. All possible matches
 * are followed at the same time, so the time is bounded. */

/** @typedef {{kind: "one"|"star"|"globstar"|"globstar/", takes: (c: string) => boolean}} Element */

const GLOB_LENGTH_MAX = 1024;

/** @param {string} the text between the brackets */
function setOf(inside) {
  const negated = inside.startsWith("!");
  const ranges = [...inside.slice(negated ? 1 : 0).matchAll(/(.)-(.)|./gsu)].map((match) => (match[2] ? [match[1], match[2]] : [match[0], match[0]]));
  return (/** @type {string} */ c) => c !== "/" && ranges.some(([from, to]) => from <= c && c <= to) !== negated;
}

/** @param {string} glob @returns {Element[]} */
function parse(glob) {
  const elements = [];
  for (let rest = glob; rest !== "";) {
    const set = /^\[(!?[^][^\]]*)\]/s.exec(rest);
    const escaped = /^\\(.)/su.exec(rest);
    let taken = String.fromCodePoint(/** @type {number} */ (rest.codePointAt(0)));
    /** @type {Element} */
    let element = { kind: "one", takes: (c) => c === taken };
    if (rest.startsWith("**/")) [element, taken] = [{ kind: "globstar/", takes: () => true }, "**/"];
    else if (rest.startsWith("**")) [element, taken] = [{ kind: "globstar", takes: () => true }, "**"];
    else if (rest[0] === "*") element = { kind: "star", takes: (c) => c !== "/" };
    else if (rest[0] === "?") element = { kind: "one", takes: (c) => c !== "/" };
    else if (set) [element, taken] = [{ kind: "one", takes: setOf(set[1]) }, set[0]];
    else if (escaped) [element, taken] = [{ kind: "one", takes: (c) => c === escaped[1] }, escaped[0]];
    elements.push(element);
    rest = rest.slice(taken.length);
  }
  return elements;
}

/**
 * Add a position, and all that are reached from it without consuming a character.
 * @param {Set<number>} places
 * @param {Element[]} elements
 * @param {number} at
 */
function reach(places, elements, at) {
  while (!places.has(at)) {
    places.add(at);
    if (at === elements.length || elements[at].kind === "one") return;
    at++;
  }
}

/** @param {string} glob @param {string} path */
export function globMatches(glob, path) {
  if (glob.length > GLOB_LENGTH_MAX) return false;
  const elements = parse(glob);
  /** @type {Set<number>} */
  let places = new Set();
  reach(places, elements, 0);
  for (const c of path) {
    /** @type {Set<number>} */
    const next = new Set();
    for (const at of places) {
      const element = elements[at];
      if (!element?.takes(c)) continue;
      if (element.kind === "one") reach(next, elements, at + 1);
      else if (element.kind !== "globstar/") reach(next, elements, at);
      else if (c === "/") reach(next, elements, at + 1), next.add(at);
      else next.add(at);
    }
    places = next;
  }
  return places.has(elements.length);
}
