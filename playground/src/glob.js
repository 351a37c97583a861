/** Globs as proto/glob.h has them, for paths of a job's files. */

const SPECIAL = /[.+^${}()|\\]/g;

/** One set "[...]" from `at`, as a regular expression, or null when it never ends.
 * @param {string} glob @param {number} at */
function readSet(glob, at) {
  const end = glob.indexOf("]", at + 2);
  if (end < 0) return null;
  const negated = glob[at + 1] === "!";
  const inside = glob.slice(at + (negated ? 2 : 1), end).replace(/[\\\]^]/g, "\\$&");
  return { source: `[${negated ? "^/" : ""}${inside}]`, next: end + 1 };
}

/** @param {string} glob @returns {RegExp} */
export function globToRegExp(glob) {
  let source = "";
  for (let at = 0; at < glob.length;) {
    const set = glob[at] === "[" ? readSet(glob, at) : null;
    if (glob.startsWith("**/", at) && at === 0) {
      source += "(?:.*/)?";
      at += 3;
    } else if (glob.startsWith("**", at)) {
      source += ".*";
      at += 2;
    } else if (set) {
      source += set.source;
      at = set.next;
    } else if (glob[at] === "\\" && at + 1 < glob.length) {
      source += glob[at + 1].replace(/[^\w]/, "\\$&");
      at += 2;
    } else {
      source += glob[at] === "*" ? "[^/]*" : glob[at] === "?" ? "[^/]" : glob[at].replace(SPECIAL, "\\$&").replace("[", "\\[");
      at++;
    }
  }
  return new RegExp(`^${source}$`, "su");
}

/** @param {string} glob @param {string} path */
export function globMatches(glob, path) {
  try {
    return globToRegExp(glob).test(path);
  } catch {
    return false;
  }
}
