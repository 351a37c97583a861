# SPDX-License-Identifier: Apache-2.0
"""Operation: logs, metrics, the API's description, bounds of memory, restarts without loss."""
import json
import os
import re
import socket
import threading
import time

import pytest

from fixtures import processes
from fixtures.balancer import ENVIRONMENT, Port
from fixtures.http_client import JOB, SAME, HttpService, assert_refused
from fixtures.openapi import validate
from fixtures.paths import program
from fixtures.stand_in_worker import Closed, Registration, Slot, image
from fixtures.waiting import Background, eventually


MIB = 1 << 20


def test_real_responses_match_openapi_json(balancer):
    registration, slot = balancer.worker()
    document = balancer.request("GET", "/openapi.json")
    assert document.headers["Content-Type"] == "application/json"
    answers = [
        ("Images", balancer.request("GET", "/v1/images").json()),
        ("Health", balancer.health()),
        ("Hosts", balancer.request("GET", "/v1/hosts").json()),
    ]
    files = [("t", b"text"), ("b", b"\xff")]
    form = balancer.run_on(slot, b"out", files=[("f", b"")])
    answers.append(("Result", json.loads(form.form()[0][2])))
    for answer in (
        {},
        {"status": "signaled", "signal": 9, "exit_code": None},
        {"status": "vm_error", "reason": "r"},
    ):
        pending = Background(balancer.post, accept="application/json")
        slot.answer(slot.take_job()[0], b"\xff", b"e", files, **answer)
        answers.append(("JsonResult", pending.done().json()))
    for job in (
        {"image": "none:1"},
        {"image": "gcc:14", "typo": 1},
        {"image": "gcc:14", "timeout_ms": 0},
    ):
        answers.append(("Problem", balancer.post(job=job).json()))
    answers += [
        ("Problem", balancer.post(b"x").json()),
        ("Problem", balancer.request("GET", "/none").json()),
        ("Job", JOB),
        ("Job", {"image": "a", "env": {"A": "B"}, "stdin": None, "cmd": None, "outputs": []}),
    ]
    answers += [
        ("PistonRuntimes", balancer.request("GET", "/api/v2/runtimes").json()),
        ("PistonPackages", balancer.request("GET", "/api/v2/packages").json()),
        ("PistonMessage", balancer.request("POST", "/api/v2/execute").json()),
    ]
    validate(document.body, answers)
    paths = json.loads(document.body)["paths"]
    for path, methods in paths.items():
        for method in methods:
            status = balancer.request(method.upper(), path.replace("{name}", "too-large")).status
            assert str(status) in methods[method]["responses"], (path, status)


def test_metrics_is_prometheus_text_with_a_histogram_of_every_phase(balancer):
    registration, slot = balancer.worker()
    balancer.run_on(slot)
    balancer.post(job=SAME)
    response = balancer.request("GET", "/metrics")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    value = re.compile(r'^[a-z_]+(\{[a-z]+="[^"]+"(,[a-z]+="[^"]+")*\})? [0-9.e+-]+$')
    lines = response.body.decode().splitlines()
    for line in lines:
        assert line.startswith(("# HELP ", "# TYPE ")) or bool(value.match(line)), line
    for phase in "queue", "vm", "input", "run", "output":
        assert f'pe_phase_seconds_count{{phase="{phase}"}} 1' in lines, phase
    assert 'pe_phase_seconds_bucket{phase="run",le="0.005"} 1' in lines
    assert 'pe_requests_total{status="exited"} 2' in lines
    assert balancer.metric("pe_request_seconds_count") == 2
    assert balancer.metric("pe_cache_hits_total") == 1


def test_the_log_is_logfmt_or_json_and_has_the_request_id_of_client_and_worker(start_balancer):
    balancer = start_balancer("--log-format", "json")
    registration, slot = balancer.worker(host='h"\\1')
    response = balancer.run_on(slot)
    eventually(lambda: response.headers["X-Request-Id"] in balancer.log(), "the job's line")
    lines = [json.loads(line) for line in balancer.log().splitlines()]
    about = [line for line in lines if line.get("request") == response.headers["X-Request-Id"]]
    assert [(line["level"], "exited" in line["msg"]) for line in about] == [("info", True)]
    registration.close()
    balancer.end()
    balancer = start_balancer()
    registration, slot = balancer.worker()
    pending = Background(balancer.post)
    job, _ = slot.take_job()
    slot.answer(job)
    assert pending.done().headers["X-Request-Id"] == job["id"]
    eventually(lambda: f"request={job['id']} msg=" in balancer.log(), "the job's line")


def test_slow_readers_hold_no_slot_and_the_first_of_them_is_cut_off_when_memory_is_short(
    start_balancer,
):
    balancer = start_balancer("--results-mib", "20", "--cache-mib", "0")
    registration, slot = balancer.worker()
    socks = []
    for i in range(4):
        socks.append(balancer.send_job())
        slot.answer(slot.take_job()[0], b"", b"", [("f", bytes(9 * MIB))])
        balancer.wait_for(ready=1, running=0)
    eventually(lambda: balancer.metric("pe_responses_shed_total") == 2, "two are cut off")
    eventually(lambda: balancer.metric("pe_result_bytes") < 20 * MIB, "memory is bounded")
    for i, sock in enumerate(socks):
        got = 0
        try:
            while data := sock.recv(1 << 20):
                got += len(data)
                if data.endswith(b"0\r\n\r\n"):
                    break
        except ConnectionResetError:
            pass
        assert (got > 9 * MIB) == (i >= 2), i
        sock.close()
    eventually(lambda: balancer.metric("pe_result_bytes") == 0, "all is freed")


def test_jobs_that_wait_for_workers_take_up_room_in_the_queue(start_balancer):
    balancer = start_balancer("--gather-ms", "600000", "--queue-jobs", "2")
    gone = balancer.send_job()
    pending = Background(balancer.post)
    eventually(lambda: balancer.metric("pe_requests_open") == 2, "both jobs wait")
    assert_refused(balancer.post(), 503, "no-capacity", "2 jobs are waiting already")
    gone.close()
    eventually(lambda: balancer.metric("pe_requests_open") == 1, "one client has gone")
    others = Background(balancer.post)
    eventually(lambda: balancer.metric("pe_requests_open") == 2, "there was room for another one")
    balancer.register()
    slot = Slot(balancer.address)
    for _ in range(2):
        slot.answer(slot.take_job()[0], b"ran")
    for call in pending, others:
        assert call.done().form()[1][2] == b"ran"


def test_the_bytes_of_jobs_that_wait_for_workers_are_bounded(start_balancer):
    balancer = start_balancer("--gather-ms", "600000", "--queue-mib", "1")
    files = [("f", os.urandom(700_000))]
    Background(balancer.post, files=files)
    eventually(lambda: balancer.metric("pe_requests_open") == 1, "a large job waits")
    assert_refused(balancer.post(files=files), 503, "no-capacity", "for jobs of their size")


def test_a_job_waits_for_workers_only_right_after_the_start(start_balancer):
    balancer = start_balancer("--gather-ms", "600000")
    pending = Background(balancer.post)
    eventually(lambda: balancer.metric("pe_requests_open") == 1, "the job waits")
    balancer.register()
    slot = Slot(balancer.address)
    slot.answer(slot.take_job()[0], b"the worker joined in time")
    assert pending.done().form()[1][2] == b"the worker joined in time"
    balancer.end()
    balancer = start_balancer("--gather-ms", "300")
    balancer.register()
    balancer.wait_for(hosts=1)
    assert balancer.post(job={"image": "none:1"}).status == 404


def test_a_worker_that_drains_gets_no_more_jobs_and_finishes_what_it_has(balancer):
    registration, slot = balancer.worker()
    pending = Background(balancer.post)
    job, _ = slot.take_job()
    registration.hello("h1", [image("gcc:14")], draining=True)
    eventually(
        lambda: balancer.request("GET", "/v1/hosts").json()["hosts"][0]["stopping"],
        "the balancer knows that the worker drains",
    )
    other_control, other = balancer.worker(host="h2")
    slot.answer(job, b"finished")
    assert pending.done().form()[1][2] == b"finished"
    balancer.wait_for(ready=2)
    for i in range(3):
        pending = Background(balancer.post)
        other.answer(other.take_job()[0], b"other")
        assert pending.done().form()[1][2] == b"other"
    registration.close()
    other_control.close()


@pytest.fixture
def start_with_socket(tmp_path):
    """A function that starts a balancer with a listening socket as systemd passes it."""
    started = []

    def start(listener):
        variables = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http"
        command = f"{program('pe-lb')} --gather-ms 0 --handover-ms 50"
        script = f"export {variables}; exec 3<&{listener.fileno()}; exec {command}"
        with open(tmp_path / "log", "ab") as log:
            started.append(
                processes.start(
                    ["bash", "-c", script],
                    pass_fds=[listener.fileno()],
                    stderr=log,
                    env={**os.environ, **ENVIRONMENT},
                )
            )
        return started[-1]

    yield start
    for process in started:
        processes.end(process)


def test_sockets_from_systemd_are_listened_on_and_stay_when_the_balancer_ends(start_with_socket):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        service = HttpService("127.0.0.1:%d" % listener.getsockname()[1])
        first = start_with_socket(listener)
        assert service.request("GET", "/healthz").status == 200
        assert processes.end(first) == 0
        waiting = Background(service.request, "GET", "/healthz")  # the kernel takes the connection
        second = start_with_socket(listener)
        assert waiting.done().status == 200
        assert processes.end(second) == 0


class Worker:
    """Slots that answer each job with its file, and connect again whenever they are closed."""

    def __init__(self, address, slots=2):
        self.address, self.stopping = address, False
        self.threads = [Background(self.keep, self.registration)] + [
            Background(self.keep, self.slot) for _ in range(slots)
        ]

    def keep(self, session):
        while not self.stopping:
            try:
                session()
            except (Closed, OSError, TimeoutError):
                time.sleep(0.05)

    def registration(self):
        link = Registration(self.address)
        while not self.stopping:
            try:
                link.receive(0.2)
            except TimeoutError:
                pass

    def slot(self):
        slot = Slot(self.address)
        while not self.stopping:
            try:
                job, files = slot.take_job(0.2)
            except TimeoutError:
                continue
            time.sleep(0.01)
            slot.answer(job, files[0][1])

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.done()


@pytest.fixture
def port():
    port = Port()
    yield port
    port.close()


@pytest.fixture
def worker(port):
    """A worker that connects again whenever its balancer ends."""
    worker = Worker(f"127.0.0.1:{port.number}")
    yield worker
    worker.stop()


def test_a_second_process_on_the_same_port_takes_over_and_no_job_is_lost(
    start_balancer, port, worker
):
    service = HttpService(worker.address)
    stop, answers, lock = threading.Event(), {}, threading.Lock()

    def client(number):
        for i in range(100000):
            if stop.is_set():
                return
            body = f"{number} {i}".encode()
            response = service.post(files=[("f", body)])
            with lock:
                answers[body] = (response.status, response.status == 200 and response.form()[1][2])

    def wait_for_answers():
        enough = len(answers) + 40
        eventually(lambda: len(answers) >= enough or any(call.error for call in clients), "answers")

    def start():
        return start_balancer(
            "--handover-ms", "300", "--gather-ms", "60000", quick=False, port=port
        )

    current = start()
    clients = [Background(client, i) for i in range(4)]
    try:
        for _ in range(3):
            wait_for_answers()
            following = start()
            assert processes.end(current.process) == 0
            current = following
        wait_for_answers()
    finally:
        stop.set()
    for call in clients:
        call.done()
    assert {body: answer for body, answer in answers.items() if answer != (200, body)} == {}
    assert len(answers) >= 160
