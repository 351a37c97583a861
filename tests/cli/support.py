"""A server that answers as told, and running the programs."""
import http.server
import json
import os
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("PE_BUILD", "build"))
PE_RUN = os.path.join(BUILD, "bin", "pe-run")
BOUNDARY = "answer-boundary"

RESULT = {"status": "exited", "exit_code": 0, "signal": None, "image": "gcc:14", "image_digest": "sha256:0",
          "usage": {"wall_ms": 1.5, "user_ms": 1, "system_ms": 0, "max_rss_kib": 2048}, "stdout_truncated": False,
          "stderr_truncated": False, "outputs_dropped": 0, "cached": False, "timing_ms": {"queue": 1}}


def multipart(parts):
    """Bytes of a form: (name, filename or None, content) each."""
    out = b""
    for name, filename, content in parts:
        out += b"--" + BOUNDARY.encode() + b'\r\nContent-Disposition: form-data; name="' + name.encode() + b'"'
        if filename is not None:
            out += b'; filename="' + filename + b'"'
        out += b"\r\nContent-Type: application/octet-stream\r\n\r\n" + content + b"\r\n"
    return out + b"--" + BOUNDARY.encode() + b"--\r\n"


def answer(stdout=b"", stderr=b"", files=(), **result):
    body = multipart([("result", None, json.dumps({**RESULT, **result}).encode()), ("stdout", None, stdout),
                      ("stderr", None, stderr)] + [("file", name, content) for name, content in files])
    return 200, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}, body


def problem(status, title, detail, kind="x", **headers):
    body = json.dumps({"type": "/problems/" + kind, "title": title, "status": status, "detail": detail}).encode()
    return status, {"Content-Type": "application/problem+json", **headers}, body


def parse_form(content_type, body):
    """The parts of a request: a list of (name, filename or None, content)."""
    delimiter = b"--" + content_type.split("boundary=")[1].strip('"').encode()
    parts = []
    for piece in body.split(delimiter)[1:-1]:
        head, content = piece[2:-2].split(b"\r\n\r\n", 1)
        disposition = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-disposition")][0]
        fields = {}
        for field in disposition.split(b"; ")[1:]:
            key, value = field.split(b"=", 1)
            fields[key.decode()] = value.strip(b'"')
        parts.append((fields["name"].decode(), fields.get("filename"), content))
    return parts


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.authorization = self.headers["Authorization"]
        given = self.server.pages(self.path) if self.server.pages else None
        self.send(given or problem(404, "There is no such thing", "nothing here", kind="not-found"))

    def do_POST(self):
        body = self.read_body(int(self.headers["Content-Length"]))
        self.server.seen = {"path": self.path, "accept": self.headers["Accept"], "id": self.headers["X-Request-Id"],
                            "authorization": self.headers["Authorization"],
                            "parts": parse_form(self.headers["Content-Type"], body)}
        self.server.count += 1
        reply = self.server.reply
        self.send(reply(self) if callable(reply) else reply)

    def read_body(self, size):
        """With `throttle`, a piece of 1 MiB each so many seconds."""
        if not self.server.throttle:
            return self.rfile.read(size)
        body = b""
        while len(body) < size:
            body += self.rfile.read(min(1 << 20, size - len(body)))
            time.sleep(self.server.throttle)
        return body

    def send(self, answer):
        status, headers, content = answer
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content)
        except BrokenPipeError:
            pass

    def log_message(self, *args):
        pass


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that went away is what some tests are about."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Server:
    """A server that gives one answer and remembers the last request. `pages` answers GET by path."""

    def __init__(self, reply, pages=None):
        self.http = QuietServer(("127.0.0.1", 0), Handler)
        self.http.reply, self.http.pages, self.http.seen, self.http.count, self.http.asked = reply, pages, None, 0, []
        self.http.throttle = 0
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.http.shutdown()
        self.http.server_close()

    @property
    def seen(self):
        return self.http.seen

    @property
    def count(self):
        return self.http.count

    @property
    def asked(self):
        """Paths of GET requests."""
        return self.http.asked


OURS = ("PE_SERVER", "PE_PROFILE", "PE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME")


def environment(server=None, **more):
    """Of a process: nothing of this machine's user is in it."""
    env = {key: value for key, value in os.environ.items() if key not in OURS}
    env["HOME"] = "/nonexistent"
    env.update(more)
    if server:
        env["PE_SERVER"] = server.url
    return env


def run(*arguments, server=None, stdin=b"", program=PE_RUN, timeout=60, cwd=None, **more):
    return subprocess.run([program, *arguments], input=stdin, env=environment(server, **more), capture_output=True,
                          timeout=timeout, cwd=cwd)


def eventually(condition, what, seconds=15):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return value


def equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def contains(text, wanted):
    if wanted not in text:
        raise AssertionError(f"{wanted!r} is not in {text!r}")


def write(path, content=b""):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    return path
