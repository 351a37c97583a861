// SPDX-License-Identifier: Apache-2.0
/** Build the command of a job from the image's catalog entry, the files and the options. */

import { globMatches } from "./glob.js";

/**
 * @typedef {{type: string, title?: string, description?: string, enum?: any[], default?: any, minimum?: number, maximum?: number,
 *            maxLength?: number, argv?: string[]}} Option
 * @typedef {{name: string, digest: string, description: string, default_cmd: string[], commands: {files: string, cmd: string[]}[],
 *            categories: string[], inputs: {type: string, patterns: string[]}[], outputs?: {type: string, patterns: string[]}[],
 *            examples: {title: string, file: string, text: string}[], options?: {properties: Record<string, Option>}}} Image
 */

/** The default value of an option. @param {Option} option */
export function defaultValue(option) {
  return option.default ?? (option.type === "boolean" ? false : "");
}

/** Why a value is not allowed, or "". @param {Option} option @param {any} value */
export function checkOption(option, value) {
  if (option.type === "boolean" || value === "") return "";
  if (option.enum) return option.enum.map(String).includes(String(value)) ? "" : `one of ${option.enum.join(", ")}`;
  if (option.type === "integer" || option.type === "number") {
    const number = Number(value);
    if (!Number.isFinite(number) || (option.type === "integer" && !Number.isInteger(number))) return `not ${option.type === "integer" ? "a whole" : "a"} number`;
    if (option.minimum !== undefined && number < option.minimum) return `at least ${option.minimum}`;
    if (option.maximum !== undefined && number > option.maximum) return `at most ${option.maximum}`;
    return "";
  }
  return option.maxLength !== undefined && String(value).length > option.maxLength ? `at most ${option.maxLength} characters` : "";
}

/** The arguments that the options add, in the order of the schema.
 * @param {Image} image @param {Record<string, any>} chosen */
export function optionArguments(image, chosen) {
  const argv = [];
  for (const [name, option] of Object.entries(image.options?.properties ?? {})) {
    const value = Object.hasOwn(chosen, name) ? chosen[name] : defaultValue(option);
    const set = option.type === "boolean" ? value === true : value !== "" && checkOption(option, value) === "";
    if (set) argv.push(...(option.argv ?? []).map((argument) => argument.replaceAll("{}", String(value))));
  }
  return argv;
}

/** A path as an argument, with the rules of the balancer (pe_path_as_argument in proto/path.h): "./"
 * in front of names that programs could take for options or for files of arguments.
 * @param {string} path */
function asArgument(path) {
  return /^[-+@]/.test(path) ? `./${path}` : path;
}

/**
 * @param {Image} image
 * @param {string[]} files paths, in the order they are sent
 * @param {Record<string, any>} chosen values of options that differ from their defaults
 * @returns {{argv: string[]} | {error: string}}
 */
export function buildCommand(image, files, chosen) {
  const special = image.commands?.find((command) => files.some((file) => globMatches(command.files, file)));
  const template = special?.cmd ?? image.default_cmd;
  if (!template?.length) return { error: `${image.name} has no default command for these files. Enter a command.` };
  const argv = [];
  for (const argument of template) {
    const placeholder = /^\{files(?::(.+))?\}$/s.exec(argument);
    if (argument === "{options}") argv.push(...optionArguments(image, chosen));
    else if (placeholder) {
      const glob = placeholder[1] ?? "**";
      const matching = files.filter((file) => globMatches(glob, file));
      if (!matching.length) return { error: `${image.name} needs a file that matches ${glob.replace(/^\*\*(?!\/)/, "*")}. Rename a file, or enter a command.` };
      argv.push(...matching.map(asArgument));
    } else argv.push(argument);
  }
  return { argv };
}

/**
 * Whether the image's metadata says that it accepts a file of this name.
 * @param {Image} image
 * @param {string} path
 */
export function acceptsFile(image, path) {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const takes = (/** @type {string} */ glob) => globMatches(glob, path) || globMatches(glob, name);
  return Boolean(image.inputs?.some((input) => input.patterns.some(takes)) || image.commands?.some((command) => takes(command.files)));
}
