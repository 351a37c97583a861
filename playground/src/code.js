// SPDX-License-Identifier: Apache-2.0
/** The configuration of CodeMirror, for editors and for read-only text. Views are in a shadow root,
 * because CodeMirror then uses constructed style sheets instead of <style> elements. A strict
 * Content-Security-Policy allows only the former. */

import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { closeBrackets, closeBracketsKeymap, completeAnyWord, autocompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { lintKeymap } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { crosshairCursor, drawSelection, dropCursor, EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers, rectangularSelection } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const highlighting = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.controlKeyword, tags.operatorKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp, tags.character], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom, tags.literal], color: "var(--code-number)" },
  { tag: [tags.comment, tags.meta], color: "var(--code-comment)", fontStyle: "italic" },
  { tag: [tags.processingInstruction, tags.macroName], color: "var(--code-macro)" },
  { tag: [tags.typeName, tags.className, tags.namespace, tags.tagName], color: "var(--code-type)" },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.labelName], color: "var(--code-function)" },
  { tag: [tags.propertyName, tags.attributeName], color: "var(--code-property)" },
  { tag: tags.invalid, color: "var(--danger)" },
  { tag: tags.heading, fontWeight: "600" },
  { tag: tags.strong, fontWeight: "600" },
  { tag: tags.emphasis, fontStyle: "italic" },
]);

const look = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "transparent", fontSize: "var(--code-size)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--accent)", padding: "8px 0" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--faint)", border: "none" },
  ".cm-lineNumbers .cm-gutterElement": { minWidth: "40px", padding: "0 8px 0 12px" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--line)" },
  ".cm-activeLineGutter": { color: "var(--muted)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { background: "var(--selection)" },
  ".cm-matchingBracket": { backgroundColor: "var(--selection)", outline: "1px solid var(--border)" },
  ".cm-selectionMatch, .cm-searchMatch": { backgroundColor: "var(--match)" },
  ".cm-searchMatch-selected": { outline: "1px solid var(--accent)" },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)", borderColor: "var(--border)" },
  ".cm-panels input, .cm-panels button, .cm-panels label": { font: "inherit", fontSize: "13px" },
  ".cm-textfield": { backgroundColor: "var(--ground)", color: "inherit", border: "1px solid var(--border)", borderRadius: "5px" },
  ".cm-button": { backgroundImage: "none", backgroundColor: "var(--ground)", color: "inherit", border: "1px solid var(--border)", borderRadius: "5px" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--border)", borderRadius: "6px" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-foldPlaceholder": { backgroundColor: "var(--line)", color: "var(--muted)", border: "none", padding: "0 6px" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--danger)" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--warning)" },
  "&.cm-merge-a .cm-changedLine": { backgroundColor: "var(--deleted) !important" },
  "&.cm-merge-b .cm-changedLine, .cm-insertedLine": { backgroundColor: "var(--inserted) !important" },
  ".cm-deletedChunk, .cm-deletedLine": { backgroundColor: "var(--deleted) !important" },
  ".cm-changedText": { background: "var(--changed) !important" },
});

/** Extensions of every view. */
export const shown = [syntaxHighlighting(highlighting), look, lineNumbers(), highlightSpecialChars(), drawSelection()];

/** Further extensions of an editor. */
export const edited = [
  history(), foldGutter(), dropCursor(), indentOnInput(), indentUnit.of("    "), bracketMatching(), closeBrackets(), rectangularSelection(),
  crosshairCursor(), highlightActiveLine(), highlightActiveLineGutter(), highlightSelectionMatches(), search({ top: true }),
  autocompletion({ activateOnTyping: false, override: [completeAnyWord] }), EditorState.allowMultipleSelections.of(true),
  keymap.of([...closeBracketsKeymap, ...defaultKeymap.filter((key) => key.key !== "Mod-Enter"), ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap, ...lintKeymap, indentWithTab]),
];

export const readOnly = [EditorState.readOnly.of(true), EditorView.lineWrapping, search({ top: true }), keymap.of([...searchKeymap, ...defaultKeymap])];

/** The shadow root that must contain the parent of a view. @param {HTMLElement} host */
export function codeRoot(host) {
  return host.shadowRoot ?? host.attachShadow({ mode: "open" });
}

/**
 * @param {HTMLElement} host whose shadow root takes the view
 * @param {EditorState} state
 */
export function codeView(host, state) {
  const root = codeRoot(host);
  const view = new EditorView({ state, root, parent: root });
  view.dom.style.height = "100%";
  return view;
}
