// SPDX-License-Identifier: Apache-2.0
/** The DOT language of Graphviz, for CodeMirror's stream parser. */

const KEYWORDS = /^(strict|graph|digraph|subgraph|node|edge)\b/i;

export const dot = {
  name: "dot",
  startState: () => ({ comment: false }),
  /**
   * @param {import("@codemirror/language").StringStream} stream
   * @param {{comment: boolean}} state
   */
  token(stream, state) {
    if (state.comment || stream.match("/*")) {
      state.comment = !stream.match(/^.*?\*\//);
      if (state.comment) stream.skipToEnd();
      return "comment";
    }
    if (stream.eatSpace()) return null;
    if (stream.match("//") || (stream.sol() && stream.match("#"))) {
      stream.skipToEnd();
      return "comment";
    }
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/)) return "string";
    if (stream.match(KEYWORDS)) return "keyword";
    if (stream.match(/^-?(?:\.\d+|\d+(?:\.\d*)?)/)) return "number";
    if (stream.match(/^[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*(?=\s*=)/)) return "propertyName";
    if (stream.match(/^[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*/)) return "variableName";
    if (stream.match(/^-[->]/)) return "operator";
    stream.next();
    return null;
  },
  languageData: { commentTokens: { line: "//", block: { open: "/*", close: "*/" } } },
};
