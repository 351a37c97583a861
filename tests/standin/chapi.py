# SPDX-License-Identifier: Apache-2.0
"""Checks the bodies of requests against the schemas of Cloud Hypervisor's API description. This is
stricter than the real program, which ignores unknown keys: a typing error in a key would become a
missing device there. The description is newer than the release that the stand-in stands for, v53.0; what
differs is added here."""

import os

import jsonschema
import yaml

DESCRIPTION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cloud-hypervisor-openapi.yaml")
PREFIX = "/api/v1"


class Invalid(Exception):
    """A body that the description does not allow."""


class Description:
    def __init__(self):
        with open(DESCRIPTION, encoding="utf-8") as file:
            self.document = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self.schemas = self.document["components"]["schemas"]
        self.schemas["CpusConfig"]["properties"]["profile"] = {"type": "string", "default": "Host"}
        self.schemas["VmResize"]["properties"]["desired_vcpus"].pop("minimum", None)  # refused later, with 500
        for schema in self.schemas.values():
            self._close(schema)
        self.calls = {PREFIX + path: item for path, item in self.document["paths"].items()}

    def _close(self, schema):
        """No key but those that it names, at any depth."""
        if isinstance(schema, dict):
            if schema.get("type") == "object" and "properties" in schema:
                schema.setdefault("additionalProperties", False)
            for value in schema.values():
                self._close(value)

    def method(self, path):
        """GET or PUT, in capitals; None for a path that is not in the description."""
        item = self.calls.get(path)
        return next(iter(item)).upper() if item else None

    def body_schema(self, path):
        """The name of the schema of a call's body, or None."""
        operation = next(iter(self.calls[path].values()))
        return self._name(operation.get("requestBody"))

    def answer_schema(self, path, status):
        operation = next(iter(self.calls[path].values()))
        responses = {str(code): answer for code, answer in operation["responses"].items()}
        return self._name(responses.get(str(status)))

    @staticmethod
    def _name(part):
        content = (part or {}).get("content")
        return content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1] if content else None

    def fill(self, name, value):
        """Add every default that is missing in an object of this schema, as the program does."""
        for key, schema in self.schemas[name].get("properties", {}).items():
            if "default" in schema:
                value.setdefault(key, schema["default"])
            part = value.get(key)
            inner = schema.get("items", {}) if isinstance(part, list) else schema
            for item in part if isinstance(part, list) else [part]:
                if "$ref" in inner and isinstance(item, dict):
                    self.fill(inner["$ref"].rsplit("/", 1)[1], item)

    def check(self, name, value):
        """Raises Invalid with the first thing that is wrong."""
        schema = {"$ref": "#/components/schemas/" + name, "components": self.document["components"]}
        faults = sorted(jsonschema.Draft7Validator(schema).iter_errors(value), key=lambda fault: list(map(str, fault.path)))
        if faults:
            where = "/".join(map(str, faults[0].path))
            raise Invalid(f"{name}{'.' if where else ''}{where}: {faults[0].message}")
