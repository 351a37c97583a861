// SPDX-License-Identifier: Apache-2.0
/** Convert between a command line and its arguments. Arguments are quoted where necessary. Nothing
 * is expanded. */

const PLAIN = /^[\w@%+=:,./-]+$/;

/** @param {string} argument */
function quote(argument) {
  if (PLAIN.test(argument)) return argument;
  return `'${argument.replaceAll("'", "'\\''")}'`;
}

/** @param {string[]} argv */
export function joinArguments(argv) {
  return argv.map(quote).join(" ");
}

/**
 * Quotes work as in sh. '...' is literal. In "..." and outside of quotes, a backslash makes the
 * next character literal.
 * @param {string} line
 * @returns {{argv: string[]} | {error: string}}
 */
export function splitArguments(line) {
  const argv = [];
  let argument = "";
  let begun = false;
  for (let at = 0; at < line.length; at++) {
    const c = line[at];
    if (c === "'" || c === '"') {
      const end = findQuoteEnd(line, at);
      if (end < 0) return { error: `The command has an unclosed ${c}.` };
      const inside = line.slice(at + 1, end);
      argument += c === "'" ? inside : inside.replace(/\\(["\\$`\n])/g, (_, taken) => (taken === "\n" ? "" : taken));
      begun = true;
      at = end;
    } else if (c === "\\") {
      if (at + 1 === line.length) return { error: "The command ends with a backslash." };
      argument += line[++at];
      begun = true;
    } else if (/\s/.test(c)) {
      if (begun) argv.push(argument);
      argument = "";
      begun = false;
    } else {
      argument += c;
      begun = true;
    }
  }
  if (begun) argv.push(argument);
  return { argv };
}

/** @param {string} line @param {number} start the position of the quote */
function findQuoteEnd(line, start) {
  for (let at = start + 1; at < line.length; at++) {
    if (line[start] === '"' && line[at] === "\\") at++;
    else if (line[at] === line[start]) return at;
  }
  return -1;
}
