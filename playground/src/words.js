/** Convert between a command line and its arguments. Arguments are quoted where necessary. Nothing is expanded. */

const PLAIN = /^[\w@%+=:,./-]+$/;

/** @param {string} word */
function quote(word) {
  if (PLAIN.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** @param {string[]} words */
export function joinWords(words) {
  return words.map(quote).join(" ");
}

/**
 * Quotes work as in sh. '...' is literal. In "..." and outside of quotes, a backslash makes the next character
 * literal.
 * @param {string} line
 * @returns {{words: string[]} | {error: string}}
 */
export function splitWords(line) {
  const words = [];
  let word = "";
  let begun = false;
  for (let at = 0; at < line.length; at++) {
    const c = line[at];
    if (c === "'" || c === '"') {
      const end = findQuoteEnd(line, at);
      if (end < 0) return { error: `The command has an unclosed ${c}.` };
      const inside = line.slice(at + 1, end);
      word += c === "'" ? inside : inside.replace(/\\(["\\$`\n])/g, (_, taken) => (taken === "\n" ? "" : taken));
      begun = true;
      at = end;
    } else if (c === "\\") {
      if (at + 1 === line.length) return { error: "The command ends with a backslash." };
      word += line[++at];
      begun = true;
    } else if (/\s/.test(c)) {
      if (begun) words.push(word);
      word = "";
      begun = false;
    } else {
      word += c;
      begun = true;
    }
  }
  if (begun) words.push(word);
  return { words };
}

/** @param {string} line @param {number} start the position of the quote */
function findQuoteEnd(line, start) {
  for (let at = start + 1; at < line.length; at++) {
    if (line[start] === '"' && line[at] === "\\") at++;
    else if (line[at] === line[start]) return at;
  }
  return -1;
}
