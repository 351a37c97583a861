# SPDX-License-Identifier: Apache-2.0
"""pe-bench load: what its steps say, and a short run against a service."""
import http.server
import json
import os
import signal
import threading
import time

import pytest

from fixtures import engine, processes
from fixtures.pe_bench import pe_bench, series_of, start_pe_bench
from fixtures.waiting import eventually
from pe_bench.commands.load import parse_mix
from pe_bench.errors import BenchError
from pe_bench.load_steps import Step, knee, sentence


def step(rate, *, answered=None, late=0.0, p99=80.0):
    sent = int(rate * 10)
    answered = sent if answered is None else answered
    return Step(rate, sent, answered, seconds=10, took=10 + late, p50=40.0, p99=p99)


def test_the_knee_is_the_last_step_that_the_service_keeps_up_with():
    steps = [step(1), step(2), step(3), step(4, late=6, p99=4000)]
    assert knee(steps) is steps[2]
    assert "Up to 3 jobs per second" in sentence(steps)
    assert "at 4 per second it answers 2.5" in sentence(steps)


def test_a_step_is_beyond_the_knee_if_jobs_are_not_answered():
    assert knee([step(1), step(2, answered=18)]).rate == 1


def test_a_step_is_beyond_the_knee_if_jobs_become_much_slower():
    assert knee([step(1), step(2, p99=401)]).rate == 1
    assert knee([step(1), step(2, p99=399)]).rate == 2


def test_a_service_that_keeps_up_to_the_end_has_no_limit_yet():
    assert sentence([step(1), step(2)]).endswith("its limit was not reached.")


def test_a_service_that_fails_with_the_least_load_has_no_knee():
    steps = [step(1, answered=0)]
    assert knee(steps) is None
    assert sentence(steps).startswith("The service did not keep up with 1 jobs per second")


def test_a_mix_names_jobs_and_their_weights():
    assert parse_mix("echo=3,gcc") == [("echo", 3.0), ("gcc", 1.0)]
    for wrong in "cobol=1", "echo=much", "echo=0", "echo=-1,gcc=2":
        with pytest.raises(BenchError):
            parse_mix(wrong)


def test_load_counts_every_job_and_where_its_result_came_from(service, tmp_path):
    file = tmp_path / "load.json"
    options = ("--server", service.url, "--seconds", "2", "--rate", "4", "--max-rate", "4", "--seed", "3")
    pe_bench("load", *options, "--mix", "echo,stored-echo", "--quick", "--output", file)
    data = json.loads(file.read_text())
    latencies = series_of(data, "latency", job="all")["samples"]
    outcomes = series_of(data, "jobs by outcome", outcome="exited")["samples"]
    assert data["state"] == "complete" and outcomes == [len(latencies)] and latencies
    from_cache = [one for one in data["series"] if one["name"] == "results from the cache"]
    assert sum(one["samples"][0] for one in from_cache) == len(latencies)
    assert series_of(data, "jobs lost by workers")["samples"] == [0]


def test_users_think_before_each_of_their_jobs(service, tmp_path):
    file = tmp_path / "load.json"
    options = ("--server", service.url, "--users", "3", "--think", "0.3", "--seconds", "3", "--seed", "3")
    pe_bench("load", *options, "--mix", "stored-echo", "--output", file)
    data = json.loads(file.read_text())
    assert [one["name"] for one in data["steps"]] == ["3 users"]
    assert series_of(data, "latency", load="3 users", job="all")["samples"]
    assert data["answer"].startswith("3 users who think 0.3 s on average send")


class HeldUntil(http.server.BaseHTTPRequestHandler):
    """A service that gives no answer in the first two seconds."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.began = self.server.began or time.monotonic()
        time.sleep(max(0, self.server.began + 2 - time.monotonic()))
        body = b'{"status": "exited", "cached": false, "timing_ms": {"queue": 0, "vm": 0}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_service_that_stands_still_is_slow_for_every_job_that_was_due_meanwhile(tmp_path):
    """With clients that wait for each answer, only the first one would be slow (coordinated omission)."""
    file = tmp_path / "load.json"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), HeldUntil) as server:
        server.began = None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = ("--server", f"http://127.0.0.1:{server.server_port}", "--rate", "20", "--max-rate", "20")
        pe_bench("load", *options, "--seconds", "2", "--mix", "echo", "--seed", "3", "--output", file)
        server.shutdown()
    latencies = sorted(series_of(json.loads(file.read_text()), "latency", job="all")["samples"])
    assert len(latencies) >= 20 and latencies[-1] >= 1500
    assert latencies[len(latencies) // 2] >= 500  # they are spread over the time for which it stood still


def test_an_interruption_keeps_the_jobs_that_the_step_has_measured(service, tmp_path):
    file = tmp_path / "load.json"
    before = service.metric("pe_cache_hits_total")
    options = ("--server", service.url, "--seconds", "600", "--rate", "20", "--seed", "3")
    running = start_pe_bench("load", *options, "--mix", "stored-echo", "--output", file)
    eventually(lambda: service.metric("pe_cache_hits_total") >= before + 3, "jobs are answered")
    below = processes.descendants(running.pid)
    running.send_signal(signal.SIGINT)
    assert running.wait() == 130
    processes.wait_until_gone(below, "what sends the jobs")
    data = json.loads(file.read_text())
    latency = series_of(data, "latency", job="all")
    assert data["state"] == "interrupted" and data["steps"] == []
    assert len(latency["samples"]) >= 3 and latency["partial"]


def test_an_interruption_keeps_the_steps_that_are_done_and_ends_the_service(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    file = tmp_path / "load.json"
    options = ("--engine", engine.NAME, "--slots", "1", "--seconds", "3", "--rate", "5", "--seed", "3")
    running = start_pe_bench("load", *options, "--mix", "stored-echo", "--output", file)
    eventually(lambda: file.exists() and json.loads(file.read_text())["steps"], "the first step is done")
    below = processes.descendants(running.pid)
    running.send_signal(signal.SIGINT)
    assert running.wait() == 130
    processes.wait_until_gone(below, "the service")
    data = json.loads(file.read_text())
    assert data["state"] == "interrupted" and data["steps"][0]["name"] == "step 1"
    assert series_of(data, "latency", job="all", load="5/s")["samples"]
    assert os.listdir(tmp_path) == ["load.json"]


def test_a_load_is_not_continued_because_each_step_decides_about_the_next(tmp_path):
    _, errors = pe_bench("load", "--resume", "--output", tmp_path / "load.json", status=2)
    assert "load cannot continue a run, because each step decides about the next" in errors
