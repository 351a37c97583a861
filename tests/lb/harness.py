"""Running a real pe-lb and talking HTTP to it; the test register. Python's standard library only."""
import email.parser
import email.policy
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from slotclient import Host, Slot, connect

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(os.environ.get("PE_BUILD", os.path.join(ROOT, "build")), "bin", "pe-lb")
TESTS = []

# With PE_BUILD pointing to a sanitized build, every pe-lb is checked for leaks when it ends. libh2o 2.2.5 leaks
# one small allocation of its own at startup; exactly that one is accepted.
LIBRARY_LEAK = "SUMMARY: AddressSanitizer: 208 byte(s) leaked in 1 allocation(s)."
os.environ["LSAN_OPTIONS"] = "exitcode=0"


def test(name):
    def register(function):
        TESTS.append((name, function))
        return function
    return register


def equal(got, wanted, what="value"):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def eventually(condition, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
    return value


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Balancer:
    """A pe-lb on a UNIX socket and a TCP port, with its log in a file."""

    def __init__(self, *options, unix=True):
        self.folder = tempfile.TemporaryDirectory(prefix="pe-lb-test-")
        self.path = os.path.join(self.folder.name, "lb.sock")
        self.unix = "unix:" + self.path
        self.tcp = f"127.0.0.1:{free_port()}"
        self.address = self.unix if unix else self.tcp
        self.log_path = os.path.join(self.folder.name, "log")
        reader, writer = os.pipe()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--listen", self.unix, "--listen", self.tcp, "--ready-fd", str(writer),
                 "--die-with-parent", "--gather-ms", "0", "--handover-ms", "50", *options], pass_fds=[writer], stderr=log)
        os.close(writer)
        with os.fdopen(reader) as ready:
            line = ready.read()
        if line != "ready\n":
            raise AssertionError(f"pe-lb is not ready: {self.log()}")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                self.process.send_signal(signal.SIGINT)
                self.process.wait(20)
            status = self.process.returncode
            if kind is None and status != 0:
                raise AssertionError(f"pe-lb ended with {status}")
            complaints = [line for line in self.log().splitlines()
                          if "runtime error" in line or line.startswith("SUMMARY: ") and line != LIBRARY_LEAK]
            if complaints:
                raise AssertionError(complaints)
        except BaseException:
            print(self.log(), file=sys.stderr)
            raise
        finally:
            if kind is not None:
                print(self.log(), file=sys.stderr)
            self.process.kill()
            self.process.wait()
            self.folder.cleanup()

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def settled_fds(self):
        """How many file descriptors are open once connections just closed are gone."""
        last, since = None, 0
        while since < 5:
            now = len(os.listdir(f"/proc/{self.process.pid}/fd"))
            since = since + 1 if now == last else 0
            last = now
            time.sleep(0.05)
        return now

    def health(self):
        return json.loads(request(self, "GET", "/healthz").body)

    def metric(self, name):
        """One value of /metrics."""
        for line in request(self, "GET", "/metrics").body.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise AssertionError(f"no metric {name}")

    def wait_for(self, **wanted):
        """Until /healthz says so."""
        eventually(lambda: wanted.items() <= self.health().items(), f"{wanted}, have {self.health()}")

    def worker(self, slots=1, host="h1", images=("gcc:14",), **options):
        """A host and its slots, all ready, in the order in which they get jobs: the latest first."""
        control = Host(self.address, host, images, **options)
        ready = self.health()["ready"]
        links = []
        for i in range(slots):
            links.append(Slot(self.address, host, **options))
            self.wait_for(ready=ready + i + 1)
        return control, *reversed(links)


# ---- HTTP ----

class Connection(http.client.HTTPConnection):
    def __init__(self, address, timeout=30):
        super().__init__("lb", timeout=timeout)
        self.address = address

    def connect(self):
        self.sock = connect(self.address, self.timeout)


class Response:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body)

    def problem(self):
        equal(self.headers["Content-Type"], "application/problem+json")
        problem = self.json()
        equal(problem["status"], self.status)
        return problem

    def form(self):
        """The parts of a multipart response as (name, filename, bytes)."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body)
        if message.defects:
            raise AssertionError(f"multipart: {message.defects}")
        return [(part.get_param("name", header="content-disposition"), part.get_filename(),
                 part.get_payload(decode=True)) for part in message.iter_parts()]


def request(balancer, method, path, body=None, headers=None, connection=None):
    own = connection or Connection(balancer.address)
    try:
        own.request(method, path, body, headers or {})
        return Response(own.getresponse())
    finally:
        if not connection:
            own.close()


BOUNDARY = "test-boundary"
JOB = {"image": "gcc:14", "cmd": ["true"], "cache": False}  # a job that is run each time


def part(name, data, filename=None, content_type=None):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
    head += f'; filename="{filename}"\r\n' if filename is not None else "\r\n"
    head += f"Content-Type: {content_type}\r\n" if content_type else ""
    return head.encode("utf-8", "surrogateescape") + b"\r\n" + data + b"\r\n"


def job_body(job=None, files=()):
    parts = [part("job", json.dumps(JOB if job is None else job).encode(), None, "application/json")]
    parts += [part("file", data, name, "application/octet-stream") for name, data in files]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def post(balancer, body=None, accept=None, connection=None, job=None, files=(), content_type=None):
    headers = {"Content-Type": content_type or f"multipart/form-data; boundary={BOUNDARY}"}
    headers.update({"Accept": accept} if accept else {})
    return request(balancer, "POST", "/v1/run", job_body(job, files) if body is None else body, headers,
                   connection)


class Background:
    """A call in a thread, and what it returned or raised."""

    def __init__(self, function, *args, **named):
        self.value = self.error = None
        self.thread = threading.Thread(target=self.run, args=(function, args, named), daemon=True)
        self.thread.start()

    def run(self, function, args, named):
        try:
            self.value = function(*args, **named)
        except BaseException as error:
            self.error = error

    def done(self, seconds=30):
        self.thread.join(seconds)
        if self.thread.is_alive():
            raise AssertionError(f"no answer within {seconds} s")
        if self.error:
            raise self.error
        return self.value


def run_tests(names):
    failed = passed = 0
    for name, function in TESTS:
        if names and not any(wanted in name for wanted in names):
            continue
        try:
            function()
        except BaseException:
            traceback.print_exc()
            print(f"not ok {name}", flush=True)
            failed += 1
        else:
            print(f"ok {name}", flush=True)
            passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
