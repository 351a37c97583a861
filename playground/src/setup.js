// SPDX-License-Identifier: Apache-2.0
/** How the program is run: options of the image, command line, environment, standard input and time
 * limit. */

import { buildCommand, checkOption, defaultValue } from "./command.js";
import { byId, h } from "./dom.js";
import { parseEnvironment } from "./project.js";
import { joinArguments, splitArguments } from "./argv.js";

export class Setup {
  /**
   * @param {import("./project.js").Project} project
   * @param {() => import("./command.js").Image|undefined} currentImage
   * @param {() => boolean} listHasCome whether the list of images was received
   */
  constructor(project, currentImage, listHasCome) {
    this.project = project;
    this.currentImage = currentImage;
    this.listHasCome = listHasCome;
    this.form = byId("options");
    this.command = byId("command");
    this.commandProblem = byId("command-problem");
    this.reset = byId("command-reset");
    this.timeoutMost = 60_000;
    this.connect();
  }

  connect() {
    const { project } = this;
    this.command.addEventListener("input", () => this.takeCommand());
    this.reset.addEventListener("click", () => {
      project.cmd = null;
      project.changed("setup");
      this.command.focus();
    });
    for (const name of /** @type {const} */ (["env", "stdin"])) {
      byId(name).addEventListener("input", (/** @type {any} */ event) => {
        project[name] = event.target.value;
        project.changed("text");
        this.checkFields();
      });
    }
    byId("terminal").addEventListener("change", (/** @type {any} */ event) => {
      project.terminal = event.target.checked;
      project.changed("setup");
    });
    byId("timeout").addEventListener("input", (/** @type {any} */ event) => {
      const seconds = Number(event.target.value);
      project.timeout = event.target.value !== "" && seconds > 0 ? Math.min(Math.round(seconds * 1000), this.timeoutMost) : null;
      project.changed("text");
    });
    project.addEventListener("change", (event) => {
      const what = /** @type {CustomEvent} */ (event).detail;
      if (what === "setup" || what === "default" || what === "all") this.draw();
      else if (what === "files") this.drawCommand();
    });
  }

  /** The arguments to run, or what is wrong. @returns {{argv: string[]} | {error: string}} */
  currentCommand() {
    const { project } = this;
    if (this.commandError) return { error: this.commandError };
    if (project.cmd) return project.cmd.length ? { argv: project.cmd } : { error: "The command is empty. Enter a command, or reset it to the image's." };
    const image = this.currentImage();
    if (!image && !this.listHasCome()) return { error: "The list of images is still loading. The command depends on it." };
    if (!image) return { error: project.image ? `${project.image} is not on this server. Choose another image.` : "Choose an image first." };
    return buildCommand(image, project.files.map((file) => file.name), project.options);
  }

  takeCommand() {
    const split = splitArguments(this.command.value);
    this.commandError = "error" in split ? split.error : "";
    if ("argv" in split) this.project.cmd = split.argv;
    this.reset.hidden = false;
    this.showProblem();
    this.fitCommand();
    this.project.changed("text");
  }

  showProblem() {
    const command = this.currentCommand();
    const problem = "error" in command ? command.error : "";
    this.commandProblem.textContent = problem;
    this.command.setAttribute("aria-invalid", String(problem !== ""));
  }

  fitCommand() {
    this.command.style.height = "auto";
    this.command.style.height = `${Math.min(this.command.scrollHeight + 2, 132)}px`;
  }

  drawCommand() {
    this.commandError = "";
    const command = this.currentCommand();
    this.command.value = "argv" in command ? joinArguments(command.argv) : this.project.cmd ? joinArguments(this.project.cmd) : "";
    this.reset.hidden = this.project.cmd === null;
    this.showProblem();
    this.fitCommand();
  }

  draw() {
    const { project } = this;
    const options = Object.entries(this.currentImage()?.options?.properties ?? {});
    this.form.replaceChildren(...options.map(([name, option]) => this.drawOption(name, option)));
    this.form.hidden = options.length === 0;
    byId("env").value = project.env;
    byId("stdin").value = project.stdin;
    byId("stdin").disabled = byId("auto").disabled = project.terminal;
    byId("stdin").placeholder = project.terminal ? "What you type in the terminal" : "";
    byId("terminal").checked = project.terminal;
    byId("timeout").value = project.timeout ? String(project.timeout / 1000) : "";
    this.drawCommand();
    this.checkFields();
  }

  checkFields() {
    byId("env-problem").textContent = parseEnvironment(this.project.env).error ?? "";
    byId("env-mark").hidden = this.project.env.trim() === "";
    byId("stdin-mark").hidden = this.project.stdin === "" || this.project.terminal;
  }

  /** @param {string} name @param {import("./command.js").Option} option @param {any} value */
  setOption(name, option, value) {
    const { project } = this;
    if (value === defaultValue(option)) delete project.options[name];
    else project.options[name] = value;
    project.cmd = null; // otherwise a change of the form would have no visible effect
    this.drawCommand();
    project.changed("text");
  }

  /** @param {string} name @param {import("./command.js").Option} option */
  drawOption(name, option) {
    const { options } = this.project;
    const value = Object.hasOwn(options, name) ? options[name] : defaultValue(option);
    const title = option.title ?? name;
    if (option.type === "boolean") {
      const box = h("input", { type: "checkbox", checked: value === true, onchange: (/** @type {any} */ event) => this.setOption(name, option, event.target.checked) });
      return h("label", { class: "option flag", title: (option.argv ?? []).join(" ") }, box, title);
    }
    const control = option.enum ? this.drawChoice(name, option, value) : this.drawField(name, option, value);
    return h("label", { class: "option", title: (option.argv ?? []).join(" ") }, h("span", { class: "option-title" }, title), control);
  }

  /** @param {string} name @param {import("./command.js").Option} option @param {any} value */
  drawChoice(name, option, value) {
    const choices = (option.enum ?? []).map((each) => h("option", { value: each, selected: String(each) === String(value) }, String(each)));
    if (option.default === undefined) choices.unshift(h("option", { value: "", selected: value === "" }, "default"));
    return h("select", { onchange: (/** @type {any} */ event) => this.setOption(name, option, option.enum?.find((each) => String(each) === event.target.value) ?? "") }, ...choices);
  }

  /** @param {string} name @param {import("./command.js").Option} option @param {any} value */
  drawField(name, option, value) {
    const number = option.type === "integer" || option.type === "number";
    return h("input", {
      type: number ? "number" : "text", value, min: option.minimum, max: option.maximum, maxlength: option.maxLength, step: option.type === "integer" ? 1 : number ? "any" : null, spellcheck: "false", autocomplete: "off",
      oninput: (/** @type {any} */ event) => {
        const problem = checkOption(option, event.target.value);
        event.target.setCustomValidity(problem);
        event.target.title = problem;
        if (!problem) this.setOption(name, option, number && event.target.value !== "" ? Number(event.target.value) : event.target.value);
      },
    });
  }
}
