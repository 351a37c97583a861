"""Running the service: logs, metrics, the API's description, bounds of memory, restarts without loss."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from harness import JOB, PROGRAM, Background, Balancer, Connection, connect, equal, eventually, free_port, post, request, test
from slotclient import Closed, Host, Slot, image
from test_cache import SAME, run
from test_faults import send_job

MIB = 1 << 20

# python3-jsonschema is Debian's package, which another Python than Debian's does not see.
VALIDATE = """
import json, sys, jsonschema
document = json.load(open(sys.argv[1]))
for name, value in json.load(sys.stdin):
    schema = {"$ref": "#/components/schemas/" + name, "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)
    print("valid", name)
"""


def validate(folder, document, answers):
    path = os.path.join(folder, "openapi.json")
    with open(path, "wb") as file:
        file.write(document)
    done = subprocess.run(["/usr/bin/python3", "-c", VALIDATE, path], input=json.dumps(answers), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    equal((done.returncode, done.stdout.count("valid")), (0, len(answers)), done.stderr)


@test("real answers are as /openapi.json says")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        document = request(lb, "GET", "/openapi.json")
        equal(document.headers["Content-Type"], "application/json")
        answers = [("Images", request(lb, "GET", "/v1/images").json()), ("Health", lb.health()),
                   ("Hosts", request(lb, "GET", "/v1/hosts").json())]
        files = [("t", b"text"), ("b", b"\xff")]
        form = run(lb, slot, b"out", files=[("f", b"")])
        answers.append(("Result", json.loads(form.form()[0][2])))
        for answer in {}, {"status": "signaled", "signal": 9, "exit_code": None}, {"status": "vm_error", "reason": "r"}:
            pending = Background(post, lb, accept="application/json")
            slot.answer(slot.take_job()[0], b"\xff", b"e", files, **answer)
            answers.append(("JsonResult", pending.done().json()))
        for job in {"image": "none:1"}, {"image": "gcc:14", "typo": 1}, {"image": "gcc:14", "timeout_ms": 0}:
            answers.append(("Problem", post(lb, job=job).json()))
        answers += [("Problem", post(lb, b"x").json()), ("Problem", request(lb, "GET", "/none").json()),
                    ("Job", JOB), ("Job", {"image": "a", "env": {"A": "B"}, "stdin": None, "cmd": None, "outputs": []})]
        answers += [("PistonRuntimes", request(lb, "GET", "/api/v2/runtimes").json()),
                    ("PistonPackages", request(lb, "GET", "/api/v2/packages").json()),
                    ("PistonMessage", request(lb, "POST", "/api/v2/execute").json())]
        validate(lb.folder.name, document.body, answers)
        paths = json.loads(document.body)["paths"]
        for path, methods in paths.items():
            for method in methods:
                status = request(lb, method.upper(), path.replace("{name}", "too-large")).status
                equal(str(status) in methods[method]["responses"], True, (path, status))
        control.close()


@test("/metrics is Prometheus text with a histogram of every phase")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        run(lb, slot)
        post(lb, job=SAME)
        response = request(lb, "GET", "/metrics")
        equal(response.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        value = re.compile(r'^[a-z_]+(\{[a-z]+="[^"]+"(,[a-z]+="[^"]+")*\})? [0-9.e+-]+$')
        lines = response.body.decode().splitlines()
        for line in lines:
            equal(line.startswith(("# HELP ", "# TYPE ")) or bool(value.match(line)), True, line)
        for phase in "queue", "vm", "input", "run", "output":
            equal(f'pe_phase_seconds_count{{phase="{phase}"}} 1' in lines, True, phase)
        equal('pe_phase_seconds_bucket{phase="run",le="0.005"} 1' in lines, True)
        equal('pe_requests_total{outcome="exited"} 2' in lines, True)
        equal(lb.metric("pe_request_seconds_count"), 2)
        equal(lb.metric("pe_cache_hits_total"), 1)
        control.close()


@test("the log is logfmt, or JSON, and names the request as the client and the worker know it")
def _():
    with Balancer("--log-format", "json") as lb:
        control, slot = lb.worker(host='h"\\1')
        response = run(lb, slot)
        eventually(lambda: response.headers["X-Request-Id"] in lb.log(), "the job's line")
        lines = [json.loads(line) for line in lb.log().splitlines()]
        about = [line for line in lines if line.get("request") == response.headers["X-Request-Id"]]
        equal([(line["level"], "exited" in line["msg"]) for line in about], [("info", True)])
        control.close()
    with Balancer() as lb:
        control, slot = lb.worker()
        pending = Background(post, lb)
        job, _ = slot.take_job()
        slot.answer(job)
        equal(pending.done().headers["X-Request-Id"], job["id"])
        eventually(lambda: f"request={job['id']} msg=" in lb.log(), "the job's line")
        control.close()


@test("slow readers hold no slot, and no more memory than they may: the one that began first is cut off")
def _():
    with Balancer("--results-mib", "20", "--cache-mib", "0") as lb:
        control, slot = lb.worker()
        socks = []
        for i in range(4):
            socks.append(send_job(lb))
            slot.answer(slot.take_job()[0], b"", b"", [("f", bytes(9 * MIB))])
            lb.wait_for(ready=1, running=0)
        eventually(lambda: lb.metric("pe_responses_shed_total") == 2, "two are cut off")
        eventually(lambda: lb.metric("pe_result_bytes") < 20 * MIB, "memory is bounded")
        for i, sock in enumerate(socks):
            got = 0
            try:
                while data := sock.recv(1 << 20):
                    got += len(data)
                    if data.endswith(b"0\r\n\r\n"):
                        break
            except ConnectionResetError:
                pass
            equal(got > 9 * MIB, i >= 2, i)
            sock.close()
        eventually(lambda: lb.metric("pe_result_bytes") == 0, "all is freed")
        control.close()


@test("a job waits for workers just after the start, and for no longer")
def _():
    with Balancer("--gather-ms", "6000") as lb:
        pending = Background(post, lb)
        eventually(lambda: lb.metric("pe_requests_open") == 1, "it waits")
        control = Host(lb.address)
        slot = Slot(lb.address)
        slot.answer(slot.take_job()[0], b"came in time")
        equal(pending.done().form()[1][2], b"came in time")
        equal(post(lb, job={"image": "none:1"}).status, 404)
        control.close()


@test("a host that drains gets no more jobs and finishes what it has")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        pending = Background(post, lb)
        job, _ = slot.take_job()
        control.say(type="hello", host="h1", arch="x", cpu="x", vmm="x", slots=1, draining=True, images=[image("gcc:14")])
        other_control, other = lb.worker(host="h2")
        slot.answer(job, b"finished")
        equal(pending.done().form()[1][2], b"finished")
        lb.wait_for(ready=2)
        for i in range(3):
            pending = Background(post, lb)
            other.answer(other.take_job()[0], b"other")
            equal(pending.done().form()[1][2], b"other")
        control.close()
        other_control.close()


def systemd_style(command, listener, name):
    """Start a program with a listening socket as systemd passes it."""
    script = f"export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name}; exec 3<&{listener.fileno()}; exec {command}"
    return subprocess.Popen(["bash", "-c", script], pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL)


@test("sockets from systemd are listened on, and stay when the balancer goes")
def _():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = "127.0.0.1:%d" % listener.getsockname()[1]
        command = f"{PROGRAM} --gather-ms 0 --handover-ms 50"
        lb = type("Address", (), {"address": where})
        first = systemd_style(command, listener, "http")
        equal(request(lb, "GET", "/healthz").status, 200)
        first.terminate()
        equal(first.wait(10), 0)
        waiting = Background(request, lb, "GET", "/healthz")  # the kernel takes the connection
        second = systemd_style(command, listener, "http")
        equal(waiting.done().status, 200)
        second.terminate()
        equal(second.wait(10), 0)


class Worker:
    """A host with slots that answer each job with its file, and connect anew whenever they are closed."""

    def __init__(self, address, slots=2):
        self.address, self.stopping = address, False
        self.threads = [Background(self.keep, self.control)] + [Background(self.keep, self.slot) for _ in range(slots)]

    def keep(self, session):
        while not self.stopping:
            try:
                session()
            except (Closed, OSError, TimeoutError):
                time.sleep(0.05)

    def control(self):
        link = Host(self.address)
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


@test("a second process on the same port takes over, and no job is lost")
def _():
    port = free_port()
    lb = type("Address", (), {"address": f"127.0.0.1:{port}"})
    worker = Worker(lb.address)
    stop, answers, lock = threading.Event(), {}, threading.Lock()

    def client(number):
        for i in range(100000):
            if stop.is_set():
                return
            body = f"{number} {i}".encode()
            response = post(lb, files=[("f", body)])
            with lock:
                answers[body] = (response.status, response.status == 200 and response.form()[1][2])

    options = ("--listen", f"127.0.0.1:{port}", "--handover-ms", "300", "--gather-ms", "5000")
    current = Balancer(*options)
    clients = [Background(client, i) for i in range(4)]
    try:
        for _ in range(3):
            enough = len(answers) + 40
            eventually(lambda: len(answers) >= enough or any(call.error for call in clients), "answers", 30)
            following = Balancer(*options)
            current.process.send_signal(signal.SIGTERM)
            equal(current.process.wait(30), 0)
            current.__exit__(None, None, None)
            current = following
        enough = len(answers) + 40
        eventually(lambda: len(answers) >= enough or any(call.error for call in clients), "answers", 30)
    finally:
        stop.set()
        try:
            for call in clients:
                call.done()
        finally:
            worker.stop()
            current.__exit__(*sys.exc_info())
    equal({body: answer for body, answer in answers.items() if answer != (200, body)}, {})
    equal(len(answers) >= 160, True)
