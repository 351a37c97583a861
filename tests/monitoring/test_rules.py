# SPDX-License-Identifier: Apache-2.0
"""The alert rules for Prometheus: their form, and when each of them fires."""
import os
import re
import shutil

import yaml

from fixtures.paths import TOP
from fixtures.prometheus import promtool

RULES = os.path.join(TOP, "deploy/prometheus/rules.yml")
CASES = os.path.join(TOP, "tests/monitoring/rules_test.yml")


def read(path):
    with open(path) as file:
        return yaml.safe_load(file)


def rules():
    return [rule for group in read(RULES)["groups"] for rule in group["rules"]]


def test_promtool_accepts_the_rules():
    assert f"{len(rules())} rules found" in promtool("check", "rules", RULES)


def test_each_alert_fires_in_its_case_and_is_silent_before(tmp_path):
    for path in RULES, CASES:
        shutil.copy(path, tmp_path)
    promtool("test", "rules", os.path.basename(CASES), folder=tmp_path)


def test_there_is_a_case_for_and_against_each_alert():
    cases = [case for test in read(CASES)["tests"] for case in test["alert_rule_test"]]
    alerts = {rule["alert"] for rule in rules()}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == alerts
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == alerts


def test_each_alert_has_a_severity_and_says_what_to_do():
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
        assert rule["annotations"]["description"].endswith("."), rule["alert"]


def test_promtool_accepts_the_configuration_of_the_documentation(tmp_path):
    with open(os.path.join(TOP, "docs/operations.md")) as file:
        block = re.search(r"^```\n(rule_files:.*?)^```", file.read(), re.DOTALL | re.MULTILINE)[1]
    config = tmp_path / "prometheus.yml"
    config.write_text(block.replace("/usr/share/doc/program-explorer/prometheus/rules.yml", RULES))
    promtool("check", "config", str(config))
