// SPDX-License-Identifier: Apache-2.0
// Check Kubernetes objects against their schemas: node check_objects.mjs FOLDER <objects.json
//
// FOLDER has the npm packages kubernetes-models and @kubernetes-models/keda, which are made of the
// OpenAPI description of Kubernetes and of the definition of KEDA's resources. Standard input is a
// JSON array of objects. Prints a JSON array of findings; an empty one means that all are valid.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.argv[2]}/package.json`);

/** The class of an object, which knows its schema.
 * @param {{apiVersion: string, kind: string}} object */
function classOf({ apiVersion, kind }) {
  const packageName = apiVersion.startsWith("keda.sh/") ? "@kubernetes-models/keda" : "kubernetes-models";
  return require(`${packageName}/${apiVersion}`)[kind];
}

/** The schemas say nothing of fields that they do not know, which Kubernetes would ignore. Whatever the
 * check of a schema never looks at is such a field.
 * @param {object} value @param {string} path @param {Map<string, boolean>} looked */
function recording(value, path, looked) {
  for (const key of Object.keys(value)) looked.set(`${path}/${key}`, false);
  /** @type {Map<string, object>} */
  const inner = new Map();
  return new Proxy(value, {
    get(target, key) {
      const found = Reflect.get(target, key);
      if (typeof key !== "string") return found;
      if (Object.hasOwn(target, key)) looked.set(`${path}/${key}`, true);
      if (typeof found !== "object" || found === null) return found;
      if (!inner.has(key)) inner.set(key, recording(found, `${path}/${key}`, looked));
      return inner.get(key);
    },
  });
}

/** @param {any} object */
function findings(object) {
  const name = `${object.kind} ${object.metadata?.name}`;
  const Class = classOf(object);
  if (!Class) return [`${name}: no schema for ${object.kind} of ${object.apiVersion}`];
  /** @type {Map<string, boolean>} */
  const looked = new Map();
  try {
    Class.prototype.validate.call(recording(object, "", looked));
  } catch (error) {
    return [`${name}: ${error.message}`];
  }
  return [...looked].filter(([, seen]) => !seen).map(([path]) => `${name}: unknown field ${path}`);
}

const objects = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(objects.flatMap(findings)));
