"""The real service for a test: pe-lb and pe-worker as processes, a client, and the look for what they leave behind."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("PE_BUILD", os.path.join(TOP, "build"))
VARIANT = os.environ.get("PE_GUEST", "")  # a folder below build/guest with another kernel: small
BOUNDARY = "pe-test-boundary"


def program(name):
    return os.path.join(BUILD, "bin", name)


class Failure(Exception):
    """A check that did not hold."""


def check(condition, *what):
    if not condition:
        raise Failure(" ".join(str(w) for w in what) or "a check failed")


def check_equal(got, wanted, what=""):
    if got != wanted:
        raise Failure(f"{what}: got {got!r}, wanted {wanted!r}")


# ---- requests ----


def part(name, content, filename=None, content_type=None):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
    head = head.encode()
    if filename is not None:
        head += (
            b'; filename="'
            + (filename if isinstance(filename, bytes) else filename.encode())
            + b'"'
        )
    head += f'\r\nContent-Type: {content_type or "application/octet-stream"}\r\n\r\n'.encode()
    return head + (content if isinstance(content, bytes) else content.encode()) + b"\r\n"


def form(job, files=()):
    body = part(
        "job",
        json.dumps(job) if not isinstance(job, (str, bytes)) else job,
        content_type="application/json",
    )
    for name, content in files:
        body += part("file", content, name)
    return body + f"--{BOUNDARY}--\r\n".encode()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def problem(self):
        check_equal(
            self.headers.get("content-type"), "application/problem+json", "content type of an error"
        )
        return self.json()


class Outcome:
    """A job's result, read from the multipart answer."""

    def __init__(self, answer):
        if answer.status != 200:
            raise Failure(f"status {answer.status}: {answer.body[:400]!r}")
        boundary = (
            re.search(r'boundary="?([^";]+)', answer.headers["content-type"]).group(1).encode()
        )
        self.files, self.stdout, self.stderr, self.result = {}, None, None, None
        pieces = (b"\r\n" + answer.body).split(b"\r\n--" + boundary)
        check_equal(pieces[-1], b"--\r\n", "end of the multipart answer")
        for piece in pieces[1:-1]:
            head, content = piece.split(b"\r\n\r\n", 1)
            name = re.search(rb' name="([^"]*)"', head).group(1)
            filename = re.search(rb'filename="([^"]*)"', head)
            if name == b"result":
                self.result = json.loads(content)
            elif name == b"file":
                self.files[filename.group(1).decode(errors="surrogateescape")] = content
            else:
                setattr(self, name.decode(), content)

    def __getattr__(self, name):
        return self.__dict__["result"][name]


class Service:
    """A balancer on a TCP port and, unless slots is 0, one worker host."""

    def __init__(self, slots=2, images=None, worker_args=(), warm="busybox:1.35"):
        self.directory = tempfile.TemporaryDirectory(prefix="pe-e2e-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.slots, self.images, self.worker_args, self.warm = (
            slots,
            images,
            list(worker_args),
            warm,
        )
        self.log_path = os.path.join(self.directory.name, "log")
        self.log = open(self.log_path, "wb")
        self.balancer = self.worker = None

    def start(self):
        self.start_balancer()
        if self.slots:
            self.start_worker()
        return self

    def spawn(self, *argv):
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def start_balancer(self):
        self.balancer = self.spawn(program("pe-lb"), "--listen", f"127.0.0.1:{self.port}")
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                return self.request("GET", "/healthz")
            except OSError:
                time.sleep(0.05)
        raise Failure("the balancer does not listen")

    def start_worker(self):
        argv = [
            program("pe-worker"),
            "--server",
            f"http://127.0.0.1:{self.port}",
            "--slots",
            str(self.slots),
            "--warm",
            self.warm,
            "--state",
            os.path.join(self.directory.name, "state"),
            *self.worker_args,
        ]
        if self.images:
            argv += ["--store", self.images]
        if VARIANT:
            folder = os.path.join(TOP, "build", "guest", VARIANT)
            argv += [
                "--kernel",
                os.path.join(folder, "vmlinux"),
                "--initramfs",
                os.path.join(folder, "initramfs.cpio"),
            ]
        self.worker = self.spawn(*argv)
        self.wait_for(lambda h: h["hosts"] >= 1 and h["slots"] >= self.slots, 30, "the worker")

    def stop(self):
        for process in (self.worker, self.balancer):
            if process and process.poll() is None:
                process.terminate()
        for process in (self.worker, self.balancer):
            if process:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.log.close()
        self.directory.cleanup()

    def read_log(self):
        self.log.flush()
        with open(self.log_path, errors="replace") as log:
            return log.read()

    # ---- asking ----

    def request(self, method, path, body=None, headers=None, timeout=120):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(
                response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def post(
        self,
        body,
        content_type=f"multipart/form-data; boundary={BOUNDARY}",
        accept=None,
        timeout=120,
    ):
        headers = {"Content-Type": content_type}
        if accept:
            headers["Accept"] = accept
        return self.request("POST", "/v1/run", body, headers, timeout)

    def run(self, cmd=None, image="busybox:1.35", files=(), **fields):
        job = {"image": image, "cache": False, **fields}
        if cmd is not None:
            job["cmd"] = cmd if isinstance(cmd, list) else ["sh", "-c", cmd]
        return Outcome(self.post(form(job, files)))

    def health(self):
        return self.request("GET", "/healthz").json()

    def wait_for(self, condition, seconds, what="the service"):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            health = self.health()
            if condition(health):
                return health
            time.sleep(0.05)
        raise Failure(f"{what} did not get there in {seconds} s: {self.health()}")

    # ---- what is left ----

    def vmm_pids(self):
        """QEMU processes below this service's worker."""
        return [
            pid
            for pid in descendants(self.worker.pid)
            if command_name(pid).startswith("qemu-system")
        ]


def command_name(pid):
    try:
        with open(f"/proc/{pid}/comm") as comm:
            return comm.read().strip()
    except OSError:
        return ""


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return int(stat.read().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return 0


def descendants(root):
    parents = {pid: parent_of(pid) for pid in all_pids()}
    found, grew = {root}, True
    while grew:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        grew = bool(more)
    return found - {root}


def qemu_pids():
    return {pid for pid in all_pids() if command_name(pid).startswith("qemu-system")}


def shared_places():
    """Names in the places where a program could forget files."""
    places = ["/dev/shm", "/tmp", "/var/tmp", "/run"]
    return {
        os.path.join(place, name)
        for place in places
        for name in os.listdir(place)
        if name.startswith(("pe-", "qemu", "vl."))
    }


def gone(pids, seconds=10):
    """Whether all these processes end in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(os.path.exists(f"/proc/{pid}") and command_name(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def kill_hard(pid):
    os.kill(pid, signal.SIGKILL)
