#!/usr/bin/env python3
"""pe-run from outside: against a server that answers as told, and with stand-ins for pe-lb and pe-worker.

PE_BUILD names the build directory (default build). Prints `ok NAME` or `not ok NAME` with what went wrong.
"""
import glob
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

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


def problem(status, title, detail, **headers):
    body = json.dumps({"type": "/problems/x", "title": title, "status": status, "detail": detail}).encode()
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
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen = {"path": self.path, "accept": self.headers["Accept"],
                            "parts": parse_form(self.headers["Content-Type"], body)}
        reply = self.server.reply
        status, headers, content = reply(self) if callable(reply) else reply
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
    """A server that gives one answer and remembers the last request."""

    def __init__(self, reply):
        self.http = QuietServer(("127.0.0.1", 0), Handler)
        self.http.reply, self.http.seen = reply, None
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


def run(*arguments, server=None, stdin=b"", program=PE_RUN, timeout=60, **environment):
    env = {key: value for key, value in os.environ.items() if key not in ("PE_SERVER", "PE_HOME", "XDG_RUNTIME_DIR")}
    env.update(environment)
    if server:
        env["PE_SERVER"] = server.url
    return subprocess.run([program, *arguments], input=stdin, env=env, capture_output=True, timeout=timeout)


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


# ---- results ----

def test_output_is_the_programs_own_bytes(work):
    with Server(answer(stdout=b"a\0\xff\r\n--x\n", stderr=b"warn", exit_code=3)) as server:
        done = run("gcc:14", server=server)
    equal((done.stdout, done.stderr, done.returncode), (b"a\0\xff\r\n--x\n", b"warn", 3), "result")


def test_exit_codes_follow_the_status(work):
    cases = [({"status": "timeout", "exit_code": None, "signal": 9}, 124),
             ({"status": "signaled", "exit_code": None, "signal": 11}, 139),
             ({"status": "oom", "exit_code": None, "signal": 9}, 137),
             ({"status": "output_limit", "exit_code": 5, "outputs_dropped": 2}, 5),
             ({"status": "vm_error", "exit_code": None, "reason": "no init"}, 125)]
    for result, code in cases:
        with Server(answer(**result)) as server:
            done = run("gcc:14", server=server)
        equal(done.returncode, code, result["status"])
        contains(done.stderr, b"pe-run: ")


def test_truncated_output_is_said(work):
    with Server(answer(stdout=b"x", stdout_truncated=True, stderr_truncated=True)) as server:
        done = run("gcc:14", server=server)
    equal(done.stdout, b"x", "stdout")
    equal(done.stderr.count(b"pe-run: output truncated"), 2, "notices")


def test_json_is_printed_as_it_came(work):
    body = json.dumps({**RESULT, "exit_code": 4, "stdout": "hi", "files": []}).encode() + b"\n"
    with Server((200, {"Content-Type": "application/json"}, body)) as server:
        done = run("--json", "gcc:14", server=server)
        equal(server.seen["accept"], "application/json", "Accept")
    equal((done.stdout, done.returncode), (body, 4), "result")


def test_verbose_says_the_timing(work):
    with Server(answer(cached=True)) as server:
        contains(run("-v", "gcc:14", server=server).stderr, b"from the cache")


# ---- requests ----

def test_files_and_job_arrive(work):
    main = write(f"{work}/main.c", b"int main;")
    write(f"{work}/src/b/deep.h", b"deep")
    write(f"{work}/src/a.h", b"")
    os.symlink("/etc/passwd", f"{work}/src/leak")
    with Server(answer()) as server:
        done = run("--env", "A=1", "--env", "B=x=y", "--timeout", "2.5", "--no-cache", "gcc:14", main, f"{work}/src/",
                   "--", "sh", "-c", "--", server=server)
        parts = server.seen["parts"]
    equal(json.loads(parts[0][2]), {"image": "gcc:14", "env": {"A": "1", "B": "x=y"}, "timeout_ms": 2500,
                                    "cache": False, "cmd": ["sh", "-c", "--"]}, "job")
    equal(parts[1:], [("file", b"main.c", b"int main;"), ("file", b"src/a.h", b""),
                      ("file", b"src/b/deep.h", b"deep")], "files")
    contains(done.stderr, b"leak is a symbolic link: not sent")


def test_odd_names_survive(work):
    name = b'a "b" c%41;\xc3\xa9\\.c'
    path = write(os.fsdecode(os.fsencode(work) + b"/" + name), b"x")
    with Server(answer()) as server:
        run("gcc:14", path, server=server)
        equal(server.seen["parts"][1][1], name.replace(b'"', b"%22"), "name")


def test_dot_sends_what_is_in_it(work):
    write(f"{work}/one.c", b"1")
    with Server(answer()) as server:
        run("gcc:14", f"{work}/.", server=server)
        equal([part[1] for part in server.seen["parts"][1:]], [b"one.c"], "names")


def test_own_stdin_gets_a_name_of_its_own(work):
    clash = write(f"{work}/.stdin", b"other")
    with Server(answer()) as server:
        run("--stdin", "-", "gcc:14", clash, server=server, stdin=b"hello")
        parts = server.seen["parts"]
    equal(json.loads(parts[0][2])["stdin"], ".stdin-2", "stdin")
    equal(parts[2], ("file", b".stdin-2", b"hello"), "part")


def test_stdin_file_is_sent_once(work):
    data = write(f"{work}/data.txt", b"d")
    with Server(answer()) as server:
        run("--stdin", data, "gcc:14", data, server=server)
        equal(len(server.seen["parts"]), 2, "parts")
        run("--stdin", data, "gcc:14", server=server)
        equal(json.loads(server.seen["parts"][0][2])["stdin"], "data.txt", "stdin")
        equal(server.seen["parts"][1], ("file", b"data.txt", b"d"), "part")


def test_two_files_of_one_name_are_refused(work):
    with Server(answer()) as server:
        done = run("gcc:14", write(f"{work}/x/a.c"), write(f"{work}/y/a.c"), server=server)
        equal(server.seen, None, "request")
    equal(done.returncode, 125, "exit code")
    contains(done.stderr, b"would both be called 'a.c'")


def test_wrong_usage_is_said_before_anything_is_sent(work):
    big = f"{work}/big"
    with open(big, "wb") as file:
        file.truncate(33 << 20)
    cases = [((), b"say which image"), (("--bogus", "gcc:14"), b"unknown option '--bogus'"),
             (("gcc:14", "/nonexistent.c"), b"/nonexistent.c: No such file"),
             (("gcc:14", "--timeout", "0"), b"--timeout takes seconds"),
             (("gcc:14", "--timeout", "61"), b"--timeout takes seconds"),
             (("gcc:14", "--env", "novalue"), b"--env takes KEY=VALUE"), (("gcc:14", "--"), b"a command is missing"),
             (("Bad Image",), b"field 'image'"), (("gcc:14", big), b"at most 32 MiB"),
             (("gcc:14", "/dev/null"), b"is not a file or a directory"),
             (("--server", "ftp://x", "gcc:14"), b"is none of http://"),
             (("--json", "--output", "x", "gcc:14"), b"--json has the output files")]
    with Server(answer()) as server:
        for arguments, message in cases:
            done = run(*arguments, server=server)
            equal((done.returncode, done.stdout), (125, b""), str(arguments))
            contains(done.stderr, message)
        equal(server.seen, None, "request")


# ---- output files ----

def test_output_files_are_written_below_the_directory(work):
    with Server(answer(files=[(b"a.txt", b"A"), (b"d/e/f.bin", b"\0\r\n")])) as server:
        done = run("--output", f"{work}/out", "gcc:14", server=server)
        again = run("--output", f"{work}/out", "gcc:14", server=server)
    equal((done.returncode, again.returncode), (0, 0), "exit codes")
    equal(open(f"{work}/out/a.txt", "rb").read(), b"A", "a.txt")
    equal(open(f"{work}/out/d/e/f.bin", "rb").read(), b"\0\r\n", "f.bin")


def test_output_files_are_mentioned(work):
    with Server(answer(files=[(b"a.txt", b"A")])) as server:
        contains(run("gcc:14", server=server).stderr, b"1 files in /output: --output DIR")


def test_hostile_file_names_write_nothing(work):
    for name in (b"../evil", b"/tmp/pe-run-evil", b"a/../../evil", b"", b"a//b", b"./x", b"n" * 300):
        with Server(answer(stdout=b"out", files=[(b"good", b"g"), (name, b"evil")])) as server:
            done = run("--output", f"{work}/out", "gcc:14", server=server)
        equal((done.returncode, done.stdout), (125, b""), repr(name))
        contains(done.stderr, b"the server's answer is broken: file name")
        equal(os.listdir(work), [], "files")
    equal(os.path.exists("/tmp/pe-run-evil"), False, "file outside")


def test_symbolic_links_in_the_output_directory_are_not_followed(work):
    os.makedirs(f"{work}/out")
    os.makedirs(f"{work}/elsewhere")
    write(f"{work}/elsewhere/kept", b"kept")
    os.symlink("../elsewhere", f"{work}/out/dir")
    os.symlink("../elsewhere/kept", f"{work}/out/file")
    with Server(answer(files=[(b"file", b"new")])) as server:
        equal(run("--output", f"{work}/out", "gcc:14", server=server).returncode, 0, "replacing a link")
    equal(os.path.islink(f"{work}/out/file"), False, "link")
    with Server(answer(files=[(b"dir/kept", b"new")])) as server:
        done = run("--output", f"{work}/out", "gcc:14", server=server)
    equal(done.returncode, 125, "exit code")
    contains(done.stderr, b"output file 'dir/kept'")
    equal(open(f"{work}/elsewhere/kept", "rb").read(), b"kept", "file outside")


# ---- answers that are none ----

def test_a_problem_is_explained(work):
    with Server(problem(404, "There is no such thing", "no image 'gc:14'; near names: gcc:14")) as server:
        done = run("gc:14", server=server)
    equal((done.returncode, done.stdout), (125, b""), "result")
    equal(done.stderr, b"pe-run: There is no such thing: no image 'gc:14'; near names: gcc:14\n", "stderr")
    with Server(problem(503, "No capacity", "later", **{"Retry-After": "7"})) as server:
        contains(run("gcc:14", server=server).stderr, b"No capacity: later (try again in 7 s)")


def test_escape_sequences_of_a_problem_stay_out_of_the_terminal(work):
    with Server(problem(400, "t\x1b[2J", "d\x07")) as server:
        equal(run("gcc:14", server=server).stderr, b"pe-run: t?[2J: d?\n", "stderr")


def test_broken_answers_are_refused_whole(work):
    good = answer(stdout=b"secret", files=[(b"f", b"x")])
    form = good[1]["Content-Type"]
    no_result = multipart([("stdout", None, b"secret")])
    cases = [(200, {"Content-Type": form}, good[2][:-20]), (200, {"Content-Type": form}, b""),
             (200, {"Content-Type": form}, no_result), (200, {"Content-Type": "text/html"}, b"secret"),
             (200, {}, good[2]), (200, {"Content-Type": "multipart/form-data"}, good[2]),
             (200, {"Content-Type": form, "Content-Length": str(len(good[2]) + 9)}, good[2]),
             (500, {"Content-Type": "text/html"}, b"secret"), (302, {"Location": "http://127.0.0.1:9/"}, b""),
             (200, {"Content-Type": form}, multipart([("result", None, b"{nonsense")])),
             (200, {"Content-Type": form}, multipart([("result", None, b'{"status": "odd"}')]))]
    for case in cases:
        with Server(case) as server:
            done = run("gcc:14", server=server)
        equal((done.returncode, done.stdout), (125, b""), repr(case)[:120])
        contains(done.stderr, b"pe-run: ")


def test_an_answer_without_end_is_cut_off(work):
    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
        handler.end_headers()
        try:
            for _ in range(200):
                handler.wfile.write(b"x" * (1 << 20))
        except OSError:
            pass
        raise ConnectionAbortedError
    with Server(endless) as server:
        done = run("gcc:14", server=server)
    equal(done.returncode, 125, "exit code")
    contains(done.stderr, b"bytes")


def test_no_server_there_is_said(work):
    done = run("--server", "http://127.0.0.1:9", "gcc:14")
    equal(done.returncode, 125, "exit code")
    contains(done.stderr, b"no answer from http://127.0.0.1:9")
    contains(run("--server", f"unix:{work}/none", "gcc:14").stderr, b"no answer from unix:")


def test_ctrl_c_ends_the_wait(work):
    held = threading.Event()

    def slow(handler):
        held.wait(20)
        return answer()
    with Server(slow) as server:
        process = subprocess.Popen([PE_RUN, "--server", server.url, "gcc:14"], stderr=subprocess.PIPE)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        _, stderr = process.communicate(timeout=10)
        held.set()
    equal(process.returncode, 130, "exit code")
    contains(stderr, b"Interrupt")
    equal(time.monotonic() - started < 3, True, "ends soon")


# ---- without a server ----

FAKE_BALANCER = '''#!/usr/bin/env python3
import ctypes, http.server, json, os, signal, socketserver, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
home = os.path.dirname(os.path.abspath(__file__))
print("balancer speaks", file=sys.stderr, flush=True)
if os.path.exists(home + "/worker-here"):
    os.unlink(home + "/worker-here")
if os.path.exists(home + "/lb-fails"):
    sys.exit(3)
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        hosts = int(os.path.exists(home + "/worker-here"))
        self.answer(200 if hosts else 503, "application/json", json.dumps({"hosts": hosts}).encode())
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(*eval(open(home + "/reply").read()))
    def address_string(self):
        return "unix"
    def log_message(self, *args):
        pass
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
server = Server(options["--listen"][5:], Handler)
os.write(int(options["--ready-fd"]), b"\\n")
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server.serve_forever()
'''

FAKE_WORKER = '''#!/usr/bin/env python3
import ctypes, os, signal, sys, time
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
home = os.path.dirname(os.path.abspath(__file__))
print("worker speaks", *sys.argv[1:], file=sys.stderr, flush=True)
if os.path.exists(home + "/worker-fails"):
    sys.exit("no image store")
open(home + "/worker-here", "w").close()
if os.path.exists(home + "/worker-stays"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(100)
'''


def make_home(work, reply):
    """A directory with pe-run and stand-ins for the other two programs."""
    shutil.copy(PE_RUN, f"{work}/pe-run")
    for name, text in (("pe-lb", FAKE_BALANCER), ("pe-worker", FAKE_WORKER)):
        write(f"{work}/{name}", text.encode())
        os.chmod(f"{work}/{name}", 0o755)
    write(f"{work}/reply", repr((reply[0], reply[1]["Content-Type"], reply[2])).encode())
    os.makedirs(f"{work}/runtime")
    return {"program": f"{work}/pe-run", "XDG_RUNTIME_DIR": f"{work}/runtime"}


def left_behind(work):
    processes = subprocess.run(["pgrep", "-f", f"{work}/pe-"], capture_output=True, text=True).stdout.split()
    return os.listdir(f"{work}/runtime") + processes


def test_without_a_server_it_starts_its_own(work):
    home = make_home(work, answer(stdout=b"hi", exit_code=7))
    done = run("busybox:1.35", **home)
    equal((done.stdout, done.returncode), (b"hi", 7), "result")
    equal(done.stderr, b"pe-run: no server named; starting a balancer and a worker for this run\n", "stderr")
    equal(left_behind(work), [], "left behind")
    verbose = run("-v", "busybox", **home)
    contains(verbose.stderr, b"worker speaks --server unix:")
    contains(verbose.stderr, b"--slots 1 --warm busybox:latest --die-with-parent")


def test_programs_that_fail_to_start_are_quoted(work):
    home = make_home(work, answer())
    write(f"{work}/worker-fails")
    done = run("busybox:1.35", **home)
    equal(done.returncode, 125, "exit code")
    contains(done.stderr, b"no image store")
    contains(done.stderr, b"pe-run: pe-worker ended with exit code 1")
    write(f"{work}/lb-fails")
    done = run("busybox:1.35", **home)
    contains(done.stderr, b"balancer speaks")
    contains(done.stderr, b"pe-run: pe-lb ended with exit code 3")
    os.unlink(f"{work}/pe-lb")
    contains(run("busybox:1.35", **home).stderr, b"pe-lb is needed to run without a server")
    equal(left_behind(work), [], "left behind")


def test_an_unknown_image_says_how_to_make_one(work):
    home = make_home(work, problem(404, "There is no such thing", "no image"))
    done = run("busybox:1.35", **home)
    equal(done.returncode, 125, "exit code")
    contains(done.stderr, b"make images")


def test_a_worker_that_will_not_end_is_killed(work):
    home = make_home(work, answer())
    write(f"{work}/worker-stays")
    started = time.monotonic()
    run("busybox:1.35", **home)
    equal(4 < time.monotonic() - started < 12, True, "waits about 5 s")
    equal(left_behind(work), [], "left behind")


def start_held(work):
    """pe-run with a balancer that never answers the job."""
    home = make_home(work, answer())
    write(f"{work}/reply", b"__import__('time').sleep(60)")
    env = {**os.environ, "XDG_RUNTIME_DIR": home["XDG_RUNTIME_DIR"]}
    env.pop("PE_SERVER", None)
    process = subprocess.Popen([home["program"], "busybox:1.35"], env=env, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not os.path.exists(f"{work}/worker-here") and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    return process, home


def test_signals_end_what_was_started(work):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        place = f"{work}/{number}"
        os.makedirs(place)
        process, _ = start_held(place)
        process.send_signal(number)
        process.communicate(timeout=15)
        equal(process.returncode, code, "exit code")
        equal(left_behind(place), [], "left behind")


def test_a_worker_that_dies_ends_the_wait(work):
    process, _ = start_held(work)
    worker = subprocess.run(["pgrep", "-f", f"{work}/pe-worker"], capture_output=True, text=True).stdout.split()
    os.kill(int(worker[0]), signal.SIGKILL)
    _, stderr = process.communicate(timeout=10)
    equal(process.returncode, 125, "exit code")
    contains(stderr, b"pe-worker was killed: Killed")
    equal(left_behind(work), [], "left behind")


def test_what_a_killed_run_leaves_is_swept_by_the_next(work):
    process, home = start_held(work)
    process.kill()
    process.communicate(timeout=10)
    time.sleep(0.3)
    equal(len(left_behind(work)), 1, "a directory, no process")
    write(f"{work}/reply", repr((200, answer()[1]["Content-Type"], answer()[2])).encode())
    equal(run("busybox:1.35", **home).returncode, 0, "exit code")
    equal(left_behind(work), [], "left behind")


def test_two_runs_at_once_do_not_sweep_each_other(work):
    first, home = start_held(work)
    write(f"{work}/other", repr((200, answer()[1]["Content-Type"], answer()[2])).encode())
    os.rename(f"{work}/other", f"{work}/reply")
    equal(run("busybox:1.35", **home).returncode, 0, "exit code")
    equal(len(glob.glob(f"{work}/runtime/*/lb.sock")), 1, "the first run's socket")
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=15)
    equal(left_behind(work), [], "left behind")


def main():
    wanted = sys.argv[1:]
    tests = [(name[5:].replace("_", " "), test) for name, test in globals().items() if name.startswith("test_")]
    passed = failed = 0
    for name, test in tests:
        if wanted and name not in wanted:
            continue
        with tempfile.TemporaryDirectory(prefix="pe-test-") as work:
            try:
                test(work)
                passed += 1
                print(f"ok {name}", flush=True)
            except Exception:
                failed += 1
                print(f"not ok {name}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
