# SPDX-License-Identifier: Apache-2.0
"""The real balancer and the real worker, as Prometheus sees them: their metrics, and every
expression of the Grafana dashboard and of the alert rules."""
import json
import os
import re

import pytest
import yaml

from fixtures import engine
from fixtures.paths import TOP
from fixtures.prometheus import FileServer, Prometheus, promtool
from fixtures.service import Service
from fixtures.waiting import eventually

DASHBOARD = os.path.join(TOP, "deploy/grafana/program-explorer.json")
RULES = os.path.join(TOP, "deploy/prometheus/rules.yml")
METRIC = re.compile(r"\bpe_[a-z_]+")


def dashboard():
    with open(DASHBOARD) as file:
        return json.load(file)


def dashboard_expressions():
    """(title of the panel, expression) as Grafana sends it: with values for the variables."""
    panels = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
    for panel in panels:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
            assert "$" not in expression, expression
            yield panel["title"], expression


def rule_expressions():
    with open(RULES) as file:
        groups = yaml.safe_load(file)["groups"]
    return [(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"]]


class Scraped:
    """A service that has run jobs, and a Prometheus that scrapes it."""

    def __init__(self, folder):
        worker_file = os.path.join(folder, "metrics.prom")
        self.service = Service(*engine.OPTIONS, "--metrics-file", worker_file, slots=1)
        for _ in range(2):  # the second time from the cache
            assert self.service.run("true", cache=True, timeout_ms=60000).status == "exited"
        eventually(lambda: os.path.exists(worker_file), "the worker has written its metrics")
        with open(worker_file) as file:
            self.worker_page = file.read()
        self.page = self.service.request("GET", "/metrics").body.decode()
        self.file_server = FileServer(worker_file)
        self.prometheus = Prometheus(
            {"pe-lb": self.service.balancer.tcp, "node": self.file_server.address}, RULES
        )

    def end(self):
        try:
            self.prometheus.end()
            self.file_server.end()
        finally:
            self.service.end()


@pytest.fixture(scope="module")
def scraped(no_process_is_left, tmp_path_factory):
    one = Scraped(str(tmp_path_factory.mktemp("scrape")))
    yield one
    one.end()


def test_the_trace_of_a_client_is_in_the_log_of_the_worker_that_ran_its_job(scraped):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    response = scraped.service.post(
        job={"image": "busybox:1.35", "cmd": ["true"], "cache": False, "timeout_ms": 60000},
        headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
    )
    assert response.status == 200
    line = f"request={response.headers['X-Request-Id']} trace={trace} msg="
    scraped.service.worker.wait_for_log(line)


def test_promtool_finds_no_fault_in_the_metrics_of_balancer_and_worker(scraped):
    for page in scraped.page, scraped.worker_page:
        assert promtool("check", "metrics", text=page) == ""


def test_every_metric_of_the_service_is_shown_or_alerted_on_and_no_other(scraped):
    """Parts of a histogram count as the histogram."""
    exported = set(re.findall(r"^# TYPE (\S+)", scraped.page + scraped.worker_page, re.MULTILINE))
    used = set()
    for _, expression in [*dashboard_expressions(), *rule_expressions()]:
        used |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in METRIC.findall(expression)}
    assert used - exported == set()
    assert exported - used == {
        "pe_cache_results",
        "pe_cache_evicted_total",
        "pe_interactive_jobs_total",
        "pe_queue_position",
    }


def test_prometheus_answers_every_expression_of_the_dashboard_with_data(scraped):
    scraped.prometheus.wait_until_up("pe-lb")
    scraped.prometheus.wait_until_up("node")
    for title, expression in dashboard_expressions():
        assert scraped.prometheus.query(expression), (title, expression)


def test_no_alert_fires_while_the_service_is_well(scraped):
    scraped.prometheus.wait_until_up("pe-lb")

    def rules():
        return scraped.prometheus.get("/api/v1/rules")["groups"][0]["rules"]

    def alerts():
        return {rule["name"]: rule["state"] for rule in rules()}

    eventually(lambda: all(rule["health"] == "ok" for rule in rules()), "all rules are evaluated")
    assert alerts().keys() == {name for name, _ in rule_expressions()}
    # With a slow engine, the first jobs can have made the expected wait long for a while.
    eventually(lambda: set(alerts().values()) == {"inactive"}, "no condition of an alert holds")


def test_the_dashboard_is_one_that_grafana_can_import():
    """Its panels have ids and places of their own, and choose the data source by a variable."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24
    variables = {variable["name"] for variable in dashboard()["templating"]["list"]}
    assert variables == {"datasource", "instance"}
    for panel in panels:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
