// SPDX-License-Identifier: Apache-2.0
/** The languages of the editor. Each is loaded when a file in it is opened. */

import { StreamLanguage } from "@codemirror/language";

const legacy = (/** @type {any} */ mode) => StreamLanguage.define(mode);

/**
 * By the end of the file name.
 * @type {[RegExp, () => Promise<import("@codemirror/state").Extension>][]}
 */
const LANGUAGES = [
  [/\.([ch]|cc|cpp|cxx|hpp|hh|ino|cu)$/i, async () => (await import("@codemirror/lang-cpp")).cpp()],
  [/\.(py|pyi)$/, async () => (await import("@codemirror/lang-python")).python()],
  [/\.([cm]?js|jsx)$/, async () => (await import("@codemirror/lang-javascript")).javascript({ jsx: true })],
  [/\.([cm]?ts|tsx)$/, async () => (await import("@codemirror/lang-javascript")).javascript({ jsx: true, typescript: true })],
  [/\.(json|gltf|webmanifest)$/, async () => (await import("@codemirror/lang-json")).json()],
  [/\.sql$/, async () => (await import("@codemirror/lang-sql")).sql()],
  [/\.rs$/, async () => (await import("@codemirror/lang-rust")).rust()],
  [/\.go$/, async () => (await import("@codemirror/lang-go")).go()],
  [/\.java$/, async () => (await import("@codemirror/lang-java")).java()],
  [/\.php$/, async () => (await import("@codemirror/lang-php")).php()],
  [/\.(html?|vue|svelte)$/, async () => (await import("@codemirror/lang-html")).html()],
  [/\.css$/, async () => (await import("@codemirror/lang-css")).css()],
  [/\.(xml|svg|xsl|dtd)$/, async () => (await import("@codemirror/lang-xml")).xml()],
  [/\.ya?ml$/, async () => (await import("@codemirror/lang-yaml")).yaml()],
  [/\.(md|markdown)$/, async () => (await import("@codemirror/lang-markdown")).markdown()],
  [/\.(sh|bash|zsh|ksh)$/, async () => legacy((await import("@codemirror/legacy-modes/mode/shell")).shell)],
  [/\.([sS]|asm)$/, async () => legacy((await import("@codemirror/legacy-modes/mode/gas")).gas)],
  [/\.(rb|gemspec)$/, async () => legacy((await import("@codemirror/legacy-modes/mode/ruby")).ruby)],
  [/\.(pl|pm)$/, async () => legacy((await import("@codemirror/legacy-modes/mode/perl")).perl)],
  [/\.lua$/, async () => legacy((await import("@codemirror/legacy-modes/mode/lua")).lua)],
  [/\.hs$/, async () => legacy((await import("@codemirror/legacy-modes/mode/haskell")).haskell)],
  [/\.(f|f90|f95|for)$/i, async () => legacy((await import("@codemirror/legacy-modes/mode/fortran")).fortran)],
  [/\.(pas|pp)$/, async () => legacy((await import("@codemirror/legacy-modes/mode/pascal")).pascal)],
  [/\.r$/i, async () => legacy((await import("@codemirror/legacy-modes/mode/r")).r)],
  [/\.jl$/, async () => legacy((await import("@codemirror/legacy-modes/mode/julia")).julia)],
  [/\.(clj|cljs|edn)$/, async () => legacy((await import("@codemirror/legacy-modes/mode/clojure")).clojure)],
  [/\.(lisp|lsp|scm|el)$/, async () => legacy((await import("@codemirror/legacy-modes/mode/commonlisp")).commonLisp)],
  [/\.(ml|mli)$/, async () => legacy((await import("@codemirror/legacy-modes/mode/mllike")).oCaml)],
  [/\.toml$/, async () => legacy((await import("@codemirror/legacy-modes/mode/toml")).toml)],
  [/\.(diff|patch)$/, async () => legacy((await import("@codemirror/legacy-modes/mode/diff")).diff)],
  [/(^|\/)Dockerfile$/, async () => legacy((await import("@codemirror/legacy-modes/mode/dockerfile")).dockerFile)],
  [/\.(dot|gv)$/, async () => legacy((await import("./dot.js")).dot)],
];

/**
 * @param {string} name of a file
 * @returns {Promise<import("@codemirror/state").Extension>} empty if there is no language for the
 *   file, or it cannot be loaded
 */
export async function loadLanguage(name) {
  const entry = LANGUAGES.find(([pattern]) => pattern.test(name));
  try {
    return entry ? await entry[1]() : [];
  } catch {
    return [];
  }
}
